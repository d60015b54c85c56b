"""cpcc's model file: a `torch.export` archive with two text files beside the programs.

    models/model.json        the network to compile
    models/dense.json        the network before pruning, where there is one
    extra/cpcc.json          `ModelMeta`
    extra/calibration.npy64  calibration samples: base64 of a .npy file (torch writes extras as text only)

A file is written through `cpcc.archive`, so it holds no pickle, no folder names of the machine that wrote it,
and equal models are equal bytes. A user's own `torch.export.save` archive opens too, with default metadata.
"""

from __future__ import annotations

import base64
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cpcc.archive import load_programs, parse_archive
from cpcc.errors import ModelError, first_line
from cpcc.files import write_atomically
from cpcc.models.exporting import export_module
from cpcc.models.float_program import input_shapes, output_size
from cpcc.models.model_meta import INPUT_DTYPES, META, ModelMeta, read_meta

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

_CALIBRATION = "calibration.npy64"


@dataclass(frozen=True, eq=False)
class Model:
    """An opened model file. `calibration` (n, *input shape) are unscaled samples in the input dtype."""

    program: ExportedProgram
    dense: ExportedProgram | None
    meta: ModelMeta
    calibration: np.ndarray | None

    @property
    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one sample, without the batch, of each input by name."""
        return input_shapes(self.program)

    @property
    def calibration_labels(self) -> np.ndarray | None:
        """(n,) int64 labels of `calibration`; None where unknown."""
        return np.array(self.meta.calibration_labels, np.int64) if self.meta.calibration_labels else None

    @property
    def calibration_groups(self) -> np.ndarray | None:
        """(n,) int64 group numbers of `calibration`; None where the data had no groups."""
        return np.array(self.meta.calibration_groups, np.int64) if self.meta.calibration_groups else None


def save_model(
    path: str | Path,
    module: torch.nn.Module,
    dense_module: torch.nn.Module | None,
    example_shape: tuple[int, ...],
    meta: ModelMeta,
    calibration: np.ndarray | None,
) -> None:
    """Writes a model file, whole or not at all. `example_shape` excludes the batch."""
    from torch.export.pt2_archive._package import package_pt2

    programs = {"model": export_module(module, example_shape)}
    if dense_module is not None:
        programs["dense"] = export_module(dense_module, example_shape)
    extras = {META: json.dumps(asdict(meta), sort_keys=True)}
    if calibration is not None:
        extras[_CALIBRATION] = _encode_array(calibration)
    buffer = io.BytesIO()
    package_pt2(buffer, exported_programs=programs, extra_files=extras)
    write_atomically(Path(path), parse_archive(buffer.getvalue(), str(path)).clean_bytes())


def save_program(path: str | Path, program: ExportedProgram) -> None:
    """Writes a program alone: a model file without metadata, as a user's own `torch.export.save` makes it."""
    from torch.export.pt2_archive._package import package_pt2

    buffer = io.BytesIO()
    package_pt2(buffer, exported_programs={"model": program})
    write_atomically(Path(path), parse_archive(buffer.getvalue(), str(path)).clean_bytes())


def load_model(path: str | Path) -> Model:
    """The model at `path`. Executes nothing of the file; raises `ModelError`."""
    loaded = load_programs(path)
    if "model" not in loaded.programs:
        names = ", ".join(sorted(loaded.programs))
        raise ModelError(f"{path}: no program is named model (found {names}); write it with torch.export.save")
    return Model(
        program=loaded.programs["model"],
        dense=loaded.programs.get("dense"),
        meta=read_meta(path, loaded.extras, output_size(loaded.programs["model"], 0)),
        calibration=_decode_array(loaded.extras.get(_CALIBRATION), f"{path}: {_CALIBRATION}"),
    )


def _encode_array(array: np.ndarray) -> str:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _decode_array(text: str | None, place: str) -> np.ndarray | None:
    """Raises `ModelError` for anything but a numeric array; pickled object arrays are refused."""
    if text is None:
        return None
    try:
        raw = base64.b64decode(text, validate=True)
        array = np.load(io.BytesIO(raw), allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError, SyntaxError) as error:
        raise ModelError(f"{place}: damaged samples ({first_line(error)}); make the model again") from None
    if not isinstance(array, np.ndarray) or str(array.dtype) not in INPUT_DTYPES or array.ndim < 2:
        raise ModelError(f"{place}: samples of an unsupported type; supported: {', '.join(INPUT_DTYPES)}")
    return array
