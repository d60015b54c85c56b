"""What cpcc reads off an ELF image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

SHF_ALLOC, SHF_EXECINSTR, SHF_LINK_ORDER = 0x2, 0x4, 0x80


@dataclass(frozen=True)
class Symbol:
    address: int
    size: int


@dataclass(frozen=True, eq=False)
class Image:
    """`segments` are (load address, run address, bytes); `sections` sizes in bytes of what is loaded or zeroed."""

    segments: tuple[tuple[int, int, bytes], ...]
    symbols: dict[str, Symbol]
    sections: dict[str, int]
    code: tuple[int, int]  # lowest and one past the highest address of executable sections

    @property
    def flash_bytes(self) -> int:
        """Bytes the image takes in flash: everything that is loaded."""
        return sum(len(data) for _, _, data in self.segments)


@dataclass(frozen=True)
class Piece:
    """A section of an object file: what a linker keeps or drops as one. `size` in bytes, unwinding entries included; the global
    symbols it `defines`; of what it refers to, sections of the same file by number (`own`) and symbols of others (`needs`)."""

    number: int
    size: int
    defines: frozenset[str]
    own: frozenset[int]
    needs: frozenset[str]


def read_pieces(path: Path) -> tuple[Piece, ...]:
    """The sections of an object file that are loaded, empty ones aside."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        sections = list(elf.iter_sections())
        table = elf.get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        symbols = list(table.iter_symbols())
        size, needs = dict.fromkeys(range(len(sections)), 0), {}
        for number, section in enumerate(sections):
            if section["sh_flags"] & SHF_ALLOC:
                size[section["sh_link"] if section["sh_flags"] & SHF_LINK_ORDER else number] += section["sh_size"]
            if isinstance(section, RelocationSection):
                needs[section["sh_info"]] = [symbols[r["r_info_sym"]] for r in section.iter_relocations()]
        found = []
        for number, nbytes in size.items():
            symbols_needed = needs.get(number, [])
            own = {s["st_shndx"] for s in symbols_needed if isinstance(s["st_shndx"], int)}
            others = {s.name for s in symbols_needed if s["st_shndx"] == "SHN_UNDEF"}
            defined = {s.name for s in symbols if s["st_shndx"] == number and s["st_info"]["bind"] == "STB_GLOBAL"}
            if nbytes:
                found.append(Piece(number, nbytes, frozenset(defined), frozenset(own), frozenset(others)))
        return tuple(found)


def read_image(path: Path) -> Image:
    with path.open("rb") as file:
        elf = ELFFile(file)
        segments = tuple(
            (s["p_paddr"], s["p_vaddr"], s.data())
            for s in elf.iter_segments()
            if s["p_type"] == "PT_LOAD" and s["p_filesz"]
        )
        allocated = [s for s in elf.iter_sections() if s["sh_flags"] & SHF_ALLOC]
        code = [s for s in allocated if s["sh_flags"] & SHF_EXECINSTR and s["sh_size"]]
        table = elf.get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection), f"{path} has no symbols"
        symbols = {
            s.name: Symbol(s["st_value"] & ~1 if s["st_info"]["type"] == "STT_FUNC" else s["st_value"], s["st_size"])
            for s in table.iter_symbols()
            if s.name and not s.name.startswith("$")
        }
        span = (min(s["sh_addr"] for s in code), max(s["sh_addr"] + s["sh_size"] for s in code))
        return Image(segments, symbols, {s.name: s["sh_size"] for s in allocated}, span)
