"""The command line: one file per command, its options and what it does; `main` turns errors into exit codes.

Exit codes: 0 ok, 1 internal, 2 usage, 3 model, 4 does not fit, 5 tool missing, 6 verification, 7 data, 130 Ctrl-C.
A command imports what it needs when it runs: `cpcc targets` must not wait for torch.
"""

from __future__ import annotations

import os
import sys

import click

from cpcc import __version__
from cpcc.cli import build, data, demo, doctor, export, inspect, profile, prune, report, run, targets, verify
from cpcc.errors import CpccError

COMMANDS = (prune, data, build, verify, run, profile, report, export, inspect, targets, doctor, demo)


EXIT = (
    "Exit status: 0 ok, 1 defect of cpcc, 2 usage, 3 model, 4 does not fit, 5 tool missing, 6 verification or budget failed, "
    "7 data, 130 interrupted."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}, epilog=EXIT)
@click.version_option(__version__, prog_name="cpcc")
def cli() -> None:
    """Prune a detector so that it misses no more, compile it to C, prove it on an emulated Cortex-M."""


for _module in COMMANDS:
    cli.add_command(_module.command)


def main() -> None:
    """Entry point of the console script; every error becomes one line and its exit code."""
    sys.exit(_run())


def _run() -> int:
    try:
        cli.main(standalone_mode=False, prog_name="cpcc")
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        print("cpcc: interrupted", file=sys.stderr)
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except CpccError as error:
        print(f"cpcc: error: {error}", file=sys.stderr)
        return error.exit_code
    except Exception as error:
        if os.environ.get("CPCC_TRACEBACK"):
            raise
        print(
            f"cpcc: internal error: {type(error).__name__}: {error} (this is a defect of cpcc; "
            "run again with CPCC_TRACEBACK=1 and report it)",
            file=sys.stderr,
        )
        return 1
    return 0
