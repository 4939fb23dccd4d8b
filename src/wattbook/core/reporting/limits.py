"""What sites could and were allowed to draw in a period, and how long they drew more."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.periods import Period
from wattbook.core.registry import dated
from wattbook.core.registry.entities import Site
from wattbook.core.reporting.site_figures import SiteFigures, capacity_at
from wattbook.core.units import SECONDS_PER_HOUR

CAPACITY: Final = "capacity"
CONTRACTED: Final = "contracted power"
EXCEEDED: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "site_id": pl.String,
    "limit": pl.String,
    "limit_kw": pl.Float64,
    "hours": pl.Float64,
    "power_kw": pl.Float64,
    "at_utc": frames.UTC,
}
"""A limit that a site exceeded: for how long in all, its highest demand above it, and when."""
QUARTER_H: Final = periods.QUARTER.total_seconds() / SECONDS_PER_HOUR


def capacities(sites: Sequence[Site], period: Period) -> list[tuple[Period, float | None]]:
    """The capacity of all sites together that is in force in each part of a period."""
    changes = {
        each.valid_from
        for site in sites
        for each in dated.capacities_of(site)
        if each.valid_from is not None and period.start < each.valid_from < period.end
    }
    starts = [period.start, *sorted(changes)]
    found: list[tuple[Period, float | None]] = []
    for start, end in zip(starts, [*starts[1:], period.end], strict=True):
        capacity = capacity_at(sites, start)
        if found and found[-1][1] == capacity:
            found[-1] = (Period(found[-1][0].start, end), capacity)
        else:
            found.append((Period(start, end), capacity))
    return found


def exceeded(digests: Sequence[SiteFigures], period: Period) -> pl.DataFrame:
    """The limits that the demand of a site was above; capacities are those in force."""
    rows = []
    for digest in digests:
        site = digest.site
        limits = [(CAPACITY, each, limit) for each, limit in capacities([site], period)]
        for name, during, limit in [*limits, (CONTRACTED, period, site.contracted_kw)]:
            if limit is None:
                continue
            above = digest.demand.filter(
                pl.col("start_utc").is_between(during.start, during.end, closed="left"),
                pl.col("power_kw") > limit,
            ).sort("power_kw", "start_utc", descending=[True, False])
            if above.height:
                at, power = above.select("start_utc", "power_kw").row(0)
                rows.append((site.id, name, limit, above.height * QUARTER_H, power, at))
    return pl.DataFrame(rows, EXCEEDED, orient="row")
