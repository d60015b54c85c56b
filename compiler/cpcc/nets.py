"""Networks by name, networks from a user's file, and the removal of a final Sigmoid or Softmax.

Every network takes scaled float32 (n, *input_shape) and returns logits (n,), (n, 1) or (n, k). Random
initial weights come from torch's global generator: seeding it is the caller's business.
"""

import copy
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cpcc.errors import ModelError, UsageError

Shape = Sequence[int]
Builder = Callable[[Shape, int], nn.Module]

_SHAPE_ONLY = {"view", "reshape", "flatten", "squeeze", "unsqueeze", "alias", "_unsafe_view"}
_FINAL_ACTIVATIONS = {"sigmoid", "softmax", "_softmax", "log_softmax", "_log_softmax"}
_FINAL_MODULES = ("Sigmoid", "Softmax", "LogSoftmax")


def mlp(input_shape: Shape, outputs: int) -> nn.Module:
    """features-32-16-outputs with ReLU; images are flattened."""
    features = 1
    for size in input_shape:
        features *= size
    hidden = [nn.Linear(features, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, outputs)]
    return nn.Sequential(*([nn.Flatten()] if len(input_shape) > 1 else []), *hidden)


def cnn3(input_shape: Shape, outputs: int) -> nn.Module:
    """`CNN_3` of Entezari and Saukh (arXiv 1909.10364): 33,106 parameters for RGB and 2 outputs.

    Three unpadded 3x3 convolutions (16, 16, 32), each with ReLU and max-pooling 3/2; average pooling to
    5x5, dropout, 800-32-outputs. ModelError for images under 29x29.
    """
    channels = _image("cnn3", input_shape, smallest=29)
    layers: list[nn.Module] = []
    for before, after in ((channels, 16), (16, 16), (16, 32)):
        layers += [nn.Conv2d(before, after, 3), nn.ReLU(), nn.MaxPool2d(3, 2)]
    head = [nn.Flatten(), nn.Dropout(), nn.Linear(800, 32), nn.ReLU(), nn.Linear(32, outputs)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(5), *head)


def lenet5(input_shape: Shape, outputs: int) -> nn.Module:
    """LeNet-5 (LeCun et al. 1998) with ReLU and max-pooling; images under 32x32 are padded by 2.

    ModelError for images under 12x12.
    """
    channels = _image("lenet5", input_shape, smallest=12)
    padding = 2 if min(input_shape[1:]) < 32 else 0
    height, width = (((size + 2 * padding - 4) // 2 - 4) // 2 for size in input_shape[1:])
    return nn.Sequential(
        *(nn.Conv2d(channels, 6, 5, padding=padding), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(16 * height * width, 120), nn.ReLU()),
        *(nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, outputs)),
    )


def dscnn(input_shape: Shape, outputs: int, width: int = 64, blocks: int = 4) -> nn.Module:
    """Depthwise separable network for keyword spotting (Zhang et al., "Hello Edge", 2017, DS-CNN-S).

    The first convolution is 10x4 for a spectrogram (time at least twice the bands), else 3x3; it halves
    both sides. Then `blocks` of depthwise 3x3 and 1x1 convolutions, global average, linear. Convolutions
    have no bias: the batch norm after each has one.
    ModelError for images under 4x4.
    """
    channels = _image("dscnn", input_shape, smallest=4)
    spectrogram = input_shape[1] >= max(10, 2 * input_shape[2])
    kernel, padding = ((10, 4), (5, 1)) if spectrogram else ((3, 3), (1, 1))
    first = nn.Conv2d(channels, width, kernel, stride=2, padding=padding, bias=False)
    layers: list[nn.Module] = [first, nn.BatchNorm2d(width), nn.ReLU()]
    for _ in range(blocks):
        layers += _separable(width)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, outputs))


def _separable(width: int) -> list[nn.Module]:
    depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
    pointwise = nn.Conv2d(width, width, 1, bias=False)
    return [depthwise, nn.BatchNorm2d(width), nn.ReLU(), pointwise, nn.BatchNorm2d(width), nn.ReLU()]


def _image(name: str, input_shape: Shape, smallest: int) -> int:
    """Channels of an image shape (c, h, w); ModelError when it is no image or too small."""
    if len(input_shape) != 3:
        raise ModelError(f"{name}: takes images (c, h, w), not shape {tuple(input_shape)}; use mlp")
    if min(input_shape[1:]) < smallest:
        height, width = input_shape[1:]
        raise ModelError(f"{name}: {height}x{width} is too small, needs {smallest}x{smallest}; use mlp")
    return input_shape[0]


NETS: dict[str, Builder] = {"mlp": mlp, "cnn3": cnn3, "lenet5": lenet5, "dscnn": dscnn}


def load_net(spec: str, input_shape: Shape, outputs: int) -> nn.Module:
    """A fresh network: a name of NETS, or `path/to/file.py:callable` (called without arguments).

    A file's code is executed. A final Sigmoid or Softmax is removed, so the result returns logits.
    UsageError for an unknown name, file or callable; ModelError when the network does not take
    (n, *input_shape) or returns no logits.
    """
    net = NETS[spec](input_shape, outputs) if spec in NETS else load_module(spec)
    check_net(net, input_shape, spec)
    return net if spec in NETS else strip_final_activation(net, input_shape)


def load_module(spec: str) -> nn.Module:
    """The network that `path/to/file.py:callable` returns, as it is. A file's code is executed. Raises `UsageError`."""
    path, _, name = spec.rpartition(":")
    if not path or not name:
        raise UsageError(f"{spec}: no such network; known: {', '.join(NETS)}, or path/to/file.py:callable")
    source = Path(path)
    if not source.is_file():
        raise UsageError(f"{path}: no such file; give path/to/file.py:callable")
    with _importable(source.resolve().parent):
        module = _execute(source)
        factory = getattr(module, name, None)
        if not callable(factory):
            raise UsageError(f"{path}: has no callable named {name}; define one that returns the network")
        net = _guarded(spec, factory)
    if not isinstance(net, nn.Module):
        raise UsageError(f"{spec}: returned {type(net).__name__}; it must return a torch.nn.Module")
    return net


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let a user's file import its neighbours, as `python file.py` would."""
    before = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before


def _execute(source: Path) -> Any:
    name = f"cpcc_user_{source.stem}"
    found = importlib.util.spec_from_file_location(name, source)
    if found is None or found.loader is None:
        raise UsageError(f"{source}: not a Python file; give path/to/file.py:callable")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # dataclasses and pickling look their module up here
    loader = found.loader
    _guarded(str(source), lambda: loader.exec_module(module))
    return module


def _guarded(place: str, call: Callable[[], Any]) -> Any:
    """Run a user's code; whatever it raises becomes one line."""
    try:
        return call()
    except Exception as error:
        raise UsageError(f"{place}: {_one_line(error)}; fix the network's file") from error


def _one_line(error: BaseException) -> str:
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:160]}" if words else type(error).__name__


def check_net(net: nn.Module, input_shape: Shape, place: str) -> int:
    """Number of logits of a network, found by one forward pass of two zero samples.

    ModelError when it does not take (n, *input_shape) or does not return (n,), (n, 1) or (n, k).
    """
    net.eval()
    if len(needed := _needed_arguments(net)) > 1:
        raise ModelError(
            f"{place}: takes {len(needed)} inputs ({', '.join(needed)}); pruning takes one: join them and slice in forward, "
            "or train elsewhere and use cpcc export"
        )
    try:
        with torch.no_grad():
            logits = net(torch.zeros(2, *input_shape))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        shape = tuple(input_shape)
        raise ModelError(f"{place}: does not take samples of shape {shape} ({_one_line(error)})") from error
    if not isinstance(logits, torch.Tensor) or logits.ndim not in (1, 2) or len(logits) != 2:
        found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ModelError(
            f"{place}: returns {found} for 2 samples; return logits (n,), (n, 1) or (n, k), and one output"
        )
    return 1 if logits.ndim == 1 else logits.shape[1]


def _needed_arguments(net: nn.Module) -> list[str]:
    """Arguments of forward without a default."""
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(net.forward).parameters.values()
    return [p.name for p in parameters if p.kind in plain and p.default is inspect.Parameter.empty]


def strip_final_activation(net: nn.Module, input_shape: Shape) -> nn.Module:
    """The network without its final Sigmoid, Softmax or LogSoftmax module (a copy when there is one).

    The last operation is read from a torch.export graph of one sample. ModelError when it is a function
    call rather than a module of its own, or when its module is used elsewhere too.
    """
    path = _final_activation(net, input_shape)
    if path is None:
        return net
    if not path:
        raise ModelError("network: is a lone activation; nothing to train")
    bare = copy.deepcopy(net)
    parent, _, name = path.rpartition(".")
    setattr(bare.get_submodule(parent), name, nn.Identity())
    return bare


def _final_activation(net: nn.Module, input_shape: Shape) -> str | None:
    """Path of the module that ends the network with a probability; None when it ends with logits."""
    graph = _exported(net, input_shape)
    node = next(iter(graph.output_node().all_input_nodes), None)
    while node is not None and _operation(node) in _SHAPE_ONLY:
        node = node.all_input_nodes[0]
    if node is None or _operation(node) not in _FINAL_ACTIVATIONS:
        return None
    path, kind = _owner(node)
    if kind.rpartition(".")[2] not in _FINAL_MODULES:
        raise ModelError(f"network: ends with the function {_operation(node)}; return logits instead")
    uses = [n for n in graph.nodes if _operation(n) in _FINAL_ACTIVATIONS and _owner(n)[0] == path]
    if len(uses) > 1:
        raise ModelError(f"{path} ({kind.rpartition('.')[2]}): used in the middle too; return logits instead")
    return path


def _exported(net: nn.Module, input_shape: Shape) -> torch.fx.Graph:
    try:
        return torch.export.export(net.eval(), (torch.zeros(1, *input_shape),)).graph
    except Exception as error:  # the exporter's own exception tree is private and wide
        raise ModelError(f"network: torch.export cannot read it ({_one_line(error)})") from error


def _operation(node: torch.fx.Node) -> str:
    """`softmax` for aten.softmax.int; empty for inputs and outputs."""
    packet = getattr(node.target, "overloadpacket", None)
    return getattr(packet, "__name__", "") if node.op == "call_function" else ""


def _owner(node: torch.fx.Node) -> tuple[str, str]:
    """Path and class name of the innermost module that a graph node came from."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    path, kind = stack[-1] if stack else ("", "")
    return path, kind if isinstance(kind, str) else kind.__name__
