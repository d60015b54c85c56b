"""What a Thumb instruction does to the stack pointer and to the flow of control (Armv7-M Architecture Reference Manual, A7)."""

from __future__ import annotations

from capstone import CsInsn
from capstone import arm as a

WORD = 4
_PUSHES = (a.ARM_INS_PUSH, a.ARM_INS_VPUSH)
_POPS = (a.ARM_INS_POP, a.ARM_INS_VPOP)
_SINGLE = {a.ARM_INS_LDR: 1, a.ARM_INS_STR: 1, a.ARM_INS_LDRD: 2, a.ARM_INS_STRD: 2}


def moves_sp(instruction: CsInsn) -> bool:
    """Whether it writes the stack pointer. Capstone leaves it out of what VPUSH and VPOP write."""
    stack = instruction.id in _PUSHES or instruction.id in _POPS
    based = instruction.writeback and any(
        op.reg == a.ARM_REG_SP for op in instruction.operands if op.type == a.ARM_OP_REG
    )
    return stack or based or a.ARM_REG_SP in instruction.regs_access()[1]


def _width(register: int) -> int:
    return 8 if a.ARM_REG_D0 <= register <= a.ARM_REG_D31 else WORD


def _list_bytes(instruction: CsInsn) -> int:
    return sum(_width(op.reg) for op in instruction.operands if op.reg != a.ARM_REG_SP)


def sp_change(instruction: CsInsn) -> int | None:
    """Bytes that the stack grows by; None where that is not known, or the stack pointer stays."""
    if not moves_sp(instruction):
        return None
    if instruction.id in _PUSHES:
        return _list_bytes(instruction)
    if instruction.id in _POPS:
        return -_list_bytes(instruction)
    if instruction.mnemonic.split(".")[0] in ("stmdb", "ldm", "ldmia", "vstmdb", "vldmia"):
        return _list_bytes(instruction) * (1 if "st" in instruction.mnemonic[:3] else -1)
    if instruction.id in (a.ARM_INS_SUB, a.ARM_INS_SUBW, a.ARM_INS_ADD, a.ARM_INS_ADDW):
        return _adjusted(instruction)
    if instruction.id in _SINGLE:
        return _indexed(instruction)
    return None


def _adjusted(instruction: CsInsn) -> int | None:
    """Of ``sub sp, #n`` and ``add sp, sp, #n``."""
    *sources, amount = instruction.operands
    if amount.type != a.ARM_OP_IMM or any(op.reg != a.ARM_REG_SP for op in sources):
        return None
    return amount.imm if instruction.id in (a.ARM_INS_SUB, a.ARM_INS_SUBW) else -amount.imm


def _indexed(instruction: CsInsn) -> int | None:
    """Of ``str r, [sp, #-n]!`` and ``ldr r, [sp], #n``."""
    memory = next((op for op in instruction.operands if op.type == a.ARM_OP_MEM), None)
    if memory is None or memory.mem.base != a.ARM_REG_SP or memory.mem.index:
        return None
    if instruction.operands[0].reg == a.ARM_REG_SP:
        return None
    last = instruction.operands[-1]
    if last.type == a.ARM_OP_IMM:  # behind the access
        return -last.imm if not last.subtracted else last.imm
    return -memory.mem.disp


def _loads_pc(instruction: CsInsn) -> bool:
    return a.ARM_REG_PC in instruction.regs_access()[1]


def returns(instruction: CsInsn) -> bool:
    """``bx lr``, a pop of the program counter, or a load of it that gives the stack back."""
    if instruction.id == a.ARM_INS_BX:
        return bool(instruction.operands[0].reg == a.ARM_REG_LR)
    pops = instruction.id == a.ARM_INS_POP or (moves_sp(instruction) and (sp_change(instruction) or 0) < 0)
    return pops and any(op.type == a.ARM_OP_REG and op.reg == a.ARM_REG_PC for op in instruction.operands)


def computed_jump(instruction: CsInsn, depth: int) -> bool:
    """Whether it goes on at an address out of a register, a table or memory. With bytes on the stack ``bx lr`` is one: a function that
    returns has given them back."""
    if instruction.id in (a.ARM_INS_TBB, a.ARM_INS_TBH):
        return True
    if instruction.id == a.ARM_INS_BX:
        return depth > 0
    if instruction.id in (a.ARM_INS_BL, a.ARM_INS_BLX) or returns(instruction):
        return False
    writes = instruction.id in (a.ARM_INS_ADD, a.ARM_INS_MOV, a.ARM_INS_LDR)
    return writes and instruction.operands[0].type == a.ARM_OP_REG and instruction.operands[0].reg == a.ARM_REG_PC
