"""ONNX models built for tests, and ONNX Runtime, their oracle."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx.shape_inference
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str] = ("y",), **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(
        kind, list(inputs), list(outputs), name=f"{kind.lower()}_{next(filter(None, outputs))}", **attributes
    )


def onnx_file(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str]],
    constants: Mapping[str, np.ndarray] | None = None,
    outputs: Sequence[str] = ("y",),
    opset: int = OPSET,
    dtype: int = TensorProto.FLOAT,
) -> bytes:
    """The bytes of a model of `nodes`; `inputs` by name with their shapes, `constants` as initializers."""
    infos = [helper.make_tensor_value_info(name, dtype, list(shape)) for name, shape in inputs.items()]
    results = [helper.make_tensor_value_info(name, dtype, None) for name in outputs]
    initializers = [numpy_helper.from_array(np.asarray(v), name) for name, v in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "net", infos, results, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    for info in inferred.graph.output:  # onnx's checker wants a shape, right or wrong
        info.type.tensor_type.shape.SetInParent()
    return inferred.SerializeToString()


def run_oracle(data: bytes, feeds: Mapping[str, np.ndarray], optimized: bool = True) -> list[np.ndarray]:
    """ONNX Runtime's outputs; without `optimized` every node as it stands in the file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return session.run(None, dict(feeds))


def exported(net: torch.nn.Module, shape: tuple[int, ...], folded: bool = False) -> bytes:
    """`net` as torch.onnx writes it; with `folded` its batch norm folded by torch."""
    buffer = io.BytesIO()
    mode = torch.onnx.TrainingMode.EVAL if folded else torch.onnx.TrainingMode.PRESERVE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, about its own older exporter; the newer one needs onnxscript
        torch.onnx.export(
            net.eval(), (torch.zeros(1, *shape),), buffer, dynamo=False, opset_version=OPSET, training=mode,
            do_constant_folding=folded,
        )  # fmt: skip
    return buffer.getvalue()
