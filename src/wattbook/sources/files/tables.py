"""The tables of a file under its own names, whatever its format."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from wattbook.core.errors import Problem, TooLargeError, UndecodableError
from wattbook.core.frames import Contract
from wattbook.sources.codecs import arrow, csv, rows
from wattbook.sources.codecs import json as json_codec
from wattbook.sources.codecs.numbers import PLAIN, Notation
from wattbook.sources.codecs.rows import Guess
from wattbook.sources.files import dialect, header
from wattbook.sources.files.mapping import Mapping
from wattbook.sources.files.resolving import names_of, resolve
from wattbook.sources.files.stream import COMPRESSIONS, Body, Source, records

BATCH_ROWS: Final = 131_072
WHOLE_BYTES: Final = 256 << 20
"""A JSON array is read in one piece, so it may have this many bytes."""
FORMS: Final = {
    **dict.fromkeys((".csv", ".txt", ".tsv", ".dat"), "csv"),
    **dict.fromkeys((".ndjson", ".jsonl"), "ndjson"),
    ".json": "json",
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
}
WORKBOOKS: Final = (".xlsx", ".xlsm", ".xls", ".ods")


@dataclass(frozen=True, slots=True)
class Table:
    """Columns under the file's own names, with `row` from 0, and all names of the file."""

    frame: pl.DataFrame
    names: tuple[str, ...]
    notation: Notation = PLAIN
    guesses: tuple[Guess, ...] = ()
    units: dict[str, str] = field(default_factory=dict)
    """Units of columns that a row below the header names."""


def form_of(name: str) -> str:
    """The format that a file's name tells.

    Raises
    ------
    UndecodableError
        It tells none; the message says which there are.
    """
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    form = FORMS.get(suffixes[-1]) if suffixes else None
    if form is not None:
        return form
    if suffixes and suffixes[-1] in WORKBOOKS:
        detail = f"{name} is a workbook: save its sheet as CSV (UTF-8) and ingest that file"
    else:
        detail = f"{name}: the name must end in {', '.join(FORMS)}, also with .gz or .zst"
    raise UndecodableError(detail, [Problem("bad_file", detail)])


def tables(
    form: str, source: Source | Body, mapping: Mapping, contract: Contract, chunk_bytes: int
) -> Iterator[Table]:
    if form == "csv":
        return _csv(source, mapping, contract, chunk_bytes)
    if form == "ndjson":
        return _ndjson(source, mapping, contract, chunk_bytes)
    if form == "json":
        return _json(source, mapping, contract)
    return _parquet(source, mapping, contract)


def _csv(
    source: Source | Body, mapping: Mapping, contract: Contract, chunk_bytes: int
) -> Iterator[Table]:
    layout = None
    pieces, encoding = dialect.in_utf8(source.pieces(), mapping.encoding)
    for part in records(dialect.newlines(pieces), chunk_bytes, quotes=True):
        text = part
        if layout is None:
            text, named, line = _begin(text, mapping.skip_lines)
            head = header.find(text, mapping, contract, named=named, line=line)
            text, line = head.text, head.line
            layout, decimals = _layout(head, mapping, contract)
            guesses = (encoding, *head.guesses, decimals)
        yield Table(
            csv.table(text, layout, line), layout.header, layout.notation, guesses, head.units
        )
        line += text.count(b"\n")
    if layout is None:
        csv.split_header(b"")


def _begin(text: bytes, skip: int) -> tuple[bytes, str | None, int]:
    """The text from the header on, the separator that a line before it names, and its line."""
    named, rest = dialect.hinted(text)
    for _ in range(skip):
        rest = rest.partition(b"\n")[2]
    return rest, named, 1 + skip + (named is not None)


def _layout(head: header.Header, mapping: Mapping, contract: Contract) -> tuple[csv.Layout, Guess]:
    wanted = {name for target in head.mapping.columns for name in names_of(target)}
    wanted.update(name for name in (mapping.dst_flag,) if name is not None)
    layout = csv.Layout(
        header=head.names,
        wanted=frozenset(wanted),
        numbers=frozenset(
            name
            for target in head.mapping.columns
            for name in target.sources
            if contract.columns[target.column].dtype != pl.String
        ),
        separator=head.separator,
        nulls=mapping.null_values,
    )
    notation, decimals = dialect.find_notation(head.text, layout, mapping.decimal)
    return replace(layout, notation=notation), decimals


def _ndjson(
    source: Source | Body, mapping: Mapping, contract: Contract, chunk_bytes: int
) -> Iterator[Table]:
    line = 1
    for part in records(source.pieces(), chunk_bytes, quotes=False):
        body = part.removeprefix(csv.BOM) if line == 1 else part
        frame, _ = json_codec.ndjson_rows(body, _fields(mapping, contract), line)
        line += part.count(b"\n")
        yield _objects(frame, mapping, contract)


def _json(source: Source | Body, mapping: Mapping, contract: Contract) -> Iterator[Table]:
    held = bytearray()
    for piece in source.pieces():
        held += piece
        if len(held) > WHOLE_BYTES:
            detail = f"{source.name}: a JSON array may have {WHOLE_BYTES >> 20} MB; use NDJSON"
            raise TooLargeError(detail, [Problem("too_large", detail)])
    names = json_codec.envelopes(contract)
    frame, _ = json_codec.json_rows(bytes(held), _fields(mapping, contract), names)
    yield _objects(frame, mapping, contract)


def _fields(mapping: Mapping, contract: Contract) -> dict[str, Any]:
    """Keys to look for in objects, which have no header: those of the mapping, or ours."""
    if not mapping.columns:
        return rows.fields(contract)
    return {
        name: contract.columns[target.column].dtype
        for target in mapping.columns
        for name in names_of(target)
    }


def _objects(frame: pl.DataFrame, mapping: Mapping, contract: Contract) -> Table:
    """The rows with all columns that were looked for, also those which none of them has."""
    fields = _fields(mapping, contract)
    if not mapping.columns:
        frame = rows.fold_aliases(frame, contract)
        fields = {name: fields[name] for name in contract.columns if name in fields}
    absent = [
        pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in fields.items()
        if name not in frame.columns
    ]
    return Table(frame.with_columns(absent), tuple(fields))


def _parquet(source: Source | Body, mapping: Mapping, contract: Contract) -> Iterator[Table]:
    with tempfile.TemporaryFile() as plain:
        held: Any = source.path
        if source.compressed:
            for piece in source.pieces():
                plain.write(piece)
            held = plain
        try:
            file = pq.ParquetFile(held)
            names = tuple(file.schema_arrow.names)
            resolved = resolve(mapping, names, contract)
            wanted = list(dict.fromkeys(n for t in resolved.columns for n in names_of(t)))
            total, done = max(file.metadata.num_rows, 1), 0
            for batch in file.iter_batches(BATCH_ROWS, columns=wanted):
                done += batch.num_rows
                source.taken = source.size * done // total
                frame = arrow.to_frame(pa.Table.from_batches([batch]), batch.num_rows)
                yield Table(arrow.plain(frame), names)
        except arrow.FAILURES as error:
            raise UndecodableError(f"not Parquet: {str(error)[:200]}") from error
