"""Memory of an emulated core: what is mapped, and the naming of accesses that are not.

A virtual TLB (``UC_TLB_VIRTUAL``) that lets RAM not be executed would double the emulator's speed, since unicorn keeps stores to pages
that may be executed, or that a hook covers, out of its translated code. But where unicorn 2.1.4 calls its fill hook inside an IT block it keeps
the block's condition for the instructions behind it: seen in ``cpcc_linear_wide_dual``, whose ``mov`` behind ``itt eq`` was skipped."""

from __future__ import annotations

from collections.abc import Callable

from unicorn import (
    UC_HOOK_MEM_PROT,
    UC_HOOK_MEM_UNMAPPED,
    UC_MEM_FETCH_PROT,
    UC_MEM_FETCH_UNMAPPED,
    UC_MEM_READ_PROT,
    UC_MEM_READ_UNMAPPED,
    UC_MEM_WRITE_PROT,
    UC_MEM_WRITE_UNMAPPED,
    UC_PROT_EXEC,
    UC_PROT_READ,
    UC_PROT_WRITE,
    Uc,
)

from cpcc.targets import Target

PAGE = 4096
PRIVATE_PERIPHERALS = (0xE000_0000, 0x10_0000)
FEED = 0x6000_0000  # where the host lays samples: the firmware's sensor buffer, outside the target's RAM
STOP = 0x7000_0000  # return address of a call from outside
READ_WRITE = UC_PROT_READ | UC_PROT_WRITE
ACCESSES = {
    UC_MEM_READ_UNMAPPED: "read", UC_MEM_WRITE_UNMAPPED: "write", UC_MEM_FETCH_UNMAPPED: "fetch",
    UC_MEM_READ_PROT: "read", UC_MEM_WRITE_PROT: "write", UC_MEM_FETCH_PROT: "fetch",
}  # fmt: skip


def pages(size: int) -> int:
    return -(-size // PAGE) * PAGE


def map_memory(uc: Uc, target: Target, feed_bytes: int, on_fault: Callable[[str], None]) -> None:
    """Map flash, RAM, the feed of `feed_bytes` and the page at `STOP`. A bad access stops the emulation, after `on_fault` was told what it
    was."""
    uc.mem_map(target.flash_origin, pages(target.flash_bytes), UC_PROT_READ | UC_PROT_EXEC)
    uc.mem_map(target.ram_origin, pages(target.ram_bytes), READ_WRITE)
    uc.mem_map(*PRIVATE_PERIPHERALS, READ_WRITE)
    uc.mem_map(FEED, pages(feed_bytes), READ_WRITE)
    uc.mem_map(STOP, PAGE, UC_PROT_READ | UC_PROT_EXEC)

    def on_bad_access(uc: Uc, access: int, address: int, size: int, value: int, _: object) -> bool:
        on_fault(f"{ACCESSES[access]} of {size} bytes at {address:#010x} outside its memory")
        return False

    uc.hook_add(UC_HOOK_MEM_UNMAPPED | UC_HOOK_MEM_PROT, on_bad_access)
