"""The protocol of ``firmware/harness``, which runs the model on the host and on QEMU: requests, replies, batches."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from cpcc.executors.base import (
    SCORE,
    ExecutionError,
    Trace,
    bytes_per_sample,
    join,
    node_names,
    run_name,
    traced_tensors,
)
from cpcc.graph import Tensor
from cpcc.plan.plan import Plan
from cpcc.quantize import batches

BATCH_BYTES = 32 * 2**20
QUANTIZED, NODES = 1, 2
SECONDS = 600


def request(samples: np.ndarray, quantized: bool, nodes: bool) -> bytes:
    """A harness request (firmware/harness/cpcc_harness.h)."""
    mode = QUANTIZED * quantized | NODES * nodes
    return struct.pack("<II", mode, len(samples)) + np.ascontiguousarray(samples).tobytes()


def in_batches(plan: Plan, samples: np.ndarray, run: Callable[[np.ndarray], Trace]) -> Trace:
    """`run` on batches of `samples`, joined. An `ExecutionError` counts its sample from the first of all."""
    traces, done = [], 0
    for batch in batches(samples, _batch_size(plan)):
        try:
            traces.append(run(batch))
        except ExecutionError as error:
            raise error.shifted(done) from error
        done += len(batch)
    return join(traces)


def _batch_size(plan: Plan) -> int:
    return max(1, BATCH_BYTES // max(1, bytes_per_sample(plan)))


def _stored(tensor: Tensor) -> np.dtype[Any]:
    """How a device's memory holds an element: little-endian."""
    return np.dtype(tensor.integer.dtype).newbyteorder("<")


def parse_reply(reply: bytes, samples: int, plan: Plan, nodes: bool, scores: int) -> Trace:
    """The harness's reply (firmware/harness/cpcc_harness.h) as arrays; `scores` per sample. Raises `ValueError` on a wrong length."""
    traced = [plan.graph.tensors[name] for name in traced_tensors(plan)] if nodes else []
    outputs = [plan.graph.tensors[name] for name in plan.graph.outputs]
    fields = [(f"f{i}", _stored(t), t.shape) for i, t in enumerate([*traced, *outputs])]
    record = np.dtype([*fields, ("scores", "<i4", (scores,))])
    if len(reply) != samples * record.itemsize:
        raise ValueError(f"{len(reply)} bytes of reply, expected {samples * record.itemsize}")
    table = np.frombuffer(reply, record)
    values = [table[f"f{i}"].astype(t.integer.dtype) for i, t in enumerate([*traced, *outputs])]
    by_tensor = [(t.name, value) for t, value in zip([*traced, *outputs], values)]
    return Trace(dict(by_tensor[: len(traced)]), dict(by_tensor[len(traced) :]), table["scores"].astype(np.int32))


def broken_off(reply: bytes, plan: Plan, nodes: bool, scores: int) -> tuple[int, str]:
    """(sample, node) at which a harness that sends so many `scores` stopped: the first that its unfinished reply lacks."""
    names, tensors = node_names(plan.graph), plan.graph.tensors
    parts = [(names[name], tensors[name].bytes) for name in (traced_tensors(plan) if nodes else [])]
    parts += [(run_name(plan.graph, name), tensors[name].bytes) for name in plan.graph.outputs]
    parts += [(SCORE, 4)] * scores
    sample, rest = divmod(len(reply), sum(size for _, size in parts))
    for name, size in parts:
        if rest < size:
            return sample, name
        rest -= size
    raise AssertionError("the remainder is smaller than a record")
