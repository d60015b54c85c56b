"""The emulated core: counts against counts by hand and against QEMU, faults, stack, a real serial port."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from conftest import need_tool
from cpcc import artifacts
from cpcc.errors import ToolMissingError, VerificationError
from cpcc.executors.memory_map import PAGE
from cpcc.executors.unicorn_core import CALL_SECONDS, UnicornCore
from cpcc.graph import Graph
from cpcc.ops import gru, gru_reset_before, lstm, mean
from cpcc.plan.plan import make_plan
from cpcc.project import main_source, raw_examples
from cpcc.targets import TARGETS, Target
from cpcc.toolchains import OVERRUN, build_program, host_cc, zig_cross
from support import compiled, detector_of, extreme_inputs, single
from test_differential import branching_network, random_network

EMULATED = [t for t in TARGETS.values() if t.core.unicorn_model]
PROGRAM = r"""#include <stdint.h>
#if __ARM_ARCH_6M__ /* no IT blocks */
#define STORE_IF_EQUAL ".global store_if_equal\n.type store_if_equal,%function\n.thumb_func\nstore_if_equal:\n  movs r0, #6\n  bx lr\n"
#define ADD_UNLESS_ZERO "  beq 1f\n  adds r1, #1\n  adds r1, #2\n1:"
#else
#define STORE_IF_EQUAL ".global store_if_equal\n.type store_if_equal,%function\n.thumb_func\nstore_if_equal:\n" \
  "  movs r3, #0\n  cmp r3, #0\n  itt eq\n  streq r3, [r0]\n  cmpeq r3, #1\n  b 1f\n1: adds r3, #2\n  adds r3, #4\n  mov r0, r3\n  bx lr\n"
#define ADD_UNLESS_ZERO "  itt ne\n  addne r1, #1\n  addne r1, #2\n" /* the second one on the next page */
#endif
int32_t count_loop(int32_t n);
int32_t deep(int32_t n);
void breakpoint(void);
void jump(const void *to);
void spin(void);
int32_t store_if_equal(int32_t *p);
__asm__(".syntax unified\n.text\n.thumb\n"
  ".global count_loop\n.type count_loop,%function\n.thumb_func\ncount_loop:\n"
  "  movs r1, #0\n1: adds r1, r1, #2\n  subs r0, r0, #1\n  bne 1b\n  mov r0, r1\n  bx lr\n"
  ".global deep\n.type deep,%function\n.thumb_func\ndeep:\n"
  "  push {r4-r7, lr}\n  sub sp, #40\n  str r0, [sp]\n  ldr r0, [sp]\n  add sp, #40\n  pop {r4-r7, pc}\n"
  ".global breakpoint\n.type breakpoint,%function\n.thumb_func\nbreakpoint:\n  bkpt #0\n  bx lr\n"
  ".global jump\n.type jump,%function\n.thumb_func\njump:\n  bx r0\n"
  ".global spin\n.type spin,%function\n.thumb_func\nspin:\n  b spin\n"
  STORE_IF_EQUAL
  ".macro two_sums name\n.global \\name\n.type \\name,%function\n.thumb_func\n\\name:\n"
  "  movs r1, #0\n1: adds r1, r1, #2\n  adds r2, r2, #3\n  subs r0, r0, #1\n  bne 1b\n  mov r0, r1\n  bx lr\n.endm\n"
  ".balign 4096\n  two_sums in_a_page\n.balign 4096\n.skip 4092\n  two_sums across_pages\n"
  ".balign 4096\n.skip 4088\n.global it_across_pages\n.type it_across_pages,%function\n.thumb_func\nit_across_pages:\n"
  "  movs r1, #0\n  cmp r0, #0\n" ADD_UNLESS_ZERO "  mov r0, r1\n  bx lr\n");
int32_t it_across_pages(int32_t n);
int32_t in_a_page(int32_t n);
int32_t across_pages(int32_t n);
int32_t main(void);
void store(int32_t *p);
__attribute__((noinline)) void store(int32_t *p) { *p = 1; }
static int32_t place;
int32_t main(void) { store(&place); breakpoint(); jump(&place); spin(); store_if_equal(&place); return count_loop(1) + deep(place) + in_a_page(1) + across_pages(1) + it_across_pages(1); }
"""


def core_of(target: Target, seconds: float = CALL_SECONDS) -> UnicornCore:
    rng = np.random.default_rng(0)
    plan = make_plan(detector_of(random_network(rng), rng).graph, target)
    sources = {"main.c": PROGRAM, **artifacts._startup()}
    elf = build_program(zig_cross(target.core), sources, ".elf", artifacts.linker_script(plan, ["none.o"]))
    return UnicornCore(elf, target, seconds=seconds)


@pytest.mark.parametrize("target", EMULATED, ids=lambda t: t.name)
def test_count_of_a_loop_is_the_one_computed_by_hand(target: Target) -> None:
    """1 + 3n + 2 instructions, and the same on a second call."""
    core = core_of(target)
    for n in (1, 2, 1000, 123_457, 1000):
        core.counter.reset()
        assert core.call("count_loop", n) == 2 * n
        assert core.counter.instructions() == 3 * n + 3


@pytest.mark.parametrize(("target", "branch"), [("cortex-m0plus", 2), ("cortex-m4", 3)])
def test_modelled_cycles_of_a_loop(target: str, branch: int) -> None:
    """One cycle an instruction, and the pipeline's refill where the loop goes back; where the return leads
    to is outside the emulation."""
    core = core_of(TARGETS[target])
    core.counter.reset()
    core.call("count_loop", 100)
    assert core.counter.cycles(target) == 3 * 100 + 3 + 99 * (branch - 1)
    assert core.counter.cycles(target, wait_states=4) == 3 * 100 + 3 + 99 * (branch + 3)


def test_a_loop_across_two_pages_takes_what_it_takes_within_one() -> None:
    """Two pairs of instructions a pass on the Cortex-M7; the emulator's blocks end at the page, the core's do not."""
    core = core_of(TARGETS["cortex-m7"])
    cycles = []
    for name in ("in_a_page", "across_pages"):
        core.counter.reset()
        assert core.call(name, 100) == 200
        cycles.append(core.counter.cycles("cortex-m7"))
    assert cycles[0] == cycles[1]
    assert 200 < cycles[0] < 500


@pytest.mark.parametrize("target", EMULATED, ids=lambda t: t.name)
def test_stack_high_water(target: Target) -> None:
    """Five registers and 40 bytes of locals, of which the lowest word is written."""
    core = core_of(target)
    core.paint_stack()
    assert core.stack_used() == 0
    assert core.call("deep", 77) == 77
    assert core.stack_used() == 5 * 4 + 40


def test_faults_are_named() -> None:
    target = TARGETS["stm32"]
    core = core_of(target)
    for address in (0, target.flash_origin, target.ram_origin + target.ram_bytes):
        with pytest.raises(VerificationError, match=rf"store: write of 4 bytes at {address:#010x} .*pc 0x0800"):
            core.call("store", address)
    with pytest.raises(
        VerificationError, match=rf"jump: fetch at {target.ram_origin + 0x400:#010x} or above, from RAM; "
    ):
        core.call("jump", target.ram_origin + 0x40F)
    with pytest.raises(VerificationError, match=r"jump: fetch of . bytes at 0x50000000 outside its memory; "):
        core.call("jump", 0x5000_0001)
    with pytest.raises(VerificationError, match="breakpoint: exception"):
        core.call("breakpoint")
    with pytest.raises(VerificationError, match="no symbol nothing"):
        core.call("nothing")
    assert core.call("count_loop", 2) == 4  # still usable


@pytest.mark.parametrize("target", [t for t in EMULATED if "armv6m" not in t.core.features], ids=lambda t: t.name)
def test_a_page_that_is_met_inside_an_it_block(target: Target) -> None:
    """The store asks the map for its page. What follows the block is not conditional, on the first visit of a page as on the second."""
    core = core_of(target)
    for page in (0, 1, 2, 1, 0):
        core.counter.reset()
        assert core.call("store_if_equal", target.ram_origin + PAGE * page + 8) == 6
        assert core.counter.instructions() == 10


@pytest.mark.parametrize("target", EMULATED, ids=lambda t: t.name)
def test_an_it_block_that_goes_on_in_another_page(target: Target) -> None:
    """The emulator's block ends with the page; the next one, whose page the map is asked for, begins within the IT block."""
    for order in ((0, 1), (1, 0)):
        core = core_of(target)
        for value in order:
            assert core.call("it_across_pages", value) == 3 * value


def test_a_call_that_does_not_end_is_stopped() -> None:
    core = core_of(TARGETS["stm32"], seconds=0.1)
    for _ in range(2):
        with pytest.raises(VerificationError, match=r"spin: still running after 0\.1 s; pc 0x0800"):
            core.call("spin")
    assert core.call("count_loop", 2) == 4  # still usable


def test_a_core_unicorn_lacks_is_said_so() -> None:
    with pytest.raises(ToolMissingError, match="QEMU"):
        core_of(TARGETS["cortex-m55"])


def test_instruction_count_does_not_depend_on_the_data() -> None:
    """No data-dependent branches or trip counts: one count for every input, saturating ones included; in int16 too."""
    graphs: list[Callable[[np.random.Generator], Graph]] = [random_network, branching_network] * 2
    graphs += [
        partial(single, gru.OP),
        partial(single, gru_reset_before.OP),
        partial(single, lstm.OP),
        partial(single, mean.OP),
    ]
    for seed, make in enumerate(graphs):
        rng = np.random.default_rng(seed)
        graph = make(rng)
        for target in ("stm32", "cortex-m0plus"):
            detector = detector_of(graph, rng, wide=[node.name for node in graph.nodes] if seed in (2, 3) else ())
            executor = compiled(detector, TARGETS[target]).arm()
            x = extreme_inputs(rng, graph.input.shape, 8, type(detector.graph.input.integer))
            counts = {executor.measure(sample[None]).instructions for sample in x}  # type: ignore[union-attr]
            assert len(counts) == 1, (target, seed, counts)


def test_the_host_sanitizer_is_real(tmp_path: Path) -> None:
    """A write behind an allocation must stop the host program: else "sanitized" would be a word."""
    if "-fsanitize=address,undefined" not in host_cc(sanitize=True).compile_flags:
        if os.environ.get("CPCC_REQUIRE_TOOLS"):
            pytest.fail("no compiler here has a working sanitizer and CPCC_REQUIRE_TOOLS is set")
        pytest.skip("no sanitizer on this machine")
    program = build_program(host_cc(sanitize=True), {"overrun.c": OVERRUN}, ".bin")
    assert subprocess.run([program], capture_output=True, check=False).returncode == 0
    assert subprocess.run([program, "x"], capture_output=True, check=False).returncode != 0


def test_serial_output_on_an_stm32f4() -> None:
    """The example program writes its lines to USART2, on QEMU's STM32F405 as on a Nucleo."""
    qemu = need_tool("qemu-system-arm")
    rng = np.random.default_rng(1)
    c = compiled(detector_of(random_network(rng), rng))
    raw = rng.normal(0, 3, (2, *c.detector.input.shape)).astype(np.float32)
    main = "#define CPCC_USART2_STM32F4\n" + main_source(c.plan, c.detector, "t", raw_examples(c.detector, raw))
    command = [qemu, "-M", "netduinoplus2", "-display", "none", "-monitor", "none", "-serial", "null", "-serial", "stdio",
               "-kernel", str(artifacts.arm_image(c.plan, c.library, main))]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(2)]
    finally:
        process.kill()
        process.communicate()
    assert [line.startswith(f"t sample {i}: score ") and line.endswith(", ok\n") for i, line in enumerate(lines)] == [
        True,
        True,
    ]
