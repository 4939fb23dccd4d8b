"""Telling new rows, repeated rows and corrections apart, by key."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import polars as pl

from wattbook.core import frames

ACCEPTED: Final = 0
DUPLICATE: Final = 1
CORRECTED: Final = 2


@dataclass(frozen=True, slots=True)
class Table:
    """A table with one current row per key, and one of the rows that were superseded."""

    name: str
    revisions: str
    number: str
    """Column with the number of the meter or zone."""
    instant: str
    """Column with the time."""
    values: tuple[str, ...]
    """Columns that make two rows of one key the same or different."""
    more: tuple[str, ...] = ()
    """Columns of the key beside the number and the time."""

    def bit(self, name: str) -> int:
        """The bit of a value in the column `EXPLICIT`."""
        return 1 << self.values.index(name)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return (self.number, self.instant, *self.more)

    def same_key(self, one: str, other: str) -> str:
        """That rows of two tables in SQL have one key, by the names of the tables."""
        return " and ".join(f"{one}.{name} = {other}.{name}" for name in self.key)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table."""
        return (*self.key, *self.values, "known_utc", "revision")

    def distinct(self, rows: pl.DataFrame) -> bool:
        """Whether surely no key occurs twice in the rows."""
        if self.more:
            return rows.select(self.key).n_unique() == rows.height
        mixed = pl.col(self.instant).to_physical() * _MIX + pl.col(self.number)
        found: int = rows.select(mixed.n_unique()).item()
        return found == rows.height


EXPLICIT: Final = "explicit"
"""Column of rows on their way to the store: a bit for each value that was sent although it is null,
and one for a quality that was sent. Rows without the column have none."""
_MIX: Final = 1_000_003
_OWN: Final = ("known_utc", "revision")

READINGS: Final = Table(
    "readings",
    "reading_revisions",
    "meter_key",
    "ts_utc",
    (*frames.READING_VALUES, "quality"),
)
GRID: Final = Table(
    "grid",
    "grid_revisions",
    "zone_key",
    "start_utc",
    tuple(name for name in frames.GRID.columns if name not in (*frames.GRID.key, *_OWN)),
    more=("interval_s",),
)


BITS: Final = {
    **{name: table.bit(name) for table in (READINGS, GRID) for name in table.values},
    "reactive_kvarh": READINGS.bit("reactive_power_kvar"),
}
"""The bit of each value that can be sent in the column `EXPLICIT` of its table."""


def bits(names: Iterable[str]) -> int:
    """The bits of these values together, each once.

    >>> bits(["reactive_power_kvar", "reactive_kvarh"]) == BITS["reactive_kvarh"]
    True
    """
    return sum({BITS[name] for name in names})


@dataclass(frozen=True, slots=True)
class Merged:
    """What becomes of rows, and what a store has to change for it."""

    outcomes: pl.Series
    """`ACCEPTED`, `DUPLICATE` or `CORRECTED`, one for each row."""
    current: pl.DataFrame
    """Rows that are believed from now on, their `revision` raised where they correct."""
    superseded: pl.DataFrame
    """Stored rows that they replace, with `superseded_utc`."""


def merge(rows: pl.DataFrame, stored: pl.DataFrame, table: Table) -> Merged:
    """Compare rows with what is stored under their keys.

    Parameters
    ----------
    rows
        The columns of `table`, with `revision` 0, and perhaps `EXPLICIT`; no key occurs twice.
    stored
        The same columns; rows with other keys are passed over.
    table
        Which columns identify a row, and which make two rows of one key the same or different.

    Notes
    -----
    A value that a row does not name keeps what is stored under its key, as in InfluxDB; a null that
    was sent clears it. A quality that was not named stays too, unless another value is replaced.
    A row is a correction when any value then differs. It is not known before the row that it
    corrects.
    """
    explicit = EXPLICIT in rows.columns
    said = rows[EXPLICIT].fill_null(0) if explicit else None
    rows = rows.select(table.columns)
    if stored.is_empty():
        accepted = pl.repeat(ACCEPTED, rows.height, dtype=pl.UInt8, eager=True).alias("outcome")
        nothing = stored.with_columns(superseded_utc=pl.col("known_utc"))
        return Merged(accepted, rows, nothing)
    same = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(f"{name}_old")) for name in table.values
    )
    key = table.key
    both = rows.join(stored, on=key, how="left", suffix="_old", maintain_order="left")
    both = _with_what_was_not_named(both, said, table).select(
        *rows.columns,
        *(f"{name}_old" for name in rows.columns if name not in key),
        outcome=pl.when(pl.col("known_utc_old").is_null())
        .then(ACCEPTED)
        .when(same)
        .then(DUPLICATE)
        .otherwise(CORRECTED)
        .cast(pl.UInt8),
    )
    known = pl.max_horizontal("known_utc", "known_utc_old")
    current = both.filter(pl.col("outcome") != DUPLICATE).with_columns(
        known_utc=known,
        revision=(pl.col("revision_old") + 1).fill_null(0).cast(rows.schema["revision"]),
    )
    superseded = both.filter(pl.col("outcome") == CORRECTED).select(
        *key,
        *(pl.col(f"{name}_old").alias(name) for name in rows.columns if name not in key),
        superseded_utc=known,
    )
    return Merged(both["outcome"], current.select(rows.columns), superseded)


def _with_what_was_not_named(
    both: pl.DataFrame, said: pl.Series | None, table: Table
) -> pl.DataFrame:
    """Joined rows in which the values that were not named are those that were stored."""
    explicit = pl.lit(0, dtype=pl.UInt32) if said is None else pl.lit(said)

    def named(name: str) -> pl.Expr:
        return (explicit & pl.lit(table.bit(name), dtype=pl.UInt32)) != 0

    values = [name for name in table.values if name != "quality"]
    filled = both.with_columns(
        pl.when(pl.col(name).is_null() & ~named(name))
        .then(f"{name}_old")
        .otherwise(name)
        .alias(name)
        for name in values
    )
    if "quality" not in table.values:
        return filled
    old = pl.col("quality_old")
    replaced = pl.any_horizontal(
        pl.col(f"{name}_old").is_not_null() & pl.col(name).ne_missing(pl.col(f"{name}_old"))
        for name in values
    )
    stays = ~named("quality") & ~replaced & old.is_not_null()
    return filled.with_columns(quality=pl.when(stays).then(old).otherwise("quality"))
