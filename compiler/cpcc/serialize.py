"""A `Network` or `Detector` as one .npz file: a JSON tree beside plain arrays. Reading it executes no code."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cpcc.detector import Decision, Detector, InputSpec, Network
from cpcc.errors import ModelError
from cpcc.fixedpoint import Requant, TfliteRequant
from cpcc.graph import Graph, Int8, Int16, Node, Tensor
from cpcc.ops import OPS, PRESCRIBED, WIDE
from cpcc.ops.add import AddScaling, TfliteAddScaling
from cpcc.ops.float_params import AvgPool2d, Pad
from cpcc.ops.requantized import Output
from cpcc.ops.softmax import DistanceScale
from cpcc.ops.wide import WideOutput
from cpcc.proof.guarantee import Guarantee
from cpcc.proof.operating_points import OperatingPoint
from cpcc.quant.noise import Noise

FORMAT = 3
_CLASSES: dict[str, type] = {
    cls.__name__: cls
    for cls in (Network, Detector, Noise, InputSpec, Decision, Guarantee, OperatingPoint, Graph, Tensor, Node, Int8, Int16,
                Requant, TfliteRequant, Output, AvgPool2d, Pad, AddScaling, TfliteAddScaling, WideOutput, DistanceScale, *(op.int8_params for op in (*OPS, *WIDE, *PRESCRIBED)))
}  # fmt: skip


def _encode(value: Any, keep: Callable[[np.ndarray], str]) -> Any:
    if isinstance(value, np.ndarray):
        return {"array": keep(value)}
    if isinstance(value, tuple):
        return {"tuple": [_encode(v, keep) for v in value]}
    if isinstance(value, dict):
        return {"dict": [[k, _encode(v, keep)] for k, v in value.items()]}
    if dataclasses.is_dataclass(value):
        fields = {f.name: _encode(getattr(value, f.name), keep) for f in dataclasses.fields(value)}
        return {"class": type(value).__name__, "fields": fields}
    assert isinstance(value, str | int | float | bool), f"{type(value)} cannot be stored"
    return value


def _decode(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return arrays[tree["array"]]
    if "tuple" in tree:
        return tuple(_decode(v, arrays) for v in tree["tuple"])
    if "dict" in tree:
        return {k: _decode(v, arrays) for k, v in tree["dict"]}
    return _CLASSES[tree["class"]](**{k: _decode(v, arrays) for k, v in tree["fields"].items()})


def dump_detector(detector: Network) -> bytes:
    """The file's bytes; the same network gives the same bytes."""
    arrays: dict[str, np.ndarray] = {}

    def keep(array: np.ndarray) -> str:
        arrays[f"a{len(arrays)}"] = array
        return f"a{len(arrays) - 1}"

    text = json.dumps({"format": FORMAT, "detector": _encode(detector, keep)}, sort_keys=True)
    buffer = io.BytesIO()
    tree = np.frombuffer(text.encode(), np.uint8)
    np.savez(buffer, allow_pickle=False, tree=tree, **arrays)
    return buffer.getvalue()


def load_detector(path: Path) -> Network:
    """The network, detector or not, in `path`. Raises `ModelError` where the file is damaged or of another cpcc."""
    try:
        with np.load(path, allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
        tree = json.loads(arrays.pop("tree").tobytes())
        if tree["format"] != FORMAT:
            raise ModelError(f"{path}: format {tree['format']}, this cpcc reads {FORMAT}; run cpcc build again")
        detector = _decode(tree["detector"], arrays)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: damaged ({error}); run cpcc build again") from error
    assert isinstance(detector, Network)
    return detector
