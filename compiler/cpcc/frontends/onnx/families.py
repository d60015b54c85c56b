"""What a family of handlers declares: the operators it reads, with their limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cpcc.frontends.onnx.importer import Handler


@dataclass(frozen=True)
class Operators:
    """Operators that are imported alike: what they `become` in the graph, `limits` in words, and their handlers by name."""

    becomes: str
    limits: str
    handlers: Mapping[str, Handler]
