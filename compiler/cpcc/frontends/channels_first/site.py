"""What the builders of layers are told about the layer that is being imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cpcc.errors import ModelError


@dataclass(frozen=True)
class Site:
    """One layer of the source model: its `name` for the user, the graph tensor `output` that it computes, the `line` of the
    source it comes from where that is known, and its `place` in messages."""

    name: str
    output: str
    line: str
    place: str

    def refuse(self, what: str, value: Any, supported: Any) -> ModelError:
        """The error for `what` with this `value`, naming what is `supported`."""
        return ModelError(f"{self.place}: {what} {value} is not supported; supported: {supported}")
