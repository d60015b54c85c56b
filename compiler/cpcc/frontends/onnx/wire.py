"""What parsing a protobuf will take, estimated from its bytes before anything is allocated.

A message of two bytes becomes an object of hundreds, a packed varint of one byte an integer of eight: a small file can ask
for gigabytes. The format is walked along the schema's own descriptors (protobuf encoding specification: a tag, then a varint,
eight or four bytes, or a length and that many bytes).
"""

from __future__ import annotations

from typing import Any

MESSAGE_BYTES = 400  # of a parsed message
ITEM_BYTES = (
    400  # of a value by itself: far more than it takes, so that the walk over a file of them ends within seconds
)
MAX_DEPTH = 60
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_STRING, _MESSAGE, _BYTES = 9, 11, 12  # FieldDescriptor.TYPE_STRING, TYPE_MESSAGE, TYPE_BYTES
_FIXED_TYPES = (1, 2, 6, 7, 15, 16)  # double, float, fixed64, fixed32, sfixed32, sfixed64: packed as they are


def parsed_bytes(data: bytes, descriptor: Any, limit: int) -> int:
    """Bytes that the message of `descriptor` in `data` takes once parsed; the walk ends soon after `limit`. Raises
    `ValueError` where `data` is no such message, or a text in it is no UTF-8."""
    return _message(memoryview(data), 0, len(data), descriptor, limit, 0)


def _message(data: memoryview, at: int, end: int, descriptor: Any, limit: int, depth: int) -> int:
    if depth > MAX_DEPTH:
        raise ValueError(f"messages nested more than {MAX_DEPTH} deep")
    total, fields = MESSAGE_BYTES, descriptor.fields_by_number
    while at < end and total < limit:
        tag, at = _varint(data, at, end)
        field, wire = fields.get(tag >> 3), tag & 7
        if wire == LENGTH:
            size, at = _varint(data, at, end)
            if size > end - at:
                raise ValueError(f"a field of {size:,} bytes where {end - at:,} are left")
            total += _length_delimited(data, at, size, field, limit - total, depth)
            at += size
        else:
            at = _skip(data, at, end, wire)
            total += ITEM_BYTES
    return total


def _length_delimited(data: memoryview, at: int, size: int, field: Any, limit: int, depth: int) -> int:
    if field is not None and field.type == _MESSAGE:
        return _message(data, at, at + size, field.message_type, limit, depth + 1)
    if field is not None and field.type == _STRING:
        str(data[at : at + size], "utf-8")  # protobuf would hand out bytes where text is expected
    if field is None or field.type in (_STRING, _BYTES, *_FIXED_TYPES):
        return ITEM_BYTES + size
    return ITEM_BYTES + 8 * size  # packed varints


def _skip(data: memoryview, at: int, end: int, wire: int) -> int:
    if wire == VARINT:
        return _varint(data, at, end)[1]
    size = {FIXED64: 8, FIXED32: 4}.get(wire)
    if size is None or size > end - at:
        raise ValueError(f"no field of wire type {wire} fits")
    return at + size


def _varint(data: memoryview, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise ValueError("cut short")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number of more than ten bytes")
