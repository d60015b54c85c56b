"""Opening model files never executes what is in them: each gadget fires under plain torch, never here."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from cpcc.archive import ATEN_OPS, load_programs, parse_archive, read_archive, user_line
from cpcc.errors import ModelError
from cpcc.models.exporting import export_module
from cpcc.models.float_program import run_program

MODEL, WEIGHTS = "archive/models/model.json", "archive/data/weights/model_weights_config.json"
CONSTANTS = "archive/data/constants/model_constants_config.json"
SAMPLES = "archive/data/sample_inputs/model.pt"
Members = dict[str, bytes]


@pytest.fixture(scope="module")
def honest() -> Members:
    """Members of what torch.export.save writes for a small network."""
    program = export_module(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), (3,))
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    with zipfile.ZipFile(buffer) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, members: Members, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def edited(members: Members, name: str, edit: Callable[[dict], None]) -> Members:
    """`members` with one JSON document changed."""
    document = json.loads(members[name])
    edit(document)
    return members | {name: json.dumps(document).encode()}


class Gadget:
    """Pickles as a call that makes a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable, tuple[str]]:
        return (os.mkdir, (str(self.marker),))


def torch_pickle(marker: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save(Gadget(marker), buffer)
    return buffer.getvalue()


def sample_inputs(members: Members, marker: Path) -> Members:
    return members | {SAMPLES: torch_pickle(marker)}


def pickled_weight(members: Members, marker: Path) -> Members:
    def edit(config: dict) -> None:
        config["config"]["0.weight"]["use_pickle"] = True

    return edited(members, WEIGHTS, edit) | {"archive/data/weights/weight_0": torch_pickle(marker)}


def pickled_object(members: Members, marker: Path) -> Members:
    entry = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    changed = edited(members, CONSTANTS, lambda d: d["config"].update(thing=entry))
    return changed | {"archive/data/constants/opaque_obj_0": pickle.dumps(Gadget(marker))}


def legacy_layout(members: Members, marker: Path) -> Members:
    return {
        "version": b"8.20",
        "serialized_exported_program.json": members[MODEL],
        "serialized_state_dict.pt": torch_pickle(marker),
        "serialized_constants.pt": torch_pickle(marker),
        "serialized_example_inputs.pt": torch_pickle(marker),
    }


def expression(members: Members, marker: Path) -> Members:
    code = f"__import__('os').mkdir({str(marker)!r})"

    def edit(document: dict) -> None:
        values = document["graph_module"]["graph"]["tensor_values"]
        values["relu"]["sizes"][0] = {"as_expr": {"expr_str": code, "hint": {"as_int": 1}}}

    return edited(members, MODEL, edit)


def input_name(members: Members, marker: Path) -> Members:
    """FX pastes the names of inputs into Python source, which it compiles while loading."""
    text = members[MODEL].decode()
    code = f"x=__import__('os').mkdir({str(marker)!r})"
    text = text.replace('{"as_tensor": {"name": "input"}}', json.dumps({"as_tensor": {"name": code}}))
    return members | {MODEL: text.replace('"input": {"dtype"', json.dumps(code) + ': {"dtype"').encode()}


PLACES = {
    "sample_inputs": (sample_inputs, None),
    "pickled_weight": (pickled_weight, "is a pickle"),
    "pickled_object": (pickled_object, "not allowed"),
    "legacy_layout": (legacy_layout, "legacy layout"),
    "expression": (expression, "is dynamic"),
    "input_name": (input_name, "not a plain name"),
}

LOAD_ALL = """
import sys, torch
for path in sys.argv[1:]:
    try:
        torch.export.load(path)
    except Exception as error:
        print(path, repr(error)[:200])
"""


@pytest.fixture(scope="module")
def fired(honest: Members, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The places whose gadget ran under plain torch.export.load, in another process."""
    folder = tmp_path_factory.mktemp("plain")
    paths = [write(folder / f"{p}.pt2", make(honest, folder / p)) for p, (make, _) in PLACES.items()]
    subprocess.run([sys.executable, "-c", LOAD_ALL, *map(str, paths)], check=True, capture_output=True)
    return {place for place in PLACES if (folder / place).exists()}


@pytest.mark.parametrize("place", PLACES)
def test_code_in_a_model_file_never_runs(place: str, honest: Members, fired: set[str], tmp_path: Path):
    make, message = PLACES[place]
    assert place in fired, "the gadget is no gadget: this test proves nothing"
    path = write(tmp_path / "model.pt", make(honest, tmp_path / "marker"))
    if message is None:
        assert set(load_programs(path).programs) == {"model"}
    else:
        with pytest.raises(ModelError, match=message) as error:
            load_programs(path)
        assert "\n" not in str(error.value)
    assert not (tmp_path / "marker").exists()


def test_honest_archive_loads_and_computes_the_same(honest: Members, tmp_path: Path):
    path = write(tmp_path / "model.pt", honest)
    clean = read_archive(path).clean_bytes()
    assert parse_archive(clean, "again").clean_bytes() == clean
    with zipfile.ZipFile(io.BytesIO(clean)) as archive:
        assert archive.read(SAMPLES) == b""
        assert b"site-packages" not in b"".join(archive.read(name) for name in archive.namelist())
    x = torch.randn(4, 3).numpy()
    expected = run_program(torch.export.load(path.rename(tmp_path / "model.pt2")), x)
    assert (run_program(load_programs(tmp_path / "model.pt2").programs["model"], x) == expected).all()


def test_every_allowed_op_exists():
    for target in ATEN_OPS:
        name, overload = target.removeprefix("torch.ops.aten.").split(".")
        assert hasattr(getattr(torch.ops.aten, name), overload), target


def refuse(path: Path, message: str) -> None:
    with pytest.raises(ModelError, match=message) as error:
        load_programs(path)
    assert "\n" not in str(error.value)


def test_files_that_are_no_archive(honest: Members, tmp_path: Path):
    refuse(tmp_path / "none.pt", "no such file")
    refuse(tmp_path, "is a folder")
    path = tmp_path / "model.pt"
    for content, message in [
        (b"", "is empty"),
        (b"hello", "not a torch.export archive"),
        (pickle.dumps({"a": 1}), "cpcc export NET --weights .* -o model.pt"),
        (write(path, honest).read_bytes()[:-400], "truncated or damaged"),
        (write(path, honest).read_bytes()[:5], "truncated or damaged"),
    ]:
        path.write_bytes(content)
        refuse(path, message)


@pytest.mark.parametrize("legacy", [False, True])
def test_torch_save_files_name_the_way_out(legacy: bool, tmp_path: Path):
    path = tmp_path / "weights.pt"
    for content in (nn.Linear(2, 2).state_dict(), nn.Linear(2, 2)):
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
        refuse(path, r"cpcc export NET --weights .*weights.pt --input-shape 1,28,28 -o model.pt")


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # the thing under test is deprecated
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")
def test_torchscript(tmp_path: Path):
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), str(tmp_path / "script.pt"))
    refuse(tmp_path / "script.pt", "TorchScript")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"archive/data/aotinductor/model/a.so": b""}, "not allowed"),
        ({"archive/../../etc/passwd": b""}, "not allowed"),
        ({"other/extra/a": b""}, "members lie in 2 folders"),
        ({"archive/data/weights/model.pt": b""}, "not allowed"),
        ({"archive/archive_format": b"pt3"}, "archive_format is pt3"),
        ({"archive/archive_version": b"7"}, "archive_version is 7"),
        ({"archive/byteorder": b"big"}, "byteorder"),
        ({"archive/extra/a.txt": b"\xff"}, "UTF-8"),
        ({"archive/data/weights/weight_0": b""}, "has 0 B, 24 B needed"),
        ({MODEL: b"[" * 100_000}, "damaged JSON"),
        ({MODEL: b'{"a": 1, "a": 2}'}, "a key occurs twice"),
        ({MODEL: b"[]"}, "not a JSON object"),
    ],
)
def test_odd_members(extra: Members, message: str, honest: Members, tmp_path: Path):
    refuse(write(tmp_path / "model.pt", honest | extra), message)


def test_zip_tricks(honest: Members, tmp_path: Path):
    refuse(write(tmp_path / "packed.pt", honest, zipfile.ZIP_DEFLATED), "is compressed|more bytes than")
    path = write(tmp_path / "twice.pt", honest)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(MODEL, b"{}")
    refuse(path, "same name")


def graph_of(document: dict) -> dict:
    return document["graph_module"]["graph"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: graph_of(d)["nodes"][0].update(target="torch.load"), "0 .*: torch.load is not supported"),
        (lambda d: graph_of(d)["nodes"][0].update(target="_operator.getitem"), "is not supported"),
        (lambda d: graph_of(d)["nodes"][0].update(name="a b"), "not a plain name"),
        (lambda d: graph_of(d).update(sym_int_values={"s0": {"as_int": 1}}), "dynamic"),
        (lambda d: graph_of(d)["nodes"][0]["inputs"][0].update(arg={"as_graph": {}}), "kind as_graph"),
        (
            lambda d: graph_of(d)["tensor_values"]["relu"].update(sizes=[{"as_int": 1}, {"as_int": 9}]),
            "inconsistent",
        ),
        (lambda d: graph_of(d)["tensor_values"]["relu"].update(sizes=[{"as_int": 0}] * 2), "zero-size"),
        (lambda d: graph_of(d)["tensor_values"]["relu"].update(sizes=[{"as_int": 1 << 40}] * 2), "may have"),
        (lambda d: graph_of(d)["tensor_values"]["relu"].update(dtype=9), "complex"),
        (lambda d: graph_of(d)["nodes"].pop(0), "torch cannot read|inconsistent"),
        (lambda d: d["schema_version"].update(major=9), "export schema 9"),
        (lambda d: d.pop("graph_module"), "no graph_module"),
    ],
)
def test_odd_programs(edit: Callable[[dict], None], message: str, honest: Members, tmp_path: Path):
    refuse(write(tmp_path / "model.pt", edited(honest, MODEL, edit)), message)


def test_guards_are_dropped(honest: Members, tmp_path: Path):
    """ExportedProgram.module() would compile them; they never reach torch."""
    members = edited(honest, MODEL, lambda d: d.update(guards_code=["print(1)"]))
    assert load_programs(write(tmp_path / "m.pt", members)).programs["model"]._guards_code == []


@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes_give_one_error(seed: int, honest: Members, tmp_path: Path):
    rng = random.Random(seed)
    data = write(tmp_path / "model.pt", honest).read_bytes()
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 3, 30])):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        (tmp_path / "damaged.pt").write_bytes(damaged)
        try:
            load_programs(tmp_path / "damaged.pt")
        except ModelError as error:
            assert "\n" not in str(error)


def test_user_line():
    trace = 'File "/home/a/model.py", line 3, in forward\n  x\nFile "/v/torch/nn/conv.py", line 9, in forward'
    assert user_line(trace) == "model.py:3"
    assert user_line('File "C:\\net.py", line 4, in f') == "net.py:4"
    assert user_line(None) == user_line("") == ""
