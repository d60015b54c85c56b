"""What a build is optimized for, and the memory it may take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from cpcc.errors import UsageError
from cpcc.targets import Target


class Objective(Enum):
    """``speed``: fewest modelled cycles. ``size``: least flash, cycles decide between equals. ``balanced``: the least product of
    cycles and flash, so one per cent of the one is worth one per cent of the other."""

    SPEED = "speed"
    SIZE = "size"
    BALANCED = "balanced"

    @property
    def level(self) -> str:
        """The compiler's option."""
        return "-Os" if self is Objective.SIZE else "-O2"

    def score(self, cycles: float, flash: float) -> tuple[float, float]:
        """What is made least."""
        if self is Objective.SPEED:
            return cycles, flash
        return (flash, cycles) if self is Objective.SIZE else (cycles * flash, flash)


@dataclass(frozen=True)
class Limits:
    """Bytes of flash for the whole image, and of RAM for arena, stack and the application's own data."""

    flash: int
    ram: int


def limits_of(target: Target, flash: int | None, ram: int | None) -> Limits:
    """The target's own where none are given. Raises `UsageError` for more than the target has."""
    for option, asked, most in (("--flash", flash, target.flash_bytes), ("--ram", ram, target.ram_bytes)):
        if asked is not None and asked > most:
            raise UsageError(f"{option} {asked}: {target.name} has {most:,} bytes; give at most that")
    return Limits(target.flash_bytes if flash is None else flash, target.ram_bytes if ram is None else ram)
