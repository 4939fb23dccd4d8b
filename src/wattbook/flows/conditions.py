"""Conditions of grid zones, under whatever names of theirs they were stored."""

from collections.abc import Iterable
from datetime import datetime

import polars as pl

from wattbook.core import frames
from wattbook.core.grid import zones
from wattbook.core.periods import Period
from wattbook.ports.grid import GridStore


async def read(
    names: Iterable[str], period: Period, *, grid: GridStore, as_of: datetime | None = None
) -> pl.DataFrame:
    """`frames.GRID` of zones that hold in some of the period, by the names that were asked for.

    Older stores hold rows under aliases. Of a row that is there under two names the one that was
    learned last counts.
    """
    wanted = pl.DataFrame(
        [(asked, stored) for asked in sorted(set(names)) for stored in zones.spellings(asked)],
        schema={"asked": pl.String, "zone": pl.String},
        orient="row",
    )
    found = await grid.read(wanted["zone"].unique().sort().to_list(), period, as_of=as_of)
    named = found.join(wanted, on="zone").with_columns(zone="asked").select(found.columns)
    key = list(frames.GRID.key)
    return named.sort("known_utc").unique(key, keep="last", maintain_order=True).sort(key)
