"""Write an ELF file's flash image: `image.py firmware.elf firmware.bin`. (zig's objcopy compiles itself first.)"""

import sys

from elftools.elf.elffile import ELFFile

with open(sys.argv[1], "rb") as file:
    loads = [s for s in ELFFile(file).iter_segments() if s["p_type"] == "PT_LOAD" and s["p_filesz"]]
    origin = min(s["p_paddr"] for s in loads)
    image = bytearray(max(s["p_paddr"] + s["p_filesz"] for s in loads) - origin)
    for s in loads:
        start = s["p_paddr"] - origin
        image[start : start + s["p_filesz"]] = s.data()

with open(sys.argv[2], "wb") as file:
    file.write(image)
