"""The tables of a file under its own names, whatever its format."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from wattbook.core.errors import InputError, Problem, TooLargeError, UndecodableError
from wattbook.core.frames import Contract
from wattbook.sources.codecs import arrow, csv, rows
from wattbook.sources.codecs import json as json_codec
from wattbook.sources.codecs.numbers import PLAIN, Notation
from wattbook.sources.codecs.rows import Guess
from wattbook.sources.files import dialect
from wattbook.sources.files.mapping import TEMPLATE, Mapping, Target
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
        detail = f"{name}: want a name that ends in {', '.join(FORMS)}, also with .gz or .zst"
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
    skip = mapping.skip_lines
    for part in records(pieces, chunk_bytes, quotes=True):
        text = part
        if layout is None:
            text, named, line = _begin(text, skip)
            first, text = csv.split_header(text)
            layout, guesses = _layout(first, text, mapping, contract, named)
            line += 1
            guesses = (encoding, *guesses)
        yield Table(csv.table(text, layout, line), layout.header, layout.notation, guesses)
        line += text.count(b"\n")
    if layout is None:
        csv.split_header(b"")


def _begin(text: bytes, skip: int) -> tuple[bytes, str | None, int]:
    """The text from the header on, the separator that a line before it names, and its line."""
    named, rest = dialect.hinted(text)
    for _ in range(skip):
        rest = rest.partition(b"\n")[2]
    return rest, named, 1 + skip + (named is not None)


def _layout(
    line: bytes, text: bytes, mapping: Mapping, contract: Contract, named: str | None
) -> tuple[csv.Layout, tuple[Guess, ...]]:
    if mapping.separator is not None or named is not None:
        separator = mapping.separator or str(named)
        how, because = ("given", None) if mapping.separator else ("detected", "a first line sep=")
    else:
        separator, because = dialect.find_separator(line, text)
        how = "detected"
    header = csv.read_header(line, separator)
    resolved = resolve(mapping, header, contract)
    wanted = {name for target in resolved.columns for name in names_of(target)}
    wanted.update(name for name in (mapping.dst_flag,) if name is not None)
    layout = csv.Layout(
        header=header,
        wanted=frozenset(wanted),
        numbers=frozenset(
            name
            for target in resolved.columns
            for name in target.sources
            if contract.columns[target.column].dtype != pl.String
        ),
        separator=separator,
        nulls=mapping.null_values,
    )
    notation, decimals = dialect.find_notation(text, layout, mapping.decimal)
    shown = {"\t": "tab", ";": "semicolon", ",": "comma", "|": "pipe"}.get(separator, separator)
    return replace(layout, notation=notation), (Guess("separator", shown, how, because), decimals)


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


def names_of(target: Target) -> list[str]:
    """Columns of the file that a target needs."""
    return [name for source in target.sources for name in (TEMPLATE.findall(source) or [source])]


def resolve(mapping: Mapping, names: tuple[str, ...], contract: Contract) -> Mapping:
    """The mapping with every source a column of the file; the contract's own names if it is bare.

    Raises
    ------
    InputError
        A source is no column of the file; the message lists those that are.
    """
    targets = []
    for target in mapping.columns:
        joined = "+".join(target.sources)
        targets.append(replace(target, sources=(joined,)) if joined in names else target)
    mapped = {target.column for target in targets} | set(mapping.constants)
    aliases = {name: alias for alias, name in rows.aliases(contract).items() if alias in names}
    for name in contract.columns:
        if mapping.columns or name in rows.OURS or name in mapped:
            continue
        found = tuple(one for one in (name, aliases.get(name)) if one in names)
        if found:
            targets.append(Target(name, found, either=True))
    missing = [name for target in targets for name in names_of(target) if name not in names]
    missing += [mapping.dst_flag] if mapping.dst_flag and mapping.dst_flag not in names else []
    if missing or not targets:
        raise _no_such_columns(missing, names, contract)
    return replace(mapping, columns=tuple(targets))


def _no_such_columns(missing: list[str], names: tuple[str, ...], contract: Contract) -> InputError:
    have = f"it has {', '.join(map(repr, names))}"
    if missing:
        detail = f"the file has no {', '.join(map(repr, dict.fromkeys(missing)))}; {have}"
    else:
        own = [name for name in contract.columns if name not in rows.OURS]
        detail = (
            f"the file has none of the columns {', '.join(own)}; {have}: say which is which with"
            f" --map, as --map {'start' if 'start' in own else 'timestamp'}={names[0]!r}"
        )
        return UndecodableError(detail, [Problem("bad_header", detail)])
    return InputError(detail, [Problem("bad_mapping", detail, field="map")])
