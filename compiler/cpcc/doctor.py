"""What is installed, what the demo needs of it, and how to get what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass

from cpcc import pio
from cpcc.errors import ToolMissingError
from cpcc.toolchains import host_cc, zig_command


@dataclass(frozen=True)
class Check:
    """One line of `cpcc doctor`. `fix` says what to do where it is not `ok`."""

    name: str
    ok: bool
    required: bool
    detail: str
    fix: str = ""


def _package(name: str, module: str) -> Check:
    if importlib.util.find_spec(module) is None:
        return Check(name, False, True, "not installed", f"pip install {name}")
    return Check(name, True, True, importlib.metadata.version(name))


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= (3, 11), True, version, "install Python 3.11 or newer")


def _compiler(name: str, probe: Callable[[], str], fix: str) -> Check:
    try:
        return Check(name, True, True, probe())
    except ToolMissingError as error:
        return Check(name, False, True, str(error), fix)


def _scons() -> Check:
    detail = str(pio.scons_folder())
    return Check("tool-scons", pio.has_scons(), True, detail, "cpcc doctor --fix")


def _program(name: str, what: str, fix: str) -> Check:
    path = shutil.which(name)
    return Check(name, path is not None, False, path or what, fix)


def run_checks() -> list[Check]:
    """Required first. The demo needs all of those."""
    packages = (("torch", "torch"), ("numpy", "numpy"), ("scikit-learn", "sklearn"), ("unicorn", "unicorn"),
                ("capstone", "capstone"), ("platformio", "platformio"), ("scons", "SCons"))  # fmt: skip
    return [
        _python(),
        *(_package(name, module) for name, module in packages),
        _compiler("zig", lambda: " ".join(zig_command()), "pip install ziglang==0.17.1"),
        _compiler("host C compiler", lambda: host_cc().version, "apt-get install gcc"),
        _scons(),
        _program("arm-none-eabi-gcc", "second ARM compiler", "apt-get install gcc-arm-none-eabi"),
        _program("qemu-system-arm", "second emulator, the only one for Cortex-M55", "apt-get install qemu-system-arm"),
        _program("st-flash", "flashing without PlatformIO's own tools", "apt-get install stlink-tools"),
    ]
