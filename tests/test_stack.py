"""The bound on the stack: exact where it can be computed by hand, never below what a run writes, and refused where unknown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cpcc import artifacts
from cpcc.errors import VerificationError
from cpcc.ops import OPS
from cpcc.plan.kernels import dense_only
from cpcc.plan.plan import make_plan
from cpcc.stack import stack_bound
from cpcc.targets import TARGETS
from cpcc.toolchains import build_program, zig_cross
from support import check_stack, compiled, detector_of, single
from test_differential import branching_network, random_network

CORES = ("cortex-m0plus", "cortex-m4")
MACRO = r'#define FUNCTION(n) ".global " n "\n.type " n ", %function\n.thumb_func\n" n ":\n"'
MAIN = "int main(void);\nvoid leaf(void);\nint main(void) { leaf(); return 0; }"
ASSEMBLY = r"""
  FUNCTION("leaf") " bx lr\n"
  FUNCTION("five_and_forty") " push {r4-r7, lr}\n sub sp, #40\n str r0, [sp]\n add sp, #40\n pop {r4-r7, pc}\n"
  FUNCTION("calls") " push {r4, lr}\n bl leaf\n bl five_and_forty\n pop {r4, pc}\n"
  FUNCTION("sums") " push {lr}\n cmp r0, #0\n beq 1f\n push {r0, r1}\n add sp, #8\n1: pop {pc}\n"
  FUNCTION("again") " push {r4, lr}\n cmp r0, #0\n beq 1f\n bl again\n1: pop {r4, pc}\n"
  FUNCTION("pointer") " push {r4, lr}\n blx r0\n pop {r4, pc}\n"
  FUNCTION("jumps") " bx r0\n"

  FUNCTION("variable") " push {r4, lr}\n mov sp, r0\n pop {r4, pc}\n"
"""
WIDE = r"""
  FUNCTION("tail") " push {r4, lr}\n pop {r4, lr}\n b.w calls\n"
  FUNCTION("doubles") " vpush {d8-d10}\n push.w {r4, r8, lr}\n vldr s0, [sp]\n pop.w {r4, r8, lr}\n vpop {d8-d10}\n bx lr\n"
  FUNCTION("indexed") " str lr, [sp, #-8]!\n strd r4, r5, [sp, #-16]!\n ldrd r4, r5, [sp], #16\n ldr pc, [sp], #8\n"
  FUNCTION("itblock") " push {r7, lr}\n cmp r0, #0\n itt eq\n addeq sp, #0\n popeq {r7, pc}\n push {r0-r3}\n add sp, #16\n pop {r7, pc}\n"
  FUNCTION("body") " push {r4-r6, lr}\n ldr pc, [r0]\n nop\n push {r0}\n ldr pc, [sp], #4\n nop\n pop {r4-r6, pc}\n"
"""


POINTER = r"""
  FUNCTION("built") " push {r4, lr}\n movw r0, #:lower16:calls\n movt r0, #:upper16:calls\n blx r0\n pop {r4, pc}\n"
  FUNCTION("through") " push {r4, lr}\n ldr r0, =five_and_forty\n blx r0\n pop {r4, pc}\n .ltorg\n"
"""


def image_of(core: str, more: str = "") -> Path:
    """An image that holds the assembly above."""
    assembly = ASSEMBLY + ("" if core == "cortex-m0plus" else WIDE) + more
    text = f'{MACRO}\n__asm__(".syntax unified\\n.text\\n.thumb\\n"{assembly});\n{MAIN}\n'
    rng = np.random.default_rng(0)
    plan = make_plan(detector_of(random_network(rng), rng).graph, TARGETS[core])
    sources = {"main.c": text, **artifacts._startup()}
    return build_program(zig_cross(TARGETS[core].core), sources, ".elf", artifacts.linker_script(plan, ["none.o"]))


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4"])
def test_bounds_by_hand(core: str) -> None:
    elf = image_of(core)
    known = {"leaf": 0, "five_and_forty": 60, "calls": 68, "sums": 12}
    if core == "cortex-m4":
        known |= {"tail": 68, "doubles": 36, "indexed": 24, "itblock": 24}
    for name, size in known.items():
        assert stack_bound(elf, [name]).bytes == size, name
    assert stack_bound(elf, known).bytes == max(known.values())
    assert stack_bound(elf, ["calls"]).path == ("calls", "five_and_forty")


def test_a_computed_jump_reaches_the_whole_body() -> None:
    """At the depth of the jump: 16 bytes, and 4 more that only the body pushes."""
    assert stack_bound(image_of("cortex-m4"), ["body"]).bytes == 20


def test_a_pointer_reaches_every_function_whose_address_is_held() -> None:
    """Of the image's callers none says which function it means."""
    elf = image_of("cortex-m4", POINTER)
    for name in ("through", "built", "pointer"):
        assert stack_bound(elf, [name]).bytes == 8 + 68
    assert stack_bound(elf, ["jumps"]).bytes == 68


@pytest.mark.parametrize(
    ("name", "why"),
    [("again", "calls itself"), ("pointer", "calls through a pointer"), ("jumps", "calls through a pointer"),
     ("variable", "sets the stack pointer"), ("nothing", "no function nothing")],
)  # fmt: skip
def test_what_is_not_known_is_refused(name: str, why: str) -> None:
    with pytest.raises(VerificationError, match=why):
        stack_bound(image_of("cortex-m4"), [name])


@pytest.mark.parametrize("core", CORES)
def test_no_run_goes_deeper(core: str) -> None:
    """Every op, and networks with branches: the painted stack stays below the bound, which stays below 512 bytes."""
    rng = np.random.default_rng(5)
    graphs = [single(op, rng) for op in OPS if op.kernels] + [branching_network(rng), random_network(rng)]
    for i, graph in enumerate(graphs):
        detector = detector_of(graph, rng)
        c = compiled(detector, TARGETS[core], dense_only if i % 2 else None)
        check_stack(c, np.zeros((1, *detector.graph.input.shape), np.int8))
