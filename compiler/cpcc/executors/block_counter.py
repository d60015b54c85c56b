"""Exact instruction counts in unicorn: executions of each basic block times its instructions.

Instructions of an IT block count also where their condition fails, as in QEMU."""

from __future__ import annotations

import ctypes
import functools
from importlib.resources import files

import capstone
import numpy as np
from capstone import CsInsn
from unicorn import UC_HOOK_BLOCK, Uc
from unicorn.unicorn_py3.unicorn import uclib

from cpcc.executors.cycles import CYCLES, BlockCycles, block_cycles, leaves
from cpcc.toolchains import build_program, host_cc


class _Counter(ctypes.Structure):
    """The struct ``cpcc_counter_t`` of firmware/harness/block_counter.c."""

    _fields_ = (
        ("base", ctypes.c_uint64),
        ("halfwords", ctypes.c_uint64),
        ("executions", ctypes.c_void_p),
        ("taken", ctypes.c_void_p),
        ("bytes", ctypes.c_void_p),
        ("outside", ctypes.c_uint64),
        ("last", ctypes.c_uint64),
    )


@functools.cache
def _library() -> ctypes.CDLL:
    source = (files("cpcc.firmware") / "harness" / "block_counter.c").read_text()
    return ctypes.CDLL(str(build_program(host_cc(), {"block_counter.c": source}, ".so", shared=True)))


class BlockCounter:
    """Counts instructions that `uc` executes between two addresses."""

    def __init__(self, uc: Uc, low: int, high: int) -> None:
        self._uc, self._low = uc, low
        halfwords = (high - low) // 2 + 1
        self._executions = np.zeros(halfwords, np.uint64)
        self._taken = np.zeros(halfwords, np.uint64)
        self._bytes = np.zeros(halfwords, np.uint32)
        self._blocks: dict[tuple[int, int], tuple[CsInsn, ...]] = {}
        self._cycles: dict[tuple[int, int, str], BlockCycles] = {}
        self._state = _Counter(
            low, halfwords, self._executions.ctypes.data, self._taken.ctypes.data, self._bytes.ctypes.data, 0, 0
        )
        self._disassembler = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
        self._hook()

    def _hook(self) -> None:
        handle = ctypes.c_size_t()
        # Variadic in C, and unicorn's own wrapper passes only Python callbacks: a function object of our own.
        hook_add = uclib["uc_hook_add"]
        status = hook_add(
            self._uc._uch, ctypes.byref(handle), ctypes.c_int(UC_HOOK_BLOCK),
            ctypes.cast(_library().cpcc_on_block, ctypes.c_void_p), ctypes.byref(self._state),
            ctypes.c_uint64(1), ctypes.c_uint64(0),
        )  # fmt: skip
        assert status == 0, f"uc_hook_add: {status}"

    def reset(self) -> None:
        self._executions[:] = 0
        self._taken[:] = 0
        self._bytes[:] = 0
        self._state.outside = self._state.last = 0

    def instructions(self) -> int:
        """Executed since `reset`. Raises `RuntimeError` where a block could not be counted exactly."""
        return sum(count * len(self._block(*at)) for at, count, _ in self._executed())

    def cycles(self, core: str, wait_states: int = 0) -> int:
        """Modelled cycles since `reset` on `core`, a key of `CYCLES`, with flash `wait_states` per taken branch.

        The emulator ends a block at the end of a page too: what the core would overlap there is overlapped here."""
        total = 0.0
        executed = self._executed()
        sizes = {address: size for (address, size), _, _ in executed}
        for at, count, taken in executed:
            block = self._block_cycles(at, core)
            behind = sum(at)
            if behind in sizes and not leaves(self._block(*at)[-1]):
                rest = (behind, sizes[behind])
                joined = self._block_cycles((at[0], at[1] + rest[1]), core)
                total += count * (joined.straight - self._block_cycles(rest, core).straight)
            else:
                total += count * block.straight
            total += taken * (block.taken + wait_states)
        return round(total)

    def _block_cycles(self, at: tuple[int, int], core: str) -> BlockCycles:
        key = (*at, core)
        if key not in self._cycles:
            self._cycles[key] = block_cycles(CYCLES[core], self._block(*at))
        return self._cycles[key]

    def _executed(self) -> list[tuple[tuple[int, int], int, int]]:
        """(address and size, executions, of which left by a jump) of each block run."""
        if self._state.outside:
            raise RuntimeError(f"{self._state.outside} blocks were not counted exactly")
        used = np.flatnonzero(self._executions).tolist()
        return [((self._low + 2 * i, int(self._bytes[i])), int(self._executions[i]), int(self._taken[i])) for i in used]

    def _block(self, address: int, size: int) -> tuple[CsInsn, ...]:
        if (address, size) not in self._blocks:
            code = bytes(self._uc.mem_read(address, size))
            found = tuple(self._disassembler.disasm(code, address))
            if sum(i.size for i in found) != size:
                raise RuntimeError(f"block at {address:#x}: {size} bytes do not disassemble")
            self._blocks[address, size] = found
        return self._blocks[address, size]
