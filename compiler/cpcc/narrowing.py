"""Where the int16 activations that `--int16 auto` wants make a network too large, fewer of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cpcc.detector import Network
from cpcc.errors import DoesNotFitError
from cpcc.fit import Fitted
from cpcc.quant.int16_choice import AUTO, NEVER, output_ratio
from cpcc.quantize import QuantizerSettings

Made = tuple[Network, np.ndarray]  # a network, and raw samples to choose examples from


@dataclass(frozen=True)
class Narrowed:
    """What was given up: `layers` that stayed int8, `why` (what the build with them did not fit), and the network's ratio of
    signal to quantization noise at its outputs in dB, as built (`sqnr`) and with all those layers in int16 (`sqnr_int16`)."""

    layers: tuple[str, ...]
    why: str
    sqnr: float
    sqnr_int16: float


def made_to_fit(
    front: Callable[[QuantizerSettings], Made], fit: Callable[[Made], Fitted], settings: QuantizerSettings
) -> tuple[Network, Fitted, Narrowed | None]:
    """The network that `front` makes with `settings`, as `fit` fits it, and what was given up for that. Where `auto` widened
    layers and the result does not fit, the half of them that gained most stays int16, then the half of those, at last none.
    Raises `DoesNotFitError`: of the int8 network where `auto` chose. That one is tried before the halves, since where it does not fit
    nothing does, and each try of a large network takes long."""
    made = front(settings)
    wide = made[0]
    try:
        return wide, fit(made), None
    except DoesNotFitError as error:
        if settings.int16 != AUTO or not wide.int16:
            raise
        why = str(error).partition(";")[0]
    (network, _), found = _tried(front, fit, settings, ())
    kept = wide.int16
    while kept := kept[: len(kept) // 2]:
        try:
            (network, _), found = _tried(front, fit, settings, kept)
            break
        except DoesNotFitError:
            continue
    left_out = tuple(layer for layer in wide.int16 if layer not in kept)
    return network, found, Narrowed(left_out, why, ratio_of(network), ratio_of(wide))


def _tried(
    front: Callable[[QuantizerSettings], Made], fit: Callable[[Made], Fitted], settings: QuantizerSettings,
    kept: tuple[str, ...],
) -> tuple[Made, Fitted]:  # fmt: skip
    """With the layers `kept` in int16."""
    made = front(replace(settings, int16=",".join(kept) or NEVER))
    return made, fit(made)


def ratio_of(network: Network) -> float:
    """The least ratio of signal to quantization noise at an output, in dB."""
    return output_ratio(network.graph, network.noise)
