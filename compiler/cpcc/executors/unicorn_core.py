"""A Cortex-M in unicorn with one image loaded: calls functions, counts instructions, measures the stack."""

from __future__ import annotations

import struct
from pathlib import Path

import unicorn.arm_const as arm
from unicorn import UC_ARCH_ARM, UC_HOOK_INTR, UC_MODE_THUMB, Uc, UcError

from cpcc.errors import ToolMissingError, VerificationError
from cpcc.executors.block_counter import BlockCounter
from cpcc.executors.elf import Symbol, read_image
from cpcc.executors.memory_map import PAGE, STOP, map_memory
from cpcc.executors.watchdog import time_limit
from cpcc.targets import Target

PAINT = 0xA5
CALL_SECONDS = 120
ARGUMENTS = (arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3)
REGISTERS = (
    ("pc", arm.UC_ARM_REG_PC), ("lr", arm.UC_ARM_REG_LR), ("sp", arm.UC_ARM_REG_SP),
    *((f"r{i}", getattr(arm, f"UC_ARM_REG_R{i}")) for i in range(13)),
)  # fmt: skip


class UnicornCore:
    """An emulated core of `target` with the ELF file `elf`. Raises `ToolMissingError` for a core unicorn lacks."""

    def __init__(self, elf: Path, target: Target, feed_bytes: int = PAGE, seconds: float = CALL_SECONDS) -> None:
        if not target.core.unicorn_model:
            raise ToolMissingError(f"{target.name}: unicorn has no {target.core.name}; it runs in QEMU only")
        self.target = target
        self._seconds = seconds
        self.image = read_image(elf)
        self.uc = self._core()
        map_memory(self.uc, target, feed_bytes, self._on_fault)
        for load, run, data in self.image.segments:
            self.uc.mem_write(load, data)
            if run != load:
                self.uc.mem_write(run, data)
        self._fault = ""
        self._trap: int | None = None
        self.uc.hook_add(UC_HOOK_INTR, self._on_interrupt)
        self.counter = BlockCounter(self.uc, *self.image.code)

    def _core(self) -> Uc:
        """With UC_MODE_MCLASS unicorn silently becomes a Cortex-M33, so plain Thumb and the model by name."""
        uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB)
        model = getattr(arm, self.target.core.unicorn_model)
        uc.ctl_set_cpu_model(model)
        assert uc.ctl_get_cpu_model() == model, "unicorn emulates another core than asked for"
        return uc

    def _on_fault(self, what: str) -> None:
        self._fault = what

    def _on_interrupt(self, uc: Uc, number: int, _: object) -> None:
        pc = uc.reg_read(arm.UC_ARM_REG_PC)
        if bytes(uc.mem_read(pc, 2)) == b"\xab\xbe":
            self._trap = pc
        else:
            self._fault = f"exception {number}"
        uc.emu_stop()

    def symbol(self, name: str) -> Symbol:
        if name not in self.image.symbols:
            raise VerificationError(f"{self.target.name}: the image has no symbol {name}")
        return self.image.symbols[name]

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.uc.mem_read(address, size))

    def write(self, address: int, data: bytes) -> None:
        self.uc.mem_write(address, data)

    @property
    def stack_top(self) -> int:
        return self.target.ram_origin + self.target.ram_bytes

    def call(self, function: str, *arguments: int) -> int:
        """r0 of ``function(arguments)``, signed. Raises `VerificationError` on a fault or where it does not end."""
        for register, value in zip(ARGUMENTS, arguments, strict=False):
            self.uc.reg_write(register, value & 0xFFFF_FFFF)
        self.uc.reg_write(arm.UC_ARM_REG_SP, self.stack_top)
        self.uc.reg_write(arm.UC_ARM_REG_LR, STOP | 1)
        self._start(function, self.symbol(function).address | 1, STOP)
        return int(struct.unpack("<i", struct.pack("<I", self.uc.reg_read(arm.UC_ARM_REG_R0)))[0])

    def _start(self, what: str, begin: int, until: int) -> None:
        self._fault, self._trap = "", None
        try:
            with time_limit(self.uc, self._seconds):
                self.uc.emu_start(begin, until)
        except UcError as error:
            raise VerificationError(f"{what}: {self._fault or error}; {self.registers()}") from error
        if self._fault:
            raise VerificationError(f"{what}: {self._fault}; {self.registers()}")
        if self._trap is None and self.uc.reg_read(arm.UC_ARM_REG_PC) & ~1 != until & ~1:
            raise VerificationError(f"{what}: still running after {self._seconds:g} s; {self.registers()}")

    def registers(self) -> str:
        return ", ".join(f"{name} {self.uc.reg_read(register):#010x}" for name, register in REGISTERS)

    def paint_stack(self) -> None:
        """Fill the RAM between the static data and the top of the stack."""
        low = self.symbol("_ebss").address
        self.write(low, bytes([PAINT]) * (self.stack_top - low))

    def stack_used(self) -> int:
        """Bytes below the top that were written since `paint_stack`."""
        low = self.symbol("_ebss").address
        memory = self.read(low, self.stack_top - low)
        return len(memory) - (len(memory) - len(memory.lstrip(bytes([PAINT])))) // 4 * 4

    def boot(self) -> tuple[int, str]:
        """(exit status, text) of the whole firmware, run from its vector table with semihosting served here."""
        stack, entry = struct.unpack("<II", self.read(self.target.flash_origin, 8))
        self.uc.reg_write(arm.UC_ARM_REG_SP, stack)
        text = ""
        while True:
            self._start("firmware", entry | 1, 0xFFFF_FFFE)
            assert self._trap is not None
            status, written = self._semihost()
            text += written
            if status is not None:
                return status, text
            entry = self._trap + 2

    def _semihost(self) -> tuple[int | None, str]:
        operation = self.uc.reg_read(arm.UC_ARM_REG_R0)
        argument = self.uc.reg_read(arm.UC_ARM_REG_R1)
        if operation == 0x04:  # SYS_WRITE0
            return None, self._string(argument)
        if operation == 0x20:  # SYS_EXIT_EXTENDED
            return struct.unpack("<II", self.read(argument, 8))[1], ""
        raise VerificationError(f"firmware: semihosting call {operation:#x} is not served here; served: 0x04, 0x20")

    def _string(self, address: int) -> str:
        data = b""
        while (byte := self.read(address + len(data), 1)) != b"\0":
            data += byte
        return data.decode(errors="replace")
