"""Flash of the firmware's C files: each compiled as it will be, and measured."""

from __future__ import annotations

import functools
from importlib.resources import files

from cpcc.executors.elf import loaded_bytes
from cpcc.plan.select import CodeBytes
from cpcc.targets import Core
from cpcc.toolchains import build_object, zig_cross

FOLDERS = ("include", "kernels")


@functools.cache
def _headers() -> dict[str, str]:
    firmware = files("cpcc.firmware")
    found = (entry for folder in FOLDERS for entry in (firmware / folder).iterdir())
    return {entry.name: entry.read_text() for entry in found if entry.name.endswith(".h")}


def code_bytes(core: Core, level: str) -> CodeBytes:
    """How many bytes a C file of ``firmware`` takes on `core`, by zig at `level`. All its functions count, so the linked image may
    be a little smaller. On the host code counts nothing."""
    if core.name == "host":
        return lambda file: 0
    toolchain = zig_cross(core, level)

    @functools.cache
    def measured(file: str) -> int:
        name = file.rpartition("/")[2]
        text = (files("cpcc.firmware") / file).read_text()
        return loaded_bytes(build_object(toolchain, {**_headers(), name: text}, name))

    return measured
