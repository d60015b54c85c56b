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
    if not report["classes"]:
        return f"False negatives cannot be counted without labels; {equality(report)}."
    classes = report["classes"]
    found = class_line(classes[0], named=False) if len(classes) == 1 else _together(classes)
    return f"False negatives: the compiled model misses {found}; {equality(report)}."


def _together(classes: list[dict[str, Any]]) -> str:
    """Misses of several classes, and whether they match: said once where it is the same of all."""
    counts = " and ".join(_short(each) for each in classes)
    words = [_match(each) if each["float"] else "" for each in classes]
    if len(set(words)) == 1:
        return f"{counts}: {words[0]}" if words[0] else counts
    each = ", ".join(f"class {found['label']}: {word}" for found, word in zip(classes, words, strict=True))
    return f"{counts}: {each}"


def _short(found: dict[str, Any]) -> str:
    fixed, floating = found["fixed"], found["float"]
    beside = "" if floating is None else f" (the float model {floating['fn']})"
    return f"{fixed['fn']} of {fixed['fn'] + fixed['tp']} positives of class {found['label']}{beside}"


def class_line(found: dict[str, Any], named: bool) -> str:
    """The misses of one class, an entry of the report's `classes`, and whether they match; `named` says which class."""
    fixed, floating = found["fixed"], found["float"]
    positives = fixed["fn"] + fixed["tp"]
    whose = f"positives of class {found['label']}" if named else "positives"
    start = f"{fixed['fn']} of {positives} {whose} ({_rate(fixed)})"
    if floating is None:
        return f"{start}{_promise(found)}"
    return f"{start}, the float model {floating['fn']}{_promise(found)}: {_match(found)}"


def _promise(found: dict[str, Any]) -> str:
    promise = found["promise"]
    if promise is None:
        return ""
    rate = "false-negative" if promise["kind"] == "max-fnr" else "false-positive"
    return f", and a {rate} rate of at most {promise['level']:g} was promised"


def _match(found: dict[str, Any]) -> str:
    if found["promise"] is not None:
        return "the data agree with the promise" if found["fn_match"] else "the data CONTRADICT the promise"
    if found["fn_match"] is None:
        return "there is no positive to miss"
    if not found["fn_match"]:
        return "it misses MORE"
    extra = found["fixed"]["fn"] - found["float"]["fn"]
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
