"""The build's report as text: one line per layer, the totals; what sparsity saves."""

from __future__ import annotations

from cpcc.build_report import BuildReport, LayerReport
from cpcc.fixedpoint import INT32_MAX
from cpcc.report import percent, table

HEADER = ("layer", "kernel", "output", "kept", "instr.~", "cycles~", "bytes", "cashed in", "SQNR", "so far")


def summary(report: BuildReport) -> str:
    """All but the last lines; estimates carry a ``~``, and its cycles are modelled."""
    rows = [_row(layer) for layer in report.layers]
    return "\n".join(
        [
            table(HEADER, rows),
            *_worst(report),
            *_overflow(report),
            *_int16(report),
            *_striping(report),
            *_copies(report),
            *_totals(report),
        ]
    )


def _row(layer: LayerReport) -> tuple[str, ...]:
    kept = percent(layer.macs_nonzero / layer.macs_dense) if layer.macs_dense else "-"
    saved = "" if layer.cashed_in is None else percent(layer.cashed_in)
    shape = "x".join(map(str, layer.shape)) + (" int16" if layer.type == "int16" else "")
    return (layer.name, layer.kernel, shape, kept, f"{layer.instructions:,}", f"{layer.cycles:,}", f"{layer.bytes:,}", saved,
            _decibels(layer.sqnr, layer.exact), _decibels(layer.sqnr_so_far, layer.exact))  # fmt: skip


def _decibels(value: float | None, exact: bool) -> str:
    return f"{value:.1f} dB" if value is not None else "exact" if exact else "-"


def _worst(report: BuildReport) -> list[str]:
    """The line that names the layer where rounding costs most."""
    known = [(layer.sqnr, layer.name) for layer in report.layers if layer.sqnr is not None]
    if not known:
        return []
    decibels, name = min(known)
    return [f"signal to quantization noise: worst layer {name}, {decibels:.1f} dB of its own"]


def _overflow(report: BuildReport) -> list[str]:
    """The line that says how near an accumulator can come to its limit."""
    known = [
        (layer.accumulator, layer.name)
        for layer in report.layers
        if layer.accumulator is not None and layer.type == "int8"
    ]
    if not known:
        return []
    largest, name = max(known)
    return [
        f"no accumulator can overflow: the largest, in {name}, reaches {largest:,} of {INT32_MAX:,} whatever the input"
    ]


def _int16(report: BuildReport) -> list[str]:
    """The lines that name the layers with int16 activations, and those that were to have them."""
    lines = [f"int16 activations: {', '.join(report.int16_layers)}"] if report.int16_layers else []
    left_out = report.int16_left_out
    if left_out is not None:
        lines.append(
            f"int8 for want of memory (--int16 auto): {', '.join(left_out.layers)}; with int16 {left_out.why}; signal to "
            f"quantization noise at the output {left_out.sqnr:.1f} dB instead of {left_out.sqnr_int16:.1f}"
        )
    return lines


def _striping(report: BuildReport) -> list[str]:
    """The line that says what is computed in bands, and what that saves and costs."""
    found = report.striping
    if found is None:
        return []
    parts = ", ".join(f"{s.first} to {s.last} in {s.bands} bands of {s.rows}" for s in found.stripes)
    more = found.instructions / found.whole_instructions - 1
    return [
        f"striped: {parts} rows: arena {report.arena_bytes:,} B instead of {found.whole_arena:,}, {percent(abs(more))} "
        f"{'more' if more >= 0 else 'fewer'} instructions (estimated); {found.moved_bytes:,} B of rows are kept for the next band, "
        "none is computed again"
    ]


def _copies(report: BuildReport) -> list[str]:
    """The lines that name the layers whose weights are stored more than once."""
    hint = "" if report.optimize == "size" else "; --optimize size weighs that"
    return [
        f"the weights of {', '.join(found.layers)} are the same, but stored {found.times} times ({found.bytes:,} B in all): the kernels "
        f"chosen keep each call's scales between them, or lay them out in different ways{hint}"
        for found in report.copies
    ]


def _totals(report: BuildReport) -> list[str]:
    known = report.stack_bytes is not None
    stack = f"; stack at most {report.stack_bytes:,} B" if known else f"; no bound on the {report.stack_note}"
    return [
        f"{report.target}, --optimize {report.optimize}: about {report.instructions:,} instructions and {report.cycles:,} modelled "
        "cycles (cpcc profile counts them)",
        f"flash {report.flash_bytes:,} B model ({report.constant_bytes:,} weights and tables), {report.image_bytes:,} B image of "
        f"{report.flash_limit:,}; arena {report.arena_bytes:,} B ({_arena(report)}){stack}",
    ]  # fmt: skip


def _arena(report: BuildReport) -> str:
    """What is known of smaller plans."""
    return "no plan needs less" if report.arena_optimal else f"no plan can need less than {report.arena_bound:,}"


def sparsity(report: BuildReport) -> str:
    """The line behind all others: what the sparse kernels save in all, against the best dense ones."""
    if report.saved_instructions == 0 and report.saved_flash == 0:
        return "sparsity: no layer has enough zero weights for a sparse kernel to pay"
    size = f"{abs(report.saved_flash):,} B of flash {'less' if report.saved_flash >= 0 else 'more'}"
    share = report.saved_instructions
    verb, of = ("saves", "of the") if share >= 0 else ("costs", "more")
    return f"sparsity {verb} {percent(abs(share))} {of} instructions (estimated) and takes {size} than dense"
