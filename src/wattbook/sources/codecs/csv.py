"""CSV bodies: typed columns at once where all is well, text and then lines where it is not."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from wattbook.core.errors import Problem, UndecodableError
from wattbook.core.readings.checks import RejectReason
from wattbook.sources.codecs import numbers, rows
from wattbook.sources.codecs.numbers import PLAIN, Decimal, Notation

BOM: Final = b"\xef\xbb\xbf"
LINES_PER_RECORD: Final = 50
"""A quoted field may run over so many lines; a lone quotation mark must not swallow the rest."""
BLANK_LINES: Final = re.compile(rb"\n(?:[ \t]*\r?\n)+")
FAILURES: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a text is cut into columns, which of them are wanted, and which hold numbers."""

    header: tuple[str, ...]
    wanted: frozenset[str]
    numbers: frozenset[str]
    separator: str = ","
    nulls: tuple[str, ...] = ()
    notation: Notation = PLAIN

    @property
    def columns(self) -> list[int]:
        """Positions of the wanted columns; of two columns with one name, the first."""
        return sorted({self.header.index(name) for name in self.wanted if name in self.header})

    @property
    def names(self) -> list[str]:
        """Wanted names as they are, the others in a way that cannot collide."""
        wanted = set(self.columns)
        return [name if index in wanted else f"\0{index}" for index, name in enumerate(self.header)]


def split_header(body: bytes) -> tuple[bytes, bytes]:
    """The first line and the rest."""
    body = body.removeprefix(BOM)
    line, _, text = body.partition(b"\n")
    if not line.strip():
        raise UndecodableError(
            "no header line", [Problem("bad_header", "the first line must name the columns")]
        )
    return line, text


MAX_COLUMNS: Final = 4_096


def count_records(body: bytes) -> int:
    """How many lines after the header are not blank, at most."""
    return body.count(b"\n") - len(BLANK_LINES.findall(body)) - 1


def read_header(line: bytes, separator: str) -> tuple[str, ...]:
    """Names of the columns, without the blanks around them."""
    if line.count(separator.encode()) >= MAX_COLUMNS:
        problem = Problem("bad_header", f"more than {MAX_COLUMNS} columns", field="header")
        raise UndecodableError(problem.detail, [problem])
    try:
        cells = next(csv.reader([line.decode("utf-8").rstrip("\r\n")], delimiter=separator))
    except (UnicodeDecodeError, csv.Error, StopIteration) as error:
        problem = Problem("bad_header", f"the header cannot be read: {error}")
        raise UndecodableError(problem.detail, [problem]) from error
    return tuple(cell.strip() for cell in cells)


def table(text: bytes, layout: Layout, first_line: int = 2) -> pl.DataFrame:
    """The wanted columns of each record, with `row` from 0.

    Number columns come as floats; all as text, with the record as `raw`, where one of them holds
    something else: `judge_numbers` then says what. Records with too few or too many fields have
    their `reason` already. `first_line` is the number, in the file, of the first record's line.
    """
    whole = text
    fast = _read(whole, layout, typed=True)
    if fast is not None and not _complete(fast, layout) and b'"' not in text:
        whole = BLANK_LINES.sub(b"\n", b"\n" + text)[1:]
        if len(whole) != len(text):
            fast = _read(whole, layout, typed=True)
    if fast is not None and _rectangular(whole, fast, layout):
        read = _numbers(fast, layout)
        if read is not None:
            return read.select("row", *(layout.names[index] for index in layout.columns))
    return _as_text(text, layout, first_line)


def _numbers(frame: pl.DataFrame, layout: Layout) -> pl.DataFrame | None:
    """The frame with its number columns read; None where one of them holds something else."""
    texts = [name for name in layout.numbers if frame.schema.get(name) == pl.String]
    read = [numbers.parse(frame[name], layout.notation) for name in texts]
    if any(
        each.null_count() > frame[name].null_count() for each, name in zip(read, texts, strict=True)
    ):
        return None
    return frame.with_columns(read)


def judge_numbers(
    frame: pl.DataFrame,
    columns: Iterable[str],
    notation: Notation = PLAIN,
    nulls: Sequence[str] = (),
) -> pl.DataFrame:
    """The same rows with text in the number `columns` read, or rejected as `not_a_number`.

    Texts that are one of `nulls`, and those without any sign, are missing values.
    """
    texts = [name for name in columns if frame.schema.get(name) == pl.String]
    if not texts:
        return frame.drop("raw", strict=False) if "reason" not in frame.columns else frame
    if "reason" not in frame.columns:
        frame = frame.with_columns(
            reason=pl.lit(None, dtype=pl.String), detail=pl.lit(None, dtype=pl.String)
        )
    read = {name: numbers.parse(frame[name], notation) for name in texts}
    missing = ["", *nulls]
    wrong = {
        name: pl.col("reason").is_null()
        & pl.col(name).is_not_null()
        & ~pl.col(name).str.strip_chars().is_in(missing)
        & pl.lit(read[name].is_null())
        for name in texts
    }
    said = pl.concat_str(
        [pl.when(wrong[name]).then(_not_a_number(name, notation)) for name in texts],
        separator="; ",
        ignore_nulls=True,
    )
    some = pl.any_horizontal(wrong.values()).fill_null(value=False)
    kept = pl.col("raw") if "raw" in frame.columns else pl.lit(None, dtype=pl.String)
    return frame.with_columns(
        reason=pl.when(some)
        .then(pl.lit(str(RejectReason.NOT_A_NUMBER)))
        .otherwise(pl.col("reason")),
        detail=pl.when(some).then(said).otherwise(pl.col("detail")),
        raw=pl.when(some | pl.col("reason").is_not_null()).then(kept),
        **read,
    )


NUMERIC: Final = r"^[+-]?\d[\d.,]*$"


def _not_a_number(name: str, notation: Notation) -> pl.Expr:
    """What a number column holds instead, as it was sent."""
    sent = pl.col(name).str.slice(0, rows.SHOWN_LENGTH)
    title = name.replace("{", "").replace("}", "")
    numeric = pl.col(name).str.strip_chars().str.contains(NUMERIC)
    return (
        pl.when(numeric)
        .then(pl.format(f'{title}: must be a number with a {notation.name}, but is "{{}}"', sent))
        .otherwise(pl.format(f'{title}: must be a number, but is "{{}}"', sent))
    )


def _read(text: bytes, layout: Layout, *, typed: bool) -> pl.DataFrame | None:
    """The text as Polars reads it: wanted columns typed, or all as text; None where it fails."""
    names = layout.names
    floats = layout.numbers if typed and layout.notation.decimal is Decimal.POINT else ()
    schema = {name: pl.Float64 if name in floats else pl.String for name in names}
    # The last column too: where a record is short, it is the one that shows.
    columns = sorted({*layout.columns, len(names) - 1}) if typed else None
    try:
        return pl.read_csv(
            text,
            has_header=False,
            schema=schema,
            columns=columns,
            separator=layout.separator,
            null_values=list(layout.nulls) if typed and layout.nulls else None,
            row_index_name="row",
            raise_if_empty=False,
        )
    except FAILURES:
        return None


def _complete(frame: pl.DataFrame, layout: Layout) -> bool:
    """Whether no record can be blank or short: its last field would be null."""
    return not frame[layout.names[-1]].null_count()


def _rectangular(text: bytes, frame: pl.DataFrame, layout: Layout) -> bool:
    """Whether every record has as many fields as the header (Polars fills short ones up)."""
    if len(layout.header) == 1 or not frame.height or _complete(frame, layout):
        return True
    if b'"' in text:
        return False
    marks = np.count_nonzero(np.frombuffer(text, dtype=np.uint8) == ord(layout.separator))
    return bool(marks == frame.height * (len(layout.header) - 1))


def _as_text(text: bytes, layout: Layout, first_line: int) -> pl.DataFrame:
    """All columns as text; lines that are no record are set aside, each on its own."""
    frame = _read(text, layout, typed=False)
    bad: list[tuple[int, str, str]] = []
    if frame is None or not _rectangular(text, frame, layout):
        good = []
        for row, (record, problem) in enumerate(_records(text, layout, first_line)):
            if problem is None:
                good.append((row, record))
            else:
                bad.append((row, problem, rows.evidence(record)))
        frame = _read(b"".join(record for _, record in good), layout, typed=False)
        if frame is None or frame.height != len(good):
            detail = "the text is not CSV: its quotation marks do not pair"
            raise UndecodableError(detail, [Problem("bad_csv", detail)])
        frame = frame.with_columns(pl.Series("row", [row for row, _ in good], dtype=pl.UInt32))
    cells = [_cell(name, layout.separator) for name in layout.names]
    line = pl.concat_str(cells, separator=layout.separator).str.slice(0, rows.RAW_LENGTH)
    frame = frame.with_columns(raw=line)
    if layout.nulls:
        frame = frame.with_columns(
            pl.when(~pl.col(name).is_in(layout.nulls)).then(pl.col(name)).alias(name)
            for name in layout.names
        )
    frame = frame.select("row", *(layout.names[index] for index in layout.columns), "raw")
    if not bad:
        return frame
    refused = pl.DataFrame(
        bad, schema={"row": pl.UInt32, "detail": pl.String, "raw": pl.String}, orient="row"
    ).with_columns(reason=pl.lit(str(RejectReason.BAD_ROW)))
    return pl.concat([frame, refused], how="diagonal").sort("row")


def _cell(name: str, separator: str) -> pl.Expr:
    """A cell as it was sent: in quotation marks where it has to be."""
    text = pl.col(name).fill_null("")
    marked = pl.concat_str(pl.lit('"'), text.str.replace_all('"', '""', literal=True), pl.lit('"'))
    special = text.str.contains_any([separator, '"', "\n"])
    return pl.when(special).then(marked).otherwise(text)


def _records(text: bytes, layout: Layout, first_line: int) -> Iterator[tuple[bytes, str | None]]:
    """Each record with its newline, and what is wrong with it; blank lines are none."""
    lines = text.split(b"\n")
    at = 0
    while at < len(lines):
        line, number = lines[at], at + first_line
        at += 1
        if not line.strip():
            continue
        problem = _problem(line, layout)
        if problem and b'"' in line and line.count(b'"') % 2:
            joined = line
            for beyond in range(at, min(at + LINES_PER_RECORD, len(lines))):
                joined += b"\n" + lines[beyond]
                if lines[beyond].count(b'"') % 2:  # the quotation ends here or nowhere
                    if _problem(joined, layout) is None:
                        line, problem, at = joined, None, beyond + 1
                    break
        yield line + b"\n", problem and f"line {number}: {problem}"


def _problem(record: bytes, layout: Layout) -> str | None:
    """Why this is no record with as many fields as the header."""
    try:
        decoded = record.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"byte {error.start} is not UTF-8"
    if '"' not in decoded:
        fields = decoded.count(layout.separator) + 1
    else:
        try:
            (cells,) = csv.reader(
                decoded.splitlines(keepends=True), delimiter=layout.separator, strict=True
            )
        except (csv.Error, ValueError):
            return "a quotation mark stands alone"
        fields = len(cells)
    want = len(layout.header)
    return None if fields == want else f"must have {want} fields, but has {fields}"


def whole_seconds(frame: pl.DataFrame) -> pl.DataFrame:
    """Lengths of intervals as integers; a fraction is no length, and is refused."""
    if "interval_s" not in frame.columns:
        return frame
    value = pl.col("interval_s")
    broken = (value.is_finite() & (value == value.floor())).not_().fill_null(value=False)
    if not frame.select(broken.any()).item():
        return frame.with_columns(value.cast(pl.Int64, strict=False))
    for name in ("reason", "detail", "raw"):
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(name))
    fresh = broken & pl.col("reason").is_null()
    return frame.with_columns(
        reason=pl.when(fresh)
        .then(pl.lit(str(RejectReason.BAD_INTERVAL)))
        .otherwise(pl.col("reason")),
        detail=pl.when(fresh)
        .then(pl.format("interval_s: must be whole seconds, but is {}", value))
        .otherwise(pl.col("detail")),
        interval_s=pl.when(~broken).then(value).cast(pl.Int64, strict=False),
    )
