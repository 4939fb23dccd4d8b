"""What stores keep, row by row: in which portions it moves, and how two stores are compared."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.frames import Contract
from wattbook.core.periods import Grain, Period

RESOLUTION: Final = timedelta(microseconds=1)
ROWS_PER_CHUNK: Final = 250_000
"""About so many rows are held at a time."""
LATER: Final = (
    "above_capacity",
    "reactive_power_kvar",
    "inductive_kvarh",
    "capacitive_kvarh",
    "reactive_kwh",
    "reactive_s",
)
"""Columns that came after checksums were first kept, last in their contracts, in the order in which
they came. Those after the last that a row of an owner and month has are left out of their sum, so
that it is what it was before."""
TEXT_ROWS_PER_CHUNK: Final = 25_000
"""The same for rejects, each of which may hold some thousand letters."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows of one contract, each of which has an owner and an instant."""

    name: str
    contract: Contract
    owner: str
    """Column with the meter, the zone, or the source of the batch."""
    instant: str
    """Column with the time by which the rows are in months."""
    history: str | None = None
    """Table of the rows that were superseded."""
    derived: bool = False
    """Whether the rows follow from readings."""
    shared: bool = False
    """Whether rows of several stores can stand side by side under one owner: their keys differ."""
    at_once: int = ROWS_PER_CHUNK

    def of_owners(self, rows: pl.DataFrame, owners: Sequence[str]) -> pl.DataFrame:
        """Those rows that are the owners'."""
        return rows.filter(pl.col(self.owner).is_in(owners))


READINGS: Final = Table("readings", frames.READINGS, "meter_id", "ts_utc", "reading_revisions")
GRID: Final = Table("grid", frames.GRID, "zone", "start_utc", "grid_revisions")
EVENTS: Final = Table("register_events", frames.EVENTS, "meter_id", "at_utc", derived=True)
ROLLUPS: Final = Table("rollups", frames.ROLLUPS, "meter_id", "start_utc", derived=True)
TABLES: Final = (
    Table("reading_revisions", frames.READING_REVISIONS, "meter_id", "ts_utc"),
    READINGS,
    Table("refused_instants", frames.REFUSED, "meter_id", "ts_utc"),
    Table("grid_revisions", frames.GRID_REVISIONS, "zone", "start_utc"),
    GRID,
    Table("receipts", frames.RECEIPTS, "source", "received_utc", shared=True),
    Table(
        "rejects",
        frames.BATCH_REJECTS,
        "source",
        "received_utc",
        shared=True,
        at_once=TEXT_ROWS_PER_CHUNK,
    ),
    EVENTS,
    ROLLUPS,
)
"""In the order in which they move: what rests on others comes after them."""
BY_NAME: Final = {table.name: table for table in TABLES}


@dataclass(frozen=True, slots=True)
class Portion:
    """Rows of some owners in a period: few enough to be held."""

    table: Table
    owners: Sequence[str]
    period: Period
    rows: int


def portions(contents: pl.DataFrame, table: Table) -> list[Portion]:
    """All rows of a table that `frames.CONTENTS` names, in portions of about `table.at_once`.

    Months go together only where the same owners have rows in each of them, so that no portion
    reaches rows that the contents do not name. One owner's month may be larger than a portion
    should be.
    """
    made: list[Portion] = []
    months = contents.filter(table=table.name).sort("month", "owner")
    for (month,), rows in months.group_by("month", maintain_order=True):
        assert isinstance(month, date)
        for portion in _of_month(rows, table, span(month)):
            if made and _go_together(made[-1], portion):
                period = Period(made[-1].period.start, portion.period.end)
                joined = made.pop().rows + portion.rows
                made.append(Portion(table, portion.owners, period, joined))
            else:
                made.append(portion)
    return made


def _of_month(rows: pl.DataFrame, table: Table, period: Period) -> Iterator[Portion]:
    owners: list[str] = []
    held = 0
    for owner, count in rows.select("owner", "rows").iter_rows():
        if owners and held + count > table.at_once:
            yield Portion(table, tuple(owners), period, held)
            owners, held = [], 0
        owners.append(owner)
        held += count
    yield Portion(table, tuple(owners), period, held)


def _go_together(one: Portion, other: Portion) -> bool:
    return (
        one.period.end == other.period.start
        and one.rows + other.rows <= one.table.at_once
        and one.owners == other.owners
    )


def within(contents: pl.DataFrame, portion: Portion) -> pl.DataFrame:
    """What `frames.CONTENTS` have of the portion's owners in the months that it touches."""
    first, last = portion.period.start, portion.period.end - RESOLUTION
    months = pl.col("month").is_between(first.date().replace(day=1), last.date())
    mine = pl.col("owner").is_in(portion.owners)
    return contents.filter(months, mine, table=portion.table.name)


def spans(contents: pl.DataFrame) -> pl.DataFrame:
    """`meter_id`, `from_utc`, `to_utc` of the months in which there are readings."""
    begin = pl.col("month").cast(frames.UTC)
    return contents.filter(table=READINGS.name).select(
        meter_id="owner", from_utc=begin, to_utc=begin.dt.offset_by("1mo") - RESOLUTION
    )


def span(month: date) -> Period:
    """The UTC month that begins on this day."""
    start = datetime(month.year, month.month, 1, tzinfo=UTC)
    return Period(start, periods.after(start, Grain.MONTH))


def month(instant: pl.Expr) -> pl.Expr:
    """First day of the UTC month in which each instant lies."""
    return instant.dt.truncate("1mo").dt.date()


def counted(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """`frames.CONTENTS` of these rows alone."""
    return (
        rows.group_by(owner=pl.col(table.owner), month=month(pl.col(table.instant)))
        .agg(rows=pl.len().cast(pl.Int64))
        .select(pl.lit(table.name).alias("table"), "owner", "month", "rows")
        .sort(frames.CONTENTS.key)
    )


def parted(
    there: pl.DataFrame, rows: pl.DataFrame, table: Table
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What is `there` under keys of `rows`, and what is there beside them."""
    keys = rows.select(table.contract.key)
    on = list(table.contract.key)
    return there.join(keys, on=on, how="semi"), there.join(keys, on=on, how="anti")


def contradictions(
    table: Table, rows: pl.DataFrame, there: pl.DataFrame, superseded: pl.DataFrame | None
) -> pl.DataFrame:
    """Those of the rows that are `there` which are not an earlier state of `rows`.

    A row is an earlier state if it is among `rows`, or among those that were `superseded`; where
    no history was kept (null), if it stands in `rows` with a higher revision.
    """
    columns = list(table.contract.columns)
    left = there.join(rows, on=columns, how="anti", nulls_equal=True)
    if superseded is not None:
        return left.join(superseded, on=columns, how="anti", nulls_equal=True)
    if "revision" in columns and "revision" not in table.contract.key:
        return left.join(_earlier(table, rows, left), on=table.contract.key, how="anti")
    return left


def replaced(table: Table, rows: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
    """Those of the rows that are `there` which `rows` correct, as the history of the table has it.

    They are superseded when what replaces them became known.
    """
    assert table.history is not None
    key = list(table.contract.key)
    when = rows.select(*key, superseded_utc="known_utc")
    history = BY_NAME[table.history].contract
    return _earlier(table, rows, there).join(when, on=key).select(*history.columns)


def _earlier(table: Table, rows: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
    """Those of the rows that are `there` whose key has a higher revision in `rows`."""
    key = list(table.contract.key)
    both = there.join(rows.select(*key, later="revision"), on=key)
    return both.filter(pl.col("later") > pl.col("revision")).select(there.columns)
