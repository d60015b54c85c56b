"""Print the section sizes of an ELF file, for PlatformIO's size check: `size.py firmware.elf`."""

import sys

from elftools.elf.elffile import ELFFile

SHF_ALLOC = 2

with open(sys.argv[1], "rb") as file:
    for section in ELFFile(file).iter_sections():
        if section["sh_flags"] & SHF_ALLOC:
            print(section.name, section["sh_size"], section["sh_addr"])
