"""What has to be said in front of figures, so that nobody takes them for more than they are."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import polars as pl

from wattbook.core.grid import conditions, zones
from wattbook.core.units import PERCENT, SECONDS_PER_HOUR

WORLD: Final = "world"
OVERLAPPING_ROWS: Final = "overlapping_rows"


@dataclass(frozen=True, slots=True)
class Notice:
    """A limit of the figures of an answer: a word for machines, and a sentence for readers."""

    code: str
    detail: str


def of_zones(names: Collection[str]) -> tuple[Notice, ...]:
    """A notice for each zone that is not registered, as sites of older stores may have."""
    return tuple(
        Notice("unknown_zone", zones.unknown(name))
        for name in sorted(names)
        if zones.canonical(name) is None
    )


def of_factors(shares: pl.DataFrame) -> tuple[Notice, ...]:
    """What `carbon.shares` of a sum ask to be said: a world average, boundaries that differ."""
    used = shares.filter(pl.col("energy_share") > 0)
    world = float(used.filter(pl.col("fallback").str.starts_with(WORLD))["energy_share"].sum())
    found = []
    if world:
        found.append(
            Notice(
                "world_average",
                f"{_percent(world)} of the energy has no better emission factor than the average of"
                " the world: no grid mix was ingested and no published figure of the zone or its"
                " country is known",
            )
        )
    boundaries = used.drop_nulls("scope").group_by("scope").agg(pl.col("energy_share").sum())
    if boundaries.height > 1:
        parts = " and ".join(
            f"{scope} factors for {_percent(share)}"
            for scope, share in boundaries.sort("scope").iter_rows()
        )
        found.append(
            Notice(
                "mixed_boundaries",
                f"the emissions add up {parts} of the energy: direct factors leave out fuel supply"
                " and construction, lifecycle factors include them, so the sum is of neither"
                " boundary",
            )
        )
    return tuple(found)


def _percent(share: float) -> str:
    """A share in percent; never 100 or 0 where it is not.

    >>> _percent(1.0), _percent(0.9999), _percent(0.25), _percent(0.0001)
    ('100 %', 'more than 99.9 %', '25.0 %', 'less than 0.1 %')
    """
    shown = share * PERCENT
    if share == 1:
        return "100 %"
    if round(shown, 1) >= PERCENT:
        return "more than 99.9 %"
    return f"{shown:.1f} %" if round(shown, 1) else "less than 0.1 %"


def of_overlaps(grid: pl.DataFrame, quantities: Collection[str]) -> tuple[Notice, ...]:
    """A notice for each zone and quantity for which rows overlap."""
    found = conditions.overlaps(grid).filter(pl.col("quantity").is_in(quantities))
    return tuple(Notice(OVERLAPPING_ROWS, _overlap(row)) for row in found.iter_rows(named=True))


def _overlap(row: dict[str, object]) -> str:
    seconds = row["seconds"]
    assert isinstance(seconds, float)
    lengths = (
        f"rows of {row['finest_s']} s"
        if row["finest_s"] == row["coarsest_s"]
        else f"rows of {row['finest_s']} s and of {row['coarsest_s']} s"
    )
    rule = (
        "of each hour the shortest rows that cover all of it are used"
        if row["quantity"] == "generation"
        else "the shorter row is used for its time, and of rows of one length the later one"
    )
    return (
        f"{row['quantity']} of zone {row['zone']}: {lengths} overlap for"
        f" {seconds / SECONDS_PER_HOUR:g} h between {row['from_utc']:%Y-%m-%dT%H:%MZ} and"
        f" {row['to_utc']:%Y-%m-%dT%H:%MZ}; {rule}"
    )
