"""Every network of the zoo trained briefly on a real task: what int8 costs.

    CPCC_DATA=../shared/data python bench/zoo_accuracy.py [NAME ...]

Keeps the figures in bench/results/zoo_accuracy.json and writes the table of docs/numerics.md. int8 is the numpy
reference, which equals the device's output bit for bit. Calibration: 256 training samples.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupShuffleSplit
from torch import nn
from torch.export import ExportedProgram
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from cpcc.detector import to_channels_last
from cpcc.frontends.torch_export import to_graph
from cpcc.graph import Int8
from cpcc.models.exporting import export_module
from cpcc.quant.calibration import calibrate
from cpcc.quant.equalization import equalized
from cpcc.quant.running import run_outputs
from cpcc.quantize import QuantizerSettings, quantized
from cpcc.records import by_name, each, joined
from zoo import PORTED, ZOO

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("CPCC_DATA", ROOT.parent / "shared" / "data"))
RESULTS = ROOT / "bench" / "results" / "zoo_accuracy.json"
CALIBRATION = 256
VARIANTS = {
    "minmax": QuantizerSettings(),
    "percentile": QuantizerSettings("percentile"),
    "mse": QuantizerSettings("mse"),
    "kl": QuantizerSettings("kl"),
    "equalized, bias corrected": QuantizerSettings(equalize=True, correct_bias=True),
}


@dataclass(frozen=True, eq=False)
class Task:
    """Scaled float32 samples (n, ...) and labels (n,), split. `metric` is "accuracy", "AUC" or "anomaly AUC"."""

    name: str
    x: np.ndarray
    y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    metric: str


@dataclass(frozen=True)
class Row:
    """What one network reached: its metric in float and, by variant, in int8."""

    net: str
    task: str
    metric: str
    parameters: int
    seconds: float
    floats: float
    int8: dict[str, float]


def _scaled(x: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    axes = (0, *range(2, x.ndim))
    mean, std = x.mean(axis=axes, keepdims=True), x.std(axis=axes, keepdims=True) + 1e-6
    return ((x - mean) / std).astype(np.float32), ((test - mean) / std).astype(np.float32)


MOST_TESTED = 1500  # samples


def load(file: str, count: int, multi: bool = False, most: int = MOST_TESTED) -> Task:
    """`count` training samples and at most `most` test samples; no group on both sides."""
    with np.load(DATA / file, allow_pickle=False) as data:
        x, y = data["x"], data["y_multi" if multi else "y"]
        group = data["group"] if "group" in data else np.arange(len(x))
        official = data.get("split")
    if official is None:
        train, test = next(GroupShuffleSplit(1, test_size=0.4, random_state=0).split(x, y, group))
    else:
        train, test = np.flatnonzero(official == 0), np.flatnonzero(official == 1)
    rng = np.random.default_rng(0)
    train, test = rng.permutation(train)[:count], rng.permutation(test)[:most]
    scaled = _scaled(x[train].astype(np.float32), x[test].astype(np.float32))
    return Task(file.partition("_")[0], scaled[0], y[train], scaled[1], y[test], "accuracy" if multi else "AUC")


def anomalies(task: Task) -> Task:
    """Flat samples of the normal class to learn, all to tell apart by their reconstruction error."""
    x, test = (v.reshape(len(v), -1) for v in (task.x, task.test_x))
    return Task(task.name, x[task.y == 0], task.y[task.y == 0], test, task.test_y, "anomaly AUC")


# By network: the task, given the most test samples, and epochs.
TASKS: dict[str, tuple[Callable[[int], Task], int]] = {
    "lenet5": (lambda most: load("fashion_mnist_20k.npz", 6000, multi=True, most=most), 4),
    "cnn3": (lambda most: load("cracks_metu_gray32.npz", 4000, most=most), 4),
    "dscnn": (lambda most: load("fsdd_logmel.npz", 1800, multi=True, most=most), 10),
    "mobilenet_v1": (lambda most: load("fashion_mnist_20k.npz", 6000, multi=True, most=most), 6),
    "mobilenet_v2": (lambda most: load("fashion_mnist_20k.npz", 4000, multi=True, most=most), 6),
    "resnet8": (lambda most: load("fashion_mnist_20k.npz", 4000, multi=True, most=most), 3),
    "autoencoder": (lambda most: anomalies(load("imu_umafall_waist20hz.npz", 2800, most=most)), 20),
    "ecg_net": (lambda most: load("imu_umafall_waist20hz.npz", 2800, most=most), 8),
    "inception": (lambda most: load("fashion_mnist_20k.npz", 6000, multi=True, most=most), 5),
    "squeeze_excite": (lambda most: load("cracks_metu_gray32.npz", 4000, most=most), 4),
    "gru_net": (lambda most: load("imu_umafall_waist20hz.npz", 2800, most=most), 8),
    "two_sensors": (lambda most: load("imu_umafall_waist20hz.npz", 2800, most=most), 8),
    "two_heads": (lambda most: load("cracks_metu_gray32.npz", 4000, most=most), 4),
}


@dataclass(frozen=True)
class Wiring:
    """How a task's samples enter a network and its answer leaves: channels of each input by name, and the name of the output with
    the logits ("" for the only one). One logit is read as two, the other 0."""

    inputs: dict[str, slice]
    output: str = ""

    def parts(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """The inputs' samples (n, ...) by name."""
        return {name: np.ascontiguousarray(x[:, channels]) for name, channels in self.inputs.items()}

    def tensors(self, x: np.ndarray) -> list[torch.Tensor]:
        return [torch.from_numpy(part) for part in self.parts(x).values()]

    def logits(self, out: torch.Tensor | dict[str, torch.Tensor]) -> torch.Tensor:
        """(n, k) of what the network returned."""
        y = out[self.output] if isinstance(out, dict) else out
        return torch.cat([torch.zeros_like(y), y], 1) if y.shape[1] == 1 else y


PLAIN = Wiring({"x": slice(None)})
WIRINGS = {
    "two_sensors": Wiring({"accel": slice(0, 3), "gyro": slice(3, 6)}),
    "two_heads": Wiring({"picture": slice(None)}, "defect"),  # where the defect is no data set here says
}


def train(net: nn.Module, task: Task, epochs: int, wiring: Wiring = PLAIN) -> None:
    """Adam with a rate that falls to zero, batches of 64."""
    x, y = wiring.tensors(task.x), torch.from_numpy(task.y.astype(np.int64))
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    steps = epochs * (len(y) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    net.train()
    for _ in range(epochs):
        order = torch.randperm(len(y))
        for i in range(0, len(y) - 63, 64):
            batch = order[i : i + 64]
            out = wiring.logits(net(*(part[batch] for part in x)))
            target = x[0][batch] if task.metric == "anomaly AUC" else y[batch]
            loss = F.mse_loss(out, target) if task.metric == "anomaly AUC" else F.cross_entropy(out, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    net.eval()


def score(task: Task, outputs: np.ndarray) -> float:
    """Accuracy or AUC of outputs (n, k) on the test samples."""
    if task.metric == "accuracy":
        return float((outputs.argmax(axis=1) == task.test_y).mean())
    if task.metric == "AUC":
        return float(roc_auc_score(task.test_y, outputs[:, 1] - outputs[:, 0]))
    return float(roc_auc_score(task.test_y, ((outputs - task.test_x) ** 2).mean(axis=1)))


def int8_outputs(program: ExportedProgram, task: Task, settings: QuantizerSettings, wiring: Wiring) -> np.ndarray:
    """(n, k) real logits of the int8 network on the test samples."""

    def samples(x: np.ndarray) -> np.ndarray:
        return each(lambda v: np.ascontiguousarray(to_channels_last(v)).astype(np.float64), joined(wiring.parts(x)))

    graph, x = to_graph(program, task.name), samples(task.x[:CALIBRATION])
    graph = equalized(graph, x)[0] if settings.equalize else graph
    int8 = quantized(graph, calibrate(graph, x, settings.calibration), x, settings)
    real = by_name(samples(task.test_x), int8.inputs)
    outputs = run_outputs(
        int8, Int8, joined({name: int8.tensors[name].integer.quantize(v) for name, v in real.items()})
    )
    name = next(n for n in int8.outputs if n.startswith(wiring.output))
    return wiring.logits(torch.from_numpy(int8.tensors[name].integer.dequantize(outputs[name]))).numpy()


def measure(name: str) -> Row:
    torch.manual_seed(0)
    make, epochs = TASKS[name]
    task, start = make(MOST_TESTED), time.perf_counter()
    shape = task.x.shape[1:]
    wiring = WIRINGS.get(name, PLAIN)
    net = PORTED[name].build() if name in PORTED else ZOO[name].build(shape, 10 if task.metric == "accuracy" else 2)
    train(net, task, epochs, wiring)
    seconds = time.perf_counter() - start
    with torch.no_grad():
        batches = zip(*(part.split(100) for part in wiring.tensors(task.test_x)))
        floats = np.concatenate([wiring.logits(net(*batch)).numpy() for batch in batches])
    program = export_module(net, *(part.shape[1:] for part in wiring.parts(task.x).values()))
    int8 = {variant: score(task, int8_outputs(program, task, s, wiring)) for variant, s in VARIANTS.items()}
    parameters = sum(p.numel() for p in net.parameters())
    return Row(name, task.name, task.metric, parameters, round(seconds, 1), score(task, floats), int8)


def table(rows: list[Row]) -> str:
    """Markdown: metrics in percent, and the loss of the default in points."""
    lines = [
        f"| network | task | metric | float | int8: {' | '.join(VARIANTS)} | loss (minmax) |",
        "|---" * (5 + len(VARIANTS)) + "|",
    ]
    for row in rows:
        cells = [f"{100 * row.int8[v]:.2f}" for v in VARIANTS]
        loss = 100 * (row.floats - row.int8["minmax"])
        lines.append(
            f"| {row.net} | {row.task} | {row.metric} | {100 * row.floats:.2f} | {' | '.join(cells)} | {loss:+.2f} |"
        )
    return "\n".join(lines)


def write_page(text: str) -> None:
    """Puts the table between its marks in docs/numerics.md."""
    page = ROOT / "docs" / "numerics.md"
    head, _, rest = page.read_text().partition("<!-- zoo_accuracy -->")
    page.write_text(f"{head}<!-- zoo_accuracy -->\n{text}\n<!-- end -->{rest.partition('<!-- end -->')[2]}")


def main() -> None:
    torch.set_num_threads(1)
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in sys.argv[1:] or TASKS:
        row = measure(name)
        print(table([row]).splitlines()[-1], f"trained in {row.seconds} s", flush=True)
        kept[name] = asdict(row)
        RESULTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    write_page(table([Row(**kept[name]) for name in TASKS if name in kept]))


if __name__ == "__main__":
    main()
