"""What a model file says beside its programs: `ModelMeta`, read field by field from a file that nobody vouches for."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from cpcc.archive import parse_json
from cpcc.errors import ModelError

FORMAT = 1
META = "cpcc.json"
INPUT_DTYPES = ("float32", "uint8", "int8", "int16")
# older files of the format lack them
_ADDED = ("more_positive", "more_thresholds", "more_dense_thresholds", "calibration_groups")


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


def read_meta(path: str | Path, extras: dict[str, str], outputs: int) -> ModelMeta:
    """The metadata of an archive at `path` whose first output has that many values; defaults where it has none.
    Raises `ModelError`."""
    place = f"{path}: {META}"
    if META not in extras:
        return ModelMeta(name=Path(path).stem, classes=tuple(range(max(2, outputs))), has_meta=False)
    values = parse_json(extras[META], place)
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
