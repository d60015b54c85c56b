"""Labels of somebody's samples against the classes of a model: a wrong labelling would pass for a perfect detector."""

from __future__ import annotations

import numpy as np

from cpcc.errors import DataError
from cpcc.models.model_meta import ModelMeta


def check_labels(y: np.ndarray | None, logits: int, meta: ModelMeta | None) -> None:
    """Raises `DataError` for labels (n,) that a network of so many `logits` does not know. One logit without metadata knows
    none, and takes any."""
    has_meta = meta is not None and meta.has_meta
    if y is None or (logits == 1 and not has_meta):
        return
    known = meta.classes if meta is not None and has_meta else tuple(range(logits))
    strange = ~np.isin(y, known)
    if strange.any():
        where = int(np.argmax(strange))
        raise DataError(
            f"labels: sample {where} has label {int(y[where])}, the model's classes are {', '.join(map(str, known))}; "
            "relabel the data as it was for training"
        )
