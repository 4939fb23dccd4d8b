"""Rows of what InfluxDB answers to Flux: CSV in one or many tables."""

import io
import re
from collections.abc import Sequence
from typing import Final

import polars as pl

from wattbook.core.errors import UnavailableError

TABLE: Final = "table"
"""Column with the number of the table; in a line with names it holds its own."""
REFERENCE: Final = "reference"
"""What stands in its place above an error that came after the first rows."""
SHOWN_LENGTH: Final = 100
WHOLE_SECONDS: Final = len("2026-01-01T00:00:00Z")


def decode(answer: bytes, columns: Sequence[str]) -> pl.DataFrame:
    """Rows as text in these columns, null where a table lacks one; `columns` is all it may have.

    Raises
    ------
    UnavailableError
        The query failed after its first rows, which HTTP calls a success.
    """
    schema = dict.fromkeys(columns, pl.String)
    if not answer.strip():
        return pl.DataFrame(schema=schema)
    found = _read(answer, len(columns))
    heads = found[TABLE].is_in([TABLE, REFERENCE]).arg_true()
    if heads.is_empty():
        raise UnavailableError(f"this is not an answer of InfluxDB: {answer[:SHOWN_LENGTH]!r}")
    if REFERENCE in found[TABLE].gather(heads).to_list():
        raise UnavailableError(f"InfluxDB failed while it answered: {_failure(found)}")
    values = found.drop("result", TABLE)
    titles = values[heads].rows()
    if len(set(titles)) == 1:
        return _named(values.filter(found[TABLE] != TABLE), titles[0], columns)
    ends = [*heads.to_list()[1:], found.height]
    rows = found[TABLE].is_not_null()
    parts = [
        _named(values[head + 1 : end].filter(rows[head + 1 : end]), title, columns)
        for head, end, title in zip(heads, ends, titles, strict=True)
    ]
    return pl.concat(parts)


def _read(answer: bytes, width: int) -> pl.DataFrame:
    names = ["annotation", "result", TABLE, *(f"column_{at}" for at in range(width))]
    try:
        return pl.read_csv(
            io.BytesIO(answer),
            has_header=False,
            schema=dict.fromkeys(names, pl.String),
            columns=list(range(1, len(names))),
            truncate_ragged_lines=True,
            missing_columns="insert",
        )
    except pl.exceptions.PolarsError as error:
        raise UnavailableError(f"an answer of InfluxDB cannot be read: {error}") from error


def instants(stamps: pl.Series) -> pl.Series:
    """Stamps of an answer as UTC instants."""
    size = stamps.str.len_bytes()
    form = "%Y-%m-%dT%H:%M:%SZ" if size.min() == size.max() == WHOLE_SECONDS else "%+"
    read = stamps.str.to_datetime(form, time_unit="us", time_zone=None if form != "%+" else "UTC")
    return read.dt.replace_time_zone("UTC")


def _named(
    values: pl.DataFrame, title: tuple[str | None, ...], columns: Sequence[str]
) -> pl.DataFrame:
    """Values under the names of their table, in the order of `columns`."""
    place = {name: at for at, name in enumerate(title) if name is not None}
    return values.select(
        (pl.nth(place[name]) if name in place else pl.lit(None, dtype=pl.String).alias(name)).alias(
            name
        )
        for name in columns
    )


def _failure(found: pl.DataFrame) -> str:
    said = found["result"].gather((found[TABLE] == REFERENCE).arg_true() + 1)
    return re.sub(r"\s+", " ", str(said[0])) if said.len() else "no reason given"
