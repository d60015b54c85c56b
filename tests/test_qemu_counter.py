"""Instructions and stack counted in QEMU: what unicorn counts, where both have the core."""

from __future__ import annotations

import numpy as np
import pytest

from conftest import need_tool
from cpcc import artifacts
from cpcc.detector import decisions_of
from cpcc.executors.arm import ArmExecutor
from cpcc.executors.qemu import QemuExecutor, on_machine
from cpcc.executors.qemu_counter import read_cost
from cpcc.targets import TARGETS
from support import NAME, Compiled, compiled, detector_of, extreme_inputs
from test_differential import random_network


def network(target: str) -> Compiled:
    rng = np.random.default_rng(11)
    return compiled(detector_of(random_network(rng), rng), TARGETS[target])


def counted(c: Compiled, compiler: str = "zig") -> QemuExecutor:
    plan = on_machine(c.plan)
    image = artifacts.qemu_image(plan, c.detector, NAME, c.library, compiler)
    return QemuExecutor(plan, image, scores=len(decisions_of(c.detector)))


@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m0plus", "cortex-m3"])
def test_both_emulators_count_the_same(target: str) -> None:
    """The whole run, each layer, and the bytes of stack."""
    need_tool("qemu-system-arm")
    c = network(target)
    x = extreme_inputs(np.random.default_rng(0), c.plan.graph.input.shape, 4)
    executor, qemu = c.arm(), counted(c)
    assert isinstance(executor, ArmExecutor)
    expected, found = executor.measure(x[3:]), qemu.measure(x[3:])
    assert (found.instructions, found.layer_instructions) == (expected.instructions, expected.layer_instructions)
    assert found.stack_bytes == expected.stack_bytes > 0
    assert len(found.layer_instructions) == len(c.plan.steps) > 1


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_the_cortex_m55_takes_as_many_for_every_input(compiler: str) -> None:
    need_tool("qemu-system-arm")
    need_tool("arm-none-eabi-gcc")
    c = network("cortex-m55")
    x = extreme_inputs(np.random.default_rng(0), c.plan.graph.input.shape, 5)
    qemu = counted(c, compiler)
    counts = {qemu.measure(sample[None]) for sample in x}
    assert len(counts) == 1
    cost = counts.pop()
    assert any(step.kernel.name.endswith("_mve") for step in c.plan.steps)
    assert cost.cycles > cost.instructions > sum(cost.layer_instructions) > 0, "vector instructions take two beats"


def test_what_a_run_must_have_written() -> None:
    text = "9 0 0\n100 8 32\n7 0 0\n50 0 16\n7 0 0\n155 8 40\n"
    cost = read_cost(text, 2)
    assert (cost.instructions, cost.layer_instructions, cost.stack_bytes) == (155, (100, 50), 40)
    assert (cost.cycles, cost.layer_cycles) == (163, (108, 50))
    with pytest.raises(ValueError, match="3 calls counted, expected 4"):
        read_cost(text, 3)
