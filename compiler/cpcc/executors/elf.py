"""What cpcc reads off an ELF image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

SHF_ALLOC, SHF_EXECINSTR = 0x2, 0x4


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


def loaded_bytes(path: Path) -> int:
    """Bytes that an object file's code and constants will take: all its sections that are loaded."""
    with path.open("rb") as file:
        return sum(s["sh_size"] for s in ELFFile(file).iter_sections() if s["sh_flags"] & SHF_ALLOC)


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
