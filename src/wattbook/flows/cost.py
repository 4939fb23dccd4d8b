"""What a site pays: its bills, and the cost of each component per bucket."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Final

import polars as pl

from wattbook.core import (
    bills,
    charges,
    cost,
    frames,
    metrics,
    notices,
    peaks,
    periods,
    presence,
    retention,
)
from wattbook.core.bills import Bill
from wattbook.core.errors import InvalidEntityError, Problem
from wattbook.core.lines import Month
from wattbook.core.notices import Notice
from wattbook.core.periods import QUARTER, Grain, Period
from wattbook.core.tariffs import Holidays, Span, Tariff, timeline
from wattbook.flows import conditions as zone_rows
from wattbook.flows import entities
from wattbook.flows import rollup as rolling
from wattbook.flows.mains import Mains
from wattbook.ports.calendar import Calendar
from wattbook.ports.clock import Clock
from wattbook.ports.grid import GridStore
from wattbook.ports.readings import ReadingStore
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import Rollups, RollupStore

METHOD: Final = "tariff"
WITHIN: Final = ("stands", "standing")
"""Fields of a line that are for adding up, and not for a reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Costs per bucket and component, the total by currency, and the bills of the months."""

    site_id: str
    grain: Grain
    timezone: str
    period: Period
    spread: bool
    energy_kwh: float | None
    coverage: float
    rows: pl.DataFrame
    totals: list[dict[str, object]]
    bills: list[Bill]
    charged: pl.DataFrame
    """`core.charges.CHARGES` of every quarter-hour of the months of the bills."""
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a site pays by, in the months around a period and in those that ratchets look at."""

    timezone: str
    months: pl.DataFrame
    """`start_utc` and `end_utc` of each, and its `first` day."""
    since: date
    """The first month that is billed."""
    spans: Sequence[Span]
    holidays: Holidays

    @property
    def period(self) -> Period:
        """All of the months."""
        return Period(self.months["start_utc"][0], self.months["end_utc"][-1])

    @property
    def billed(self) -> Period:
        """The months that are billed."""
        starts = self.months.filter(pl.col("first") >= self.since)["start_utc"]
        return Period(starts[0], self.months["end_utc"][-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What was read of a site's main meters: demand by quarter-hour, and rollups by month."""

    demand: pl.DataFrame
    monthly: pl.DataFrame
    spans: pl.DataFrame
    """`presence.SPANS` of the main meters."""
    since: datetime | None
    """From when on all quarter-hours are kept; null where none was removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The energy of the months quarter by quarter, and what is charged on it."""

    terms: Terms
    energy: pl.DataFrame
    """Of the months that ratchets look at too."""
    charged: pl.DataFrame
    """Of the months that are billed."""


def told(bill: Bill) -> dict[str, object]:
    """A bill as plain values, the same at every door."""
    lines = [asdict(line) for line in bill.lines]
    return {
        "month": f"{bill.month.first:%Y-%m}",
        "start": bill.month.start,
        "end": bill.month.end,
        "energy_kwh": bill.energy_kwh,
        "coverage": bill.month.coverage,
        "complete": bill.complete,
        "holidays": list(bill.holidays),
        "totals": [
            {"currency": currency, "amount": amount} for currency, amount in bill.totals.items()
        ],
        "lines": [
            {name: value for name, value in line.items() if name not in WITHIN} for line in lines
        ],
    }


async def account(
    entity_id: str,
    period: Period,
    grain: Grain,
    *,
    spread: bool = False,
    as_of: datetime | None = None,
    registry: Registry,
    readings: ReadingStore,
    rollups: RollupStore,
    grid: GridStore,
    calendar: Calendar,
    clock: Clock,
) -> Account:
    """What a site pays, by component and bucket, and the bill of every month that it touches."""
    found = await entities.find(entity_id, as_of=as_of, registry=registry)
    if found.kind != "site":
        detail = f"{found.id!r} is of the kind {found.kind}; a bill is of one site: site:ID"
        raise InvalidEntityError(detail, [Problem("not_a_site", detail, field="entity_id")])
    buckets = periods.buckets(period, grain, found.timezone)
    whole = Period(buckets["start_utc"][0], buckets["end_utc"][-1])
    tariffs = await registry.tariffs(found.id)
    terms = await terms_of(tariffs, found.timezone, whole, calendar=calendar)
    _refuse_more_than_can_be_shown(buckets.height, terms.spans, grain)
    mains = Mains(found.meters)
    _refuse_removed(mains.meters, terms, grain)

    async def read(figures: Rollups) -> tuple[Drawn, pl.DataFrame]:
        drawn = await drawn_by(mains, terms, figures)
        return drawn, await mains.read(figures, grain, whole)

    drawn, rows = await rolling.read_settled(
        read,
        mains.meters,
        terms.period,
        as_of=as_of,
        registry=registry,
        readings=readings,
        rollups=rollups,
        clock=clock,
    )
    zone = str(found.meters["zone"][0])
    prices = await prices_of(zone, terms.billed, grid=grid, as_of=as_of)

    def compute() -> Account:
        books = kept(terms, drawn.demand, prices.rows)
        made = billed(books, drawn)
        due = cost.due(made, found.timezone, grain, spread=spread)
        costs = _rows(books, due, buckets, rows, mains.spans)
        return Account(
            site_id=found.id,
            grain=grain,
            timezone=found.timezone,
            period=whole,
            spread=spread,
            energy_kwh=rows.select(frames.known_sum("energy_kwh")).item(),
            coverage=_share(rows, whole, mains.spans),
            rows=costs,
            totals=_totals(costs),
            bills=made,
            charged=books.charged,
            notices=prices.notices,
        )

    return await asyncio.to_thread(compute)


async def terms_of(
    tariffs: Sequence[Tariff],
    timezone: str,
    whole: Period,
    *,
    standing: bool = True,
    calendar: Calendar,
) -> Terms:
    """What decides the bills of the months that a period touches; without `standing`, the energy.

    Demand alone is decided by months before, and not wanted where only energy is priced.
    """
    begin = periods.floor(whole.start, Grain.MONTH, timezone)
    last = periods.floor(whole.end - QUARTER, Grain.MONTH, timezone)
    first, end = _day(begin, timezone), peaks.months_before(_day(last, timezone), -1)
    earliest = peaks.reach(tariffs, first, end) if standing else first
    reached = Period(periods.midnight(earliest, timezone), whole.end)
    months = periods.buckets(reached, Grain.MONTH, timezone).with_columns(
        first=pl.col("start_utc").dt.convert_time_zone(timezone).dt.date()
    )
    spans = list(timeline(tariffs, earliest, end))
    holidays = {}
    for tariff in (span.tariff for span in spans if span.tariff is not None):
        listed: frozenset[date] = frozenset()
        if tariff.calendar is not None:
            listed = await asyncio.to_thread(calendar.holidays, tariff.calendar, earliest, end)
        holidays[tariff.id] = listed.union(tariff.holidays)
    return Terms(
        timezone=timezone,
        months=months,
        since=first,
        spans=spans,
        holidays=holidays,
    )


async def drawn_by(mains: Mains, terms: Terms, figures: Rollups) -> Drawn:
    """What the main meters of a site drew in the months of its terms."""
    return Drawn(
        demand=await mains.demand(figures, terms.period),
        monthly=await mains.read(figures, Grain.MONTH, terms.period),
        spans=mains.spans,
        since=retention.quarters_since(mains.meters),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Prices of a zone by quarter-hour, and what a reader has to know of them."""

    rows: pl.DataFrame
    """From `core.cost.quarter_prices`."""
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


def kept(terms: Terms, demand: pl.DataFrame, prices: pl.DataFrame) -> Books:
    """What the energy of the months costs, quarter by quarter."""
    energy = charges.quarters(demand, terms.timezone, terms.spans)
    billed = energy.filter(pl.col("month") >= terms.since)
    charged = charges.of_energy(billed, prices, terms.spans, terms.holidays)
    return Books(terms=terms, energy=energy, charged=charged)


def billed(books: Books, drawn: Drawn) -> list[Bill]:
    """The bills of the months."""
    terms = books.terms
    months = _months(terms.months, drawn)
    return bills.made(months, books.energy, books.charged, terms.spans, terms.holidays, terms.since)


def lost(
    rows: pl.DataFrame, terms: Terms, drawn: Drawn, made: Sequence[Bill], grain: Grain
) -> pl.DataFrame:
    """Those rows whose cost is not known because quarter-hours that decide it were removed.

    Prices by the block count from the first of the month: a cost needs the whole of it.
    """
    gone = pl.lit(value=False)
    if drawn.since is not None:
        gone = pl.col("start_utc") < periods.ceil(drawn.since, Grain.MONTH, terms.timezone)
    if grain is Grain.MONTH:
        unknown = [bill.month.start for bill in made if any(line.floor_lost for line in bill.lines)]
        gone |= pl.col("start_utc").is_in(unknown)
    return rows.filter(gone)


def _months(months: pl.DataFrame, drawn: Drawn) -> list[Month]:
    rows = _covered(months, drawn.monthly, drawn.spans)
    return [
        Month(
            first=first,
            start=start,
            end=end,
            coverage=coverage,
            kept=drawn.since is None or start >= drawn.since,
        )
        for first, start, end, coverage in rows.select(
            "first", "start_utc", "end_utc", "coverage"
        ).iter_rows()
    ]


def _rows(
    books: Books,
    due: pl.DataFrame,
    buckets: pl.DataFrame,
    figures: pl.DataFrame,
    spans: pl.DataFrame,
) -> pl.DataFrame:
    """Costs of each component in each bucket, with the coverage of the bucket."""
    terms = books.terms
    seen = _covered(buckets, figures, spans).select("start_utc", "coverage")
    return cost.by_component(books.charged, due, buckets, terms.spans, terms.timezone).join(
        seen, on="start_utc", how="left", maintain_order="left"
    )


def _covered(buckets: pl.DataFrame, figures: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Buckets with the share of the time that is covered of that for which meters are there."""
    sums = figures.group_by("start_utc").agg(pl.col("covered_s").sum())
    share = metrics.covered(pl.col("covered_s"), pl.col("expected_s"))
    return (
        buckets.join(sums, on="start_utc", how="left", maintain_order="left")
        .with_columns(expected_s=presence.seconds(spans, buckets))
        .with_columns(coverage=share)
        .drop("covered_s", "expected_s")
    )


def _share(figures: pl.DataFrame, whole: Period, spans: pl.DataFrame) -> float:
    """The share of the time that is covered over a whole period."""
    sums = figures.with_columns(start_utc=pl.lit(whole.start, dtype=frames.UTC))
    return float(_covered(presence.bucket(whole), sums, spans)["coverage"].item())


def _totals(rows: pl.DataFrame) -> list[dict[str, object]]:
    """What the rows come to, by currency."""
    sums = (
        rows.drop_nulls("currency")
        .group_by("currency")
        .agg(cost=frames.known_sum("cost"))
        .sort("currency")
    )
    return sums.to_dicts()


def _refuse_removed(mains: pl.DataFrame, terms: Terms, grain: Grain) -> None:
    """Refuse bills of months of which quarter-hours were removed: what is left is not the month."""
    if (since := retention.quarters_since(mains)) is not None:
        month = periods.ceil(since, Grain.MONTH, terms.timezone)
        answered = periods.ceil(month, grain, terms.timezone)
        retention.check_quarters(mains, terms.billed.start, answered)


def _refuse_more_than_can_be_shown(buckets: int, spans: Sequence[Span], grain: Grain) -> None:
    most = max(len(span.tariff.components) if span.tariff else 1 for span in spans)
    if buckets * most > periods.MAX_ROWS:
        detail = f"{buckets} buckets of a {grain} with {most} components are more than"
        raise periods.invalid("end", f"{detail} {periods.MAX_ROWS} rows")


def _day(at: datetime, timezone: str) -> date:
    """The local day in which an instant lies."""
    return at.astimezone(periods.zone(timezone)).date()
