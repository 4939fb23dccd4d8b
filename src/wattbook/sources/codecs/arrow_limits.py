"""Checks of the counts that a Parquet or Arrow body declares, before anything of it is read.

A reader reserves memory for as many values as a body declares. So each count is compared with the
limits, and with the others: rows of a file with rows of its groups, bytes of a column with bytes of
the body.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
from pyarrow import ipc

from wattbook.core.errors import Problem, TooLargeError, UndecodableError
from wattbook.sources.codecs.rows import refuse_more

MAX_UNPACKED: Final = 1 << 30
"""Bytes that a body may have once its columns are decompressed."""
MAX_SCHEMA_DEPTH: Final = 32
FILE_MAGIC: Final = b"ARROW1"
NOT_COMPRESSED: Final = -1
"""Stands in place of the unpacked length before a buffer that is stored as it is."""
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3  # of the union MessageHeader in Arrow's Message.fbs
_FIRST_FIELD: Final = 4
"""Bytes of a vtable before its first field."""


@dataclass(frozen=True, slots=True)
class ColumnChunk:
    """What a Parquet footer declares of one column in one row group."""

    name: str
    values: int
    is_nested: bool
    packed: int
    unpacked: int
    offset: int


@dataclass(frozen=True, slots=True)
class RowGroup:
    """What a Parquet footer declares of one row group."""

    rows: int
    unpacked: int
    columns: tuple[ColumnChunk, ...]


def row_groups(file: Any) -> list[RowGroup]:
    """The row groups that the footer of a `pyarrow.parquet.ParquetFile` declares."""
    metadata, schema = file.metadata, file.schema
    nested = [schema.column(at).max_repetition_level > 0 for at in range(metadata.num_columns)]
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    return [
        RowGroup(
            group.num_rows,
            group.total_byte_size,
            tuple(
                _chunk(group.column(at), is_nested=nested[at]) for at in range(group.num_columns)
            ),
        )
        for group in groups
    ]


def _chunk(column: Any, *, is_nested: bool) -> ColumnChunk:
    offsets = (column.data_page_offset, column.dictionary_page_offset)
    return ColumnChunk(
        column.path_in_schema,
        column.num_values,
        is_nested,
        column.total_compressed_size,
        column.total_uncompressed_size,
        min(offset for offset in offsets if offset is not None),
    )


def check_parquet(groups: list[RowGroup], *, rows: int, body: int) -> None:
    """Check the counts of a Parquet footer against each other and against the limits.

    Parameters
    ----------
    groups
        What the footer declares of each row group.
    rows
        Rows that the footer declares of the whole file.
    body
        Length of the body [bytes].

    Raises
    ------
    UndecodableError
        Two counts contradict each other.
    TooLargeError
        The columns have more than `MAX_UNPACKED` bytes when they are decompressed.
    """
    _agree(rows, sum(group.rows for group in groups), "rows of the file and of its row groups")
    packed = unpacked = 0
    for group in groups:
        counts = [group.rows, group.unpacked]
        for column in group.columns:
            counts += [column.values, column.packed, column.unpacked, column.offset]
            if not column.is_nested:
                what = f"rows of the group and values of column {column.name!r:.80}"
                _agree(group.rows, column.values, what)
            if column.offset + column.packed > body:
                raise _contradiction(f"column {column.name!r:.80} ends after the body")
            packed += column.packed
        if min(counts) < 0:
            raise _contradiction("a count is below zero")
        unpacked += max(group.unpacked, sum(column.unpacked for column in group.columns))
    if packed > body:
        raise _contradiction(f"columns of {packed} bytes in a body of {body}")
    _limit(unpacked, body)


def check_arrow(body: bytes, *, max_rows: int) -> int:
    """Check the counts of an Arrow stream or file against each other and against the limits.

    Returns
    -------
    int
        Bytes that its buffers have once they are decompressed.

    Raises
    ------
    UndecodableError
        A length reaches beyond the part that should hold it.
    TooLargeError
        More than `max_rows` rows, or more than `MAX_UNPACKED` bytes when decompressed.
    """
    height = unpacked = 0
    try:
        for metadata, content in _messages(body):
            batch, is_dictionary = _batch_of(metadata)
            if batch is None:
                continue
            length = batch.number(0, "<q")
            height += 0 if is_dictionary else length
            unpacked += _unpacked(batch, content)
            if length < 0:
                raise _contradiction("a count is below zero")
            refuse_more(height, max_rows)
            _limit(unpacked, len(body))
    except struct.error as error:
        raise _contradiction("a length reaches beyond its message") from error
    return unpacked


def _unpacked(batch: "_Table", content: memoryview) -> int:
    """Bytes that the buffers of a batch have once they are decompressed."""
    for length, nulls in batch.structs(1, "<qq"):
        if not 0 <= nulls <= length:
            raise _contradiction(f"{nulls} nulls among {length} values")
    is_compressed = batch.table(3) is not None
    total = 0
    for offset, length in batch.structs(2, "<qq"):
        if offset < 0 or length < 0 or offset + length > len(content):
            raise _contradiction("a buffer reaches beyond its message")
        if is_compressed and length:
            (declared,) = struct.unpack_from("<q", content, offset)
            length = length - 8 if declared == NOT_COMPRESSED else declared  # noqa: PLW2901
            if length < 0:
                raise _contradiction("a count is below zero")
        total += length
    return total


def _messages(body: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Metadata and content of each message of a stream, or of each block of a file."""
    if not body.startswith(FILE_MAGIC):
        for message in ipc.MessageReader.open_stream(pa.BufferReader(body)):
            yield message.metadata.to_pybytes(), memoryview(message.body or b"")
        return
    (size,) = struct.unpack_from("<i", body, len(body) - len(FILE_MAGIC) - 4)
    end = len(body) - len(FILE_MAGIC) - 4
    if not 0 < size <= end:
        raise _contradiction("the footer is longer than the body")
    footer = _Table.root(body[end - size : end])
    used = 0
    for field in (2, 3):  # dictionaries, record batches
        for offset, metadata_length, _, content_length in footer.structs(field, "<qiiq"):
            start = offset + metadata_length
            used += metadata_length + content_length
            if min(offset, metadata_length, content_length) < 0 or used > len(body):
                raise _contradiction("blocks are longer than the body")
            if start + content_length > len(body):
                raise _contradiction("a block reaches beyond the body")
            prefix = 8 if body[offset : offset + 4] == b"\xff\xff\xff\xff" else 4
            content = memoryview(body)[start : start + content_length]
            yield body[offset + prefix : start], content


def _batch_of(metadata: bytes) -> tuple["_Table | None", bool]:
    """The record batch of a message, if it has one, and whether it is of a dictionary."""
    message = _Table.root(metadata)
    kind = message.number(1, "<B")
    header = message.table(2)
    if kind == _DICTIONARY_BATCH and header is not None:
        return header.table(1), True
    return (header, False) if kind == _RECORD_BATCH else (None, False)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of a flatbuffer; `struct.error` where a part lies outside of `data`."""

    data: bytes
    at: int

    @classmethod
    def root(cls, data: bytes) -> "_Table":
        return cls(data, *struct.unpack_from("<I", data, 0))

    def number(self, field: int, form: str) -> int:
        """A number; 0 where the table leaves it out."""
        at = self._place(field)
        return int(struct.unpack_from(form, self.data, at)[0]) if at else 0

    def table(self, field: int) -> "_Table | None":
        at = self._place(field)
        return _Table(self.data, at + struct.unpack_from("<I", self.data, at)[0]) if at else None

    def structs(self, field: int, form: str) -> Iterator[tuple[int, ...]]:
        """The structs of a vector."""
        at = self._place(field)
        if not at:
            return iter(())
        start = at + struct.unpack_from("<I", self.data, at)[0]
        (count,) = struct.unpack_from("<I", self.data, start)
        size = struct.calcsize(form) * count
        if start + 4 + size > len(self.data):
            raise struct.error(field)
        return struct.iter_unpack(form, self.data[start + 4 : start + 4 + size])

    def _place(self, field: int) -> int:
        """Where the value of a field is; 0 where the table leaves it out."""
        (back,) = struct.unpack_from("<i", self.data, self.at)
        vtable = self.at - back
        if vtable < 0:
            raise struct.error(field)
        (size,) = struct.unpack_from("<H", self.data, vtable)
        entry = _FIRST_FIELD + 2 * field
        if entry + 2 > size:
            return 0
        (offset,) = struct.unpack_from("<H", self.data, vtable + entry)
        return self.at + offset if offset else 0


def _agree(one: int, other: int, what: str) -> None:
    if one != other:
        raise _contradiction(f"{what} differ: {one} and {other}")


def _limit(unpacked: int, body: int) -> None:
    if unpacked > max(MAX_UNPACKED, body):
        detail = f"{unpacked} bytes when decompressed; the limit is {MAX_UNPACKED}"
        raise TooLargeError(f"the body is too large: {detail}", [Problem("too_large", detail)])


def _contradiction(detail: str) -> UndecodableError:
    message = f"the body is damaged or of another format: {detail}"
    return UndecodableError(message, [Problem("bad_arrow", detail)])
