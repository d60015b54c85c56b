"""What `verify`, `profile`, `build` and `inspect` print: plain text tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from cpcc.graph import Float32, Graph, Int8
from cpcc.ops import op_of
from cpcc.proof.guarantee import MAX_FNR, MAX_FPR, joint_delta

if TYPE_CHECKING:  # printing must not import torch
    from cpcc.detector import Decision
    from cpcc.metrics import Evaluation
    from cpcc.models.model_file import Model
    from cpcc.profile import LayerProfile, Profile
    from cpcc.proof.evidence import PromiseCheck, Transition
    from cpcc.proof.verify import ClassReport, Report
    from cpcc.prune.api import PruneResult

Row = Sequence[str]
RATES = {MAX_FNR: ("FNR", "positives"), MAX_FPR: ("FPR", "negatives")}


def table(header: Row, rows: Iterable[Row]) -> str:
    """Columns padded to their widest cell; the first left, the others right aligned."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]

    def text(line: Row) -> str:
        cells = [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:]))]
        return "  ".join(cells).rstrip()

    return "\n".join([text(lines[0]), text(["-" * w for w in widths]), *map(text, lines[1:])])


def percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"


def evaluation_row(name: str, evaluation: Evaluation) -> list[str]:
    auc = "-" if evaluation.auc is None else f"{evaluation.auc:.4f}"
    return [name, str(evaluation.fn), str(evaluation.fp), percent(evaluation.fnr), percent(evaluation.fpr), auc]


EVALUATION_HEADER = ("model", "FN", "FP", "FNR", "FPR", "AUC")


def evaluations(report: Report) -> str:
    """FN, FP, FNR, FPR and AUC of the models on the data given, for each important class; "" without labels."""
    rows = [row for each in report.classes for row in _class_rows(each, whose(each, report))]
    return table((*EVALUATION_HEADER, "FNR, 95 % interval"), rows) if rows else ""


def _class_rows(found: ClassReport, prefix: str) -> list[list[str]]:
    from cpcc.proof.evidence import FIXED, FLOAT_DENSE, float_name

    named = (
        (FLOAT_DENSE, found.float_dense),
        (float_name(found.float_dense), found.float_pruned),
        (FIXED, found.fixed),
    )
    return [[*evaluation_row(prefix + name, e), _interval(e.fn, e.fn + e.tp)] for name, e in named if e is not None]


def whose(found: ClassReport, report: Report) -> str:
    """ "class 3: " where there are several important classes."""
    return f"class {found.label}: " if len(report.classes) > 1 else ""


def _interval(errors: int, samples: int) -> str:
    """Clopper-Pearson, in percent."""
    from cpcc.proof.evidence import interval

    found = interval(errors, samples)
    return "-" if found is None else f"{100 * found[0]:.2f} ... {100 * found[1]:.2f} %"


def verdict(report: Report) -> list[str]:
    """The two statements of `verify`, one line each, with what a reader needs where one fails."""
    lines = [_equality(report), *_part_lines(report), *group_lines(report.as_json())]
    for found in report.classes:
        lines += [whose(found, report) + line for line in _class_verdict(found, report.allow_fn)]
    return lines


def group_lines(report: dict[str, Any]) -> list[str]:
    """What groups in the data mean for the figures of a `Report.as_json`; nothing without groups."""
    if not report["groups"] or not report["classes"]:
        return []
    text = (f"the samples form {report['groups']:,} groups: intervals and McNemar's tests take each sample as an independent draw, "
            "so they are narrower than the data allow; promises are tested on one sample of each group")  # fmt: skip
    return [text]


def _class_verdict(found: ClassReport, allow_fn: int) -> list[str]:
    lines = [*map(_transition_line, found.transitions)]
    if found.promise is not None:
        lines.append(_promise_line(found.promise))
    elif found.float_pruned is not None:
        lines.append(_fn_line(found, found.float_pruned, allow_fn))
    return lines + [
        f"  sample {m.sample}: float score {m.float_score:.4f} found, fixed-point score {m.fixed_score} is {m.steps} below the threshold"
        for m in found.extra_misses[:10]
    ]


def _equality(report: Report) -> str:
    if report.failure:
        return f"STOPPED: {report.failure}"
    if report.first_difference is not None:
        return f"DIFFERENT: {report.first_difference}"
    if len(report.executors) == 1:
        return f"{report.executors[0]} only, {report.samples} samples: nothing compared"
    names = " = ".join(report.executors)
    values = sum(rung.values_compared for rung in report.rungs if rung.name in report.executors)
    return f"bit-exact: {names} at every node of {report.samples} samples ({values:,} values compared, 0 differ)"


def _part_lines(report: Report) -> list[str]:
    return [
        f"{rung.name} ({rung.note}): {'equal' if rung.equal else 'NOT EQUAL'}, {rung.values_compared:,} values compared"
        for rung in report.rungs
        if rung.name not in report.executors
    ]


def _transition_line(t: Transition) -> str:
    return (f"{t.before} -> {t.after}: {t.lost} positives lost, {t.found} found anew (McNemar exact p = {t.p_misses:.3g}); "
            f"{t.raised} new false alarms, {t.quieted} gone (p = {t.p_alarms:.3g})")  # fmt: skip


def _promise_line(p: PromiseCheck) -> str:
    rate, counted = RATES[p.kind]
    verb = "agrees with" if p.holds else "CONTRADICTS"
    return (f"{rate} {verb} the promise of at most {p.level:g}: {p.errors} of {p.samples} {counted} wrong "
            f"(probability of as many at the promised rate: {p.p_value:.3g})")  # fmt: skip


def _fn_line(found: ClassReport, floating: Evaluation, allow_fn: int) -> str:
    fixed = found.fixed
    if found.fn_match(allow_fn) is None:
        return f"false-negative rate: nothing to compare, the data have no sample labelled {found.label}"
    verb = "matches" if found.fn_match(allow_fn) else "DOES NOT MATCH"
    text = (f"false-negative rate {verb}: fixed-point misses {fixed.fn} of {fixed.tp + fixed.fn} positives, float {floating.fn}"
            f" (McNemar exact p = {found.mcnemar_p:.3g})")  # fmt: skip
    if found.margin_steps is not None:
        text += f"; the nearest positive found lies {found.margin_steps} steps above the threshold"
    return text + (f"; {allow_fn} extra allowed by --allow-fn" if allow_fn else "")


def threshold_lines(decisions: Sequence[Decision]) -> list[str]:
    """The integer threshold of each important class and what it was chosen by; of several promises the joint one."""
    several = len(decisions) > 1
    lines = [f"class {d.positive}: {threshold_line(d)}" if several else threshold_line(d) for d in decisions]
    joint = joint_delta(decisions)
    if several and joint is not None:
        lines.append(
            f"all {len(decisions)} rates at once with confidence {1 - joint:g} (the sum of their deltas is {joint:g})"
        )
    return lines


def threshold_line(decision: Decision) -> str:
    """The integer threshold and what it was chosen by."""
    g = decision.guarantee
    if g.promised:
        rate, counted = RATES[g.kind]
        return (f"threshold {decision.threshold}: {rate} at most {g.level:g} with confidence {1 - g.delta:g} (Learn-then-Test, "
                f"{g.samples} calibration {counted}{', one of each group' if g.grouped else ''}, {g.errors} wrong; exchangeable data assumed: docs/guarantee.md)")  # fmt: skip
    if not decision.calibration_positives:
        return f"threshold {decision.threshold}: the rule's own; no labelled calibration positives to check it on"
    return (f"threshold {decision.threshold}: misses {decision.calibration_fn} of {decision.calibration_positives} calibration "
            f"positives, the float model {decision.float_calibration_fn}")  # fmt: skip


def profile_table(profile: Profile) -> str:
    header = ("layer", "kernel", "instructions", "cycles~", "MACs", "nonzero", "instr/nonzero")
    rows = [
        (_called(layer), layer.kernel, f"{layer.instructions:,}", f"{layer.cycles:,}", f"{layer.macs_dense:,}", f"{layer.macs_nonzero:,}",
         f"{layer.instructions / layer.macs_nonzero:.2f}" if layer.macs_nonzero else "-")
        for layer in profile.layers
    ]  # fmt: skip
    return f"{table(header, rows)}\n{profile_totals(profile)}\n{_constancy(profile)}\n{_arena_table(profile)}"


def _called(layer: LayerProfile) -> str:
    return layer.name if layer.calls == 1 else f"{layer.name} ({layer.calls} calls)"


def _constancy(profile: Profile) -> str:
    if profile.constant_time:
        return "constant time: every layer takes the same number of instructions for zeros, both extremes and noise"
    return f"NOT constant time: the count depends on the input in {', '.join(profile.varying_layers)}"


def _arena_table(profile: Profile) -> str:
    rows = [(e.name, f"{e.offset:,}", f"{e.bytes:,}", f"{e.first} ... {e.last}") for e in profile.arena]
    return table(("arena", "offset", "bytes", "held during steps"), rows)


def profile_totals(profile: Profile) -> str:
    """Two lines: instructions; flash, RAM and stack."""
    waits = (
        f"{profile.wait_states} flash wait states at each taken branch"
        if profile.wait_states
        else "flash without wait states"
    )
    return (
        f"{profile.target}: {profile.instructions:,} instructions per inference (exact, one steady-state call), "
        f"about {profile.cycles:,} cycles (modelled, {waits})\n"
        f"flash {profile.flash_bytes:,} B model ({profile.firmware_flash_bytes:,} B whole image), RAM {profile.ram_bytes:,} B "
        f"(arena {profile.arena_bytes:,}), stack {profile.stack_bytes:,} B"
    )


def pruning_summary(result: PruneResult) -> str:
    """The trajectory of each arm on the validation split, and what was kept."""
    rows = []
    for it in result.history:
        v = it.at_threshold["validation"]
        auc = "-" if v.auc is None else f"{v.auc:.4f}"
        mark = "collapsed" if it.collapsed else ""
        rows.append((it.arm, str(it.index), percent(it.remaining), str(it.best_epoch), str(v.fn), str(v.fp), auc, mark))
    header = ("arm", "iteration", "kept", "best epoch", "FN", "FP", "AUC", "")
    lines = [
        table(header, rows),
        f"validation split, each at its own threshold; the model's threshold is {result.threshold:.4f}",
    ]
    return "\n".join(lines + [f"{arm} arm stopped: {why}" for arm, why in result.stops().items() if why])


def graph_table(graph: Graph, kind: type[Float32] | type[Int8] = Float32) -> str:
    """Layers of a graph of `kind` with shapes, weights and sparsity."""
    rows = []
    for node in graph.nodes:
        op = op_of(node, kind)
        weights = [getattr(node.params, name) for name in op.weights]
        total, kept = sum(w.size for w in weights), sum(int((w != 0).sum()) for w in weights)
        shape = "x".join(map(str, graph.output_tensor(node).shape))
        rows.append(
            (node.name, op.name, shape, f"{total:,}" if total else "-", percent(kept / total) if total else "-")
        )
    return table(("layer", "op", "output", "weights", "kept"), rows)


def pruning_lines(model: Model) -> list[str]:
    """How the model was pruned; one line where it was not."""
    meta = model.meta
    if not meta.has_meta:
        return ["not pruned by cpcc: important class 1, probability 0.5, no calibration samples kept"]
    kept = 0 if model.calibration is None else len(model.calibration)
    lines = [
        f"important class {meta.positive}, float threshold {meta.threshold:.4f}, input {meta.input_dtype}",
        f"{kept} calibration samples kept; {len(meta.train_hashes)} training samples hashed; cpcc {meta.cpcc_version}",
    ]
    if meta.settings:
        lines.append("settings: " + ", ".join(f"{k}={v}" for k, v in sorted(meta.settings.items())))
    return lines
