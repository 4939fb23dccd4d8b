"""Energy and statistics of a site, of many, and of each meter."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.billing import cost
from wattbook.core.errors import UnknownEntityError
from wattbook.core.grid import zones
from wattbook.core.meters import presence
from wattbook.core.periods import Grain, Period
from wattbook.core.reporting.notices import Notice
from wattbook.core.retention import cutoffs
from wattbook.core.rollups import aggregation, exceedance, lending
from wattbook.core.rollups import metrics as figures_of
from wattbook.core.units import US_PER_SECOND
from wattbook.flows import consistent
from wattbook.flows import cost as paying
from wattbook.flows import rollup as rolling
from wattbook.flows.cost import SiteUsage
from wattbook.flows.mains import Mains
from wattbook.flows.metrics_cost import with_cost, with_cost_by_tariff
from wattbook.ports.calendar import Calendar
from wattbook.ports.clock import Clock
from wattbook.ports.grid import GridStore
from wattbook.ports.readings import ReadingStore
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import Rollups, RollupStore

GROUPS: Final = {"zone": "zone", "operator": "operator", "site": "site_id"}
"""Columns of `frames.METERS` by which the network can be split."""
NO_HOURS: Final = pl.DataFrame(schema={"zone": pl.String, "hour": frames.UTC})
_Read: TypeAlias = tuple[
    SiteUsage | None,
    pl.DataFrame,
    pl.DataFrame,
    pl.DataFrame,
    pl.DataFrame,
    pl.DataFrame,
    pl.DataFrame,
]

_NetworkRead: TypeAlias = tuple[
    pl.DataFrame, pl.DataFrame, list[pl.DataFrame], dict[str, pl.DataFrame]
]


@dataclass(frozen=True, slots=True)
class Network:
    """The network's figures, row by row with their `group`, and the total of each group."""

    series: "Series"
    totals: list[dict[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Figures per bucket and over the whole period."""

    grain: Grain
    timezone: str
    period: Period
    rows: pl.DataFrame
    total: dict[str, object]
    meters: pl.DataFrame
    events: pl.DataFrame
    notices: tuple[Notice, ...] = ()


async def of_site(
    site_id: str,
    period: Period,
    grain: Grain,
    *,
    as_of: datetime | None = None,
    registry: Registry,
    readings: ReadingStore,
    rollups: RollupStore,
    grid: GridStore,
    calendar: Calendar,
    clock: Clock,
) -> Series:
    """The site's figures: the sum of its main meters, the others beside it, gaps as nulls."""
    meters = (await registry.meters(as_of)).filter(site_id=site_id)
    if meters.is_empty():
        raise UnknownEntityError(f"no site {site_id!r} is registered")
    timezone, zone = str(meters["timezone"][0]), str(meters["zone"][0])
    buckets = periods.buckets(period, grain, timezone)
    whole = Period(buckets["start_utc"][0], buckets["end_utc"][-1])
    mains = Mains(meters)
    parts = periods.parts_of(grain, buckets)
    lenders = lending.lenders(meters, mains.ids)
    registers = presence.registers(meters)["meter_id"].to_list()
    tariffs = await registry.tariffs(site_id)
    terms = None
    standing = grain is Grain.MONTH
    if tariffs:
        terms = await paying.terms_of(
            tariffs, timezone, whole, standing=standing, calendar=calendar
        )

    priced = whole if terms is None else terms.billed
    prices = await paying.prices_of(zone, priced, grid=grid, as_of=as_of)
    uneven = cost.uneven_hours(prices.rows) if terms is None else NO_HOURS

    async def read(figures: Rollups) -> _Read:
        found = await figures.read(meters["meter_id"].to_list(), grain, whole)
        return (
            await paying.drawn_by(meters, terms, figures) if terms is not None else None,
            found,
            own := await mains.of(found, figures, grain, whole),
            own if parts is grain else await mains.read(figures, parts, whole),
            await mains.demand(figures, whole)
            if len(mains.ids) > 1 or uneven.height
            else found.clear(),
            await figures.events(registers, whole) if registers else frames.EVENTS.empty(),
            await _read_lent(lenders, buckets["start_utc"], whole, figures),
        )

    drawn, found, own, fine, quarter_demand, events, lent = await consistent.read_consistent(
        read,
        meters,
        whole if terms is None else terms.period,
        as_of=as_of,
        registry=registry,
        readings=readings,
        rollups=rollups,
        clock=clock,
    )
    load = pl.DataFrame()
    if terms is not None and standing:
        load = await paying.loads(zone, terms, grid=grid, as_of=as_of)
    own = lending.borrowed(own, lent)
    rows = _summed(own, buckets, mains.meters, mains.spans, quarter_demand)
    summed = {site_id: quarter_demand} if len(mains.ids) > 1 else {}
    rows = exceedance.of_sites(rows, own, buckets, mains.meters, summed)
    total = _whole(rows, own, whole, mains.meters, mains.spans)
    total |= {
        "above_capacity": exceedance.altogether(rows),
        "peak_interval_s": presence.longest_interval_s(meters, total["power_kw_max_at"]),
    }
    if terms is None or drawn is None:
        rows, money = with_cost(rows, fine, quarter_demand, prices.rows, zone)
    else:
        books = await asyncio.to_thread(paying.charge_energy, terms, drawn, prices.rows, load)
        rows, money = await asyncio.to_thread(with_cost_by_tariff, rows, books, drawn, grain)
    return Series(
        grain=grain,
        timezone=timezone,
        period=whole,
        rows=rows,
        total=total | money,
        meters=_beside(found, meters, whole),
        events=events,
        notices=prices.notices,
    )


async def aggregate(
    period: Period,
    grain: Grain,
    *,
    by: str = "none",
    timezone: str = "UTC",
    as_of: datetime | None = None,
    registry: Registry,
    readings: ReadingStore,
    rollups: RollupStore,
    clock: Clock,
) -> "Network":
    """Network totals of all main meters, or by zone, operator or site, in days of `timezone`."""
    periods.zone(timezone)
    meters = await registry.meters(as_of)
    every = Mains(meters)
    mains = every.meters
    lenders = lending.lenders(meters, every.ids)
    buckets = periods.buckets(period, grain, timezone)
    whole = Period(buckets["start_utc"][0], buckets["end_utc"][-1])
    parts = periods.parts_of(grain, buckets)
    groups: list[tuple[str | None, pl.DataFrame]] = [(None, mains)]
    if by != "none":
        named = _in_one_name(mains)  # older stores hold zones under aliases
        split = named.sort(GROUPS[by]).group_by(GROUPS[by], maintain_order=True)
        groups += [(str(name), members) for (name,), members in split]
    ids = [members["meter_id"].to_list() for _, members in groups]
    of_several = _mains_of_several(mains)

    async def read(figures: Rollups) -> _NetworkRead:
        demands = [await every.demand(figures, whole, each) for each in ids]
        sums = {site: await every.demand(figures, whole, each) for site, each in of_several}
        rows = await every.read(figures, parts, whole)
        starts = rows["start_utc"].unique().sort()
        return rows, await _read_lent(lenders, starts, whole, figures), demands, sums

    ids_read = pl.concat([mains["meter_id"], lenders["meter_id"]])
    found, lent, demands, sums = await consistent.read_consistent(
        read,
        meters.filter(pl.col("meter_id").is_in(ids_read.implode())),
        whole,
        as_of=as_of,
        registry=registry,
        readings=readings,
        rollups=rollups,
        clock=clock,
    )

    found = lending.borrowed(found, lent)
    rows = _in_zone(found, mains, grain, timezone) if grain.civil else found
    series, totals = [], []
    for (name, members), each, demand in zip(groups, ids, demands, strict=True):
        own = _of(rows, each)
        spans = every.spans.filter(pl.col("meter_id").is_in(each))
        summed = _summed(own, buckets, members, spans, demand)
        inside = {site: sums[site] for site in members["site_id"].unique() if site in sums}
        summed = exceedance.of_sites(summed, own, buckets, members, inside)
        series.append(summed.select(pl.lit(name, dtype=pl.String).alias("group"), pl.all()))
        totals.append(
            {"group": name, "sites": members["site_id"].n_unique()}
            | _whole(summed, own, whole, members, spans)
            | {"above_capacity": exceedance.altogether(summed)}
        )
    return Network(
        Series(
            grain=grain,
            timezone=timezone,
            period=whole,
            rows=pl.concat(series[1:] or series),
            total=totals[0],
            meters=mains,
            events=frames.EVENTS.empty(),
        ),
        totals[1:] or totals,
    )


def _mains_of_several(mains: pl.DataFrame) -> list[tuple[str, list[str]]]:
    """The main meters of each site that has several."""
    sites = mains.group_by("site_id").agg("meter_id").sort("site_id")
    return list(sites.filter(pl.col("meter_id").list.len() > 1).iter_rows())


async def _read_lent(
    lenders: pl.DataFrame, starts: pl.Series, whole: Period, figures: Rollups
) -> pl.DataFrame:
    """What sub meters lend to the hash rates of their sites."""
    ids = lenders["meter_id"].to_list()
    quarters = await figures.read(ids, Grain.QUARTER, whole) if ids else frames.ROLLUPS.empty()
    return lending.lent(quarters, lenders, starts)


def _summed(
    rows: pl.DataFrame,
    buckets: pl.DataFrame,
    mains: pl.DataFrame,
    spans: pl.DataFrame,
    quarter_demand: pl.DataFrame,
) -> pl.DataFrame:
    """The rows of several meters added up, with the peak of their sum where it is known."""
    summed = figures_of.total(rows, buckets, spans)
    if mains.height == 1:
        return summed
    peaks = figures_of.coincident_peak(quarter_demand, buckets)
    if (since := cutoffs.quarters_since(mains)) is not None:
        peaks = peaks.filter(pl.col("start_utc") >= since)
    return (
        summed.drop("power_kw_max", "power_kw_max_at")
        .join(peaks, on="start_utc", how="left", maintain_order="left")
        .select(summed.columns)
    )


def _whole(
    rows: pl.DataFrame,
    own: pl.DataFrame,
    whole: Period,
    mains: pl.DataFrame,
    spans: pl.DataFrame,
) -> dict[str, Any]:
    """All rows in one; the peak of several meters is unknown where one of their rows lacks it."""
    total = figures_of.whole(rows, own, whole, spans)
    since = cutoffs.quarters_since(mains)
    if mains.height > 1 and since is not None and whole.start < since:
        total |= {"power_kw_max": None, "power_kw_max_at": None}
    return total


def _in_zone(parts: pl.DataFrame, mains: pl.DataFrame, grain: Grain, timezone: str) -> pl.DataFrame:
    """Rollups of civil buckets in a time zone that need not be that of the sites."""
    here = mains.with_columns(timezone=pl.lit(timezone))
    stamps = parts.group_by("meter_id").agg(pl.col("computed_utc", "revision").max())
    days = aggregation.coarsen(parts.select(aggregation.FIGURES), here, Grain.DAY)
    rows = days if grain is Grain.DAY else aggregation.coarsen(days, here, grain)
    return rows.join(stamps, on="meter_id", how="left")


async def page(
    filters: Mapping[str, str],
    period: Period,
    grain: Grain,
    *,
    after: tuple[str, str] | None,
    limit: int,
    registry: Registry,
    readings: ReadingStore,
    rollups: RollupStore,
    clock: Clock,
) -> tuple[pl.DataFrame, bool]:
    """Some rollups of the meters that fit, in the order of their keys, and whether more follow."""
    meters = await registry.meters()
    named = _in_one_name(meters)
    fitting = named.filter(
        *(
            pl.col(name) == (zones.resolved(value) if name == "zone" else value)
            for name, value in filters.items()
        )
    )
    meter_ids = fitting["meter_id"].to_list()
    await rolling.catch_up(
        meter_ids, registry=registry, readings=readings, rollups=rollups, clock=clock
    )
    rows = await rollups.page(meter_ids, grain, period, after, limit + 1)
    return rows.head(limit), rows.height > limit


def _in_one_name(meters: pl.DataFrame) -> pl.DataFrame:
    """The meters with the canonical names of their zones, as older stores may not have them."""
    names = {name: zones.resolved(name) for name in meters["zone"].unique().to_list()}
    return meters.with_columns(pl.col("zone").replace(names))


def _of(rows: pl.DataFrame, meter_ids: Sequence[str]) -> pl.DataFrame:
    return rows.filter(pl.col("meter_id").is_in(meter_ids))


def _beside(rows: pl.DataFrame, meters: pl.DataFrame, whole: Period) -> pl.DataFrame:
    """Energy and coverage of each meter over the period."""
    there = (
        presence.clipped(presence.spans(meters), whole)
        .group_by("meter_id")
        .agg(expected_s=(pl.col("to_us") - pl.col("from_us")).sum() / US_PER_SECOND)
    )
    sums = rows.group_by("meter_id").agg(
        energy_kwh=frames.known_sum("energy_kwh"),
        power_kw_max=pl.col("power_kw_max").max(),
        covered_s=pl.col("covered_s").sum(),
    )
    return (
        meters.select("meter_id", "role", "kind")
        .join(sums, on="meter_id", how="left", maintain_order="left")
        .join(there, on="meter_id", how="left", maintain_order="left")
        .with_columns(coverage=figures_of.covered(pl.col("covered_s"), pl.col("expected_s")))
        .with_columns(pl.col("coverage").fill_null(0.0))
        .drop("covered_s", "expected_s")
    )
