"""Does a last round with int8 rounding help the int8 network? One JSON line per trial.

    python -m bench.science.qat machine digits --seeds 5 -o bench/science/results/qat.jsonl

Every arm shares seed, masks and all rounds but the last: "none" has no further round, "float" one at a tenth of the
learning rate without rounding, "int8" the same with rounding (`cpcc prune --qat`). Float and int8 are the same network,
before and after the compiler's quantizer (training samples calibrate), on test samples, at the threshold that
validation samples gave the float network.
"""

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench.science.run import pruner_for
from bench.science.sets import SETS, Sides

from cpcc.data import Scaling, split
from cpcc.frontends.torch_export import to_graph
from cpcc.metrics import auc, evaluate, fnr_at_fpr
from cpcc.models.exporting import export_module
from cpcc.prune import PruneSettings
from cpcc.prune.schedule import Round
from cpcc.quantize import QuantizerSettings, Samples, integer_outputs, quantize_network

ARMS = ("none", "float", "int8")


@dataclass(frozen=True)
class Control(PruneSettings):
    """`--qat` with its rounding switched off."""

    @property
    def rounds(self) -> list[Round]:
        return [replace(each, int8=False) for each in super().rounds]


def settings_of(arm: str, weights: str, seed: int) -> PruneSettings:
    kind = Control if arm == "float" else PruneSettings
    return kind(keep=0.1, epochs=15, epochs_later=8, weights=weights, qat=arm != "none", seed=seed)


def trial(data: str, sides: Sides, arm: str, weights: str, seed: int) -> dict[str, Any]:
    settings = settings_of(arm, weights, seed)
    result = pruner_for(sides, settings, "cpu", None).run()
    rows = split(sides.train, seed, 1).train
    scaling = Scaling.fit(sides.train.x[rows])
    x, truth = sides.test.x, sides.test.labels() == 1
    with torch.no_grad():
        floats = result.pruned(torch.from_numpy(scaling.apply(x))).numpy().reshape(-1)
    threshold = result.good[-1].threshold
    integers = int8_scores(result.pruned, scaling, sides.train.x[rows][:2000], x)
    return {
        "data": data,
        "arm": arm,
        "weights": weights,
        "seed": seed,
        "remaining": result.good[-1].remaining,
        "float": figures(truth, floats, threshold),
        "int8": figures(truth, integers, threshold),
        "error": float(np.sqrt(np.mean((floats - integers) ** 2)) / floats.std()),
    }


def int8_scores(net: torch.nn.Module, scaling: Scaling, calibration: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Dequantized logits (n,) of the compiled network's reference."""
    graph = to_graph(export_module(net, x.shape[1:]), "net")
    scaled = scaling.apply(calibration)
    last = scaled if scaled.ndim == 2 else np.moveaxis(scaled, 1, -1)
    samples = Samples(calibration, last, (scaling,))
    network, _ = quantize_network(graph, samples, QuantizerSettings())
    output = network.graph.output
    return output.integer.dequantize(integer_outputs(network, x)[output.name]).reshape(-1)


def figures(truth: np.ndarray, scores: np.ndarray, threshold: float) -> dict[str, Any]:
    found = evaluate(truth, scores, threshold)
    return {"fn": found.fn, "fp": found.fp, "auc": auc(truth, scores), "fnr_at_5": fnr_at_fpr(truth, scores, 0.05)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+", choices=list(SETS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--weights", nargs="+", default=["float"])
    parser.add_argument("-o", "--output", type=Path, required=True)
    chosen = parser.parse_args()
    for data in chosen.data:
        sides = SETS[data]()
        for seed in range(chosen.seeds):
            for weights in chosen.weights:
                for arm in ARMS:
                    with chosen.output.open("a") as file:
                        file.write(json.dumps(trial(data, sides, arm, weights, seed), sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
