"""One verification of a build folder, whole: executors chosen, samples checked, everything compared and kept."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cpcc import artifacts
from cpcc.detector import Detector, check_raw, decisions_of
from cpcc.errors import ToolMissingError
from cpcc.executors.arm import ArmExecutor
from cpcc.executors.base import Executor
from cpcc.executors.host import HostExecutor
from cpcc.executors.qemu import QemuExecutor, find_qemu, has_qemu, on_machine
from cpcc.executors.reference import ReferenceExecutor
from cpcc.folder import BuildFolder
from cpcc.models.known_labels import check_labels
from cpcc.profile import Profile, profile
from cpcc.proof import calibration
from cpcc.proof.ladder import PerThread, Step
from cpcc.proof.results import save_results
from cpcc.proof.verify import Caveats, Figures, FloatScores, Report, verify

if TYPE_CHECKING:  # torch is imported where a PyTorch model is opened
    from cpcc.models.model_meta import ModelMeta

PART = 256  # samples for the rungs that are too slow for all: the sanitized build, the second emulator
SANITIZED, QEMU = "host-sanitized", "qemu"


@dataclass(frozen=True, eq=False)
class Job:
    """Raw samples (n, ...), labels (n,) or None, group (n,) or None, executors by name, and the limits."""

    x: np.ndarray
    y: np.ndarray | None
    executors: tuple[str, ...]
    allow_fn: int
    time_limit: float
    command: str = ""
    group: np.ndarray | None = None


def reference_of(build: BuildFolder) -> Executor:
    return ReferenceExecutor(build.plan, build.detector)


def steps_of(build: BuildFolder, names: tuple[str, ...], samples: int, seconds: float = 120.0) -> list[Step]:
    """The rungs called `names` for a build and a number of samples; compiles what they run.

    Up to PART samples the host runs sanitized; beyond, a plain build runs all and the sanitized one a part."""
    steps = []
    if "host" in names:
        steps += _host_steps(build, samples, seconds)
    if "arm" in names and build.plan.target.name != "host":
        steps.append(_arm_step(build, seconds))
    if "qemu" in names and build.plan.target.core.unicorn_model:
        steps += _qemu_steps(build, seconds, required="arm" not in names)
    return steps


def executor_called(build: BuildFolder, name: str) -> Executor:
    """One executor of a build; compiles what it runs. The reference for a name that the build's target has not."""
    steps = steps_of(build, (name,), samples=0)
    return steps[-1].executor if steps else reference_of(build)


def _host_steps(build: BuildFolder, samples: int, seconds: float) -> list[Step]:
    library, scores = artifacts.library_on_disk(build), len(decisions_of(build.detector))
    program = partial(artifacts.host_program, build.plan, build.detector, build.manifest.name, library)
    sanitized = program(sanitize=True)
    if samples <= PART:
        return [Step(HostExecutor(build.plan, sanitized, seconds=seconds, scores=scores), note="sanitized")]
    plain = HostExecutor(build.plan, program(sanitize=False), seconds=seconds, scores=scores)
    part = HostExecutor(build.plan, sanitized, SANITIZED, seconds, scores=scores)
    return [Step(plain), Step(part, PART, f"sanitized, the first {PART} samples")]


def _arm_step(build: BuildFolder, seconds: float) -> Step:
    plan, name, library = build.plan, build.manifest.name, artifacts.library_on_disk(build)
    if not plan.target.core.unicorn_model:
        image = artifacts.qemu_image(plan, build.detector, name, library)
        return Step(
            QemuExecutor(plan, image, "arm", seconds, scores=len(decisions_of(build.detector))),
            note=f"QEMU {plan.target.core.qemu_machine}",
        )
    image = artifacts.arm_image(plan, library, artifacts.pristine_main(build))
    make = partial(ArmExecutor, plan, build.detector, name, image, seconds)
    return Step(PerThread("arm", make), note=f"unicorn {plan.target.core.name}")


def _qemu_steps(build: BuildFolder, seconds: float, required: bool) -> list[Step]:
    """The second emulator: none where it is not installed, unless it is all that was asked for."""
    plan = on_machine(build.plan)
    if not has_qemu() and not required:
        return []
    find_qemu()
    if plan.arena.size > plan.target.ram_bytes // 2:
        return []  # the core's machine has less memory than the target
    image = artifacts.qemu_image(plan, build.detector, build.manifest.name, artifacts.library_on_disk(build))
    note = f"QEMU {plan.target.core.qemu_machine}, the first {PART} samples"
    return [Step(QemuExecutor(plan, image, QEMU, seconds, scores=len(decisions_of(build.detector))), PART, note)]


def prove(build: BuildFolder, job: Job, progress: Callable[[int], None]) -> Report:
    """The report; the results are kept in the build folder. Raises `DataError`, `CompileError`."""
    check_raw(build.detector, job.x)
    meta = _meta(build)
    if isinstance(build.detector, Detector):
        check_labels(job.y, build.detector.logits.size, meta)
    steps = steps_of(build, job.executors, len(job.x), job.time_limit)
    with ThreadPoolExecutor(1) as side:
        scored = side.submit(_float_scores, build, job.x)
        found = verify(
            build, reference_of(build), steps, job.x, job.y, scored.result, job.allow_fn, progress, group=job.group
        )
    floats = scored.result()
    digest = calibration.data_hash(calibration.Labelled(job.x, job.y))
    report = replace(found.report, caveats=caveats(build, meta, job.x, job.y), data_sha256=digest)
    if "arm" in job.executors and can_count(build) and report.bit_exact:
        report = replace(report, cost=cost_of(build))
    provenance = {"command": job.command, "data_sha256": digest}
    save_results(build, report, found.fixed, floats, job.y, job.x, provenance)
    return report


def _meta(build: BuildFolder) -> ModelMeta | None:
    """What the model file says beside the network; None for a .tflite or .onnx."""
    if build.model_path.suffix != ".pt":
        return None
    from cpcc.models.model_file import load_model

    return load_model(build.model_path).meta


def _float_scores(build: BuildFolder, x: np.ndarray) -> tuple[FloatScores, ...] | None:
    """Scores per decision of the float networks; None without a decision, or where the model file was fixed-point from the start."""
    if build.model_path.suffix == ".tflite" or not isinstance(build.detector, Detector):
        return None
    if build.model_path.suffix == ".onnx":
        from cpcc.models import onnx_model

        return onnx_model.float_scores_of(build, x)
    from cpcc.training import float_scores_of

    return float_scores_of(build, x)


def profile_of(build: BuildFolder, wait_states: int = 0) -> Profile:
    """Exact counts of the build, on unicorn or, for cores it lacks, on QEMU; its cycles modelled with `wait_states` of the flash,
    which QEMU's model does not know. Raises `ToolMissingError`."""
    plan, name, library = build.plan, build.manifest.name, artifacts.library_on_disk(build)
    if not plan.target.core.gcc_flags:
        raise ToolMissingError(
            f"{plan.target.name}: instruction counts need an emulated core; build for another --target"
        )
    image = artifacts.arm_image(plan, library, artifacts.pristine_main(build))
    if plan.target.core.unicorn_model:
        executor = ArmExecutor(plan, build.detector, name, image, wait_states=wait_states)
        return profile(build, executor, artifacts.image_sizes(image), wait_states)
    placed, scores = on_machine(plan), len(decisions_of(build.detector))
    counted = QemuExecutor(placed, artifacts.qemu_image(placed, build.detector, name, library), scores=scores)
    return profile(build, counted, artifacts.image_sizes(image))


def can_count(build: BuildFolder) -> bool:
    """Whether an emulator that counts is there."""
    core = build.plan.target.core
    return bool(core.unicorn_model) or (core.name != "host" and has_qemu())


def cost_of(build: BuildFolder) -> Figures:
    """The build's figures for the gate."""
    p = profile_of(build)
    return Figures(p.instructions, p.flash_bytes, p.ram_bytes, p.stack_bytes)


def caveats(build: BuildFolder, meta: ModelMeta | None, x: np.ndarray, y: np.ndarray | None) -> Caveats:
    """What weakens the evidence of samples `x` (n, ...) with labels `y` (n,)."""
    trained = calibration.overlap(x, meta.train_hashes if meta else ())
    kept = meta.calibration_hashes if meta else ()
    calibrated = calibration.overlap(x, [*kept, *artifacts.calibration_hashes(build)])
    changed = [path for path in build.changed_files() if not path.startswith("src/")]
    important = [decision.positive for decision in decisions_of(build.detector)]
    uncounted = [label for label in important if y is None or not (y == label).any()]
    return Caveats(
        int(trained.sum()), int((calibrated & ~trained).sum()), tuple(str(build.path / p) for p in changed), tuple(uncounted)
    )  # fmt: skip
