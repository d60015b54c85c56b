"""Signal-to-quantization-noise ratios of the zoo's trained networks, and what int16 activations would change.

    CPCC_DATA=../shared/data python bench/int16.py [NAME ...]

Trains as bench/zoo_accuracy.py does, keeps the figures in bench/results/int16.json and prints the table of docs/numerics.md:
the limits of `cpcc build --int16 auto` were chosen by it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import torch
from zoo_accuracy import CALIBRATION, ROOT, TASKS, Task, score, train

from cpcc.data import Scaling
from cpcc.detector import to_channels_last
from cpcc.frontends.torch_export import to_graph
from cpcc.graph import Graph
from cpcc.models.exporting import export_module
from cpcc.quant.int16_choice import int16_layers, output_ratio
from cpcc.quant.noise import worst
from cpcc.quantize import QuantizerSettings, Samples, quantize_network, run_int8
from zoo import ZOO

RESULTS = ROOT / "bench" / "results" / "int16.json"
WISHES = ("never", "auto", "all")


def measure(name: str) -> dict[str, object]:
    """Per wish of `--int16`: the metric, the worst layer and its ratio, the output's ratio, layers in int16."""
    torch.manual_seed(0)
    make, epochs = TASKS[name]
    task = make()
    shape = task.x.shape[1:]
    net = ZOO[name].build(shape, 10 if task.metric == "accuracy" else 2)
    train(net, task, epochs)
    with torch.no_grad():
        floats = np.concatenate([net(batch).numpy() for batch in torch.from_numpy(task.test_x).split(100)])
    graph = to_graph(export_module(net, shape), name)
    return {"metric": task.metric, "float": score(task, floats)} | {w: _quantized(graph, task, w) for w in WISHES}


def _quantized(graph: Graph, task: Task, wish: str) -> dict[str, object]:
    x, test = (
        np.ascontiguousarray(to_channels_last(v)).astype(np.float64) for v in (task.x[:CALIBRATION], task.test_x)
    )
    settings = replace(QuantizerSettings(), int16=wish)
    network, _ = quantize_network(
        graph, Samples(task.x[:CALIBRATION], x, (Scaling.identity(task.x.shape[1:]),)), settings
    )
    q = network.graph.input.integer.quantize(test)
    outputs = network.graph.output.integer.dequantize(run_int8(network.graph, q))
    layer = worst(network.noise)
    return {
        "metric": score(task, outputs), "layer": layer, "alone": round(network.noise[layer].alone, 1),
        "output": round(output_ratio(graph, network.noise), 1), "int16": int16_layers(network.graph),
    }  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in sys.argv[1:] or [n for n in TASKS if n in ZOO]:
        kept[name] = measure(name)
        print(name, kept[name], flush=True)
        RESULTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
