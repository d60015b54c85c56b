"""What a caller's network and batches must be: told in one line before training, not by torch in the middle of it."""

import copy
import re
from typing import Any

import torch
from torch import Tensor, nn

from cpcc.errors import DataError, ModelError, UsageError, first_line
from cpcc.nets import check_net
from cpcc.prune.masks import LAYERS

_SHAPE_ONLY = {"Squeeze", "Unsqueeze", "View", "UnsafeView", "ReshapeAlias", "Select", "Clone"}
_FINAL_ACTIVATIONS = {"Sigmoid", "Softmax"}  # a LogSoftmax changes neither the cross entropy nor differences of scores


def check_device(device: str | torch.device) -> torch.device:
    """Raises `UsageError` for a device that torch does not have here."""
    try:
        torch.zeros(1, device=device)
    # A name it does not know, a build without CUDA, a device without that operator: torch has an exception of its own for each.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"device {device}: not available here; use cpu") from error
    return torch.device(device)


def check_trainable(net: nn.Module) -> None:
    """ModelError for weights that are computed from others, over which no mask can be laid, and where nothing is trained."""
    for path, module in net.named_modules():
        if isinstance(module, LAYERS) and "weight" not in dict(module.named_parameters(recurse=False)):
            raise ModelError(
                f"{path or 'network'}: its weight is computed (torch.nn.utils.prune or a parametrization); make it plain "
                "with prune.remove or parametrize.remove_parametrizations"
            )
    trained = [parameter.requires_grad for parameter in net.parameters()]
    if trained and not any(trained):
        raise ModelError("network: none of its parameters is trained; call net.requires_grad_(True)")


def check_logits(net: nn.Module, example: Tensor) -> int:
    """Number of logits of a network that takes samples like `example` (1, ...); ModelError where it returns something else."""
    outputs = check_net(net, example.shape[1:], "network")
    with torch.enable_grad():
        step = net(example).grad_fn
    while step is not None and _operation(step) in _SHAPE_ONLY:
        step = next((before for before, _ in step.next_functions if before is not None), None)
    if step is not None and _operation(step) in _FINAL_ACTIVATIONS:
        raise ModelError(
            f"network: ends with {_operation(step)}; return logits instead, the losses apply it themselves"
        )
    return outputs


def _operation(step: Any) -> str:
    """`Sigmoid` for SigmoidBackward0."""
    return re.sub(r"Backward\d+$", "", step.name())


def check_batch(side: str, batch: Any) -> tuple[Tensor, Tensor]:
    """A batch (x, labels) as it is; DataError for anything else than float32 samples and one whole number for each."""
    if not (isinstance(batch, (tuple, list)) and len(batch) == 2 and all(isinstance(each, Tensor) for each in batch)):
        raise DataError(f"{side}: a batch is {_kind(batch)}; needed: two tensors, (x, labels)")
    x, labels = batch
    if x.dtype != torch.float32:
        raise DataError(f"{side}: x is {_name(x)}; needed: float32, as x.float() gives it")
    if labels.shape != x.shape[:1] or labels.dtype != torch.int64:
        found = f"labels are {_name(labels)} of shape {tuple(labels.shape)}"
        raise DataError(f"{side}: {found}; needed: int64 ({len(x)},), one class a sample: labels.long(), no one-hot")
    if not torch.isfinite(x).all():
        raise DataError(f"{side}: x has values that are not finite; leave such samples out or fill them in")
    return x, labels


def _kind(batch: Any) -> str:
    if not isinstance(batch, (tuple, list)):
        return f"a {type(batch).__name__}"
    return f"a {type(batch).__name__} of {', '.join(type(each).__name__ for each in batch) or 'nothing'}"


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def check_single(net: nn.Module, example: Tensor) -> None:
    """DataError where `net` cannot be trained on a batch of one sample, as with batch norm of single values."""
    with torch.random.fork_rng(devices=[]):
        try:
            copy.deepcopy(net).train()(example)
        except ValueError as error:
            raise DataError(
                f"train: a batch holds 1 sample ({first_line(error)}); give the DataLoader drop_last=True or another batch_size"
            ) from error
