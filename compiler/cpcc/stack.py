"""The most stack a function can take: the depth of its call graph, read off the disassembled image.

Every path from a function's first instruction is followed with the bytes pushed so far; a call adds the callee's own bound. What can
not be followed is refused by name: recursion, a stack pointer set from a register. A call through a pointer may reach every function
whose address the image holds. Naked assembly kernels jump by computed addresses into their own bodies: such a jump is taken to reach
every instruction of its function that nothing else reaches, at the depth of the jump (the stack pointer does not move inside these
bodies; the painted stack of a run checks that)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import capstone
from capstone import CsInsn

from cpcc.errors import VerificationError
from cpcc.executors.code import Code, Function, read_code
from cpcc.executors.sp_effect import computed_jump, moves_sp, returns, sp_change


@dataclass(frozen=True)
class StackBound:
    """`bytes` at most, on the `path` of calls that goes deepest."""

    bytes: int
    path: tuple[str, ...]


@dataclass
class _Walk:
    """Bounds by function entry; `open` are those being walked, to notice recursion."""

    code: Code
    known: dict[int, StackBound] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)

    def bound(self, function: Function) -> StackBound:
        if function.address not in self.known:
            if function.name in self.open:
                raise VerificationError(
                    f"stack: {function.name} calls itself; a bound needs a call graph without cycles"
                )
            self.open.append(function.name)
            self.known[function.address] = self._walk(function)
            self.open.pop()
        return self.known[function.address]

    def _walk(self, function: Function) -> StackBound:
        instructions = {i.address: i for i in self.code.instructions(function)}
        depth: dict[int, int] = {}
        jumps: set[int] = set()
        deepest = StackBound(0, (function.name,))
        pending = [(function.address, 0)]
        while pending:
            address, before = pending.pop()
            if address in depth:
                if depth[address] != before:
                    raise _refused(
                        function, instructions[address], f"is reached with {depth[address]} and {before} bytes"
                    )
                continue
            depth[address] = before
            instruction = instructions.get(address)
            if instruction is None:
                raise VerificationError(f"stack: {function.name} runs into {address:#x}, which is no instruction of it")
            if skipped := _conditional_return(instructions, instruction):
                depth |= dict.fromkeys(skipped, before)
                pending.append((skipped[-1] + instructions[skipped[-1]].size, before))
                continue
            after = before + _change(function, instruction)
            below = self._below(function, instruction, after)
            deepest = max(deepest, StackBound(before, (function.name,)), below, key=lambda b: b.bytes)
            deepest = max(deepest, StackBound(after, (function.name,)), key=lambda b: b.bytes)
            if computed_jump(instruction, after):
                jumps.add(after)
            pending += [(to, after) for to in self._next(function, instruction, after)]
            if not pending and jumps:
                pending = _body(function, instructions, depth, jumps)
        return deepest

    def _below(self, function: Function, instruction: CsInsn, depth: int) -> StackBound:
        """What a call, or a jump to another function, takes on top of `depth`."""
        target = _target(instruction)
        call = instruction.id == capstone.arm.ARM_INS_BLX and target is None
        if call or (instruction.id == capstone.arm.ARM_INS_BX and depth == 0 and not returns(instruction)):
            return self._through_pointer(function, instruction, depth)
        if target is None or (function.holds(target) and not _calls(instruction)):
            return StackBound(0, (function.name,))
        callee = self.bound(self.code.function_at(target, function.name))
        return StackBound(depth + callee.bytes, (function.name, *callee.path))

    def _through_pointer(self, function: Function, instruction: CsInsn, depth: int) -> StackBound:
        """Any function of which the image holds the address may be meant."""
        callees = [self.bound(callee) for callee in self.code.pointers]
        if not callees:
            raise _refused(function, instruction, "calls through a pointer, and the image holds no function's address")
        deepest = max(callees, key=lambda b: b.bytes)
        return StackBound(depth + deepest.bytes, (function.name, *deepest.path))

    def _next(self, function: Function, instruction: CsInsn, depth: int) -> Iterator[int]:
        """Addresses in the function that may run next."""
        target, group = _target(instruction), instruction.group
        if target is not None and function.holds(target) and not _calls(instruction):
            yield target
        leaves = (
            returns(instruction)
            or computed_jump(instruction, depth)
            or (group(capstone.arm.ARM_GRP_JUMP) and not _calls(instruction) and instruction.id not in _TESTS)
        )
        if not leaves or _conditional(instruction):
            yield instruction.address + instruction.size


_TESTS = (capstone.arm.ARM_INS_CBZ, capstone.arm.ARM_INS_CBNZ)


def _target(instruction: CsInsn) -> int | None:
    """Where a direct branch or call leads."""
    if not instruction.group(capstone.arm.ARM_GRP_JUMP) and instruction.id not in (
        capstone.arm.ARM_INS_BL, capstone.arm.ARM_INS_BLX, *_TESTS):  # fmt: skip
        return None
    last = instruction.operands[-1] if instruction.operands else None
    return last.imm & ~1 if last is not None and last.type == capstone.arm.ARM_OP_IMM else None


def _calls(instruction: CsInsn) -> bool:
    return instruction.id in (capstone.arm.ARM_INS_BL, capstone.arm.ARM_INS_BLX)


def _conditional(instruction: CsInsn) -> bool:
    return instruction.cc not in (capstone.arm.ARM_CC_AL, capstone.arm.ARM_CC_INVALID)


def _conditional_return(instructions: dict[int, CsInsn], first: CsInsn) -> list[int]:
    """Addresses of an IT block's instructions from `first`, where they give the stack back and return under one condition: who does
    not return has passed over them. Else none."""
    found, instruction = [], first
    while instruction is not None and _conditional(instruction) and instruction.cc == first.cc:
        found.append(instruction.address)
        if returns(instruction):
            return found
        if (sp_change(instruction) or 0) >= 0:
            return []
        instruction = instructions.get(instruction.address + instruction.size)
    return []


def _change(function: Function, instruction: CsInsn) -> int:
    change = sp_change(instruction)
    if change is None and moves_sp(instruction):
        raise _refused(function, instruction, "sets the stack pointer to what is not known")
    if change and _conditional(instruction):
        raise _refused(function, instruction, "moves the stack pointer on a condition")
    return change or 0


def _body(
    function: Function, instructions: dict[int, CsInsn], depth: dict[int, int], jumps: set[int]
) -> list[tuple[int, int]]:
    """The first instruction that nothing has reached, at the depth of the function's computed jumps."""
    rest = sorted(instructions.keys() - depth.keys())
    if not rest:
        return []
    if len(jumps) > 1:
        raise VerificationError(
            f"stack: {function.name} jumps to computed addresses with {sorted(jumps)} bytes on the stack"
        )
    return [(rest[0], next(iter(jumps)))]


def _refused(function: Function, instruction: CsInsn, why: str) -> VerificationError:
    text = f"{instruction.mnemonic} {instruction.op_str}"
    return VerificationError(f"stack: {function.name}, {instruction.address:#x} ({text}): {why}")


def stack_bound(elf: Path, functions: Iterable[str]) -> StackBound:
    """The greatest bound of `functions`, symbols of the image `elf`. Raises `VerificationError` where there is none."""
    code = read_code(elf)
    walk = _Walk(code)
    return max((walk.bound(code.named(name)) for name in functions), key=lambda b: b.bytes)


def library_stack(elf: Path, prefix: str) -> StackBound:
    """The bound of a model library's functions that the image `elf` holds: input conversion, run, score."""
    code = read_code(elf)
    names = {f"{prefix}_{what}" for what in ("quantize", "run", "score", "is_positive", "is_positive_at")}
    walk = _Walk(code)
    return max((walk.bound(f) for f in code.functions.values() if f.name in names), key=lambda b: b.bytes)
