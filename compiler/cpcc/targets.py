"""The cores and boards cpcc knows. A new target is one entry in `TARGETS`; tests then build and run it."""

from __future__ import annotations

from dataclasses import dataclass

from cpcc.errors import UsageError


@dataclass(frozen=True)
class Core:
    """An instruction set with the flags that select it. `features` are what kernels may require."""

    name: str
    zig_triple: str
    zig_cpu: str
    gcc_flags: tuple[str, ...]
    unicorn_model: str  # "" where unicorn has no such core
    qemu_machine: str
    features: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Target:
    """A core with memory. Addresses and sizes in bytes. `pio_board` is "" for a bare core."""

    name: str
    core: Core
    flash_origin: int
    flash_bytes: int
    ram_origin: int
    ram_bytes: int
    pio_board: str
    description: str

    def __post_init__(self) -> None:
        for value in (self.flash_bytes, self.ram_bytes):
            if value <= 0 or value % 1024:
                raise ValueError(f"{self.name}: {value} bytes is not a whole number of KiB")


_DSP = frozenset({"dsp"})

M0PLUS = Core(
    "cortex-m0plus",
    "thumb-freestanding-eabi",
    "cortex_m0plus",
    ("-mcpu=cortex-m0plus", "-mthumb", "-mfloat-abi=soft"),
    "UC_CPU_ARM_CORTEX_M0",
    "microbit",
    frozenset({"scalar", "armv6m"}),
)
M3 = Core(
    "cortex-m3",
    "thumb-freestanding-eabi",
    "cortex_m3",
    ("-mcpu=cortex-m3", "-mthumb", "-mfloat-abi=soft"),
    "UC_CPU_ARM_CORTEX_M3",
    "mps2-an385",
    frozenset({"scalar", "armv7m"}),
)
M4 = Core(
    "cortex-m4",
    "thumb-freestanding-eabihf",
    "cortex_m4+vfp4d16sp",
    ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
    "UC_CPU_ARM_CORTEX_M4",
    "mps2-an386",
    _DSP,
)
M7 = Core(
    "cortex-m7",
    "thumb-freestanding-eabihf",
    "cortex_m7+fp_armv8d16sp",
    ("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"),
    "UC_CPU_ARM_CORTEX_M7",
    "mps2-an500",
    _DSP,
)
M33 = Core(
    "cortex-m33",
    "thumb-freestanding-eabihf",
    "cortex_m33+dsp+fp_armv8d16sp",
    ("-mcpu=cortex-m33", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"),
    "UC_CPU_ARM_CORTEX_M33",
    "mps2-an505",
    _DSP,
)
M55 = Core(
    "cortex-m55",
    "thumb-freestanding-eabihf",
    "cortex_m55+mve_fp",
    ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"),
    "",
    "mps3-an547",
    _DSP | {"mve"},
)
HOST = Core("host", "", "", (), "", "")

KIB = 1024


def _generic(core: Core, description: str) -> Target:
    """A bare core with 1 MiB of flash and 256 KiB of RAM: no board's limits, only an instruction set."""
    return Target(core.name, core, 0, 1024 * KIB, 0x2000_0000, 256 * KIB, "", description)


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target(
            "stm32",
            M4,
            0x0800_0000,
            512 * KIB,
            0x2000_0000,
            128 * KIB,
            "nucleo_f446re",
            "ST Nucleo-F446RE: Cortex-M4F, 512 KiB flash, 128 KiB RAM",
        ),
        Target(
            "stm32f103",
            M3,
            0x0800_0000,
            64 * KIB,
            0x2000_0000,
            20 * KIB,
            "bluepill_f103c8",
            "Blue Pill STM32F103C8: Cortex-M3, 64 KiB flash, 20 KiB RAM",
        ),
        _generic(M0PLUS, "Cortex-M0+ (no hardware divide, no DSP)"),
        _generic(M3, "Cortex-M3"),
        _generic(M4, "Cortex-M4F with DSP extension"),
        _generic(M7, "Cortex-M7 with single-precision FPU"),
        _generic(M33, "Cortex-M33 with DSP extension and FPU"),
        _generic(M55, "Cortex-M55 with Helium (runs on QEMU)"),
        Target(
            "host", HOST, 0, 1024 * 1024 * KIB, 0, 1024 * 1024 * KIB, "", "this machine (portable C, for simulation)"
        ),
    )
}


def find_target(name: str) -> Target:
    """The target called `name`. Raises `UsageError` naming the known ones."""
    if name not in TARGETS:
        raise UsageError(f"unknown target {name!r}; known: {', '.join(TARGETS)}")
    return TARGETS[name]
