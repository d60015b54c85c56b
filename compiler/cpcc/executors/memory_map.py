"""Memory of an emulated core, mapped so that unicorn stores to RAM without leaving translated code.

unicorn 2.1.4 keeps a page's stores on the slow path as long as the page may be executed or a hook of memory accesses covers it
(``notdirty_write`` in its cputlb.c). Its own map of an M core lets all RAM be executed, so the map is ours (a virtual TLB), and the hooks
that name bad accesses leave the RAM out. That doubles the speed of an inference."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import Structure

import unicorn.arm_const as arm
from unicorn import (
    UC_HOOK_MEM_PROT,
    UC_HOOK_MEM_UNMAPPED,
    UC_HOOK_TLB_FILL,
    UC_MEM_FETCH,
    UC_MEM_FETCH_PROT,
    UC_MEM_FETCH_UNMAPPED,
    UC_MEM_READ_PROT,
    UC_MEM_READ_UNMAPPED,
    UC_MEM_WRITE_PROT,
    UC_MEM_WRITE_UNMAPPED,
    UC_PROT_EXEC,
    UC_PROT_READ,
    UC_PROT_WRITE,
    UC_TLB_VIRTUAL,
    Uc,
)

from cpcc.targets import Target

PAGE = 4096
PRIVATE_PERIPHERALS = (0xE000_0000, 0x10_0000)
FEED = 0x6000_0000  # where the host lays samples: the firmware's sensor buffer, outside the target's RAM
STOP = 0x7000_0000  # return address of a call from outside
LAST = 0xFFFF_FFFF
IT_STATE = 0x0600_FC00  # its bits in xPSR
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
    ram = range(target.ram_origin, target.ram_origin + pages(target.ram_bytes))
    uc.mem_map(target.flash_origin, pages(target.flash_bytes), UC_PROT_READ | UC_PROT_EXEC)
    uc.mem_map(ram.start, len(ram), READ_WRITE)
    uc.mem_map(*PRIVATE_PERIPHERALS, READ_WRITE)
    uc.mem_map(FEED, pages(feed_bytes), READ_WRITE)
    uc.mem_map(STOP, PAGE, UC_PROT_READ | UC_PROT_EXEC)

    def on_bad_access(uc: Uc, access: int, address: int, size: int, value: int, _: object) -> bool:
        on_fault(f"{ACCESSES[access]} of {size} bytes at {address:#010x} outside its memory")
        return False

    def on_tlb_fill(uc: Uc, page: int, access: int, entry: Structure, _: object) -> bool:
        """Outside the RAM everything is allowed here: what is not mapped so goes to `on_bad_access`."""
        # before a fetch nothing is restored, and the state is that of an IT block that goes on in another page
        if access != UC_MEM_FETCH:
            clear_it_state(uc)
        entry.paddr, entry.perms = page, READ_WRITE if page in ram else READ_WRITE | UC_PROT_EXEC
        if page in ram and access == UC_MEM_FETCH:
            on_fault(f"fetch at {page:#010x} or above, from RAM")
        return True

    for first, last in ((0, ram.start - 1), (ram.stop, LAST)):
        uc.hook_add(UC_HOOK_MEM_UNMAPPED | UC_HOOK_MEM_PROT, on_bad_access, None, first, last)
    uc.ctl_set_tlb_mode(UC_TLB_VIRTUAL)  # type: ignore[attr-defined]  # mypy reads the package for Python 2
    uc.hook_add(UC_HOOK_TLB_FILL, on_tlb_fill)


def clear_it_state(uc: Uc) -> None:
    """Undo what unicorn 2.1.4 does before it asks for a page: it sets the core's registers to the instruction at fault
    (``cpu_restore_state`` in unicorn_vtlb.c), as if that was to raise an exception. Translated code goes on with an IT block as it was
    translated, and never reads the core's own IT state, which is 0 from a block's beginning on (``arm_tr_tb_start``); left as it is it
    would make the next block's first instructions conditional."""
    state = uc.reg_read(arm.UC_ARM_REG_XPSR)
    if state & IT_STATE:
        uc.reg_write(arm.UC_ARM_REG_XPSR, state & ~IT_STATE)
