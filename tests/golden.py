"""Where the golden models lie, and the oracle. Neither is in the repository: tests skip without them, CI fails."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
MLPERF_TINY = ("ad01_int8", "kws_ref_model", "pretrainedResnet_quant", "str_ww_ref_model", "vww_96_int8")


def missing(what: str) -> None:
    """Skip the test with one loud line, or fail it where everything is required (CI)."""
    if os.environ.get("CPCC_REQUIRE_TOOLS"):
        pytest.fail(f"{what}, and CPCC_REQUIRE_TOOLS is set")
    pytest.skip(f"NOT TESTED: {what}")


@dataclass(frozen=True, eq=False)
class GoldenModel:
    """A model file's path and its vectors: `input`, `inputs`, `outputs_tflm_ref`, ``layerNN_OP_tensorK``."""

    path: Path
    vectors: dict[str, np.ndarray]

    def layers(self) -> dict[str, np.ndarray]:
        """Every operator's output for `input` by the name of its node in the graph."""
        found = {}
        for key, value in self.vectors.items():
            if key.startswith("layer"):
                code = key.split("_", 1)[1].rsplit("_tensor", 1)[0]
                found[f"{code.lower()}_{int(key[5:7])}"] = value
        return found


def golden_model(name: str) -> GoldenModel:
    """The golden model `name` from the folder CPCC_MODELS, by default ../shared/models beside the repository."""
    folder = Path(os.environ.get("CPCC_MODELS", ROOT.parent / "shared" / "models"))
    path = folder / f"{name}.tflite"
    if not path.is_file():
        missing(f"{path} is not on this machine; set CPCC_MODELS")
    with np.load(folder / f"{name}.npz") as vectors:
        return GoldenModel(path, dict(vectors))


def micro() -> Any:
    """The module of TensorFlow Lite Micro's Python interpreter."""
    try:
        from tflite_micro.python.tflite_micro import runtime
    except ImportError:
        missing("tflite-micro is not installed (pip install --pre tflite-micro)")
    return runtime


class Oracle:
    """TensorFlow Lite Micro's interpreter on a model's bytes, keeping every tensor."""

    def __init__(self, data: bytes, arena_bytes: int = 2**21) -> None:
        runtime = micro()
        keep = runtime.InterpreterConfig.kPreserveAllTensors
        self._interpreter = runtime.Interpreter.from_bytes(data, arena_size=arena_bytes, intrepreter_config=keep)

    def run(self, x: np.ndarray) -> np.ndarray:
        """The output for the whole input tensor `x`, batch included."""
        self._interpreter.set_input(x, 0)
        self._interpreter.invoke()
        return np.array(self._interpreter.get_output(0))

    def run_all(self, inputs: list[np.ndarray], outputs: int) -> list[np.ndarray]:
        """The first `outputs` outputs for whole input tensors."""
        for i, x in enumerate(inputs):
            self._interpreter.set_input(x, i)
        self._interpreter.invoke()
        return [np.array(self._interpreter.get_output(i)) for i in range(outputs)]

    def tensor(self, index: int) -> np.ndarray:
        """Tensor `index` of the file, after `run`."""
        return np.array(self._interpreter.GetTensor(index, 0)["tensor_data"])
