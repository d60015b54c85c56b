"""Exact instruction counts in unicorn: executions of each basic block times its instructions.

Instructions of an IT block count also where their condition fails, as in QEMU."""

from __future__ import annotations

import ctypes
import functools
from importlib.resources import files

import capstone
import numpy as np
from unicorn import UC_HOOK_BLOCK, Uc
from unicorn.unicorn_py3.unicorn import uclib

from cpcc.toolchains import build_program, host_cc


class _Counter(ctypes.Structure):
    """The struct ``cpcc_counter_t`` of firmware/harness/block_counter.c."""

    _fields_ = (
        ("base", ctypes.c_uint64),
        ("halfwords", ctypes.c_uint64),
        ("executions", ctypes.c_void_p),
        ("bytes", ctypes.c_void_p),
        ("outside", ctypes.c_uint64),
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
        self._bytes = np.zeros(halfwords, np.uint32)
        self._lengths: dict[tuple[int, int], int] = {}
        self._state = _Counter(low, halfwords, self._executions.ctypes.data, self._bytes.ctypes.data, 0)
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
        self._bytes[:] = 0
        self._state.outside = 0

    def instructions(self) -> int:
        """Executed since `reset`. Raises `RuntimeError` where a block could not be counted exactly."""
        if self._state.outside:
            raise RuntimeError(f"{self._state.outside} blocks were not counted exactly")
        used = np.flatnonzero(self._executions)
        return sum(int(self._executions[i]) * self._length(self._low + 2 * int(i), int(self._bytes[i])) for i in used)

    def _length(self, address: int, size: int) -> int:
        if (address, size) not in self._lengths:
            code = bytes(self._uc.mem_read(address, size))
            found = list(self._disassembler.disasm(code, address))
            if sum(i.size for i in found) != size:
                raise RuntimeError(f"block at {address:#x}: {size} bytes do not disassemble")
            self._lengths[address, size] = len(found)
        return self._lengths[address, size]
