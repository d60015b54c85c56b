"""`cpcc run`: samples from a file through one executor, results for a file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cpcc.data import load_dataset
from cpcc.detector import InputSpec, Network, arena_layout, check_names, check_raw, model_layout
from cpcc.errors import DataError, first_line
from cpcc.executors.base import Executor
from cpcc.graph import Integer
from cpcc.records import by_name, joined


def load_inputs(network: Network, path: Path, raw: bool) -> np.ndarray:
    """The samples (n, ...) in the .npy file at `path` or the array x of an .npz file, of several inputs records of its arrays; `raw` ones are the
    inputs' integers in the model file's layout. Raises `DataError` where they do not fit the network."""
    names = network.graph.inputs
    archive = len(names) > 1 or path.suffix == ".npz"
    samples = load_dataset(path, need_labels=False, inputs=names).x if archive else _load_npy(path)
    check_names(samples, names)
    if not raw:
        check_raw(network, samples)
    else:
        for (name, part), spec in zip(by_name(samples, names).items(), network.inputs, strict=True):
            _check_integers(path, spec, network.graph.tensors[name].integer, part)
    if not len(samples):
        raise DataError(f"{path}: no samples")
    return samples


def _check_integers(path: Path, spec: InputSpec, kind: Integer, x: np.ndarray) -> None:
    wanted = np.dtype(kind.dtype)
    if x.dtype != wanted or x.shape[1:] != spec.shape:
        raise DataError(
            f"{path}: {x.dtype.name} {x.shape}; --raw expects {wanted.name} (n, {', '.join(map(str, spec.shape))})"
        )


def _load_npy(path: Path) -> np.ndarray:
    if not path.is_file():
        raise DataError(f"{path}: no such file; give samples saved with numpy.save")
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        # numpy takes any other file for a pickle, and its own words would advise to open it as one.
        why = "not a .npy file" if "pickle" in str(error) else f"not a .npy file, or damaged ({first_line(error)})"
        raise DataError(f"{path}: {why}; save samples with numpy.save") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: an .npz archive; save one array with numpy.save")
    return array


def infer(network: Network, executor: Executor, samples: np.ndarray, raw: bool) -> dict[str, np.ndarray]:
    """The outputs (n, ...) by name in the model file's layout: float32, or with `raw`, as the samples then are, integers."""
    names = network.graph.inputs
    if raw:
        parts = zip(by_name(samples, names).items(), network.inputs, strict=True)
        samples = joined({name: np.ascontiguousarray(arena_layout(spec, x)) for (name, x), spec in parts})
    outputs = executor.run(samples, quantized=raw).outputs
    results = {name: model_layout(network.inputs[0], values) for name, values in outputs.items()}
    if raw:
        return results
    kinds = {name: network.graph.tensors[name].integer for name in results}
    return {name: kinds[name].dequantize(values).astype(np.float32) for name, values in results.items()}


def saved(results: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of an .npy file, of several results of an .npz file with an array each."""
    buffer = io.BytesIO()
    if len(results) == 1:
        np.save(buffer, next(iter(results.values())))
    else:
        np.savez(buffer, allow_pickle=False, **results)
    return buffer.getvalue()
