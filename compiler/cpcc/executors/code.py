"""Functions of an ELF image and their instructions."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import capstone
from capstone import CsInsn
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from cpcc.errors import VerificationError

SHF_ALLOC, SHF_EXECINSTR = 0x2, 0x4
VECTORS = ".isr_vector"


@dataclass(frozen=True)
class Function:
    """`size` bytes of code from `address`."""

    name: str
    address: int
    size: int

    def holds(self, address: int) -> bool:
        return self.address <= address < self.address + self.size


@dataclass(frozen=True, eq=False)
class Code:
    """`sections` are (address, bytes) of executable ones; `words` all aligned words of the image, the vector table's aside. `marks` the addresses where data (True) or code (False) begins, in order: the mapping symbols of
    "ELF for the Arm Architecture" (IHI 0044), 5.5.5."""

    functions: dict[int, Function]
    sections: tuple[tuple[int, bytes], ...]
    marks: tuple[tuple[int, bool], ...]
    words: frozenset[int]

    def named(self, name: str) -> Function:
        for function in self.functions.values():
            if function.name == name:
                return function
        raise VerificationError(f"the image has no function {name}")

    @cached_property
    def pointers(self) -> tuple[Function, ...]:
        """The functions whose address the image holds, as a word or in a pair of MOVW and MOVT: what a call through a pointer may
        reach."""
        held = self.words | {value for function in self.functions.values() for value in self._built(function)}
        return tuple(function for at, function in sorted(self.functions.items()) if at | 1 in held)

    def _built(self, function: Function) -> Iterator[int]:
        """Values that pairs of MOVW and MOVT put into one register, the halves in any order of what lies between."""
        low: dict[int, int] = {}
        for instruction in self.instructions(function):
            if instruction.mnemonic.startswith("movw"):
                low[instruction.operands[0].reg] = instruction.operands[1].imm
            elif instruction.id == capstone.arm.ARM_INS_MOVT:
                yield instruction.operands[1].imm << 16 | low.get(instruction.operands[0].reg, 0)

    def function_at(self, address: int, caller: str) -> Function:
        """What `caller` reaches at `address`: a function, or the rest of one that the compiler's library enters in the middle."""
        if address in self.functions:
            return self.functions[address]
        for f in self.functions.values():
            if f.holds(address):
                return Function(f"{f.name}+{address - f.address}", address, f.address + f.size - address)
        raise VerificationError(f"stack: {caller} calls {address:#x}, where no function is")

    def instructions(self, function: Function) -> list[CsInsn]:
        """All of a function, without the data in it."""
        disassembler = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
        disassembler.detail = True
        found: list[CsInsn] = []
        for begin, end in self._spans(function):
            found += disassembler.disasm(self._bytes(begin, end), begin)
        return found

    def _spans(self, function: Function) -> list[tuple[int, int]]:
        end = function.address + function.size
        cuts = [at for at, _ in self.marks if function.address < at < end]
        edges = [function.address, *cuts, end]
        return [(a, b) for a, b in pairwise(edges) if not self._is_data(a)]

    def _is_data(self, address: int) -> bool:
        i = bisect_right(self.marks, (address, True))
        return i > 0 and self.marks[i - 1][1]

    def _bytes(self, begin: int, end: int) -> bytes:
        start, data = next((at, data) for at, data in self.sections if at <= begin < at + len(data))
        return data[begin - start : end - start]


def read_code(path: Path) -> Code:
    """The code of an ELF image. A function without a size reaches to the next symbol."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        loaded = [s for s in elf.iter_sections() if s["sh_flags"] & SHF_ALLOC and s["sh_type"] != "SHT_NOBITS"]
        sections = tuple((s["sh_addr"], s.data()) for s in loaded if s["sh_flags"] & SHF_EXECINSTR)
        data = [s.data() for s in loaded if s.name != VECTORS]
        table = elf.get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection), f"{path} has no symbols"
        symbols = [(s["st_value"] & ~1, s.name, s["st_size"], s["st_info"]["type"]) for s in table.iter_symbols()]
    starts = sorted({at for at, name, _, kind in symbols if kind == "STT_FUNC"})
    ends = [*starts[1:], max((at + len(data) for at, data in sections), default=0)]
    after = dict(zip(starts, ends))
    functions = {
        at: Function(name, at, size or after[at] - at) for at, name, size, kind in symbols if kind == "STT_FUNC"
    }
    marks = {at: name.startswith("$d") for at, name, _, _ in symbols if name.startswith(("$d", "$t"))}
    words = {word for part in data for (word,) in struct.iter_unpack("<I", part[: len(part) // 4 * 4])}
    return Code(functions, sections, tuple(sorted(marks.items())), frozenset(words))
