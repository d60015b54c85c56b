"""A network of torch.export in float32: its inputs, its outputs, its logits."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from cpcc.errors import DataError, ModelError
from cpcc.frontends.torch_export import inputs_of, strip_final_activation
from cpcc.records import by_name

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def run_program(program: ExportedProgram, x_scaled: np.ndarray, output: int = 0) -> np.ndarray:
    """Logits (n, k), float64, of scaled float32 samples (n, ...), of several inputs records: output number `output`, whose
    final Sigmoid or Softmax is dropped.

    The program is static for one sample, so samples run one by one, in float32 as torch computes them.
    Raises `DataError` where the samples do not fit."""
    import torch

    program, _ = strip_final_activation(program, output)
    shapes = input_shapes(program)
    inputs = [np.ascontiguousarray(part, np.float32) for part in by_name(x_scaled, list(shapes)).values()]
    for x, shape in zip(inputs, shapes.values()):
        if x.shape[1:] != shape:
            raise DataError(f"samples have the shape {x.shape[1:]}, the model expects {shape}")
    interpreter = torch.fx.Interpreter(program.graph_module)
    weights = _weights(program)
    with torch.no_grad(), warnings.catch_warnings():
        # even kernels with "same" padding: advice on speed in torch
        warnings.filterwarnings("ignore", message="Using padding='same'", category=UserWarning)
        # copies of the samples: a network may overwrite its input
        rows = [
            interpreter.run(*weights, *(torch.from_numpy(x[i : i + 1].copy()) for x in inputs))[output]
            for i in range(len(x_scaled))
        ]
    return np.array([row.numpy().ravel() for row in rows], np.float64).reshape(len(rows), output_size(program, output))


def input_shapes(program: ExportedProgram) -> dict[str, tuple[int, ...]]:
    """Shape of one sample of each input, by name. Raises `ModelError` unless all have batch 1."""
    names = program.graph_signature.user_inputs
    shapes = [tuple(n.meta["val"].shape) for n in program.graph.nodes if n.name in names and n.op == "placeholder"]
    if not shapes or any(not shape or shape[0] != 1 for shape in shapes):
        raise ModelError(f"input shapes {shapes} are not supported; supported: inputs with batch size 1")
    return {name: shape[1:] for name, shape in zip(inputs_of(program), shapes, strict=True)}


def output_size(program: ExportedProgram, output: int) -> int:
    """Number of values of output number `output`."""
    results: Any = next(n for n in reversed(program.graph.nodes) if n.op == "output").args[0]
    if len(results) <= output or not hasattr(results[output], "meta"):
        raise ModelError(f"forward returns {results}; return tensors that the network computes")
    return math.prod(results[output].meta["val"].shape)


def _weights(program: ExportedProgram) -> list[Any]:
    stores = {**program.constants, **program.state_dict}
    return [stores[spec.target] for spec in program.graph_signature.input_specs if spec.target is not None]
