"""Flash of kernels' code: what a linker keeps of the firmware's C files, each compiled as it will be."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib.resources import files

from cpcc.executors.elf import Piece, read_pieces
from cpcc.targets import Core
from cpcc.toolchains import Toolchain, build_object, zig_cross

FOLDERS = ("include", "kernels")


@functools.cache
def _headers() -> dict[str, str]:
    firmware = files("cpcc.firmware")
    found = (entry for folder in FOLDERS for entry in (firmware / folder).iterdir())
    return {entry.name: entry.read_text() for entry in found if entry.name.endswith(".h")}


@functools.cache
def _pieces(toolchain: Toolchain, file: str) -> dict[int, Piece]:
    name = file.rpartition("/")[2]
    text = (files("cpcc.firmware") / file).read_text()
    return {piece.number: piece for piece in read_pieces(build_object(toolchain, {**_headers(), name: text}, name))}


Code = tuple[str, int]  # a piece: its file of ``firmware`` and its number there


@dataclass(frozen=True)
class KernelCode:
    """Code compiled by `toolchain` at `level`; None where code counts nothing (on the host)."""

    toolchain: Toolchain | None
    level: str

    def pieces(self, c_files: frozenset[str], entry: str) -> frozenset[Code]:
        """What the C function `entry` needs of `c_files`: itself, what it refers to, and so on. All of them where it is none of
        theirs, since it is compiled into the model."""
        if self.toolchain is None:
            return frozenset()
        of = {file: _pieces(self.toolchain, file) for file in sorted(c_files)}
        home = {symbol: (file, n) for file, own in of.items() for n, piece in own.items() for symbol in piece.defines}
        waiting = [home[entry]] if entry in home else [(file, n) for file, own in of.items() for n in own]
        kept: set[Code] = set()
        while waiting:
            file, number = waiting.pop()
            if (file, number) not in kept and number in of[file]:
                kept.add((file, number))
                piece = of[file][number]
                waiting += [(file, n) for n in piece.own] + [home[name] for name in piece.needs if name in home]
        return frozenset(kept)

    def of(self, pieces: frozenset[Code]) -> list[Piece]:
        """The pieces themselves."""
        return [] if self.toolchain is None else [_pieces(self.toolchain, file)[n] for file, n in sorted(pieces)]

    def size(self, pieces: frozenset[Code]) -> int:
        """Bytes."""
        return sum(piece.size for piece in self.of(pieces))


def kernel_code(core: Core, level: str) -> KernelCode:
    """On `core`, by zig at `level`."""
    return KernelCode(None if core.name == "host" else zig_cross(core, level), level)
