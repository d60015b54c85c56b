"""The file and the zip: what may lie in it, and how large."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from shlex import quote

from cpcc.archive.text import one_line, show
from cpcc.errors import ModelError

MAX_FILE_BYTES = 1 << 30
MAX_MEMBERS = 10_000
MAX_JSON_BYTES = 16 << 20
MAX_EXTRA_BYTES = 512 << 20


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


def read_file(path: Path) -> bytes:
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
        f"when opened; with a state_dict use: cpcc export NET --weights {quote(name)} --input-shape 1,28,28 "
        "-o model.pt"
    )


def read_members(data: bytes, name: str) -> dict[str, bytes]:
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
        raise ModelError(f"{name}: truncated or damaged archive ({one_line(error)})") from None


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> bytes:
    data = archive.read(info)
    if len(data) != info.file_size:
        raise ModelError(f"{name}: {show(info.filename)} has {len(data)} B, {info.file_size} B declared")
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
    member = show(info.filename)
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


def check_headers(members: dict[str, bytes], name: str) -> None:
    for member, expected in (("archive_format", b"pt2"), ("archive_version", b"0"), ("byteorder", b"little")):
        actual = members.get(member, b"little" if member == "byteorder" else b"")
        if actual.strip() != expected:
            shown = show(actual.decode("latin-1"))
            raise ModelError(f"{name}: {member} is {shown}, supported: {expected.decode()}; export with torch 2.13")


def text_of(data: bytes, member: str, name: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ModelError(f"{name}: {member} is not UTF-8 text") from None
