"""Words of a stranger's file, made fit for one-line messages; where a node comes from."""

from __future__ import annotations

import re
from typing import Any

from cpcc.archive.supported import instead


def show(value: Any) -> str:
    """Text of a stranger's file for a one-line message: short and printable."""
    text = value if isinstance(value, str) else repr(value)
    return "".join(c if c.isprintable() else "?" for c in text[:80])


def one_line(error: BaseException) -> str:
    return show(" ".join(str(error).split()) or type(error).__name__)


def user_line(stack_trace: Any) -> str:
    """``model.py:12``: the innermost line outside torch, or "" where the trace names none."""
    if not isinstance(stack_trace, str):
        return ""
    frames = re.findall(r'File "([^"\n]+)", line (\d{1,9}), in', stack_trace)
    own = [f for f in frames if not re.search(r"^<|[/\\]torch[/\\](nn|_|utils|fx|export|functional|overrides)", f[0])]
    if not own:
        return ""
    file, number = own[-1]
    basename = re.split(r"[/\\]", file)[-1]
    return re.sub(r"[^\w.-]", "_", basename) + f":{number}"


def clean_metadata(value: Any) -> dict[str, str]:
    """Module path and source line only, in a fixed alphabet, without the exporting machine's folders."""
    metadata = value if isinstance(value, dict) else {}
    result = {}
    if line := user_line(metadata.get("stack_trace")):
        file, _, number = line.rpartition(":")
        result["stack_trace"] = f'File "{file}", line {number}, in forward'
    if isinstance(stack := metadata.get("nn_module_stack"), str):
        entries = [[re.sub(r"[^\w.]", "_", part) for part in entry.split(",")] for entry in stack.split(";")]
        result["nn_module_stack"] = ";".join(",".join(entry) for entry in entries if len(entry) == 3)
    return {key: text for key, text in result.items() if text}


def op_message(target: Any, node: dict[str, Any], metadata: dict[str, str]) -> str:
    short = show(str(target).removeprefix("torch.ops."))
    name = short.removeprefix("aten.").partition(".")[0]
    return f"{_place(node, metadata)}: {short} is not supported; {instead(name)}"


def control_flow_message(node: dict[str, Any], metadata: dict[str, str]) -> str:
    name = show(str(node.get("target")).rpartition(".")[2])
    return (f"{_place(node, metadata)}: control flow ({name}) is not supported; compute both branches and blend them: "
            "m * a + (1 - m) * b")  # fmt: skip


def _place(node: dict[str, Any], metadata: dict[str, str]) -> str:
    """The module's path, its class and the source line, as far as they are known."""
    path, kind = "", ""
    for entry in metadata.get("nn_module_stack", "").split(";"):
        path, kind = [*entry.split(","), "", "", ""][1:3]
    details = [d for d in (kind.rpartition(".")[2], metadata.get("stack_trace") and _line_of(metadata)) if d]
    return f"{path or show(node.get('name'))} ({', '.join(details)})" if details else show(node.get("name"))


def _line_of(metadata: dict[str, str]) -> str:
    return user_line(metadata["stack_trace"])
