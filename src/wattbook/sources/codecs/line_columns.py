"""Line protocol by columns: the lines that can be read at once, and those that cannot.

Separators are commas, equals signs, blanks and newlines. Hide those that are quoted or escaped and
take everything else away, and what is left of a line says where its names and values stand. Lines
with the same separators are cut in one go; of these, lines with the same names are alike, and their
values are columns.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from wattbook.sources.codecs.line_grammar import BOOLEANS, RESERVED_TAGS

MAX_CELLS: Final = 1_000
"""Lines of more names and values are rare, and so many columns slow."""
MAX_LINE: Final = 16_000
"""Shorter lines are within every limit."""
SEPARATORS: Final = b",= \n"
HIDDEN: Final = b"\x1c\x1d\x1e"
"""Stand for separators that are quoted or escaped."""
HIDE: Final = bytes.maketrans(SEPARATORS[:3], HIDDEN)
HIDES: Final = re.compile(f"[{HIDDEN.decode()}]")
SHOW: Final = dict(zip(HIDDEN.decode(), SEPARATORS.decode(), strict=False))
UNESCAPE: Final = {f"\\{mark}": shown for mark, shown in SHOW.items()}
OTHER_ESCAPES: Final = rf"\\(?:[^{HIDDEN.decode()}]|$)"
"""A backslash before something else than a separator."""
OTHERS: Final = bytes(byte for byte in range(256) if byte not in SEPARATORS)
TO_COMMAS: Final = bytes.maketrans(b"= ", b",,")
SHAPE: Final = re.compile(r"((?:,=)*) (=(?:,=)*)( ?)")
"""Separators of measurement and tags, of fields, and of a stamp."""
WHOLE: Final = r"^(-?[0-9]{1,18})i$"
UNSIGNED: Final = r"^([0-9]{1,18})u$"
TEXT: Final = r'^"([^"]*)"$'
NO_NUMBER: Final = rf'^(?:{"|".join(sorted(BOOLEANS))}|"[^"]*")$'
BESIDE_BLANKS: Final = ("\t", "\0")
FAILURES: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, OSError)


@dataclass(frozen=True, slots=True)
class Points:
    """Lines with the same measurement, tags and fields; values of fields are still text."""

    row: pl.Series
    measurement: str
    tags: dict[str, pl.Series]
    fields: dict[str, pl.Series]
    ticks: pl.Series | None

    def only(self, which: pl.Series) -> "Points":
        """Those of the lines that are marked."""
        return replace(
            self,
            row=self.row.filter(which),
            tags={name: values.filter(which) for name, values in self.tags.items()},
            fields={name: values.filter(which) for name, values in self.fields.items()},
            ticks=None if self.ticks is None else self.ticks.filter(which),
        )


def read(body: bytes, stamps: range, few: int) -> Iterator[Points | pl.Series]:
    """Points without a fault, and the numbers of all other lines.

    Each line of the body, which is UTF-8, ends in a newline; a carriage return stands nowhere. So
    `few` lines that are alike are left too.
    """
    hiding = body if _uniform(body) else _hiding(body)
    hides = hiding is not body
    for row, separators, text in _uniform(hiding) or _blocks(hiding, hides=hides):
        shape = SHAPE.fullmatch(separators)
        readable = shape and len(row) > few and len(separators) < MAX_CELLS
        cells = _cells(text, len(separators) + 1) if readable else None
        if shape is None or cells is None or cells.height != len(row):
            yield row
            continue
        parts, rare = _alike(cells.with_columns(row.alias("row")), shape, few)
        yield rare
        for part in parts:
            points = _points(part, shape, hides=hides)
            if points is None:
                yield part["row"]
                continue
            points, faultless = _judged(points, stamps, hides=hides)
            if faultless is not None:
                yield points.row.filter(~faultless)
                points = points.only(faultless)
            if points.row.len():
                yield points


def lines(body: bytes) -> pl.Series:
    """What stands before each newline: views into the body, which is UTF-8."""
    newlines = np.flatnonzero(np.frombuffer(body, dtype=np.uint8) == ord("\n"))
    begins = np.concatenate([[0], newlines + 1])
    views = pa.LargeStringArray.from_buffers(
        len(newlines), pa.py_buffer(begins), pa.py_buffer(body)
    )
    found = pl.from_arrow(views)
    assert isinstance(found, pl.Series)
    return found.str.strip_suffix("\n").alias("line")


def numbers(values: pl.Series) -> pl.Series:
    """Values of a field as numbers; null where they are something else."""
    number = values.cast(pl.Float64, strict=False)
    if number.is_finite().all() and not number.null_count():
        return number if not _plus(values).any() else number.set(_plus(values), None)
    whole = [values.str.extract(form).cast(pl.Int64) for form in (WHOLE, UNSIGNED)]
    sure = pl.select(pl.when(number.is_finite() & ~_plus(values)).then(number)).to_series()
    return pl.select(pl.coalesce(sure, *whole).cast(pl.Float64)).to_series()


def texts(values: pl.Series) -> pl.Series:
    """Values of a field as text; null where they are something else."""
    return values.str.extract(TEXT)


def _plus(values: pl.Series) -> pl.Series:
    """Numbers that Polars reads and InfluxDB does not."""
    return values.str.starts_with("+")


Block = tuple[pl.Series, str, bytes]
"""Numbers of the lines that have the same separators, these separators, and the lines."""


def _uniform(body: bytes) -> list[Block]:
    """All lines, if they have the same separators, none of which is quoted or escaped."""
    separators = body.translate(None, OTHERS)
    first = separators[: separators.index(b"\n") + 1]
    count = body.count(b"\n")
    if (
        b"\\" in body
        or not SHAPE.fullmatch(first[:-1].decode())
        or len(separators) != len(first) * count
        or separators != first * count
    ):
        return []
    return [(pl.int_range(count, dtype=pl.UInt32, eager=True), first[:-1].decode(), body)]


def _blocks(body: bytes, *, hides: bool) -> Iterator[Block]:
    separators = body.translate(None, OTHERS)
    table = pl.DataFrame({"separators": lines(separators), "line": lines(body)})
    table = table.with_row_index("row")
    if b"\\" in body:
        escapes = pl.col("line").str.contains(OTHER_ESCAPES if hides else r"\\")
        yield table.filter(escapes)["row"], "", b""
        table = table.filter(~escapes)
    lines_of = pl.col("line").str.join("\n").cast(pl.Binary)
    block = table.group_by("separators", maintain_order=True).agg("row", lines_of)
    for index, found in enumerate(block["separators"]):
        yield block["row"][index], found, block["line"][index]


def _hiding(body: bytes) -> bytes:
    """The body without separators behind a backslash or, where these pair, within quotation marks.

    A mark in a name or a tag is a character like any other; what was hidden there shows later.
    """
    quotes, escapes = b'"' in body, b"\\" in body
    if not (quotes or escapes) or any(mark in body for mark in HIDDEN):
        return body
    sent, hidden = (np.frombuffer(text, dtype=np.uint8) for text in (body, body.translate(HIDE)))
    within = np.zeros(len(body), dtype=np.uint8)
    if quotes:
        plain = body.replace(rb"\\", b"__").replace(rb"\"", b"__") if escapes else body
        marks = np.frombuffer(plain, dtype=np.uint8) == ord('"')
        within = np.cumsum(marks, dtype=np.uint8) & np.uint8(1)
        if (within & (sent == ord("\n"))).any():
            within[:] = 0
    if escapes:
        within[1:] |= sent[:-1] == ord("\\")
    shown = sent ^ hidden
    shown *= within
    shown ^= sent
    return shown.tobytes()


def _cells(text: bytes, width: int) -> pl.DataFrame | None:
    """What stands between the separators; None where Polars cannot tell."""
    try:
        return pl.read_csv(
            text.translate(TO_COMMAS),
            has_header=False,
            schema={str(at): pl.String for at in range(width)},
            quote_char=None,
        )
    except FAILURES:
        return None


def _alike(
    cells: pl.DataFrame, shape: re.Match[str], few: int
) -> tuple[list[pl.DataFrame], pl.Series]:
    """Cells of lines with the same names, and the numbers of the lines that have few like them."""
    names = ["0", *(name for name, _ in _pairs(shape))]
    same = cells.select(pl.col(names).eq_missing(pl.col(names).first()).all())
    if all(same.row(0)):
        return [cells], cells["row"].clear()
    rare = pl.len().over(names) <= few
    parts = cells.filter(~rare).partition_by(names, maintain_order=True)
    return parts, cells.filter(rare)["row"]


def _pairs(shape: re.Match[str]) -> list[tuple[str, str]]:
    """Cells with the name and the value of each tag, then of each field."""
    width = len(shape[1]) + len(shape[2]) + 1
    return [(str(at), str(at + 1)) for at in range(1, width, 2)]


def _points(cells: pl.DataFrame, shape: re.Match[str], *, hides: bool) -> Points | None:
    """Lines with the same names; None where these names need a closer look."""
    places = _pairs(shape)
    sent = [cells[place][0] for place in ("0", *(name for name, _ in places))]
    if None in sent:
        return None
    measurement, *names = map(_unescaped, sent) if hides else sent
    pairs = [(name, cells[value]) for name, (_, value) in zip(names, places, strict=True)]
    tags, fields = pairs[: len(shape[1]) // 2], pairs[len(shape[1]) // 2 :]
    if (
        measurement.startswith(("#", *BESIDE_BLANKS))
        or fields[0][0].startswith(BESIDE_BLANKS)
        or len(dict(tags)) < len(tags)
        or len(dict(fields)) < len(fields)
        or not RESERVED_TAGS.isdisjoint(dict(tags))
        or HIDES.search(measurement + "".join(names))
        or len(measurement) + sum(map(_longest, pairs)) > MAX_LINE
    ):
        return None
    ticks = cells[str(cells.width - 2)] if shape[3] else None
    return Points(cells["row"], measurement, dict(tags), dict(fields), ticks)


def _unescaped(name: str) -> str:
    for escape, shown in UNESCAPE.items():
        name = name.replace(escape, shown)
    return name


def _longest(pair: tuple[str, pl.Series]) -> int:
    """Bytes of a name and the longest of its values."""
    name, values = pair
    return len(name) + (values.to_frame("v").select(pl.col("v").str.len_bytes().max()).item() or 0)


def _judged(points: Points, stamps: range, *, hides: bool) -> tuple[Points, pl.Series | None]:
    """The points with stamps as numbers and texts as sent, and which are faultless; None for all.

    A separator hidden in a tag without a backslash is a fault: quotation marks are none there.
    """
    faultless = [values.is_not_null() for values in points.tags.values() if values.null_count()]
    if hides:
        points = replace(
            points,
            tags={name: _shown(values, UNESCAPE) for name, values in points.tags.items()},
            fields={name: _shown(values, SHOW) for name, values in points.fields.items()},
        )
        faultless += [~_hidden(values) for values in points.tags.values()]
    for values in points.fields.values():
        known = numbers(values).is_not_null()
        if not known.all():
            faultless.append(known | values.str.contains(NO_NUMBER))
    if points.ticks is not None:
        ticks = points.ticks.cast(pl.Int64, strict=False)
        within = ticks.is_between(stamps[0], stamps[-1]) & ~_plus(points.ticks)
        if within.null_count() or not within.all():
            faultless.append(within)
        points = replace(points, ticks=ticks)
    return points, reduce(and_, faultless).fill_null(value=False) if faultless else None


def _shown(values: pl.Series, marks: dict[str, str]) -> pl.Series:
    return values.str.replace_many(marks) if _hidden(values).any() else values


def _hidden(values: pl.Series) -> pl.Series:
    return values.str.contains(HIDES.pattern).fill_null(value=False)
