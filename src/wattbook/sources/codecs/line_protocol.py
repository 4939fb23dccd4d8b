"""InfluxDB line protocol: by columns where lines are alike, line by line where they are not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import polars as pl

from wattbook.core import frames
from wattbook.core.periods import EPOCH
from wattbook.core.readings.checks import RejectReason
from wattbook.core.readings.influx_mapping import SITE_TAG, Naming
from wattbook.sources.codecs import line_columns, line_grammar, rows
from wattbook.sources.codecs.line_columns import Points
from wattbook.sources.codecs.line_grammar import BrokenLineError, Point
from wattbook.sources.codecs.rows import Decoded

BOM: Final = b"\xef\xbb\xbf"
MICROSECOND: Final = timedelta(microseconds=1)
NS_PER_US: Final = 1_000
FEW: Final = 100
"""So few lines that are alike are faster read one by one."""
SCHEMA: Final = frames.RAW_READINGS.schema | {"timestamp": frames.UTC}
FIRST: Final = ("row", "timestamp")
"""Columns that every frame has."""
WRONG_TYPE: Final = {
    True: (RejectReason.BAD_QUALITY, "text"),
    False: (RejectReason.NOT_A_NUMBER, "a number"),
}


class Precision(StrEnum):
    """Unit of the stamps."""

    NS = "ns"
    US = "us"
    MS = "ms"
    S = "s"
    M = "m"
    H = "h"

    @property
    def ns(self) -> int:
        """Nanoseconds in one tick."""
        return NANOSECONDS[self]

    @property
    def stamps(self) -> range:
        """Ticks that fit into InfluxDB's 64 bits of nanoseconds."""
        first, last = line_grammar.NANOSECONDS[0], line_grammar.NANOSECONDS[-1]
        return range(-(-first // self.ns), last // self.ns + 1)


NANOSECONDS: Final = {
    Precision.NS: 1,
    Precision.US: 1_000,
    Precision.MS: 1_000_000,
    Precision.S: 1_000_000_000,
    Precision.M: 60_000_000_000,
    Precision.H: 3_600_000_000_000,
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What turns points into rows: names, the unit of stamps, and the stamp of those without."""

    naming: Naming
    tick_ns: int
    stamps: range
    received_us: int

    @classmethod
    def of(cls, naming: Naming, precision: Precision, received: datetime) -> "Terms":
        tick_us = max(1, precision.ns // NS_PER_US)
        received_us = (received - EPOCH) // MICROSECOND // tick_us * tick_us
        return cls(naming, precision.ns, precision.stamps, received_us)

    def expects(self, measurement: str) -> bool:
        return self.naming.measurement in (None, measurement)

    def other(self, measurement: str) -> str:
        """What is wrong with another measurement."""
        return f"measurement: must be {self.naming.measurement}, but is {measurement}"

    def microseconds(self, ticks: Any) -> Any:
        """Microseconds since 1970, rounded down, of one stamp or of a column."""
        if self.tick_ns < NS_PER_US:
            return ticks // NS_PER_US
        return ticks * (self.tick_ns // NS_PER_US)


def decode_line_protocol(
    body: bytes,
    *,
    received: datetime,
    precision: Precision = Precision.NS,
    naming: Naming | None = None,
    max_rows: int = 2**32 - 1,
    few: int = FEW,
) -> Decoded:
    """Rows of a body with one point on each line; comments and blank lines are no rows.

    `row` is the number of the line, from 0. `timestamp` is a time in UTC: a point without a stamp
    has that of `received`, and nanoseconds beyond the microsecond are cut off. Tags and fields
    that mean nothing here are ignored. So `few` lines that are alike are read one by one.

    Raises
    ------
    TooLargeError
        It has more than `max_rows` points.
    """
    body = _tidy(body)
    if len(body) > max_rows:
        rows.refuse_more(sum(1 for line in body.split(b"\n") if _is_point(line)), max_rows)
    terms = Terms.of(naming or Naming(), precision, received)
    return _by_columns(body, terms, few) or _by_lines(body, terms)


def _tidy(body: bytes) -> bytes:
    """The body with a newline at the end of each line, and no carriage return before it."""
    body = body.removeprefix(BOM)
    if b"\r" in body:
        body = body.replace(b"\r\n", b"\n").removesuffix(b"\r")
    return body if not body or body.endswith(b"\n") else body + b"\n"


def _is_point(line: bytes) -> bool:
    line = line.lstrip(line_grammar.WHITE.encode())
    return bool(line) and not line.startswith(line_grammar.COMMENT.encode())


def _by_columns(body: bytes, terms: Terms, few: int) -> Decoded | None:
    """The rows; None where they are few, or where a text may run over several lines."""
    if b"\r" in body or body.count(b"\n") <= few or not _is_utf8(body):
        return None
    ignored = _Ignored(terms.naming)
    pieces, left = [], [pl.Series([], dtype=pl.UInt32)]
    others: list[tuple[pl.Series, str]] = []
    for found in line_columns.read(body, terms.stamps, few):
        if isinstance(found, pl.Series):
            left.append(found)
        elif terms.expects(found.measurement):
            frame, wrong = _columns(found, terms)
            pieces.append(frame)
            left.append(wrong)
            ignored.add(found.tags, found.fields)
        else:
            others.append((found.row, terms.other(found.measurement)))
    rest = pl.concat(left).sort()
    if others or rest.len():
        lines = line_columns.lines(body)
        pieces += [_refused(row, detail, lines) for row, detail in others]
        pile = _Pile(terms, ignored)
        for row, line in zip(rest.to_list(), lines.gather(rest).to_list(), strict=True):
            if _goes_on(line):
                return None
            pile.add(row, line)
        pieces.append(pile.frame())
    frame = pl.concat(pieces, how="diagonal")
    return Decoded(frame.sort("row") if len(pieces) > 1 else frame, tuple(ignored.names))


def _by_lines(body: bytes, terms: Terms) -> Decoded:
    pile = _Pile(terms, _Ignored(terms.naming))
    for row, line in line_grammar.lines(body.decode(errors="surrogateescape")):
        pile.add(row, line)
    return Decoded(pile.frame(), tuple(pile.ignored.names))


def _is_utf8(body: bytes) -> bool:
    if body.isascii():
        return True
    try:
        pl.Series([body], dtype=pl.Binary).cast(pl.String)
    except pl.exceptions.PolarsError:
        return False
    return True


def _goes_on(line: str) -> bool:
    """Whether the newline behind does not end this line: it is quoted or escaped."""
    if '"' not in line and "\\" not in line:
        return False
    return line_grammar.line_end(line + "\n\n\n", 0) != len(line)


class _Ignored:
    """Names of tags and fields that mean nothing here, in the order of their appearance."""

    def __init__(self, naming: Naming) -> None:
        self.names: list[str] = []
        self._tags = set(naming.tags)
        self._fields = set(naming.fields)

    def add(self, tags: Mapping[str, object], fields: Mapping[str, object]) -> None:
        if not (tags.keys() <= self._tags and fields.keys() <= self._fields):
            fresh = [name for name in tags if name not in self._tags]
            fresh += [name for name in fields if name not in self._fields]
            self.names += [name for name in dict.fromkeys(fresh) if name not in self.names]
            self._tags.update(tags)
            self._fields.update(fields)


# --- lines that are alike ----------------------------------------------------------------------


def _columns(points: Points, terms: Terms) -> tuple[pl.DataFrame, pl.Series]:
    """Rows of points, and the numbers of the lines in which a value is of the wrong type."""
    ticks = points.ticks
    if ticks is None:
        us = pl.repeat(terms.received_us, points.row.len(), dtype=pl.Int64, eager=True)
    else:
        us = terms.microseconds(ticks)
    columns = {"row": points.row, "timestamp": us.cast(frames.UTC)}
    for id_, tags in (("site_id", (SITE_TAG,)), ("meter_id", terms.naming.meter_tags)):
        sent = [points.tags[tag] for tag in tags if tag in points.tags]
        if sent:
            columns[id_] = sent[0]
    for name, values in points.fields.items():
        if column := terms.naming.fields.get(name):
            read = line_columns.texts if column == "quality" else line_columns.numbers
            columns[column] = read(values)
    frame = pl.DataFrame(columns)
    known = pl.all_horizontal(pl.all().is_not_null())
    if frame.null_count().sum_horizontal().item():
        return frame.filter(known), frame.filter(~known)["row"]
    return frame, frame["row"].clear()


def _refused(row: pl.Series, detail: str, lines: pl.Series) -> pl.DataFrame:
    """Rows of points of another measurement than that of readings."""
    sent = lines.gather(row).str.strip_chars_start(line_grammar.WHITE)
    return pl.DataFrame({"row": row, "raw": sent.str.slice(0, rows.RAW_LENGTH)}).with_columns(
        reason=pl.lit(str(RejectReason.OTHER_MEASUREMENT)), detail=pl.lit(detail)
    )


# --- line by line ------------------------------------------------------------------------------


@dataclass(slots=True)
class _Pile:
    """Rows one by one, each with the reason for which it cannot be read."""

    terms: Terms
    ignored: _Ignored
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def add(self, row: int, line: str) -> None:
        """Add what a line says; nothing, if it is blank or a comment."""
        line = line.lstrip(line_grammar.WHITE)
        if not line or line.startswith(line_grammar.COMMENT):
            return
        try:
            point = line_grammar.parse(_sound(line), self.terms.stamps)
        except BrokenLineError as broken:
            self._refuse(row, line, RejectReason.BAD_ROW, str(broken))
            return
        if not self.terms.expects(point.measurement):
            said = self.terms.other(point.measurement)
            self._refuse(row, line, RejectReason.OTHER_MEASUREMENT, said)
            return
        self.ignored.add(point.tags, point.fields)
        self._keep(row, line, point)

    def frame(self) -> pl.DataFrame:
        columns = []
        for (name, dtype), values in zip(
            SCHEMA.items(), zip(*self.rows, strict=True), strict=False
        ):
            if name == "timestamp":
                columns.append(pl.Series(name, values, dtype=pl.Int64).cast(dtype))
            elif name == "row" or any(value is not None for value in values):
                columns.append(pl.Series(name, values, dtype=dtype))
        return pl.DataFrame(columns or {name: pl.Series([], dtype=SCHEMA[name]) for name in FIRST})

    def _keep(self, row: int, line: str, point: Point) -> None:
        terms, tags = self.terms, point.tags
        us = terms.received_us if point.ticks is None else terms.microseconds(point.ticks)
        read: dict[str, Any] = {"row": row, "site_id": tags.get(SITE_TAG), "timestamp": us}
        for name in terms.naming.meter_tags:
            if name in tags:
                read["meter_id"] = tags[name]
                break
        wrong: list[tuple[RejectReason, str]] = []
        columns = terms.naming.fields
        for name, value in point.fields.items():
            if name not in columns:
                continue
            textual = columns[name] == "quality"
            meant = line_grammar.text(value) if textual else line_grammar.number(value)
            read[columns[name]] = meant
            if meant is None:
                reason, want = WRONG_TYPE[textual]
                have = value[: rows.SHOWN_LENGTH]
                wrong.append((reason, f"{name}: must be {want}, but is {have}"))
        if wrong:
            read["reason"] = str(wrong[0][0])
            read["detail"] = "; ".join(said for _, said in wrong)
            read["raw"] = rows.evidence(line)
        self.rows.append(tuple(map(read.get, SCHEMA)))

    def _refuse(self, row: int, line: str, reason: RejectReason, detail: str) -> None:
        raw = rows.evidence(line.encode(errors="surrogateescape"))
        said = {"row": row, "reason": str(reason), "detail": detail, "raw": raw}
        self.rows.append(tuple(map(said.get, SCHEMA)))


def _sound(line: str) -> str:
    """The line, if it was UTF-8."""
    if not line.isascii():
        try:
            line.encode()
        except UnicodeEncodeError as error:
            sent = line[: error.start].encode()
            raise BrokenLineError(f"byte {len(sent)} is not UTF-8") from error
    return line
