"""A ``.tflite`` file to the network, or with ``--positive`` the detector, that `cpcc build` compiles. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cpcc.detector import Network, check_raw, deciding_output, logits_of
from cpcc.errors import ModelError, UsageError
from cpcc.frontends.tflite import input_names, to_graph
from cpcc.frontends.tflite.schema import read_model
from cpcc.graph import Tensor
from cpcc.models.quantized_model import detector_of, drawn_samples, input_specs
from cpcc.ops.softmax import OUTPUT as PROBABILITY

if TYPE_CHECKING:
    from cpcc.build_settings import BuildSettings
    from cpcc.data import Dataset

MAX_BYTES = 2**28


def compile_tflite(path: Path, settings: BuildSettings, samples: Dataset | None) -> tuple[Network, np.ndarray]:
    """(network or detector, raw samples (n, ...) to choose examples from)."""
    imported = to_graph(read_file(path), settings.name, str(path))
    types = [settings.input_dtype or own for own in imported.input_dtypes]
    network = Network(imported.graph, input_specs(imported.graph, types))
    if samples is not None:
        check_raw(network, samples.x)
    raw = drawn_samples(network) if samples is None else samples.x
    if settings.positive is None:
        for option, given in (("--threshold", settings.threshold), ("--decides", settings.output)):
            if given is not None:
                raise UsageError(f"{option}: of which class? name it with --positive")
        return network, raw
    output = deciding_output(network.graph.outputs, settings.output)
    probabilities = gives_probabilities(logits_of(network.graph, output))
    return detector_of(network, output, settings, samples, probabilities), raw


def inputs_of_file(path: Path) -> tuple[str, ...]:
    """Names of a file's inputs. Raises `ModelError`."""
    return input_names(read_model(read_file(path), str(path)))


def read_file(path: Path) -> bytes:
    """The model's bytes. Raises `ModelError` where there is no such file or it is too large."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file; give a .tflite model")
    if path.stat().st_size > MAX_BYTES:
        raise ModelError(f"{path}: {path.stat().st_size:,} B; supported: up to {MAX_BYTES:,}")
    return path.read_bytes()


def gives_probabilities(logits: Tensor) -> bool:
    """Whether the output is quantized as SOFTMAX and LOGISTIC quantize theirs: 0 to 255/256."""
    return logits.type == PROBABILITY
