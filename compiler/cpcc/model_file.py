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
import math
import warnings
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cpcc.archive import load_programs, parse_archive, parse_json
from cpcc.errors import DataError, ModelError, UsageError
from cpcc.files import write_atomically
from cpcc.frontends.torch_export import inputs_of, strip_final_activation
from cpcc.records import by_name

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

FORMAT = 1
# older files of the format lack them
_ADDED = ("more_positive", "more_thresholds", "more_dense_thresholds", "calibration_groups")
INPUT_DTYPES = ("float32", "uint8", "int8", "int16")
_META, _CALIBRATION = "cpcc.json", "calibration.npy64"


@dataclass(frozen=True)
class ModelMeta:
    """What a program does not say.

    `positive` is the important class; `classes` are the labels in the order of the logits. A sample is
    positive when its score (the one logit, or the positive logit minus the largest other) is >= `threshold`;
    0.0 is probability 0.5; `dense_threshold` is the dense network's own. `calibration_labels` and `calibration_groups`
    belong to the samples kept for calibration; empty means unknown, or no groups. `more_positive` are further important classes, with thresholds
    of the network and of the dense one. Inputs of `input_dtype` are scaled to
    ``(x - scaling_mean) / scaling_std`` per feature or channel; empty means unscaled. Hashes identify the
    samples trained and calibrated on."""

    format: int = FORMAT
    name: str = "model"
    positive: int = 1
    classes: tuple[int, ...] = (0, 1)
    threshold: float = 0.0
    input_dtype: str = "float32"
    scaling_mean: tuple[float, ...] = ()
    scaling_std: tuple[float, ...] = ()
    train_hashes: tuple[str, ...] = ()
    calibration_hashes: tuple[str, ...] = ()
    calibration_labels: tuple[int, ...] = ()
    dense_threshold: float = 0.0
    history: list[Any] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    cpcc_version: str = ""
    has_meta: bool = True
    more_positive: tuple[int, ...] = ()
    more_thresholds: tuple[float, ...] = ()
    more_dense_thresholds: tuple[float, ...] = ()
    calibration_groups: tuple[int, ...] = ()

    @property
    def important(self) -> tuple[int, ...]:
        """Labels of all important classes, the first one first."""
        return (self.positive, *self.more_positive)

    def threshold_of(self, label: int, dense: bool = False) -> float:
        """The float threshold of class `label`, of the `dense` network on request; 0 (it beats every other class) where
        the model file has none."""
        first, more = (
            (self.dense_threshold, self.more_dense_thresholds) if dense else (self.threshold, self.more_thresholds)
        )
        return dict(zip(self.important, (first, *more), strict=True)).get(label, 0.0)


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
    extras = {_META: json.dumps(asdict(meta), sort_keys=True)}
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
        meta=_read_meta(path, loaded.extras, loaded.programs["model"]),
        calibration=_decode_array(loaded.extras.get(_CALIBRATION), f"{path}: {_CALIBRATION}"),
    )


# --- export ---------------------------------------------------------------------------------------------


def export_module(module: torch.nn.Module, *shapes: tuple[int, ...]) -> ExportedProgram:
    """`module` in evaluation mode as a static program for one sample of inputs with these `shapes`.

    The module's own training flags are restored. Raises `ModelError` where torch cannot export it."""
    import torch

    training = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with warnings.catch_warnings():
            # torch.export warns about its own deprecated functions; nothing a caller could change.
            warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\..*")
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(torch|copyreg)(\..*)?")
            # even kernels with "same" padding: advice on speed in torch
            warnings.filterwarnings("ignore", message="Using padding='same'", category=UserWarning)
            # torch's own recurrent layers keep a list of their weights
            warnings.filterwarnings("ignore", message=".*_flat_weights", category=UserWarning)
            return torch.export.export(module, tuple(torch.zeros(1, *shape) for shape in shapes))
    except (*_EXPORT_ERRORS, torch._dynamo.exc.TorchDynamoException) as error:
        raise ModelError(
            f"{type(module).__name__} cannot be exported for input shape {' and '.join(map(_shape, shapes))}: "
            f"{_first_line(error)}"
        ) from None
    finally:
        for part, flag in training.items():
            part.training = flag


# What a user's forward and torch's tracer raise for a network that does not fit its input.
_EXPORT_ERRORS = (RuntimeError, TypeError, ValueError, LookupError, AttributeError, AssertionError)


def export_network(module: torch.nn.Module, state_dict_path: str | Path, *shapes: tuple[int, ...]) -> ExportedProgram:
    """`module` with the weights of a state_dict file, exported for inputs of these `shapes`. Raises `ModelError` for keys or
    shapes that do not fit, `UsageError` for an impossible shape."""
    for shape in shapes:
        if not shape or min(shape) < 1:
            raise UsageError(f"--input-shape {_shape(shape)}: expected positive sizes, such as 1,28,28")
    state = read_state_dict(state_dict_path)
    _check_state(module, state, str(state_dict_path))
    module.load_state_dict(state)
    return export_module(module, *shapes)


def read_state_dict(path: str | Path) -> dict[str, torch.Tensor]:
    """A state_dict saved with `torch.save`, loaded with ``weights_only`` (no code is run)."""
    import pickle

    import torch

    path = Path(path)
    if not path.is_file():
        raise ModelError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}; expected a state_dict")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, TypeError, OSError):
        raise ModelError(
            f"{path} is no plain state_dict (a whole module is never opened, it could run code); "
            "save it with torch.save(net.state_dict(), FILE)"
        ) from None
    if isinstance(state, dict) and set(state) >= {"state_dict"} and isinstance(state["state_dict"], dict):
        state = state["state_dict"]  # training checkpoints keep it below this key
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise ModelError(f"{path} is no state_dict; save it with torch.save(net.state_dict(), FILE)")
    return dict(state)


def _check_state(module: torch.nn.Module, state: dict[str, torch.Tensor], path: str) -> None:
    wanted = module.state_dict()
    for what, names in (("missing", set(wanted) - set(state)), ("unexpected", set(state) - set(wanted))):
        if names:
            some = ", ".join(sorted(names)[:3]) + (", …" if len(names) > 3 else "")
            net = type(module).__name__
            raise ModelError(f"{path}: {len(names)} {what} weights for {net} ({some}); is NET the right network?")
    for name, tensor in state.items():
        if tensor.shape != wanted[name].shape:
            expected, actual = tuple(wanted[name].shape), tuple(tensor.shape)
            raise ModelError(f"{path}: {name} has the shape {actual}, the network expects {expected}")


# --- running --------------------------------------------------------------------------------------------


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
    return np.array([row.numpy().ravel() for row in rows], np.float64).reshape(len(rows), _outputs(program, output))


def input_shapes(program: ExportedProgram) -> dict[str, tuple[int, ...]]:
    """Shape of one sample of each input, by name. Raises `ModelError` unless all have batch 1."""
    names = program.graph_signature.user_inputs
    shapes = [tuple(n.meta["val"].shape) for n in program.graph.nodes if n.name in names and n.op == "placeholder"]
    if not shapes or any(not shape or shape[0] != 1 for shape in shapes):
        raise ModelError(f"input shapes {shapes} are not supported; supported: inputs with batch size 1")
    return {name: shape[1:] for name, shape in zip(inputs_of(program), shapes, strict=True)}


def _outputs(program: ExportedProgram, output: int) -> int:
    """Number of values of output number `output`."""
    results: Any = next(n for n in reversed(program.graph.nodes) if n.op == "output").args[0]
    if len(results) <= output or not hasattr(results[output], "meta"):
        raise ModelError(f"forward returns {results}; return tensors that the network computes")
    return math.prod(results[output].meta["val"].shape)


def _weights(program: ExportedProgram) -> list[Any]:
    stores = {**program.constants, **program.state_dict}
    return [stores[spec.target] for spec in program.graph_signature.input_specs if spec.target is not None]


# --- metadata -------------------------------------------------------------------------------------------


def _read_meta(path: str | Path, extras: dict[str, str], program: ExportedProgram) -> ModelMeta:
    place = f"{path}: {_META}"
    if _META not in extras:
        classes = tuple(range(max(2, _outputs(program, 0))))
        return ModelMeta(name=Path(path).stem, classes=classes, has_meta=False)
    values = parse_json(extras[_META], place)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ModelError(f"{place}: unknown format; this cpcc reads format {FORMAT}, make the model again")
    return _meta_from(values, place)


def _meta_from(values: dict[str, Any], place: str) -> ModelMeta:
    defaults = asdict(ModelMeta())
    values = {**{name: list(defaults[name]) for name in _ADDED}, **values}
    if set(values) != set(defaults):
        odd = sorted(set(values) ^ set(defaults))
        raise ModelError(f"{place}: missing or unknown {', '.join(map(str, odd))[:100]}; make the model again")
    checked = {f.name: _check_field(f.name, str(f.type), values[f.name], place) for f in fields(ModelMeta)}
    meta = ModelMeta(**checked)
    if meta.input_dtype not in INPUT_DTYPES or len(meta.scaling_mean) != len(meta.scaling_std):
        raise ModelError(f"{place}: impossible input scaling or dtype; make the model again")
    if not len(meta.more_positive) == len(meta.more_thresholds) == len(meta.more_dense_thresholds):
        raise ModelError(f"{place}: further important classes without thresholds; make the model again")
    if any(std <= 0 for std in meta.scaling_std):
        raise ModelError(f"{place}: scaling_std is not positive; make the model again")
    return meta


def _check_field(name: str, kind: str, value: Any, place: str) -> Any:
    """`value` as the declared type of field `name`."""
    item = {"tuple[int, ...]": int, "tuple[float, ...]": float, "tuple[str, ...]": str}.get(kind)
    if item is not None and isinstance(value, list) and all(_is(item, v) for v in value):
        return tuple(item(v) for v in value)
    plain = {"int": int, "float": float, "str": str, "bool": bool, "list[Any]": list, "dict[str, Any]": dict}
    if kind in plain and _is(plain[kind], value):
        return float(value) if kind == "float" else value
    raise ModelError(f"{place}: {name} is not {kind}; make the model again")


def _is(kind: type, value: Any) -> bool:
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind


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
        raise ModelError(f"{place}: damaged samples ({_first_line(error)}); make the model again") from None
    if not isinstance(array, np.ndarray) or str(array.dtype) not in INPUT_DTYPES or array.ndim < 2:
        raise ModelError(f"{place}: samples of an unsupported type; supported: {', '.join(INPUT_DTYPES)}")
    return array


# --- words --------------------------------------------------------------------------------------------------


def _shape(shape: tuple[int, ...]) -> str:
    return ",".join(map(str, shape))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
