"""The verdict in one sentence, from the JSON report: for the page, the demo and the CI summary."""

from __future__ import annotations

from typing import Any


def _rate(evaluation: dict[str, Any]) -> str:
    if evaluation["fnr_interval"] is None:
        return "no positives"
    low, high = evaluation["fnr_interval"]
    return f"{100 * evaluation['fnr']:.2f} %, 95 % interval {100 * low:.2f} to {100 * high:.2f} %"


def headline(report: dict[str, Any]) -> str:
    """One sentence that names false negatives first; `report` is ``Report.as_json()``."""
    fixed, floating = report["fixed"], report["float"]
    if fixed is None:
        return f"False negatives cannot be counted without labels; {equality(report)}."
    positives = fixed["fn"] + fixed["tp"]
    start = f"False negatives: the compiled model misses {fixed['fn']} of {positives} positives ({_rate(fixed)})"
    if floating is None:
        return f"{start}{_promise(report)}; {equality(report)}."
    return f"{start}, the float model {floating['fn']}{_promise(report)}: {_match(report)}; {equality(report)}."


def _promise(report: dict[str, Any]) -> str:
    promise = report["promise"]
    if promise is None:
        return ""
    rate = "false-negative" if promise["kind"] == "max-fnr" else "false-positive"
    return f", and a {rate} rate of at most {promise['level']:g} was promised"


def _match(report: dict[str, Any]) -> str:
    if report["promise"] is not None:
        return "the data agree with the promise" if report["fn_match"] else "the data CONTRADICT the promise"
    if not report["fn_match"]:
        return "it misses MORE"
    extra = report["fixed"]["fn"] - report["float"]["fn"]
    return "the rate matches" if extra == 0 else "it misses fewer" if extra < 0 else f"{extra} more were allowed"


def equality(report: dict[str, Any]) -> str:
    """What was found about equality on the executors."""
    if report["failure"]:
        return f"an executor stopped: {report['failure']}"
    if not report["bit_exact"]:
        return "the executors differ"
    if len(report["executors"]) == 1:
        return "nothing was compared with the reference"
    return f"{' = '.join(report['executors'])} at every node of {report['samples']:,} samples"
