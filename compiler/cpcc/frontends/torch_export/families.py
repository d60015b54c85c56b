"""What a family of handlers declares: the layers it reads, with their limits, and one handler per aten operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cpcc.frontends.torch_export.importer import Handler


@dataclass(frozen=True)
class Layers:
    """Layers that are imported alike. `names` as a user calls them, `becomes` in the graph, `limits` in words."""

    names: tuple[str, ...]
    becomes: str
    limits: str
    handlers: Mapping[str, Handler]
