"""Boot a whole firmware image on the emulator: `python -m cpcc.executors.firmware firmware.elf --target stm32`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from cpcc.errors import CpccError
from cpcc.executors.qemu import find_qemu
from cpcc.executors.unicorn_core import UnicornCore
from cpcc.targets import Target, find_target

SECONDS = 120


def boot(elf: Path, target: Target) -> tuple[int, str]:
    """(exit status, text) of the image, on unicorn or, for cores it lacks, on QEMU."""
    if target.core.unicorn_model:
        return UnicornCore(elf, target).boot()
    command = [find_qemu(), "-M", target.core.qemu_machine, "-nographic", "-monitor", "none", "-serial", "none",
               "-semihosting-config", "enable=on,target=native", "-kernel", str(elf)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    return done.returncode, done.stdout + done.stderr


@click.command()
@click.argument("elf", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--target", required=True)
def main(elf: Path, target: str) -> None:
    """Run ELF on the emulated TARGET, print what it prints, and exit with its status."""
    try:
        status, text = boot(elf, find_target(target))
    except CpccError as error:
        print(f"cpcc: error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"emulated {target}:")
    print(text, end="")
    sys.exit(status)


if __name__ == "__main__":
    main()
