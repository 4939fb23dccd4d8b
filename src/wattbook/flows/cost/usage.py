"""What a site drew, at which prices, and what is charged for it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.billing import (
    bills,
    charges,
    coincident,
    cost,
    demand,
    demand_bounds,
    reactive,
)
from wattbook.core.billing.bill_lines import Month
from wattbook.core.billing.bills import Bill
from wattbook.core.meters import presence
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import MeterRole
from wattbook.core.reporting import notices
from wattbook.core.reporting.notices import Notice
from wattbook.core.retention import cutoffs
from wattbook.core.rollups import metrics
from wattbook.flows import conditions as zone_rows
from wattbook.flows.cost.terms import Terms
from wattbook.flows.mains import Mains
from wattbook.ports.grid import GridStore
from wattbook.ports.rollups import Rollups


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteUsage:
    """What was read of a site's main meters: demand by quarter-hour, and rollups by day."""

    demand: pl.DataFrame
    exported: pl.DataFrame
    """The same of the meters of what the site gives back."""
    daily: pl.DataFrame
    spans: pl.DataFrame
    """`presence.SPANS` of the main meters."""
    reactive: pl.DataFrame
    """`core.billing.reactive.QUARTERS`; empty where no tariff charges reactive energy."""
    since: datetime | None
    """From when on all quarter-hours are kept; null where none was removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyCharges:
    """The energy of the months quarter by quarter, and what is charged on it."""

    terms: Terms
    energy: pl.DataFrame
    """Of the months that ratchets look at too."""
    charged: pl.DataFrame
    """Of the months that are billed."""
    load: pl.DataFrame
    """Of the zone, where peaks of the grid decide."""


async def drawn_by(meters: pl.DataFrame, terms: Terms, figures: Rollups) -> SiteUsage:
    """What a site drew by its main meters, and gave back, in the months of its terms."""
    mains, exports = Mains(meters), Mains(meters, MeterRole.EXPORT)
    demand = await mains.demand(figures, terms.period)
    exported = await exports.demand(figures, terms.period) if exports.ids else demand.clear()
    return SiteUsage(
        demand=demand,
        exported=exported,
        daily=await mains.read(figures, Grain.DAY, terms.period),
        spans=mains.spans,
        reactive=await _reactive_of(mains, terms, figures),
        since=cutoffs.quarters_since(mains.meters),
    )


async def _reactive_of(mains: Mains, terms: Terms, figures: Rollups) -> pl.DataFrame:
    if not reactive.needs_reactive(terms.spans):
        return reactive.NONE
    rows = await mains.read(figures, Grain.QUARTER, terms.billed)
    return await asyncio.to_thread(reactive.quarters, rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Prices of a zone by quarter-hour, and what a reader has to know of them."""

    rows: pl.DataFrame
    """From `core.billing.cost.quarter_prices`."""
    notices: tuple[Notice, ...]


async def prices_of(
    zone: str, period: Period, *, grid: GridStore, as_of: datetime | None
) -> Prices:
    """Prices of a zone in every quarter-hour of which a part lies in the period."""
    hours = Period(periods.floor(period.start, Grain.HOUR), period.end)
    found = await zone_rows.read([zone], hours, grid=grid, as_of=as_of)

    def compute() -> Prices:
        return Prices(
            rows=cost.quarter_prices(found),
            notices=notices.of_overlaps(found, ("price",)),
        )

    return await asyncio.to_thread(compute)


async def loads(
    zone: str, terms: Terms, *, grid: GridStore, as_of: datetime | None
) -> pl.DataFrame:
    """The load of a zone in the months of the terms, where it decides a bill."""
    columns = ["start_utc", "interval_s", "load_mw"]
    if not coincident.needs_load(terms.spans):
        return frames.GRID.empty().select(columns)
    found = await zone_rows.read([zone], terms.period, grid=grid, as_of=as_of)
    return found.select(columns)


def charge_energy(
    terms: Terms, drawn: SiteUsage, prices: pl.DataFrame, load: pl.DataFrame
) -> EnergyCharges:
    """What the energy of the months costs, quarter by quarter."""
    energy = charges.quarters(drawn.demand, terms.timezone, terms.spans, drawn.exported)
    billed = energy.filter(pl.col("month") >= terms.since)
    charged = charges.of_energy(billed, prices, terms.spans, terms.holidays)
    return EnergyCharges(terms=terms, energy=energy, charged=charged, load=load)


async def unmeasured_demand(mains: Mains, terms: Terms, figures: Rollups) -> pl.DataFrame:
    """`core.billing.demand_bounds.UNMEASURED` of the main meters, where demand is billed."""
    tariffs = [span.tariff for span in terms.spans]
    if not any(demand.on_demand(each) or coincident.on_peaks(each) for each in tariffs):
        return demand_bounds.NONE
    quarters = await mains.read(figures, Grain.QUARTER, terms.period)
    return await asyncio.to_thread(
        demand_bounds.unmeasured, quarters, mains.meters, mains.spans, terms.period
    )


def billed(
    books: EnergyCharges, drawn: SiteUsage, not_measured: pl.DataFrame = demand_bounds.NONE
) -> list[Bill]:
    """The bills of the months."""
    terms = books.terms
    months = _months(terms.months, drawn)
    return bills.build_bills(
        months,
        books.energy,
        books.charged,
        terms.spans,
        terms.holidays,
        terms.since,
        load=books.load,
        timezone=terms.timezone,
        not_measured=not_measured,
        reactive=drawn.reactive,
    )


def unpriceable_buckets(
    rows: pl.DataFrame, terms: Terms, drawn: SiteUsage, made: Sequence[Bill], grain: Grain
) -> pl.DataFrame:
    """Those rows whose cost is not known because quarter-hours that decide it were removed.

    Prices by the block count from the first day of the billing month: a cost needs all of it.
    """
    gone = pl.lit(value=False)
    if drawn.since is not None:
        gone = pl.col("start_utc") < _whole_from(terms.months, drawn.since)
    if grain is Grain.MONTH:
        for bill in made:
            if any(line.floor_lost for line in bill.lines):
                gone |= (pl.col("start_utc") < bill.month.end) & (
                    pl.col("end_utc") > bill.month.start
                )
    return rows.filter(gone)


def _whole_from(months: pl.DataFrame, since: datetime) -> datetime:
    """Start of the first billing month of which nothing before an instant is wanted."""
    whole = months.filter(pl.col("start_utc") >= since)["start_utc"]
    begins: datetime = whole[0] if whole.len() else months["end_utc"][-1]
    return begins


def _months(months: pl.DataFrame, drawn: SiteUsage) -> list[Month]:
    rows = _covered(months, drawn.daily, drawn.spans)
    columns = ("first", "following", "start_utc", "end_utc", "coverage")
    return [
        Month(
            first=first,
            following=following,
            start=start,
            end=end,
            coverage=coverage,
            kept=drawn.since is None or start >= drawn.since,
        )
        for first, following, start, end, coverage in rows.select(columns).iter_rows()
    ]


def _covered(buckets: pl.DataFrame, figures: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Buckets with the share of the time that is covered of that for which meters are there."""
    sums = (
        figures.select("start_utc", "covered_s")
        .sort("start_utc")
        .join_asof(buckets.select("start_utc", bucket="start_utc"), on="start_utc")
        .group_by(start_utc="bucket")
        .agg(pl.col("covered_s").sum())
    )
    share = metrics.covered(pl.col("covered_s"), pl.col("expected_s"))
    return (
        buckets.join(sums, on="start_utc", how="left", maintain_order="left")
        .with_columns(expected_s=presence.seconds(spans, buckets))
        .with_columns(coverage=share)
        .drop("covered_s", "expected_s")
    )
