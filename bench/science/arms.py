"""The arms of the comparison. All share the anti-collapse settings of COMMON; only loss, score and schedule differ."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cpcc.prune.settings import PruneSettings

LEVELS = (1.0, 0.5, 0.25, 0.1, 0.05, 0.02, 0.01)
CHANNEL_LEVELS = LEVELS[:4]  # a tenth of the weights is a third of the channels; fewer leaves layers of one or two

COMMON = PruneSettings(
    scope="erk", floor=2, rewind="lr", optimizer="adam", lr=5e-3, batch_size=64,
    epochs=30, epochs_later=15, patience=30, levels=LEVELS,
)  # fmt: skip

# Each arm names all that makes it what it is: a default of the product may change, an arm of the tables may not.
BLIND: dict[str, Any] = {"loss": "bce", "pos_weight": 1.0}
TOP: dict[str, Any] = {"loss": "hybrid", "rank": "top", "rank_weight": 2.0, "pos_weight": 1.0}

ARMS: dict[str, dict[str, Any]] = {
    "blind": BLIND,
    "one-shot": BLIND,
    "snip": {**BLIND, "score": "snip_init", "rewind": "init"},
    "random": {**BLIND, "score": "random"},
    "paper": {"loss": "hybrid", "rank": "max", "rank_weight": 0.1, "pos_weight": None},
    "constrained": {**TOP, "max_fn_increase": 0},
    # the budget alone, or together with the class weight of the paper's loss
    "budget": {**BLIND, "max_fn_increase": 0},
    "budget-weighted": {"loss": "bce", "pos_weight": None, "max_fn_increase": 0},
    "constrained-weighted": {**TOP, "pos_weight": None, "max_fn_increase": 0},
    # ablations: one idea each
    "blind-snip": {**BLIND, "score": "snip"},
    "blind-distill": {**BLIND, "distill": 1.0},
    "weighted": {"loss": "bce", "pos_weight": None},
    "focal": {"loss": "focal", "pos_weight": 1.0},
    "pairwise": {**TOP, "rank": "pairwise"},
    "top": TOP,
    "top-distill": {**TOP, "distill": 1.0},
    "constrained-saliency": {**TOP, "max_fn_increase": 0, "score": "class_saliency"},
    # the structures that kernels like, and few-level weights, under the budget; the class-blind arm beside two of them
    "constrained-blocks": {**TOP, "max_fn_increase": 0, "structure": "block4"},
    "constrained-channels": {**TOP, "max_fn_increase": 0, "structure": "channel", "levels": CHANNEL_LEVELS},
    "constrained-ternary": {**TOP, "max_fn_increase": 0, "weights": "ternary"},
    "constrained-4bit": {**TOP, "max_fn_increase": 0, "weights": "4bit"},
}
# Cut once, from a network of its own for every level.
SINGLE_CUT = ("one-shot", "snip")


def settings_of(arm: str, seed: int) -> list[PruneSettings]:
    """The runs of an arm: one down all levels, or one per level."""
    base = replace(COMMON, seed=seed, **ARMS[arm])
    if arm not in SINGLE_CUT:
        return [base]
    return [replace(base, levels=(1.0, level)) for level in LEVELS[1:]]
