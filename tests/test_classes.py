"""Several important classes in one build: a threshold and a budget for each, the C that decides them, the joint promise."""

from __future__ import annotations

import json
import math
import re
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from commandline import inside
from cpcc.build_settings import BuildSettings
from cpcc.data import make_dataset
from cpcc.detector import Detector, decisions_of
from cpcc.errors import UsageError
from cpcc.executors.memory_map import FEED
from cpcc.executors.unicorn_core import UnicornCore
from cpcc.folder import open_build
from cpcc.models.exporting import export_module
from cpcc.models.model_file import load_model, save_model, save_program
from cpcc.models.model_meta import ModelMeta
from cpcc.models.torch_model import compile_model
from cpcc.proof.calibration import fixed_scores
from cpcc.proof.guarantee import MAX_FNR, MAX_FPR, Budget, choose_threshold
from cpcc.proof.promise import promise_of
from cpcc.proof.prove import steps_of
from cpcc.targets import TARGETS
from cpcc.training import float_scores_of
from support import compiled

IMPORTANT = (3, 5)
BUDGETS = ("--max-fnr", "3=0.1", "--max-fnr", "5=0.2")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of ten logits on the digits, and its build with a budget each for 3 and 5."""
    folder = tmp_path_factory.mktemp("classes")
    x, y = load_digits(return_X_y=True)
    x, y = (x / 16).astype(np.float32), y.astype(np.int64)
    train, rest = train_test_split(np.arange(len(x)), test_size=0.7, random_state=0, stratify=y)
    unseen, test = train_test_split(rest, test_size=0.4, random_state=0, stratify=y[rest])
    for name, rows in (("train", train), ("unseen", unseen), ("test", test)):
        np.savez(folder / f"{name}.npz", x=x[rows], y=y[rows])
    save_program(folder / "ten.pt", export_module(trained(x[train], y[train]), (64,)))
    done = inside(
        "build", "ten.pt", "--calibrate", "train.npz", "--positive", 3, "--important", 5, *BUDGETS,
        "--threshold-data", "unseen.npz", "--self-test", "--threshold-table", "-o", "ten", cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "all 2 rates at once with confidence 0.95" in done.stdout
    return folder


def trained(x: np.ndarray, y: np.ndarray) -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(torch.from_numpy(x)), torch.from_numpy(y)).backward()
        optimizer.step()
    return net.eval()


def detector_of(folder: Path) -> Detector:
    detector = open_build(folder).detector
    assert isinstance(detector, Detector)
    return detector


def arrays(work: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    with np.load(work / f"{name}.npz") as data:
        return data["x"], data["y"]


def test_each_class_keeps_its_budget_at_its_share_of_delta(work: Path) -> None:
    """The thresholds are those of the classes alone, each at confidence 1 - 0.05 / 2."""
    x, y = arrays(work, "unseen")
    detector = detector_of(work / "ten")
    scores = fixed_scores(detector, x)
    header = (work / "ten/lib/ten/ten.h").read_text()
    for i, (decision, level) in enumerate(zip(detector.decisions, (0.1, 0.2), strict=True)):
        own = y == IMPORTANT[i]
        alone, errors = choose_threshold(scores[:, i], own, (-255, 255), Budget(MAX_FNR, level, 0.975))
        promise = decision.guarantee
        assert (decision.positive, decision.threshold) == (IMPORTANT[i], alone)
        assert (promise.level, promise.samples, promise.errors) == (level, own.sum(), errors)
        assert promise.delta == pytest.approx(0.025)
        assert f"#define TEN_THRESHOLD_{IMPORTANT[i]} ({alone})" in header
        assert len(decision.points) > 10
    assert "but for a probability of at most 0.05, the sum of the deltas above" in header


def test_scores_are_a_logit_minus_the_largest_other(work: Path) -> None:
    x, _ = arrays(work, "test")
    build = open_build(work / "ten")
    net = trained(*arrays(work, "train"))
    logits = net(torch.from_numpy(x[:50])).detach().double().numpy()
    for label, found in zip(IMPORTANT, float_scores_of(build, x[:50]), strict=True):
        others = np.delete(logits, label, axis=1).max(axis=1)
        np.testing.assert_allclose(found.pruned, logits[:, label] - others, atol=1e-4)


def test_the_binary_raises_the_alarms_that_python_does(work: Path) -> None:
    """All calls of the interface on the emulated core, against numpy; no class but the important ones ever fires."""
    x, y = arrays(work, "test")
    rows = [*np.flatnonzero(np.isin(y, IMPORTANT))[:12], *range(12)]
    detector = detector_of(work / "ten")
    scores = fixed_scores(detector, x[rows])
    thresholds = [decision.threshold for decision in detector.decisions]
    core = core_of(work)
    arena = core.symbol("cpcc_arena").address
    fired = set()
    for sample, expected in zip(x[rows], scores):
        core.write(FEED, sample.tobytes())
        core.call("ten_quantize", FEED, arena)
        core.call("ten_run", arena)
        assert [core.call("ten_class_score", arena, which) for which in (0, 1)] == expected.tolist()
        called = [int(score >= at) for score, at in zip(expected, thresholds)]
        assert [core.call("ten_class_is_positive", arena, which) & 0xFF for which in (0, 1)] == called
        assert core.call("ten_alarms", arena) == called[0] | called[1] << 1
        fired.add(core.call("ten_alarms", arena))
        for move in (0, 1):
            own = (expected + np.array([move, -move])).astype(
                np.int32
            )  # the first class one below its threshold, or on it
            core.write(FEED, own.tobytes())
            assert core.call("ten_alarms_at", arena, FEED) == (3 if not move else 2)
        for which in (-1, 2):
            assert core.call("ten_class_is_positive", arena, which) & 0xFF == 0
            assert core.call("ten_class_is_positive_at", arena, which, -1000) & 0xFF == 0
    assert [core.call("ten_class_threshold", which) for which in (0, 1)] == thresholds
    assert fired >= {0, 1, 2}


def core_of(work: Path) -> UnicornCore:
    """The build's image on an emulated Cortex-M4."""
    from cpcc import artifacts

    build = open_build(work / "ten")
    calls = "class_score", "class_threshold", "class_is_positive", "class_is_positive_at", "alarms", "alarms_at"
    kept = " ^ ".join(f"(uint32_t)ten_{call}" for call in calls)  # or the linker drops what main does not call
    main = artifacts.pristine_main(build).replace(
        "  serial_start();\n", f"  serial_start();\n  volatile uint32_t kept = {kept};\n  (void)kept;\n"
    )
    image = artifacts.arm_image(build.plan, artifacts.library_on_disk(build), main)
    return UnicornCore(image, TARGETS["stm32"])


def test_a_flipped_bit_of_any_class_is_detected(work: Path) -> None:
    """Every bit of the thresholds and of the classes' logits, every 64th of their tables and known answers."""
    core = core_of(work)
    arena = core.symbol("cpcc_arena").address
    assert core.call("ten_self_test", arena) == 0
    names = re.compile(r"(thresholds|logit_of|scores|ten_operating_points_\d)$")
    found = {name: s for name, s in core.image.symbols.items() if names.match(name)}
    assert len(found) == 5
    for name, symbol in found.items():
        for bit in range(0, 8 * symbol.size, 64 if name.startswith("ten_") else 1):
            address = symbol.address + bit // 8
            before = core.read(address, 1)
            core.write(address, bytes([before[0] ^ 1 << bit % 8]))
            assert core.call("ten_self_test", arena) != 0, (name, bit)
            core.write(address, before)


def test_verify_shows_every_class(work: Path) -> None:
    """Whole: ladder, JSON, JUnit, Markdown and page, with a table of misses and a slider for each class."""
    done = inside(
        "verify", "ten", "--data", "test.npz", "--json", "v.json", "--junit", "j.xml", "--summary", "s.md", cwd=work
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((work / "v.json").read_text())
    jsonschema.validate(report, json.loads((files("cpcc.schemas") / "verify.schema.json").read_text()))
    _, y = arrays(work, "test")
    for label, found in zip(IMPORTANT, report["classes"], strict=True):
        assert found["label"] == label and found["promise"]["holds"]
        assert found["fixed"]["fn"] + found["fixed"]["tp"] == (y == label).sum()
        assert f"class {label}: FNR agrees with the promise of at most" in done.stdout
        assert f'name="false negatives, class {label}"' in (work / "j.xml").read_text()
        assert f"false negatives, class {label} | {found['fixed']['fn']} |" in (work / "s.md").read_text()
    assert inside("report", "ten", cwd=work).returncode == 0
    page = (work / "ten/report.html").read_text()
    assert page.count('class="detector"') == 2
    assert 'id="threshold-3"' in page and 'id="threshold-5"' in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_a_broken_promise_of_one_class_fails(work: Path) -> None:
    """Data on which the fives look like something else: exit 6 names class 5 alone."""
    x, y = arrays(work, "test")
    np.savez(work / "drift.npz", x=np.where((y == 5)[:, None], x[:, ::-1], x), y=y)
    done = inside("verify", "ten", "--data", "drift.npz", "--on", "reference", cwd=work)
    assert done.returncode == 6
    assert "class 5: " in done.stderr and "contradict the promised --max-fnr 0.2" in done.stderr
    assert "class 3: " not in done.stderr


def test_too_few_positives_are_named_for_every_class(work: Path) -> None:
    done = inside(
        "build", "ten.pt", "--calibrate", "train.npz", "--positive", 3, "--important", 5, "--max-fnr", 0.01,
        "--max-fpr", "5=0.00001", "--threshold-data", "unseen.npz", "-o", "none", cwd=work,
    )  # fmt: skip
    assert done.returncode == 7
    for text in (
        "--max-fnr 3=0.01 at confidence 0.975 needs at least 368 calibration positives of class 3",
        "--max-fpr 5=1e-05 at confidence 0.975 needs at least 368887 calibration negatives of class 5",
    ):
        assert text in done.stderr
    assert not (work / "none").exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--positive", 3, "--important", 5, "--max-fnr", "3=0.1"), "class 5 has no budget"),
        (("--positive", 3, "--important", 5, "--max-fnr", "0.1", "--max-fnr", "7=0.1"), "class 7 has a budget but"),
        (("--positive", 3, "--important", 3), "give each label once"),
        (("--important", 3), "beside --positive"),
        (("--positive", 3, "--important", 12), "the model's classes are"),
        (("--max-fnr", "three"), "RATE or LABEL=RATE"),
        ((*BUDGETS, "--positive", 3, "--important", 5, "--confidence", "3=0.99"), "--confidence: give it once"),
        ((*BUDGETS, "--positive", 3, "--important", 5, "--confidence", "1.5"), "--confidence 1.5: needed"),
    ],
)
def test_wrong_requests(work: Path, options: tuple[object, ...], complaint: str) -> None:
    done = inside("build", "ten.pt", "--calibrate", "train.npz", *options, "-o", "none", cwd=work)
    assert done.returncode == 2, done.stdout + done.stderr
    assert complaint in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not (work / "none").exists()


def test_confidences_of_ones_own() -> None:
    """They are taken as they are; the joint one is 1 minus the sum of what is left."""
    promise = promise_of(("3=0.1",), ("5=0.2",), ("3=0.99", "5=0.97"))
    assert promise is not None
    assert promise.budgets((3, 5)) == (Budget(MAX_FNR, 0.1, 0.99, 3), Budget(MAX_FPR, 0.2, 0.97, 5))
    everyone = promise_of(("0.1",), ("5=0.2",), ())
    assert everyone is not None
    shares = [(b.kind, b.level, round(b.confidence, 12), b.label) for b in everyone.budgets((3, 5))]
    assert shares == [(MAX_FNR, 0.1, 0.975, 3), (MAX_FPR, 0.2, 0.975, 5)]  # a class's own budget goes before everyone's


def test_a_model_file_keeps_its_important_classes(tmp_path: Path) -> None:
    """What `cpcc prune --important` found goes into every build; --positive alone asks for one class."""
    torch.manual_seed(1)
    net, x = nn.Sequential(nn.Linear(6, 4)).eval(), np.random.default_rng(0).normal(0, 1, (90, 6)).astype(np.float32)
    y = np.arange(90, dtype=np.int64) % 4
    meta = ModelMeta(positive=2, classes=(0, 1, 2, 3), threshold=0.5, dense_threshold=0.1, more_positive=(0,),
                     more_thresholds=(-0.25,), more_dense_thresholds=(0.3,))  # fmt: skip
    save_model(tmp_path / "m.pt", net, net, (6,), meta, x)
    model = load_model(tmp_path / "m.pt")
    assert model.meta.important == (2, 0)
    assert model.meta.threshold_of(0, dense=True) == 0.3
    for settings, rules in (
        (BuildSettings(TARGETS["stm32"], "m"), [(2, 0.5), (0, -0.25)]),
        (BuildSettings(TARGETS["stm32"], "m", positive=0), [(0, -0.25)]),
        (BuildSettings(TARGETS["stm32"], "m", positive=1, important=(2,)), [(1, 0.0), (2, 0.5)]),
    ):
        found = decisions_of(compile_model(model, settings, make_dataset(x, y)))
        assert [(d.positive, d.float_threshold) for d in found] == rules


def test_one_logit_tells_of_one_class(tmp_path: Path) -> None:
    save_program(tmp_path / "one.pt", export_module(nn.Sequential(nn.Linear(6, 1)).eval(), (6,)))
    settings = BuildSettings(TARGETS["stm32"], "m", positive=1, important=(0,))
    data = make_dataset(np.ones((20, 6), np.float32), np.arange(20) % 2)
    with pytest.raises(UsageError, match="a logit per class"):
        compile_model(load_model(tmp_path / "one.pt"), settings, data)


def test_both_emulators_and_both_compilers_agree(work: Path) -> None:
    """The scores of both classes through host, unicorn and QEMU; the gcc build is compared where it is installed."""
    build = open_build(work / "ten")
    x, _ = arrays(work, "test")
    c = compiled(build.detector)
    expected = c.reference().run(x[:8]).scores
    assert expected.shape == (8, 2)
    for step in steps_of(build, ("host", "arm", "qemu"), 8):
        np.testing.assert_array_equal(step.executor.run(x[:8]).scores, expected)


# --- the joint promise in simulation ---------------------------------------------------------------------------------

RATES, SAMPLES = (0.05, 0.1, 0.2), (186, 252, 243)  # numbers at which the exact test nearly spends its delta
LOW, HIGH, SPAN = -50, 60, (-128, 127)
RUNS = 1000


def test_all_levels_hold_at_once_over_a_thousand_calibration_sets() -> None:
    """Three classes; of each a hundredth more of the positives than promised lies below the one threshold that matters.

    The share of calibration sets after which any class misses more than its level is at most delta, plus three standard
    errors. A threshold one step higher breaks it, and so does each class at the whole delta: see mutants.toml."""
    promise = promise_of([f"{label}={rate}" for label, rate in enumerate(RATES)], (), ("0.95",))
    assert promise is not None
    budgets = promise.budgets((0, 1, 2))
    rng = np.random.default_rng(0)
    answers: dict[tuple[int, int], int] = {}

    def missed(label: int, below: int) -> float:
        """The true rate of misses at the threshold chosen on so many positives `below`."""
        if (label, below) not in answers:
            own = np.repeat([LOW, HIGH], [below, SAMPLES[label] - below])
            answers[label, below] = choose_threshold(own, np.ones(len(own), bool), SPAN, budgets[label])[0]
        return 1.01 * RATES[label] if answers[label, below] > LOW else 0.0

    draws = np.stack([rng.binomial(n, 1.01 * rate, RUNS) for n, rate in zip(SAMPLES, RATES)], axis=1)
    broken = sum(any(missed(i, int(below)) > RATES[i] for i, below in enumerate(run)) for run in draws)
    assert broken / RUNS <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / RUNS)
    assert broken > 0  # the populations are hard enough to tell
