"""One number for all that figures rest on: the same readings and settings, the same fingerprint."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import polars as pl

from wattbook.core import frames, manifest
from wattbook.core.archive import checksums
from wattbook.core.archive.tables import Table
from wattbook.core.frames import Contract
from wattbook.core.meters import presence
from wattbook.core.periods import Period
from wattbook.core.registry.entities import MeterKind

OWN: Final = ("known_utc", "revision", "above_capacity")
"""Columns that say when a row was learned, or what follows from others: not what it says."""
LATER: Final = {"flow": "consumption", "register_resolution_kwh": None, "plausible_kw": None}
"""Settings of meters that the first release had not, and what they are where nobody set them.

A meter that has none of them has the line that it had then: the fingerprints of reports that are
kept stay those of their data.
"""
NEIGHBOURS: Final = 3
"""So many readings of a register on each side of a period belong to its fingerprint."""


def _values(contract: Contract) -> Contract:
    columns = {name: each for name, each in contract.columns.items() if name not in OWN}
    return Contract(contract.name, contract.meaning, contract.key, columns)


READINGS: Final = Table("readings", _values(frames.READINGS), "meter_id", "ts_utc")
GRID: Final = Table("grid", _values(frames.GRID), "zone", "start_utc")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A SHA-256 in hexadecimal, and the lines that it is of."""

    sha256: str
    manifest: tuple[str, ...]
    readings: int
    """Readings that it covers."""
    uncovered: int = 0
    """Readings that the figures rest on and that are no longer kept."""
    others: int = 0
    """Those of them that are of other than main meters."""
    around: int = 0
    """Those of them that are stamped outside the period and decide what happened at its ends."""


def fingerprint_of(
    settings: Iterable[str],
    sums: Iterable[pl.DataFrame],
    *,
    uncovered: int = 0,
    others: int = 0,
    around: int = 0,
) -> Fingerprint:
    r"""The fingerprint of settings and of rows.

    Parameters
    ----------
    settings
        Lines of `core.manifest.line` or others of that kind, in a fixed order.
    sums
        From `checksums_of`, in any order.
    uncovered
        How many readings are no longer kept, so that nothing can be said of them.
    others, around
        How many of the rows are readings of other than main meters, and stamped outside.

    Notes
    -----
    The manifest is the settings, then a line `table owner month rows sha256` for each owner and
    UTC month of the rows, sorted. The fingerprint is the SHA-256 of its lines in UTF-8, each ended
    by a line feed.

    Examples
    --------
    >>> fingerprint_of(["entity site:s"], []).sha256 == hashlib.sha256(
    ...     b"entity site:s\n"
    ... ).hexdigest()
    True
    """
    rows = pl.concat([_SUMS.clear(), *sums]).sort("table", "owner", "month")
    lines = [
        f"{table} {owner} {month:%Y-%m} {count} {sha256}"
        for table, owner, month, count, sha256 in rows.iter_rows()
    ]
    stated = (*settings, *lines)
    digest = hashlib.sha256("".join(f"{line}\n" for line in stated).encode())
    counted = rows.filter(table=READINGS.name)["rows"].sum()
    return Fingerprint(digest.hexdigest(), stated, int(counted), uncovered, others, around)


_SUMS: Final = pl.DataFrame(
    schema={
        "table": pl.String,
        "owner": pl.String,
        "month": pl.Date,
        "rows": pl.Int64,
        "sha256": pl.String,
    }
)


def checksums_of(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """`core.archive.checksums.of_rows` of the values of rows: when they were learned plays no part.

    `table` is `READINGS` or `GRID`; returns `table`, `owner`, `month`, `rows`, `sha256`.
    """
    values = rows.select(*table.contract.columns)
    named = checksums.of_rows(values, table).with_columns(table=pl.lit(table.name))
    return named.select(_SUMS.columns)


def decisive(readings: pl.DataFrame, meters: pl.DataFrame, period: Period) -> pl.DataFrame:
    """Those of the readings that decide the figures of the period, sorted by key.

    Parameters
    ----------
    readings
        `frames.READINGS` of the period and of the time around it.
    meters
        `frames.METERS` of those that occur.

    Returns
    -------
    polars.DataFrame
        Readings stamped in the period; those before it that are held, or whose interval lasts,
        into it; and of registers the nearest `NEIGHBOURS` on either side.
    """
    at = pl.col("ts_utc")
    register = pl.col("kind") == str(MeterKind.REGISTER)
    hold = pl.duration(seconds=pl.col("pad_s"))
    first = (at < period.start).sum().over("meter_id")
    beyond = (at < period.end).sum().over("meter_id")
    place = pl.int_range(pl.len()).over("meter_id")
    beside = place.is_between(
        first.cast(pl.Int64) - NEIGHBOURS, beyond.cast(pl.Int64) + NEIGHBOURS, closed="left"
    )
    within = (at + hold > period.start) & (at < period.end)
    return (
        readings.sort("meter_id", "ts_utc")
        .join(
            presence.reaches(meters),
            on="meter_id",
            maintain_order="left",
        )
        .filter(pl.when(register).then(beside).otherwise(within))
        .select(readings.columns)
    )


def meters_settled(meters: pl.DataFrame) -> list[str]:
    """A line for each meter; of the settings in `LATER` only those that somebody set.

    Parameters
    ----------
    meters
        `frames.METERS`, without the name of the operator.
    """
    rows = [
        {name: value for name, value in row.items() if value != LATER.get(name, _UNSET)}
        for row in meters.iter_rows(named=True)
    ]
    return [f"meter {manifest.pairs(row)}" for row in rows]


_UNSET: Final = object()


def rows_settled(name: str, rows: pl.DataFrame) -> list[str]:
    """A line for each row of a table of settings."""
    return [f"{name} {manifest.pairs(row)}" for row in rows.iter_rows(named=True)]
