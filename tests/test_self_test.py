"""The firmware's self-test on the emulator: every flipped bit is told before the first decision."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from conftest import need_tool
from cpcc import artifacts
from cpcc.build_settings import BuildSettings
from cpcc.detector import Detector
from cpcc.emit import emit_library
from cpcc.executors.unicorn_core import UnicornCore
from cpcc.ops import OPS, conv2d, linear
from cpcc.ops.float_params import Conv2d, Linear
from cpcc.plan.kernels import constants_only
from cpcc.plan.plan import make_plan
from cpcc.project import choose_examples, main_source, self_test_of
from cpcc.proof.operating_points import operating_points
from cpcc.targets import TARGETS
from support import NAME, chain, detector_of, with_rule

SEMIHOSTING = "#define CPCC_SEMIHOSTING\n"
OK, CONSTANTS, ANSWER = 0, 1, 2
TARGET = TARGETS["stm32"]


def small_convolution(rng: np.random.Generator) -> Detector:
    """A convolution and two linear layers, sparse."""

    def weights(*shape: int) -> tuple[np.ndarray, np.ndarray]:
        kept = rng.random(shape) < 0.4
        return (rng.normal(0, 1, shape) * kept).astype(np.float32), rng.normal(0, 1, shape[0]).astype(np.float32)

    kernel, bias = weights(6, 3, 3, 2)
    graph = chain((10, 9, 2), [
        (conv2d.OP, Conv2d(kernel, bias, (1, 1), (0, 0, 0, 0), True)),
        (linear.OP, Linear(*weights(12, 8 * 7 * 6), True)), (linear.OP, Linear(*weights(2, 12))),
    ])  # fmt: skip
    return detector_of(graph, rng)


def image_of(detector: Detector, raw: np.ndarray, target: str, compiler: str) -> Path:
    plan = make_plan(detector.graph, TARGETS[target], constants_only)
    test = self_test_of(plan, detector, raw)
    library = emit_library(plan, detector, NAME, test)
    main = SEMIHOSTING + main_source(plan, detector, NAME, choose_examples(detector, raw), test)
    return artifacts.arm_image(plan, library, main, compiler)


@pytest.fixture(scope="module")
def subject() -> tuple[Detector, np.ndarray]:
    rng = np.random.default_rng(5)
    detector = small_convolution(rng)
    raw = rng.normal(0, 1, (20, *detector.input.shape)).astype(np.float32)
    scores = np.arange(20)
    return with_rule(detector, threshold=-7, points=operating_points(scores, scores > 9, -7)), raw


def constants(core: UnicornCore) -> list[tuple[str, int, int]]:
    """(name, address, bytes) of every constant of the library in flash: weights, tables, structs, threshold, vectors."""
    own = re.compile(rf"l\d+_|input_mean$|input_factor$|threshold$|vectors$|scores$|{NAME}_operating_points$")
    low, high = TARGET.flash_origin, TARGET.flash_origin + TARGET.flash_bytes
    symbols = core.image.symbols.items()
    return [(name, s.address, s.size) for name, s in symbols if own.match(name) and s.size and low <= s.address < high]


def test_a_build_that_checks_itself_keeps_its_weights_in_constants() -> None:
    """A CRC does not see the instructions of a layer that is code of its own."""
    programs = [kernel for op in OPS for kernel in op.kernels if kernel.program]
    assert {kernel.name for kernel in programs} == {"conv2d_unrolled", "depthwise_unrolled", "linear_unrolled", "linear_unrolled_apart"}
    for kernel in programs:
        assert BuildSettings(TARGET, "x").wish.policy(kernel)
        assert not BuildSettings(TARGET, "x", self_test=True).wish.policy(kernel)


def test_every_64th_bit_flipped_is_detected(subject: tuple[Detector, np.ndarray]) -> None:
    """All of weights, tables, structs with their pointers, threshold, operating points and vectors."""
    core = UnicornCore(image_of(*subject, "stm32", "zig"), TARGET)
    arena = core.symbol("cpcc_arena").address
    assert core.call(f"{NAME}_self_test", arena) == OK
    found = constants(core)
    names = {name for name, _, _ in found}
    assert {"threshold", "vectors", "scores", "input_mean", "input_factor", f"{NAME}_operating_points"} <= names
    assert sum(name.endswith(("_weights", "_stream")) for name in names) >= 2
    assert sum(name.endswith("_params") for name in names) == 3
    bits = [(address + bit // 8, bit % 8) for _, address, size in found for bit in range(8 * size)]
    flips = [*bits[::64], *((address, bit) for name, address, _ in found if name == "threshold" for bit in range(8))]
    assert len(flips) > 300
    missed = [flip for flip in flips if flipped(core, *flip, arena) == OK]
    assert missed == []
    assert core.call(f"{NAME}_self_test", arena) == OK


def flipped(core: UnicornCore, address: int, bit: int, arena: int) -> int:
    before = core.read(address, 1)
    core.write(address, bytes([before[0] ^ 1 << bit]))
    result = core.call(f"{NAME}_self_test", arena)
    core.write(address, before)
    return result


def test_the_threshold_is_read_from_flash(subject: tuple[Detector, np.ndarray]) -> None:
    """What is checked must be what decides."""
    core = UnicornCore(image_of(*subject, "stm32", "zig"), TARGET)
    arena, place = core.symbol("cpcc_arena").address, core.symbol("threshold").address
    score = core.call(f"{NAME}_score", arena)
    for threshold, positive in ((score, 1), (score + 1, 0)):
        core.write(place, int(threshold).to_bytes(4, "little", signed=True))
        assert core.call(f"{NAME}_is_positive", arena) & 0xFF == positive


def test_wrong_arithmetic_is_detected(subject: tuple[Detector, np.ndarray]) -> None:
    """A library whose known answer is one off: the constants are right, the answer is not."""
    detector, raw = subject
    plan = make_plan(detector.graph, TARGET)
    test = self_test_of(plan, detector, raw)
    library = emit_library(plan, detector, NAME, test)
    source = library[f"{NAME}.c"].replace("int32_t other = -128;", "int32_t other = -127;")
    changed = source.replace("return q[", "return 1 + q[")
    library[f"{NAME}.c"] = changed.replace("return (q[0]", "return 1 + (q[0]").replace(
        "return -(q[0]", "return 1 - (q[0]"
    )
    assert library[f"{NAME}.c"] != source
    core = UnicornCore(artifacts.arm_image(plan, library, main_source(plan, detector, NAME, [], test)), TARGET)
    assert core.call(f"{NAME}_self_test", core.symbol("cpcc_arena").address) == ANSWER


def test_a_broken_image_makes_no_decision(subject: tuple[Detector, np.ndarray]) -> None:
    elf = image_of(*subject, "stm32", "zig")
    status, text = UnicornCore(elf, TARGET).boot()
    assert status == 0
    assert text.startswith("t self-test ok\nt sample 0: score ")
    core = UnicornCore(elf, TARGET)
    weights = next(address for name, address, _ in constants(core) if name.endswith(("_weights", "_stream")))
    core.write(weights, bytes([core.read(weights, 1)[0] ^ 0x10]))
    assert core.boot() == (3, "t self-test FAILED, code 1: no decision is made\n")


@pytest.mark.parametrize(("target", "compiler"), [("cortex-m0plus", "zig"), ("stm32", "gcc")])
def test_other_cores_and_compilers(subject: tuple[Detector, np.ndarray], target: str, compiler: str) -> None:
    if compiler == "gcc":
        need_tool("arm-none-eabi-gcc")
    core = UnicornCore(image_of(*subject, target, compiler), TARGETS[target])
    assert core.call(f"{NAME}_self_test", core.symbol("cpcc_arena").address) == OK
