"""Tensors of an archive: their types, extents and bytes."""

from __future__ import annotations

import math
import re
from typing import Any

from cpcc.archive.text import show
from cpcc.archive.values import ValueReader

MAX_ELEMENTS = 1 << 28  # of one tensor


_ITEM_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 12: 1, 13: 2}  # by torch's ScalarType number
_COMPLEX = (9, 10, 11)


class TensorReader(ValueReader):
    """Rebuilds what an archive says of its tensors."""

    def tensor_meta(self, value: Any, what: str) -> dict[str, Any]:
        meta = self.obj(value, what)
        sizes, strides = (
            [self.static_int(v, f"{what}: {key}") for v in self.items(self.get(meta, key, what), what)]
            for key in ("sizes", "strides")
        )
        offset = self.static_int(self.get(meta, "storage_offset", what), f"{what}: storage_offset")
        self._check_extent([s["as_int"] for s in sizes], [s["as_int"] for s in strides], offset["as_int"], what)
        if meta.get("layout") != 7:
            raise self.fail(f"{what} is sparse or oddly laid out; supported: dense tensors")
        return {
            "dtype": self._dtype(meta, what),
            "sizes": sizes,
            "requires_grad": False,  # gradients are not needed and would slow every use
            "device": self._device(meta.get("device"), what),
            "strides": strides,
            "storage_offset": offset,
            "layout": 7,
        }

    def _check_extent(self, sizes: list[int], strides: list[int], offset: int, what: str) -> None:
        if any(size < 1 for size in sizes):
            raise self.fail(f"{what} has the zero-size shape {tuple(sizes)}; supported: at least one element")
        if len(sizes) != len(strides) or len(sizes) > 8 or any(s < 0 for s in strides) or offset < 0:
            raise self.fail(f"{what} has an impossible memory layout")
        if _extent(sizes, strides, offset) > MAX_ELEMENTS or math.prod(sizes) > MAX_ELEMENTS:
            raise self.fail(f"{what} has the shape {tuple(sizes)}; a tensor may have {MAX_ELEMENTS} elements")

    def _dtype(self, meta: dict[str, Any], what: str) -> int:
        dtype = self.integer(self.get(meta, "dtype", what), f"{what}: dtype")
        if dtype in _COMPLEX:
            raise self.fail(f"{what} is complex, which is not supported; supported: float32")
        if dtype not in _ITEM_BYTES:
            raise self.fail(f"{what} has the unsupported dtype number {dtype}; supported: float32")
        return dtype

    def _device(self, value: Any, what: str) -> dict[str, Any]:
        if self.obj(value, f"{what}: device").get("type") != "cpu":
            raise self.fail(f"{what} lies on another device; move the network to the CPU and export it again")
        return {"type": "cpu", "index": None}

    def config(self, member: str, prefix: str) -> dict[str, Any]:
        """Where each weight (or constant) lies. Members are raw numbers, never pickles."""
        entries = self.obj(self.get(self.document(member), "config", member), member)
        return {"config": {self.path(key, "weight"): self._payload(v, key, prefix) for key, v in entries.items()}}

    def _payload(self, value: Any, key: str, prefix: str) -> dict[str, Any]:
        entry = self.obj(value, key)
        if entry.get("use_pickle") is not False:
            raise self.fail(f"weight {key} is a pickle (use_pickle), which can run code when opened; refused")
        member = self.get(entry, "path_name", key)
        if not isinstance(member, str) or not re.fullmatch(rf"{prefix}\d{{1,6}}", member):
            raise self.fail(f"weight {key} is {show(member)}; custom and script objects are not supported")
        meta = self.tensor_meta(entry.get("tensor_meta"), f"weight {key}")
        self._check_payload(f"data/{'weights' if prefix == 'weight_' else 'constants'}/{member}", meta, key)
        is_param = self.boolean(entry.get("is_param"), f"weight {key}: is_param")
        return {"path_name": member, "is_param": is_param, "use_pickle": False, "tensor_meta": meta}

    def _check_payload(self, member: str, meta: dict[str, Any], key: str) -> None:
        """The tensor lies inside its bytes. (torch would fill an empty member with zeros of any size.)"""
        if member not in self.members:
            raise self.fail(f"weight {key}: {member} is missing from the archive")
        item = _ITEM_BYTES[meta["dtype"]]
        sizes, strides = ([v["as_int"] for v in meta[k]] for k in ("sizes", "strides"))
        needed = item * _extent(sizes, strides, meta["storage_offset"]["as_int"])
        size = len(self.members[member])
        if size < needed or size % item:
            raise self.fail(f"weight {key}: {member} has {size} B, {needed} B needed")


def _extent(sizes: list[int], strides: list[int], offset: int) -> int:
    """Elements from the start of the storage to the end of the tensor."""
    return offset + 1 + sum((size - 1) * stride for size, stride in zip(sizes, strides))
