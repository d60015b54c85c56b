"""Modelled cycles of executed instructions: a table of costs per core, not a measurement.

Zero-wait-state figures of Arm's manuals where they give them: Cortex-M0+ (DDI 0484C, 3.3), Cortex-M3 (DDI 0337H, 3.3),
Cortex-M4 (DDI 0439B, 3.3). Arm publishes none for the Cortex-M33 and M7; for the M33 the M4's are used with its shorter
branches, for the M7 pairs of neighbours issue together unless both reach memory, both multiply, or the second needs the
first. Flash wait states cost extra at each taken branch only: prefetch is taken to hide the others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from capstone import CsInsn


@dataclass(frozen=True)
class CoreCycles:
    """Cycles by kind of instruction. `load` follows no other access; `next_load` does. `per_register` adds up in
    multiple transfers. `branch` is what a taken branch takes in all."""

    load: float
    next_load: float
    store: float
    per_register: float
    multiply: float
    accumulate: float
    long_multiply: float
    long_accumulate: float
    divide: float
    branch: float
    dual_issue: bool = False


CYCLES = {
    "cortex-m0plus": CoreCycles(2, 2, 2, 1, 1, 1, 1, 1, 1, 2),
    "cortex-m3": CoreCycles(2, 1, 1, 1, 1, 2, 4, 6, 7, 3),
    "cortex-m4": CoreCycles(2, 1, 1, 1, 1, 1, 1, 1, 7, 3),
    "cortex-m33": CoreCycles(2, 1, 1, 1, 1, 1, 1, 1, 7, 2),
    "cortex-m7": CoreCycles(1, 1, 1, 0.5, 1, 1, 1, 1, 7, 1, dual_issue=True),
}

LOADS = ("ldr", "ldrb", "ldrh", "ldrsb", "ldrsh")
STORES = ("str", "strb", "strh")
MULTIPLE = ("ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop")
LONG = ("smull", "umull")
JUMP = re.compile("b(l|x|lx)?(eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)?|cbn?z|tb[bh]|svc|udf|bkpt")
LONG_ACCUMULATE = ("smlal", "umlal", "umaal")
DIVIDE = ("sdiv", "udiv", "vdiv", "vsqrt")


def dual_beat_cycles(instructions: int, vectors: int) -> int:
    """Modelled cycles of the Cortex-M55, for which Arm publishes no table: its vector unit does half a 128-bit instruction a
    cycle (Arm Cortex-M55 Technical Reference Manual, 100883, "dual-beat"), every other instruction counts one."""
    return instructions + vectors


@dataclass(frozen=True)
class BlockCycles:
    """Cycles of one run through a block, and what they grow by where its last branch is taken."""

    straight: float
    taken: float


def _base(mnemonic: str) -> str:
    return mnemonic.split(".")[0]


def _is_memory(name: str) -> bool:
    return name.startswith(("ldr", "str", "ldm", "stm", "push", "pop", "vldr", "vstr", "vldm", "vstm", "vpush", "vpop"))


def _is_multiply(name: str) -> bool:
    return name.startswith(("mul", "mla", "mls", "smul", "smla", "smmla", "smmul", "umull", "umlal", "smuad"))


def _registers(operands: str) -> int:
    return operands[operands.index("{") :].count(",") + 1 if "{" in operands else 2


def _one(costs: CoreCycles, name: str, operands: str, after_memory: bool) -> float:
    if name in ("ldrd", "strd"):
        return 1 + 2 * costs.per_register
    if name.startswith(MULTIPLE):
        return 1 + _registers(operands) * costs.per_register
    if name.startswith(LOADS) or name.startswith("vldr"):
        return costs.next_load if after_memory else costs.load
    if name.startswith(STORES) or name.startswith("vstr"):
        return costs.store
    if name.startswith(DIVIDE):
        return costs.divide
    if name.startswith(LONG_ACCUMULATE):
        return costs.long_accumulate
    if name.startswith(LONG):
        return costs.long_multiply
    if name.startswith(("mla", "mls")):
        return costs.accumulate
    return costs.multiply if _is_multiply(name) else 1.0


def block_cycles(costs: CoreCycles, block: Iterable[CsInsn]) -> BlockCycles:
    """Of a basic block's instructions, in order."""
    total, after_memory = 0.0, False
    previous: CsInsn | None = None
    for instruction in block:
        name = _base(instruction.mnemonic)
        cycles = _one(costs, name, instruction.op_str, after_memory)
        if costs.dual_issue and previous is not None and _pairs(previous, instruction):
            cycles, previous = max(cycles - 1, 0.0), None
        else:
            previous = instruction
        total += cycles
        after_memory = _is_memory(name)
    return BlockCycles(total, costs.branch - 1)


def leaves(instruction: CsInsn) -> bool:
    """Whether control may go elsewhere than to the next instruction."""
    return bool(JUMP.fullmatch(_base(instruction.mnemonic))) or "pc" in instruction.op_str


def _pairs(first: CsInsn, second: CsInsn) -> bool:
    a, b = _base(first.mnemonic), _base(second.mnemonic)
    if (_is_memory(a) and _is_memory(b)) or (_is_multiply(a) and _is_multiply(b)):
        return False
    written = first.op_str.split(",")[0].strip()
    return written not in second.op_str
