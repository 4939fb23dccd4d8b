"""A file becomes raw rows, part by part, so that its size does not matter."""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from wattbook.core.errors import InputError, Problem, TooLargeError, UndecodableError
from wattbook.core.frames import RAW_GRID, RAW_READINGS, Contract
from wattbook.core.ingest import Reason
from wattbook.sources.codecs import arrow, csv, rows
from wattbook.sources.codecs import json as json_codec
from wattbook.sources.files.local_time import LocalTime
from wattbook.sources.files.mapping import IDENTITY, IDS, Mapping, Target
from wattbook.sources.files.stream import COMPRESSIONS, Source, records

CHUNK_BYTES: Final = 8 << 20
BATCH_ROWS: Final = 131_072
WHOLE_BYTES: Final = 256 << 20
"""A JSON array is read in one piece, so it may have this many bytes."""
FORMS: Final = {
    **dict.fromkeys((".csv", ".txt", ".tsv", ".dat"), "csv"),
    **dict.fromkeys((".ndjson", ".jsonl"), "ndjson"),
    ".json": "json",
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
}
TEMPLATE: Final = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Raw rows, and how much of the file (bytes on disk) has been read so far."""

    frame: pl.DataFrame
    bytes_read: int


def size(path: Path | str) -> int:
    """Bytes of the file on disk: what `bytes_read` comes to at the end."""
    return Path(path).stat().st_size


def read(
    path: Path | str,
    mapping: Mapping = IDENTITY,
    contract: Contract = RAW_READINGS,
    chunk_bytes: int = CHUNK_BYTES,
) -> Iterator[Chunk]:
    """Raw rows of a CSV, NDJSON, JSON or Parquet file, also with .gz or .zst.

    `row` counts on from part to part. In a wide file each row of the file becomes one per meter:
    its number times the number of meters, plus the position of the meter.

    Raises
    ------
    UndecodableError
        The file is not what its name says; the message has its name and the rows read so far.
    InputError
        The mapping names a column that the file does not have.
    """
    path = Path(path)
    form = _form(path)
    source = Source(path)
    done = 0
    try:
        for table in _tables(form, source, mapping, contract, chunk_bytes):
            if not done:
                work = _Work(_resolve(mapping, table.names, contract), contract)
            frame = work.raw(table.frame, done)
            done += table.frame.height
            yield Chunk(frame, source.taken)
    except UndecodableError as error:
        detail = f"{path.name}, after {done} rows: {error}"
        raise UndecodableError(detail, error.problems or [Problem("bad_file", detail)]) from error


@dataclass(frozen=True, slots=True)
class _Table:
    """Columns under the file's own names, with `row` from 0, and all names of the file."""

    frame: pl.DataFrame
    names: tuple[str, ...]


def _form(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    form = FORMS.get(suffixes[-1]) if suffixes else None
    if form is None:
        detail = f"{path.name}: want a name that ends in {', '.join(FORMS)}, also with .gz or .zst"
        raise UndecodableError(detail, [Problem("bad_file", detail)])
    return form


def _tables(
    form: str, source: Source, mapping: Mapping, contract: Contract, chunk_bytes: int
) -> Iterator[_Table]:
    if form == "csv":
        return _csv(source, mapping, contract, chunk_bytes)
    if form == "ndjson":
        return _ndjson(source, mapping, contract, chunk_bytes)
    if form == "json":
        return _json(source, mapping, contract)
    return _parquet(source, mapping, contract)


def _csv(
    source: Source, mapping: Mapping, contract: Contract, chunk_bytes: int
) -> Iterator[_Table]:
    layout = None
    line = 2
    for part in records(source.pieces(), chunk_bytes, quotes=True):
        text = part
        if layout is None:
            first, text = csv.split_header(part)
            layout = _layout(first, mapping, contract)
        yield _Table(csv.table(text, layout, line), layout.header)
        line += text.count(b"\n")
    if layout is None:
        csv.split_header(b"")


def _layout(line: bytes, mapping: Mapping, contract: Contract) -> csv.Layout:
    separator = mapping.separator or csv.find_separator(line)
    header = csv.read_header(line, separator)
    resolved = _resolve(mapping, header, contract)
    wanted = {name for target in resolved.columns for name in _names(target)}
    return csv.Layout(
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
        decimal_comma=mapping.decimal_comma,
    )


def _ndjson(
    source: Source, mapping: Mapping, contract: Contract, chunk_bytes: int
) -> Iterator[_Table]:
    line = 1
    for part in records(source.pieces(), chunk_bytes, quotes=False):
        body = part.removeprefix(csv.BOM) if line == 1 else part
        frame, _ = json_codec.ndjson_rows(body, _fields(mapping, contract), line)
        line += part.count(b"\n")
        yield _objects(frame, mapping, contract)


def _json(source: Source, mapping: Mapping, contract: Contract) -> Iterator[_Table]:
    held = bytearray()
    for piece in source.pieces():
        held += piece
        if len(held) > WHOLE_BYTES:
            detail = f"{source.path.name}: a JSON array may have {WHOLE_BYTES >> 20} MB; use NDJSON"
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
        for name in _names(target)
    }


def _objects(frame: pl.DataFrame, mapping: Mapping, contract: Contract) -> _Table:
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
    return _Table(frame.with_columns(absent), tuple(fields))


def _parquet(source: Source, mapping: Mapping, contract: Contract) -> Iterator[_Table]:
    with tempfile.TemporaryFile() as plain:
        held: Any = str(source.path)
        if source.path.suffix.lower() in COMPRESSIONS:
            for piece in source.pieces():
                plain.write(piece)
            held = plain
        try:
            file = pq.ParquetFile(held)
            names = tuple(file.schema_arrow.names)
            resolved = _resolve(mapping, names, contract)
            wanted = list(dict.fromkeys(n for t in resolved.columns for n in _names(t)))
            total, done = max(file.metadata.num_rows, 1), 0
            for batch in file.iter_batches(BATCH_ROWS, columns=wanted):
                done += batch.num_rows
                source.taken = size(source.path) * done // total
                frame = arrow.to_frame(pa.Table.from_batches([batch]), batch.num_rows)
                yield _Table(arrow.plain(frame), names)
        except arrow.FAILURES as error:
            raise UndecodableError(f"not Parquet: {str(error)[:200]}") from error


def _names(target: Target) -> list[str]:
    """Columns of the file that a target needs."""
    return [name for source in target.sources for name in (TEMPLATE.findall(source) or [source])]


def _resolve(mapping: Mapping, names: tuple[str, ...], contract: Contract) -> Mapping:
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
        if name in names or name in aliases:
            targets.append(Target(name, (name if name in names else aliases[name],)))
    missing = [name for target in targets for name in _names(target) if name not in names]
    if missing or not targets:
        what = ", ".join(map(repr, dict.fromkeys(missing))) or "a column of " + contract.name
        detail = f"the file has no {what}; it has {', '.join(map(repr, names))}"
        raise InputError(detail, [Problem("bad_mapping", detail, field="map")])
    return replace(mapping, columns=tuple(targets))


class _Work:
    """Turns the tables of one file into raw rows; remembers the stamps of ambiguous hours."""

    def __init__(self, mapping: Mapping, contract: Contract) -> None:
        self.mapping = mapping
        self.contract = contract
        self.stamp = "start" if contract.name == RAW_GRID.name else "timestamp"
        self.shared = [target for target in mapping.columns if target.meter is None]
        self.clock: LocalTime | None = None
        if mapping.timezone is not None:
            self.clock = LocalTime(
                mapping.timezone,
                day_first=mapping.day_first,
                midnight_closes_day=mapping.midnight_closes_day,
                label_span=mapping.label_span,
            )

    def raw(self, table: pl.DataFrame, begin: int) -> pl.DataFrame:
        """Raw rows of a table whose first row is the file's row number `begin`."""
        common = self._shared_columns(table)
        meters = self.mapping.meters or (None,)
        parts = []
        for position, meter in enumerate(meters):
            part = self._values(common, table, meter)
            if position and "reason" in common.columns:  # a row that cannot be read counts once
                part = part.filter(common["reason"].ne_missing(str(Reason.BAD_ROW)))
            number = (pl.col("row").cast(pl.Int64) + begin) * len(meters) + position
            parts.append(part.with_columns(row=number.cast(pl.UInt32)))
        frame = parts[0] if len(parts) == 1 else pl.concat(parts, how="diagonal").sort("row")
        return frame.select(name for name in self.contract.columns if name in frame.columns)

    def _shared_columns(self, table: pl.DataFrame) -> pl.DataFrame:
        """Ids, stamps and the other texts, which all meters of a row share."""
        frame = table.select(
            name for name in ("row", "reason", "detail", "raw", "explicit") if name in table.columns
        )
        for target in self.shared:
            if self.contract.columns[target.column].dtype == pl.String:
                frame = frame.with_columns(_text(table, target))
        for name, value in self.mapping.constants.items():
            frame = frame.with_columns(pl.lit(value).alias(name))
        return self._instants(frame, table)

    def _instants(self, frame: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
        if self.stamp not in frame.columns:
            return frame
        dtype = frame.schema[self.stamp]
        zoned = isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
        if zoned or (self.clock is None and dtype == pl.String):
            return frame
        if self.clock is None or not (dtype == pl.String or isinstance(dtype, pl.Datetime)):
            detail = f"{self.stamp}: times without time zone ({dtype}); name one with --timezone"
            raise UndecodableError(detail, [Problem("bad_timestamp", detail, field=self.stamp)])
        who = next(
            (name for name in ("meter_id", "zone", "site_id") if name in frame.columns), None
        )
        told = self.clock.to_utc(frame[self.stamp], frame[who] if who else None)
        frame = frame.with_columns(told["ts_utc"].alias(self.stamp))
        if not told["detail"].null_count() < told.height:
            return frame
        said = pl.format(self.stamp + ": {}", told["detail"])
        sent = table.select(pl.struct(pl.exclude(rows.OURS)).struct.json_encode()).to_series()
        return _refuse(frame, told["detail"].is_not_null(), Reason.BAD_TIMESTAMP, said, sent)

    def _values(self, common: pl.DataFrame, table: pl.DataFrame, meter: str | None) -> pl.DataFrame:
        """Value columns of one meter, in the units of their names, beside the shared ones."""
        frame = common if meter is None else common.with_columns(meter_id=pl.lit(meter.lower()))
        targets = [
            target
            for target in self.mapping.columns
            if target.meter == meter and self.contract.columns[target.column].dtype != pl.String
        ]
        names = [target.column for target in targets]
        frame = frame.with_columns(_number(table, target) for target in targets)
        frame = csv.judge_numbers(frame, names)
        floats = [name for name in names if frame.schema[name].is_float()]
        if set(self.mapping.null_values) & {"NaN", "nan"}:
            frame = frame.with_columns(pl.col(floats).fill_nan(None))
        frame = frame.with_columns(self.mapping.read(name).alias(name) for name in names)
        if "reason" not in frame.columns:
            return frame.drop("raw", strict=False)
        return frame.with_columns(raw=pl.when(pl.col("reason").is_not_null()).then("raw"))


def _refuse(
    frame: pl.DataFrame, bad: pl.Series, reason: Reason, said: pl.Expr, sent: pl.Series
) -> pl.DataFrame:
    """The rows with a reason where they are `bad` and had none."""
    for name in ("reason", "detail", "raw"):
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(name))
    fresh = bad & frame["reason"].is_null()
    return frame.with_columns(
        reason=pl.when(fresh).then(pl.lit(str(reason))).otherwise(pl.col("reason")),
        detail=pl.when(fresh).then(said).otherwise(pl.col("detail")),
        raw=pl.coalesce("raw", pl.when(fresh).then(sent)),
    )


def _text(table: pl.DataFrame, target: Target) -> pl.Series:
    """The text column of a target: one source, several joined by a blank, or a template."""
    if len(target.sources) == 1 and target.sources[0] in table.columns:
        column = table[target.sources[0]]
        if not isinstance(column.dtype, pl.Datetime | pl.Date) and column.dtype != pl.String:
            column = column.cast(pl.String)
    else:
        parts = []
        for source in target.sources:
            names = TEMPLATE.findall(source)
            form = TEMPLATE.sub("{}", source)
            one = pl.col(source) if not names else pl.format(form, *map(pl.col, names))
            parts.append(one.cast(pl.String))
        column = table.select(pl.concat_str(parts, separator=" ")).to_series()
    if target.column in IDS and column.dtype == pl.String:
        column = column.str.strip_chars().str.to_lowercase()
    return column.alias(target.column)


def _number(table: pl.DataFrame, target: Target) -> pl.Series:
    column = table[target.sources[0]]
    return (column if column.dtype == pl.String else column.cast(pl.Float64)).alias(target.column)
