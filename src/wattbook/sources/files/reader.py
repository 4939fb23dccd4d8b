"""A file becomes raw rows, part by part, so that its size does not matter."""

from collections.abc import Callable, Iterator
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import polars as pl

from wattbook.core.errors import Problem, UndecodableError
from wattbook.core.frames import RAW_GRID, RAW_READINGS, Contract
from wattbook.core.readings.checks import IntervalLabel, RejectReason
from wattbook.sources.codecs import csv, rows
from wattbook.sources.codecs.rows import Decoded, Guess
from wattbook.sources.files.cell_units import Cells
from wattbook.sources.files.local_time import LocalTime, Part
from wattbook.sources.files.mapping import IDENTITY, IDS, TEMPLATE, Mapping, Target
from wattbook.sources.files.resolving import names_of, resolve
from wattbook.sources.files.stream import Body, Source
from wattbook.sources.files.tables import Table, form_of, tables
from wattbook.sources.files.unit_names import with_units

CHUNK_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Chunk:
    """Raw rows, and how much of the file (bytes on disk) has been read so far.

    `guesses` say how the file was read, the same for all its chunks; `label` is the end of its
    interval that a stamp names, `span` the length of the intervals, where that is known.
    """

    frame: pl.DataFrame
    bytes_read: int
    guesses: tuple[Guess, ...] = ()
    label: IntervalLabel = IntervalLabel.START
    span: timedelta | None = None


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
        The mapping names a column that the file does not have, or the file can be read in two ways.
    """
    path = Path(path)
    form = form_of(path.name)
    done = 0
    try:
        for table, chunk in _chunks(form, Source(path), mapping, contract, chunk_bytes):
            done += table.frame.height
            yield chunk
    except UndecodableError as error:
        detail = f"{path.name}, after {done} rows: {error}"
        raise UndecodableError(detail, error.problems or [Problem("bad_file", detail)]) from error


def read_body(
    body: bytes, mapping: Mapping, contract: Contract, *, max_rows: int = 2**32 - 1
) -> Decoded:
    """Rows of a CSV text in memory, read as a file is.

    Raises
    ------
    UndecodableError
        There is no header, or it names no column that is wanted.
    TooLargeError
        It has more than `max_rows` rows.
    """
    source = Body(body)
    if len(body) > 2 * max_rows:  # the shortest row is a digit and a newline
        rows.refuse_more(csv.count_records(body), max_rows)
    found = list(_chunks("csv", source, mapping, contract, max(len(body), 1)))
    chunks = [chunk for _, chunk in found]
    frame = pl.concat([chunk.frame for chunk in chunks], how="diagonal")
    rows.refuse_more(frame.height, max_rows)
    names = found[0][0].names
    used = set(resolve(mapping, names, contract).named)
    ignored = tuple(dict.fromkeys(name for name in names if name not in used))
    return Decoded(frame, ignored, chunks[0].guesses, chunks[0].label)


def _chunks(
    form: str, source: Source | Body, mapping: Mapping, contract: Contract, chunk_bytes: int
) -> Iterator[tuple[Table, Chunk]]:
    """The tables of a file, and what they become."""
    done = 0
    work = None
    for table in tables(form, source, mapping, contract, chunk_bytes):
        if work is None:

            def whole() -> Iterator[Table]:
                return tables(form, source.again(), mapping, contract, chunk_bytes)

            work = _Work(mapping, contract, table, whole)
        frame = work.raw(table.frame, done)
        done += table.frame.height
        guesses = (*table.guesses, *work.guesses)
        yield table, Chunk(frame, source.taken, guesses, work.label, work.clock.label_span)


class _Work:
    """Turns the tables of one file into raw rows; remembers the stamps of ambiguous hours."""

    def __init__(
        self,
        mapping: Mapping,
        contract: Contract,
        first: Table,
        whole: Callable[[], Iterator[Table]],
    ) -> None:
        resolved = resolve(mapping, first.names, contract)
        self.mapping, self.unit_guesses = with_units(resolved, first.units)
        self.contract = contract
        self.notation = first.notation
        self.whole = whole
        self.stamp = "start" if contract.name == RAW_GRID.name else "timestamp"
        self.shared = [target for target in self.mapping.columns if target.meter is None]
        self.clock = LocalTime(
            mapping.timezone,
            date_order=mapping.date_order,
            midnight_closes_day=mapping.midnight_closes_day,
            label=mapping.label,
            label_span=mapping.label_span,
            interval=mapping.interval,
            flag_column=mapping.dst_flag or "",
            names=tuple(
                name
                for target in self.shared
                if target.column == self.stamp
                for name in names_of(target)
            ),
            sense=mapping.dst_sense,
        )

    @property
    def guesses(self) -> tuple[Guess, ...]:
        """How stamps and units were read."""
        return (*self.clock.guesses, *self.unit_guesses)

    @property
    def label(self) -> IntervalLabel:
        """The end of its interval that a stamp names."""
        return self.clock.label or IntervalLabel.START

    def raw(self, table: pl.DataFrame, begin: int) -> pl.DataFrame:
        """Raw rows of a table whose first row is the file's row number `begin`."""
        common = self._shared_columns(table)
        meters = self.mapping.meters or (None,)
        parts = []
        for position, meter in enumerate(meters):
            part = self._values(common, table, meter)
            if position and "reason" in common.columns:  # a row that cannot be read counts once
                part = part.filter(common["reason"].ne_missing(str(RejectReason.BAD_ROW)))
            number = (pl.col("row").cast(pl.Int64) + begin) * len(meters) + position
            parts.append(part.with_columns(row=number.cast(pl.UInt32)))
        frame = parts[0] if len(parts) == 1 else pl.concat(parts, how="diagonal").sort("row")
        interval = self.mapping.interval
        if self.contract.name == RAW_GRID.name and interval and "interval_s" not in frame.columns:
            frame = frame.with_columns(interval_s=pl.lit(int(interval.total_seconds())))
        return frame.select(name for name in self.contract.columns if name in frame.columns)

    def _shared_columns(self, table: pl.DataFrame) -> pl.DataFrame:
        """Ids, stamps and the other texts, which all meters of a row share."""
        frame = self._texts(table)
        return self._instants(frame, table)

    def _texts(self, table: pl.DataFrame) -> pl.DataFrame:
        frame = table.select(
            name for name in ("row", "reason", "detail", "raw", "explicit") if name in table.columns
        )
        for target in self.shared:
            if self.contract.columns[target.column].dtype == pl.String:
                frame = frame.with_columns(_text(table, target, self.mapping.words))
        for name, value in self.mapping.constants.items():
            frame = frame.with_columns(pl.lit(value).alias(name))
        return frame

    def _part(self, table: pl.DataFrame, frame: pl.DataFrame) -> Part:
        """Stamps, who they are of, and their flags."""
        who = next(
            (name for name in ("meter_id", "zone", "site_id") if name in frame.columns), None
        )
        flag = self.mapping.dst_flag
        return frame[self.stamp], frame[who] if who else None, table[flag] if flag else None

    def _parts(self) -> Iterator[Part]:
        """The same of the whole file, which is read again for it."""
        for table in self.whole():
            yield self._part(table.frame, self._texts(table.frame))

    def _instants(self, frame: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
        if self.stamp not in frame.columns:
            return frame
        dtype = frame.schema[self.stamp]
        if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
            return frame
        if self.clock.timezone is None and dtype != pl.String:
            detail = f"{self.stamp}: times without time zone ({dtype}); name one with --timezone"
            raise UndecodableError(detail, [Problem("bad_timestamp", detail, field=self.stamp)])
        part = self._part(table, frame)
        self.clock.prepare(part, self._parts)
        if not self.clock.converts:
            return frame
        told = self.clock.to_utc(*part)
        frame = frame.with_columns(told["ts_utc"].alias(self.stamp))
        if not told["detail"].null_count() < told.height:
            return frame
        said = pl.format(self.stamp + ": {}", told["detail"])
        sent = table.select(pl.struct(pl.exclude(rows.OURS)).struct.json_encode()).to_series()
        return _refuse(frame, told["detail"].is_not_null(), RejectReason.BAD_TIMESTAMP, said, sent)

    def _values(self, common: pl.DataFrame, table: pl.DataFrame, meter: str | None) -> pl.DataFrame:
        """Value columns of one meter, in the units of their names, beside the shared ones."""
        frame = common if meter is None else common.with_columns(meter_id=pl.lit(meter.lower()))
        targets = [
            target
            for target in self.mapping.columns
            if target.meter == meter and self.contract.columns[target.column].dtype != pl.String
        ]
        names = [target.column for target in targets]
        cells = [Cells.of(_number(table, target), target) for target in targets]
        self._name_units(targets, cells)
        frame = frame.with_columns(each.texts for each in cells)
        nulls = self.mapping.null_values
        frame = csv.judge_numbers(frame, names, self.notation, nulls)
        floats = [name for name in names if frame.schema[name].is_float()]
        if set(self.mapping.null_values) & {"NaN", "nan"}:
            frame = frame.with_columns(pl.col(floats).fill_nan(None))
        frame = frame.with_columns(
            each.in_base(target) for each, target in zip(cells, targets, strict=True)
        )
        frame = csv.whole_seconds(frame)
        if "reason" not in frame.columns:
            return frame.drop("raw", strict=False)
        return frame.with_columns(raw=pl.when(pl.col("reason").is_not_null()).then("raw"))

    def _name_units(self, targets: list[Target], cells: list[Cells]) -> None:
        """Units that cells have decide, whatever the header says."""
        found = {
            guess.what: guess
            for each, target in zip(cells, targets, strict=True)
            if (guess := each.guess(target)) is not None
        }
        if found:
            others = [guess for guess in self.unit_guesses if guess.what not in found]
            self.unit_guesses = (*others, *found.values())


def _refuse(
    frame: pl.DataFrame, bad: pl.Series, reason: RejectReason, said: pl.Expr, sent: pl.Series
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


def _text(
    table: pl.DataFrame, target: Target, words: Dictionary[str, Dictionary[str, str]]
) -> pl.Series:
    """The text column of a target: one source, several joined by a blank, or a template."""
    if target.either and len(target.sources) > 1:
        column = table.select(pl.coalesce(target.sources)).to_series()
    elif len(target.sources) == 1 and target.sources[0] in table.columns:
        column = table[target.sources[0]]
    else:
        parts = []
        for source in target.sources:
            names = TEMPLATE.findall(source)
            form = TEMPLATE.sub("{}", source)
            one = pl.col(source) if not names else pl.format(form, *map(pl.col, names))
            parts.append(one.cast(pl.String).str.strip_chars())
        column = table.select(pl.concat_str(parts, separator=" ")).to_series()
    if not isinstance(column.dtype, pl.Datetime | pl.Date) and column.dtype != pl.String:
        column = column.cast(pl.String)
    if target.column in words and column.dtype == pl.String:
        column = column.str.strip_chars().replace(dict(words[target.column]))
    if target.column in IDS and column.dtype == pl.String:
        column = column.str.strip_chars().str.to_lowercase()
    if target.column == "quality" and column.dtype == pl.String:
        column = column.str.strip_chars().replace({"": None}).str.to_lowercase()
    return column.alias(target.column)


def _number(table: pl.DataFrame, target: Target) -> pl.Series:
    column = table[target.sources[0]]
    if len(target.sources) > 1:
        column = table.select(pl.coalesce(target.sources)).to_series()
    return (column if column.dtype == pl.String else column.cast(pl.Float64)).alias(target.column)
