"""Opening a ``torch.export`` archive (.pt2 layout) without ever executing what is in it.

`torch.export.load` runs code of the file from several places (each has its test, tried on torch 2.13):

1. ``data/sample_inputs/*.pt`` is a pickle, in honest archives too;
2. weights and constants with ``use_pickle: true``, script objects and opaque objects are pickles;
3. the legacy layout (no ``archive_format``) holds pickles only;
4. every ``expr_str`` goes through ``sympy.sympify``, which evaluates it;
5. names of inputs, nodes and arguments are pasted into Python source that FX compiles.

So torch never sees a file as it came. `read_archive` reads the zip itself, and *rebuilds* every JSON document
from the few keys and value types that a static network needs (nothing is copied through unseen);
`SafeArchive.clean_bytes` writes what was rebuilt, with empty sample inputs, as a new archive; and only that
goes to torch (`load_programs`). The weights are raw bytes whose extents were checked.

torch is imported only inside functions: reading and refusing a file needs none.
"""

from __future__ import annotations

import io
import json
import keyword
import math
import re
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cpcc.errors import ModelError

if TYPE_CHECKING:
    from torch.export import ExportedProgram

MAX_FILE_BYTES = 1 << 30
MAX_MEMBERS = 10_000
MAX_JSON_BYTES = 16 << 20
MAX_EXTRA_BYTES = 512 << 20
MAX_ELEMENTS = 1 << 28  # of one tensor
MAX_NAME = 500

SCHEMA_MAJOR = 8  # torch._export.serde.schema.SCHEMA_VERSION of torch 2.13 is (8, 20)

# What may lie in an archive, below its one root folder. Anything else is refused: compiled code
# (data/aotinductor), custom and opaque objects, legacy pickles of weights.
_NAME = r"[A-Za-z0-9_]{1,64}"
_MEMBERS = tuple(
    re.compile(pattern)
    for pattern in (
        r"data/weights/weight_\d{1,6}",
        r"data/constants/tensor_\d{1,6}",
        rf"data/weights/{_NAME}_weights_config\.json",
        rf"data/constants/{_NAME}_constants_config\.json",
        rf"data/sample_inputs/{_NAME}\.pt",  # never read
        rf"models/{_NAME}\.json",
        r"extra/[A-Za-z0-9_.-]{1,64}",
        r"archive_format|archive_version|byteorder|version|\.data/version|\.data/serialization_id",
    )
)

# The functions a program may call: pure tensor operations without access to files, code or devices.
# Wider than what the compiler supports, so that its own message can name an unsupported layer.
ATEN_OPS = frozenset(
    f"torch.ops.aten.{op}"
    for op in """
    linear.default conv1d.default conv1d.padding conv2d.default conv2d.padding conv3d.default
    conv_transpose1d.default conv_transpose2d.input convolution.default addmm.default mm.default bmm.default
    matmul.default batch_norm.default _native_batch_norm_legit_no_training.default layer_norm.default
    group_norm.default instance_norm.default
    relu.default relu_.default relu6.default relu6_.default leaky_relu.default leaky_relu_.default
    prelu.default elu.default elu_.default selu.default selu_.default celu.default gelu.default silu.default
    silu_.default mish.default mish_.default hardtanh.default hardtanh_.default hardswish.default
    hardswish_.default hardsigmoid.default hardsigmoid_.default sigmoid.default sigmoid_.default tanh.default
    tanh_.default softplus.default log_sigmoid.default softmax.int log_softmax.int
    _softmax.default _log_softmax.default
    max_pool1d.default max_pool2d.default max_pool2d_with_indices.default avg_pool1d.default
    avg_pool2d.default
    adaptive_avg_pool1d.default
    adaptive_avg_pool2d.default _adaptive_avg_pool2d.default
    adaptive_max_pool1d.default adaptive_max_pool2d.default mean.default mean.dim sum.default sum.dim_IntList
    amax.default amin.default max.default
    flatten.using_ints view.default reshape.default _unsafe_view.default unflatten.int squeeze.default
    squeeze.dim squeeze.dims unsqueeze.default permute.default transpose.int t.default movedim.int
    contiguous.default clone.default detach.default detach_.default alias.default expand.default
    dropout.default dropout_.default feature_dropout.default alpha_dropout.default
    add.Tensor add_.Tensor add.Scalar sub.Tensor sub_.Tensor sub.Scalar mul.Tensor mul_.Tensor mul.Scalar
    div.Tensor div_.Tensor div.Scalar neg.default abs.default exp.default log.default sqrt.default
    rsqrt.default square.default pow.Tensor_Scalar maximum.default minimum.default clamp.default
    clamp_.default clamp_min.default
    cat.default stack.default split.Tensor split_with_sizes.default chunk.default
    slice.Tensor select.int narrow.default pad.default constant_pad_nd.default
    upsample_nearest2d.default upsample_nearest2d.vec upsample_bilinear2d.vec
    gru.input lstm.input rnn_tanh.input rnn_relu.input lift_fresh_copy.default zeros_like.default
    ones_like.default
    """.split()
)

_ITEM_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 12: 1, 13: 2}  # by torch's ScalarType number
_COMPLEX = (9, 10, 11)
_VERIFIERS = ("TRAINING", "ATEN")
_LEAF: dict[str, Any] = {"type": None, "context": None, "children_spec": []}


@dataclass(frozen=True, eq=False)
class SafeArchive:
    """A checked archive: everything in it was rebuilt from allowed parts.

    `programs`, `weights` and `constants` map a program's name to its rebuilt JSON; `payloads` maps a member's
    name (``data/weights/weight_0``) to raw little-endian numbers; `extras` holds the text files beside it."""

    name: str
    programs: dict[str, dict[str, Any]]
    weights: dict[str, dict[str, Any]]
    constants: dict[str, dict[str, Any]]
    payloads: dict[str, bytes]
    extras: dict[str, str]

    def clean_bytes(self) -> bytes:
        """A new archive that torch may open: no pickle, no expression; deterministic."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as out:
            for member, data in self._members():
                # A fixed date (the zip epoch), so that equal models are equal files.
                out.writestr(zipfile.ZipInfo(f"archive/{member}"), data)
        return buffer.getvalue()

    def _members(self) -> list[tuple[str, bytes]]:
        members = [("archive_format", b"pt2"), ("archive_version", b"0"), ("byteorder", b"little")]
        members += [(".data/version", b"6\n")]
        for name, program in self.programs.items():
            members.append((f"models/{name}.json", _json_bytes(program)))
            members.append((f"data/weights/{name}_weights_config.json", _json_bytes(self.weights[name])))
            members.append((f"data/constants/{name}_constants_config.json", _json_bytes(self.constants[name])))
            members.append((f"data/sample_inputs/{name}.pt", b""))  # load_pt2 wants it to exist
        members += self.payloads.items()
        members += [(f"extra/{name}", text.encode()) for name, text in self.extras.items()]
        return members


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """The programs of an archive by name, and its text files."""

    programs: dict[str, ExportedProgram]
    extras: dict[str, str]


def read_archive(path: str | Path) -> SafeArchive:
    """The archive at `path`, checked. Raises `ModelError` for whatever is not a plain static program."""
    path = Path(path)
    return parse_archive(_read_file(path), str(path))


def load_programs(path: str | Path) -> LoadedModel:
    """The programs at `path`, loaded by torch from a clean copy. Raises `ModelError`."""
    return load_archive(read_archive(path))


def parse_archive(data: bytes, name: str) -> SafeArchive:
    """Like `read_archive` for the bytes of a file; `name` goes into messages."""
    members = _read_members(data, name)
    _check_headers(members, name)
    programs = [m[len("models/") : -len(".json")] for m in members if m.startswith("models/")]
    if not programs:
        raise ModelError(f"{name}: the archive holds no program; write one with torch.export.save")
    reader = _Reader(name, members)
    weights = {p: reader.config(f"data/weights/{p}_weights_config.json", "weight_") for p in programs}
    constants = {p: reader.config(f"data/constants/{p}_constants_config.json", "tensor_") for p in programs}
    return SafeArchive(
        name=name,
        programs={p: reader.program(f"models/{p}.json") for p in programs},
        weights=weights,
        constants=constants,
        payloads={m: data for m, data in members.items() if re.match(r"data/\w+/(weight|tensor)_\d+$", m)},
        extras={m[len("extra/") :]: _text(d, m, name) for m, d in members.items() if m.startswith("extra/")},
    )


# --- the file and the zip -------------------------------------------------------------------------------


def _read_file(path: Path) -> bytes:
    if path.is_dir():
        raise ModelError(f"{path} is a folder; expected a model file (torch.export archive)")
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ModelError(f"{path} has {size} B; a model file may have {MAX_FILE_BYTES} B")
        data = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file; make one with `cpcc prune` or `cpcc export`") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    if not data:
        raise ModelError(f"{path} is empty; expected a model file (torch.export archive)")
    return data


def _pickle_message(name: str) -> str:
    return (
        f"{name} is a pickle (a bare state_dict or a whole module saved with torch.save), which can run "
        "code "
        f"when opened; with a state_dict use: cpcc export NET --weights {name} --input-shape 1,28,28 "
        "-o model.pt"
    )


def _read_members(data: bytes, name: str) -> dict[str, bytes]:
    """Contents by name below the root folder, of a zip that holds only what is allowed."""
    if data[:1] == b"\x80" and data[1:2] in b"\x00\x01\x02\x03\x04\x05":
        raise ModelError(_pickle_message(name))
    if data[:2] != b"PK":
        raise ModelError(f"{name} is not a torch.export archive; make one with `cpcc export` or `cpcc prune`")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if infos and min(info.header_offset for info in infos) != 0:
                # A cut file can end in the directory of a zip within the zip (torch.save's sample inputs).
                raise zipfile.BadZipFile("the directory is not the whole file's")
            _check_layout([info.filename for info in infos], name)
            _check_infos(infos, len(data), name)
            return {_relative(i.filename): _read_member(archive, i, name) for i in infos}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError, OverflowError, OSError) as error:
        # ValueError and OSError: seeks to offsets that a damaged directory names.
        raise ModelError(f"{name}: truncated or damaged archive ({_one_line(error)})") from None


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> bytes:
    data = archive.read(info)
    if len(data) != info.file_size:
        raise ModelError(f"{name}: {_show(info.filename)} has {len(data)} B, {info.file_size} B declared")
    return data


def _relative(filename: str) -> str:
    return filename.partition("/")[2]


def _check_layout(filenames: list[str], name: str) -> None:
    """Names the other things that torch saves as a zip, each with its way out."""
    if not filenames:
        raise ModelError(f"{name}: the archive is empty")
    below = {_relative(filename) for filename in filenames}
    if "archive_format" in below:
        return
    if "constants.pkl" in below or any(member.startswith("code/") for member in below):
        raise ModelError(f"{name} is a TorchScript archive; save the network with torch.export.save instead")
    if "data.pkl" in below:
        raise ModelError(_pickle_message(name))
    if "serialized_exported_program.json" in below | set(filenames):
        raise ModelError(f"{name} has the legacy layout of torch < 2.8 ; export it again with torch 2.13")
    raise ModelError(f"{name}: archive_format is missing, so this is no torch.export archive")


def _check_infos(infos: list[zipfile.ZipInfo], file_size: int, name: str) -> None:
    if len(infos) > MAX_MEMBERS:
        raise ModelError(f"{name}: {len(infos)} members; an archive may have {MAX_MEMBERS}")
    roots = {info.filename.partition("/")[0] for info in infos}
    if len(roots) != 1 or not re.fullmatch(r"[A-Za-z0-9_.-]{1,128}", min(roots)):
        raise ModelError(f"{name}: members lie in {len(roots)} folders or an oddly named one; expected one")
    if len({info.filename for info in infos}) != len(infos):
        raise ModelError(f"{name}: two members of the archive have the same name")
    # Members are stored, so together they cannot be larger than the file: this ends every zip bomb,
    # overlapping members included.
    if sum(info.file_size for info in infos) > file_size:
        raise ModelError(f"{name}: members declare more bytes than the file has")
    for info in infos:
        _check_info(info, name)


def _check_info(info: zipfile.ZipInfo, name: str) -> None:
    member = _show(info.filename)
    if info.filename != info.orig_filename:
        raise ModelError(f"{name}: member {member} has an odd name")
    if not any(pattern.fullmatch(_relative(info.filename)) for pattern in _MEMBERS):
        raise ModelError(f"{name}: member {member} is not allowed (pickles and compiled code never are)")
    if info.flag_bits & 0x1:
        raise ModelError(f"{name}: member {member} is encrypted")
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        raise ModelError(f"{name}: member {member} is compressed; torch.export stores members as they are")
    limit = _size_limit(_relative(info.filename))
    if info.file_size > limit:
        raise ModelError(f"{name}: member {member} has {info.file_size} B; it may have {limit} B")


def _size_limit(member: str) -> int:
    if member.endswith(".json") and not member.startswith("extra/"):
        return MAX_JSON_BYTES
    if member.startswith("extra/"):
        return MAX_EXTRA_BYTES
    return MAX_FILE_BYTES if member.startswith("data/") else 1024


def _check_headers(members: dict[str, bytes], name: str) -> None:
    for member, expected in (("archive_format", b"pt2"), ("archive_version", b"0"), ("byteorder", b"little")):
        actual = members.get(member, b"little" if member == "byteorder" else b"")
        if actual.strip() != expected:
            shown = _show(actual.decode("latin-1"))
            raise ModelError(f"{name}: {member} is {shown}, supported: {expected.decode()}; export with torch 2.13")


def _text(data: bytes, member: str, name: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ModelError(f"{name}: {member} is not UTF-8 text") from None


# --- the JSON documents ---------------------------------------------------------------------------------


def parse_json(text: bytes | str, place: str) -> Any:
    """JSON without duplicate keys. Raises `ModelError` naming `place`."""
    try:
        return json.loads(text, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:  # ValueError covers UnicodeDecodeError and JSONDecodeError
        raise ModelError(f"{place}: damaged JSON ({_one_line(error)})") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key occurs twice")
    return result


class _Reader:
    """Rebuilds the JSON documents of one archive. Every method returns new objects made of checked values
    only, and raises `ModelError` for anything else."""

    def __init__(self, name: str, members: dict[str, bytes]) -> None:
        self.name = name
        self.members = members

    def fail(self, what: str) -> ModelError:
        return ModelError(f"{self.name}: {what}")

    def document(self, member: str) -> dict[str, Any]:
        if member not in self.members:
            raise self.fail(f"{member} is missing from the archive")
        return self.obj(parse_json(self.members[member], f"{self.name}: {member}"), member)

    # values

    def obj(self, value: Any, what: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.fail(f"{what} is not a JSON object")
        return value

    def items(self, value: Any, what: str) -> list[Any]:
        if not isinstance(value, list):
            raise self.fail(f"{what} is not a JSON list")
        return value

    def get(self, value: dict[str, Any], key: str, what: str) -> Any:
        if key not in value:
            raise self.fail(f"{what} has no {key}")
        return value[key]

    def integer(self, value: Any, what: str) -> int:
        if type(value) is not int or abs(value) >= 1 << 63:
            raise self.fail(f"{what} is not an integer")
        return value

    def boolean(self, value: Any, what: str) -> bool:
        if not isinstance(value, bool):
            raise self.fail(f"{what} is not true or false")
        return value

    def number(self, value: Any, what: str) -> float | str:
        """JSON has no infinities: torch writes them as words, and accepts NaN as a number."""
        if value in ("Infinity", "-Infinity", "NaN"):
            return value
        if type(value) not in (int, float) or not math.isfinite(value):
            raise self.fail(f"{what} is not a finite number")
        return float(value)

    def identifier(self, value: Any, what: str) -> str:
        """A name that may stand in Python source, for FX pastes it there."""
        plain = isinstance(value, str) and len(value) <= MAX_NAME and value.isascii()
        if not plain or not value.isidentifier() or keyword.iskeyword(value) or value.startswith("__"):
            raise self.fail(f"{what} {_show(value)} is not a plain name")
        return value

    def path(self, value: Any, what: str) -> str:
        """A parameter's dotted path, such as ``features.0.weight``."""
        if not isinstance(value, str) or len(value) > MAX_NAME or not re.fullmatch(r"[\w.]+", value, re.ASCII):
            raise self.fail(f"{what} {_show(value)} is not a plain dotted name")
        if any(not part or part.startswith("__") for part in value.split(".")):
            raise self.fail(f"{what} {_show(value)} is not a plain dotted name")
        return value

    def single(self, value: Any, what: str) -> tuple[str, Any]:
        """A tagged union: an object with one key."""
        items = list(self.obj(value, what).items())
        if len(items) != 1:
            raise self.fail(f"{what} has {len(items)} kinds, expected one")
        return items[0]

    def static_int(self, value: Any, what: str) -> dict[str, int]:
        kind, content = self.single(value, what)
        if kind != "as_int":
            raise self.fail(f"{what} is dynamic ({_show(kind)}), which is not supported; export without dynamic_shapes")
        return {"as_int": self.integer(content, what)}

    # tensors

    def tensor_meta(self, value: Any, what: str) -> dict[str, Any]:
        meta = self.obj(value, what)
        sizes, strides = (
            [self.static_int(v, f"{what}: {key}") for v in self.items(self.get(meta, key, what), what)]
            for key in ("sizes", "strides")
        )
        offset = self.static_int(self.get(meta, "storage_offset", what), f"{what}: storage_offset")
        self._check_extent([s["as_int"] for s in sizes], [s["as_int"] for s in strides], offset["as_int"], what)
        if meta.get("layout") != 7:
            raise self.fail(f"{what} is sparse or oddly laid out; supported: dense tensors")
        return {
            "dtype": self._dtype(meta, what),
            "sizes": sizes,
            "requires_grad": False,  # gradients are not needed and would slow every use
            "device": self._device(meta.get("device"), what),
            "strides": strides,
            "storage_offset": offset,
            "layout": 7,
        }

    def _check_extent(self, sizes: list[int], strides: list[int], offset: int, what: str) -> None:
        if any(size < 1 for size in sizes):
            raise self.fail(f"{what} has the zero-size shape {tuple(sizes)}; supported: at least one element")
        if len(sizes) != len(strides) or len(sizes) > 8 or any(s < 0 for s in strides) or offset < 0:
            raise self.fail(f"{what} has an impossible memory layout")
        if _extent(sizes, strides, offset) > MAX_ELEMENTS or math.prod(sizes) > MAX_ELEMENTS:
            raise self.fail(f"{what} has the shape {tuple(sizes)}; a tensor may have {MAX_ELEMENTS} elements")

    def _dtype(self, meta: dict[str, Any], what: str) -> int:
        dtype = self.integer(self.get(meta, "dtype", what), f"{what}: dtype")
        if dtype in _COMPLEX:
            raise self.fail(f"{what} is complex, which is not supported; supported: float32")
        if dtype not in _ITEM_BYTES:
            raise self.fail(f"{what} has the unsupported dtype number {dtype}; supported: float32")
        return dtype

    def _device(self, value: Any, what: str) -> dict[str, Any]:
        if self.obj(value, f"{what}: device").get("type") != "cpu":
            raise self.fail(f"{what} lies on another device; move the network to the CPU and export it again")
        return {"type": "cpu", "index": None}

    def config(self, member: str, prefix: str) -> dict[str, Any]:
        """Where each weight (or constant) lies. Members are raw numbers, never pickles."""
        entries = self.obj(self.get(self.document(member), "config", member), member)
        return {"config": {self.path(key, "weight"): self._payload(v, key, prefix) for key, v in entries.items()}}

    def _payload(self, value: Any, key: str, prefix: str) -> dict[str, Any]:
        entry = self.obj(value, key)
        if entry.get("use_pickle") is not False:
            raise self.fail(f"weight {key} is a pickle (use_pickle), which can run code when opened; refused")
        member = self.get(entry, "path_name", key)
        if not isinstance(member, str) or not re.fullmatch(rf"{prefix}\d{{1,6}}", member):
            raise self.fail(f"weight {key} is {_show(member)}; custom and script objects are not supported")
        meta = self.tensor_meta(entry.get("tensor_meta"), f"weight {key}")
        self._check_payload(f"data/{'weights' if prefix == 'weight_' else 'constants'}/{member}", meta, key)
        is_param = self.boolean(entry.get("is_param"), f"weight {key}: is_param")
        return {"path_name": member, "is_param": is_param, "use_pickle": False, "tensor_meta": meta}

    def _check_payload(self, member: str, meta: dict[str, Any], key: str) -> None:
        """The tensor lies inside its bytes. (torch would fill an empty member with zeros of any size.)"""
        if member not in self.members:
            raise self.fail(f"weight {key}: {member} is missing from the archive")
        item = _ITEM_BYTES[meta["dtype"]]
        sizes, strides = ([v["as_int"] for v in meta[k]] for k in ("sizes", "strides"))
        needed = item * _extent(sizes, strides, meta["storage_offset"]["as_int"])
        size = len(self.members[member])
        if size < needed or size % item:
            raise self.fail(f"weight {key}: {member} has {size} B, {needed} B needed")

    # programs

    def program(self, member: str) -> dict[str, Any]:
        document = self.document(member)
        self._check_versions(document)
        module = self.obj(self.get(document, "graph_module", member), "graph_module")
        return {
            "graph_module": {
                "graph": self.graph(self.obj(self.get(module, "graph", member), "graph")),
                "signature": self.signature(self.obj(self.get(module, "signature", member), "signature")),
                "module_call_graph": self.call_graph(module),
                "metadata": {},
                "treespec_namedtuple_fields": {},
            },
            "opset_version": {"aten": self._opset(document)},
            "range_constraints": {},
            "schema_version": {"major": SCHEMA_MAJOR, "minor": 0},
            "verifiers": [v for v in self.items(document.get("verifiers", []), "verifiers") if v in _VERIFIERS],
            "torch_version": "2.13.0",
            "guards_code": [],  # Python source that ExportedProgram.module() would compile
        }

    def _check_versions(self, document: dict[str, Any]) -> None:
        major = self.obj(document.get("schema_version"), "schema_version").get("major")
        if major != SCHEMA_MAJOR:
            raise self.fail(f"export schema {_show(major)}, supported: {SCHEMA_MAJOR}; export with torch 2.13")
        if document.get("range_constraints"):
            raise self.fail("shapes are dynamic, which is not supported; export without dynamic_shapes")

    def _opset(self, document: dict[str, Any]) -> int:
        return self.integer(self.obj(document.get("opset_version"), "opset_version").get("aten"), "opset")

    def graph(self, graph: dict[str, Any]) -> dict[str, Any]:
        for key in ("sym_int_values", "sym_bool_values", "sym_float_values", "custom_obj_values"):
            if graph.get(key):
                raise self.fail(f"the program has {key}: dynamic shapes and objects are not supported")
        inputs, outputs, nodes = (self.items(graph.get(k), k) for k in ("inputs", "outputs", "nodes"))
        values = self.obj(graph.get("tensor_values"), "tensor_values")
        return {
            "inputs": [self.tensor_only(v, "program input") for v in inputs],
            "outputs": [self.tensor_only(v, "program output") for v in outputs],
            "nodes": [self.node(self.obj(node, "node")) for node in nodes],
            "tensor_values": {
                self.identifier(key, "tensor"): self.tensor_meta(v, f"tensor {_show(key)}") for key, v in values.items()
            },
            "sym_int_values": {},
            "sym_bool_values": {},
            "is_single_tensor_return": False,
            "custom_obj_values": {},
            "sym_float_values": {},
        }

    def tensor_only(self, value: Any, what: str) -> dict[str, Any]:
        kind, content = self.single(value, what)
        if kind != "as_tensor":
            raise self.fail(f"{what} is no tensor ({_show(kind)}); supported: tensors")
        return {"as_tensor": self.tensor_name(content)}

    def tensor_name(self, value: Any) -> dict[str, str]:
        return {"name": self.identifier(self.obj(value, "tensor").get("name"), "tensor")}

    def node(self, node: dict[str, Any]) -> dict[str, Any]:
        metadata = _clean_metadata(node.get("metadata"))
        target = node.get("target")
        if target not in ATEN_OPS:
            raise self.fail(_op_message(target, node, metadata))
        name = node.get("name")
        return {
            "target": target,
            "inputs": [self.named_argument(self.obj(v, "argument")) for v in self.items(node.get("inputs"), "inputs")],
            "outputs": [self.output(v) for v in self.items(node.get("outputs"), "outputs")],
            "metadata": metadata,
            "is_hop_single_tensor_return": None,
            "name": None if name is None else self.identifier(name, "node"),
        }

    def output(self, value: Any) -> dict[str, Any]:
        kind, content = self.single(value, "node output")
        if kind == "as_tensors":
            return {"as_tensors": [self.tensor_name(v) for v in self.items(content, "node output")]}
        return self.tensor_only(value, "node output")

    def named_argument(self, value: dict[str, Any]) -> dict[str, Any]:
        name = self.argument_name(value.get("name"))
        kind = value.get("kind")
        if kind not in (None, 1, 2):
            raise self.fail(f"argument {name} has the unknown kind {_show(kind)}")
        return {"name": name, "arg": self.argument(value.get("arg"), f"argument {name}"), "kind": kind}

    def argument_name(self, value: Any) -> str:
        return self.identifier(value, "argument")

    def argument(self, value: Any, what: str) -> dict[str, Any]:
        kind, content = self.single(value, what)
        convert = _ARGUMENTS.get(kind)
        if convert is None:
            raise self.fail(f"{what} is of the kind {_show(kind)}; supported: tensors and constant numbers")
        return {kind: convert(self, content, what)}

    def word(self, value: Any, what: str) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_]{0,64}", value):
            raise self.fail(f"{what} {_show(value)} is not a plain word")
        return value

    def small_int(self, value: Any, what: str) -> int:
        number = self.integer(value, what)
        if not 0 <= number < 64:
            raise self.fail(f"{what} {number} is out of range")
        return number

    def optional_tensor(self, value: Any, what: str) -> dict[str, Any]:
        kind, content = self.single(value, what)
        return {"as_none": True} if kind == "as_none" else self.tensor_only({kind: content}, what)

    # signature

    def signature(self, signature: dict[str, Any]) -> dict[str, Any]:
        inputs, outputs = (self.items(signature.get(k), k) for k in ("input_specs", "output_specs"))
        return {
            "input_specs": [self.input_spec(v) for v in inputs],
            "output_specs": [self.output_spec(v) for v in outputs],
        }

    def input_spec(self, value: Any) -> dict[str, Any]:
        kind, content = self.single(value, "input_spec")
        spec = self.obj(content, "input_spec")
        if kind == "user_input":
            return {kind: {"arg": self.tensor_only(spec.get("arg"), "network input")}}
        keys = {
            "parameter": "parameter_name",
            "buffer": "buffer_name",
            "tensor_constant": "tensor_constant_name",
        }
        if kind not in keys:
            raise self.fail(f"input of the kind {_show(kind)} is not supported; supported: tensors")
        result: dict[str, Any] = {
            "arg": self.tensor_name(spec.get("arg")),
            keys[kind]: self.path(spec.get(keys[kind]), kind),
        }
        if kind == "buffer":
            result["persistent"] = self.boolean(spec.get("persistent"), "persistent")
        return {kind: result}

    def output_spec(self, value: Any) -> dict[str, Any]:
        kind, content = self.single(value, "output_spec")
        if "mutation" in kind:
            raise self.fail("the network changes its own buffers or input; call .eval() before the export")
        if kind != "user_output":
            raise self.fail(f"output of the kind {_show(kind)} is not supported; supported: one tensor")
        return {kind: {"arg": self.tensor_only(self.obj(content, "output").get("arg"), "network output")}}

    def call_graph(self, module: dict[str, Any]) -> list[dict[str, Any]]:
        """Only the root entry (how the whole network is called); submodules' are not needed."""
        for entry in self.items(module.get("module_call_graph"), "module_call_graph"):
            if self.obj(entry, "module_call_graph").get("fqn") == "" and entry.get("signature"):
                return [{"fqn": "", "signature": self.call_signature(self.obj(entry["signature"], "signature"))}]
        raise self.fail("the program does not say how it is called")

    def call_signature(self, value: dict[str, Any]) -> dict[str, Any]:
        names = value.get("forward_arg_names")
        return {
            "inputs": [],
            "outputs": [],
            "in_spec": self.tree_spec(value.get("in_spec")),
            "out_spec": self.tree_spec(value.get("out_spec")),
            "forward_arg_names": None if names is None else [self.identifier(n, "argument") for n in names],
        }

    def tree_spec(self, value: Any) -> str:
        tree = parse_json(value, f"{self.name}: call signature") if isinstance(value, str) else None
        if not isinstance(tree, list) or len(tree) != 2 or tree[0] != 1:
            raise self.fail("the call signature is unknown; supported: tensor arguments")
        return json.dumps([1, self.tree(self.obj(tree[1], "call signature"))])

    def tree(self, value: dict[str, Any]) -> dict[str, Any]:
        """Tuples, lists and the empty dict of keyword arguments."""
        kind, context = value.get("type"), value.get("context")
        children = self.items(value.get("children_spec"), "call signature")
        if (kind, context, children) == (None, None, []):
            return dict(_LEAF)
        sequence = kind in ("builtins.tuple", "builtins.list") and context == "null"
        if not sequence and (kind, context, children) != ("builtins.dict", "[]", []):
            raise self.fail("keyword and object arguments are not supported; supported: tensors")
        nested = [self.tree(self.obj(child, "call signature")) for child in children]
        return {"type": kind, "context": context, "children_spec": nested}


def _many(one: Callable[[_Reader, Any, str], Any]) -> Callable[[_Reader, Any, str], list[Any]]:
    return lambda reader, value, what: [one(reader, v, what) for v in reader.items(value, what)]


# Kinds of node arguments. Missing on purpose: as_graph (control flow), as_custom_obj, as_operator, as_sym_*,
# as_complex, nested lists and dicts.
_ARGUMENTS: dict[str, Callable[[_Reader, Any, str], Any]] = {
    "as_none": lambda reader, value, what: True,
    "as_tensor": lambda reader, value, what: reader.tensor_name(value),
    "as_tensors": _many(lambda reader, value, what: reader.tensor_name(value)),
    "as_optional_tensors": _many(_Reader.optional_tensor),
    "as_int": _Reader.integer,
    "as_ints": _many(_Reader.integer),
    "as_float": _Reader.number,
    "as_floats": _many(_Reader.number),
    "as_bool": _Reader.boolean,
    "as_bools": _many(_Reader.boolean),
    "as_string": _Reader.word,
    "as_scalar_type": _Reader.small_int,
    "as_memory_format": _Reader.small_int,
    "as_layout": _Reader.small_int,
    "as_device": lambda reader, value, what: reader._device(value, what),
}


def _extent(sizes: list[int], strides: list[int], offset: int) -> int:
    """Elements from the start of the storage to the end of the tensor."""
    return offset + 1 + sum((size - 1) * stride for size, stride in zip(sizes, strides))


# --- where a node comes from ----------------------------------------------------------------------------


def _clean_metadata(value: Any) -> dict[str, str]:
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


def user_line(stack_trace: Any) -> str:
    """``model.py:12``: the innermost line outside torch, or "" where the trace names none."""
    if not isinstance(stack_trace, str):
        return ""
    frames = re.findall(r'File "([^"\n]+)", line (\d{1,9}), in', stack_trace)
    own = [f for f in frames if not re.search(r"[/\\]torch[/\\](nn|_|utils|fx|export|functional|overrides)", f[0])]
    if not own:
        return ""
    file, number = own[-1]
    basename = re.split(r"[/\\]", file)[-1]
    return re.sub(r"[^\w.-]", "_", basename) + f":{number}"


def _op_message(target: Any, node: dict[str, Any], metadata: dict[str, str]) -> str:
    short = _show(str(target).removeprefix("torch.ops."))
    path, kind = "", ""
    for entry in metadata.get("nn_module_stack", "").split(";"):
        path, kind = [*entry.split(","), "", "", ""][1:3]
    details = [d for d in (kind.rpartition(".")[2], metadata.get("stack_trace") and _line_of(metadata)) if d]
    place = f"{path or _show(node.get('name'))} ({', '.join(details)})" if details else _show(node.get("name"))
    return f"{place}: {short} is not supported; supported: plain torch.ops.aten layers"


def _line_of(metadata: dict[str, str]) -> str:
    return user_line(metadata["stack_trace"])


def _show(value: Any) -> str:
    """Text of a stranger's file for a one-line message: short and printable."""
    text = value if isinstance(value, str) else repr(value)
    return "".join(c if c.isprintable() else "?" for c in text[:80])


def _one_line(error: BaseException) -> str:
    return _show(" ".join(str(error).split()) or type(error).__name__)


def _json_bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


# --- torch ----------------------------------------------------------------------------------------------


def load_archive(archive: SafeArchive) -> LoadedModel:
    """Programs of a checked archive, loaded by torch and proved consistent: running them on shapes alone
    gives the declared shapes. Raises `ModelError`."""
    from torch._export.serde.serialize import SerializeError
    from torch.export.pt2_archive._package import load_pt2

    try:
        contents = load_pt2(io.BytesIO(archive.clean_bytes()))
    except (*_TORCH_ERRORS, SerializeError) as error:
        raise ModelError(f"{archive.name}: torch cannot read the program ({_one_line(error)})") from None
    for program in contents.exported_programs.values():
        _check_shapes(program, archive.name)
    return LoadedModel(programs=dict(contents.exported_programs), extras=dict(archive.extras))


# What torch raises on inconsistent programs; none of it is a fault of ours.
_TORCH_ERRORS = (
    RuntimeError, TypeError, ValueError, LookupError, AttributeError, AssertionError, SyntaxError
)  # fmt: skip


def _check_shapes(program: ExportedProgram, name: str) -> None:
    """Runs the program on fake tensors (shapes without data): nothing large is ever allocated later on the
    word of a damaged file, and every declared shape and dtype is the real one."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    class Checker(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> Any:
            result = super().run_node(n)
            declared = n.meta.get("val")
            if isinstance(result, torch.Tensor) and isinstance(declared, torch.Tensor):
                if result.shape != declared.shape or result.dtype != declared.dtype:
                    raise ValueError(f"{n.name} is {tuple(result.shape)}, declared {tuple(declared.shape)}")
                if result.numel() > MAX_ELEMENTS:
                    raise ValueError(f"{n.name} has {result.numel()} elements")
            return result

    inputs = [n.meta["val"] for n in program.graph.nodes if n.op == "placeholder"]
    _check_weight_shapes(program, name)
    try:
        with FakeTensorMode(), torch.no_grad(), warnings.catch_warnings():
            # even kernels with "same" padding: advice on speed in torch
            warnings.filterwarnings("ignore", message="Using padding='same'", category=UserWarning)
            Checker(program.graph_module).run(*(torch.empty(v.shape, dtype=v.dtype) for v in inputs))
    except _TORCH_ERRORS as error:
        raise ModelError(f"{name}: the program is inconsistent ({_one_line(error)})") from None


def _check_weight_shapes(program: ExportedProgram, name: str) -> None:
    declared = {n.name: n.meta["val"] for n in program.graph.nodes if n.op == "placeholder"}
    for spec in program.graph_signature.input_specs:
        if spec.target is None:
            continue
        tensor = program.state_dict.get(spec.target, program.constants.get(spec.target))
        value = declared.get(spec.arg.name)
        if tensor is None or value is None:
            raise ModelError(f"{name}: weight {spec.target} is missing from the archive")
        if tensor.shape != value.shape or tensor.dtype != value.dtype:
            raise ModelError(f"{name}: weight {spec.target} is not what the program declares")
