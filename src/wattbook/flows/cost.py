"""What a site pays: its bills, and the cost of each component per bucket."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.billing import bill_lines, billed_demand, bills, charges, coincident, cost, cycle
from wattbook.core.billing.bill_lines import Line, Month
from wattbook.core.billing.bills import Bill
from wattbook.core.errors import InvalidEntityError, Problem
from wattbook.core.meters import presence
from wattbook.core.periods import QUARTER, Grain, Period
from wattbook.core.registry.entities import MeterRole
from wattbook.core.registry.tariff_holidays import days_off
from wattbook.core.registry.tariffs import FIRST_OF_MONTH, Holidays, Span, Tariff, timeline
from wattbook.core.reporting import notices
from wattbook.core.reporting.notices import Notice
from wattbook.core.retention import cutoffs
from wattbook.core.rollups import metrics
from wattbook.core.units import SECONDS_PER_MINUTE
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
BILLED: Final = (MeterRole.MAIN, MeterRole.EXPORT)
"""Meters that bills rest on."""
TWO_MONTHS: Final = timedelta(days=62)
"""A billing month, wherever one of its days lies within it, and a day."""
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
    """`core.billing.charges.CHARGES` of every quarter-hour of the months of the bills."""
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a site pays by, in the months around a period and in those that ratchets look at."""

    timezone: str
    months: pl.DataFrame
    """`first` and `following` day of each billing month, and its `start_utc` and `end_utc`."""
    since: date
    """First day of the first month that is billed."""
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
    """What was read of a site's main meters: demand by quarter-hour, and rollups by day."""

    demand: pl.DataFrame
    exported: pl.DataFrame
    """The same of the meters of what the site gives back."""
    daily: pl.DataFrame
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
    load: pl.DataFrame
    """Of the zone, where peaks of the grid decide."""


def told(bill: Bill) -> dict[str, object]:
    """A bill as plain values, the same at every door."""
    return {
        "month": bill.month.name,
        "first": bill.month.first,
        "end_day": bill.month.following,
        "start": bill.month.start,
        "end": bill.month.end,
        "energy_kwh": bill.energy_kwh,
        "export_kwh": bill.export_kwh,
        "coverage": bill.month.coverage,
        "complete": bill.complete,
        "missing": [{**asdict(each), "detail": each.detail} for each in bill.missing],
        "holidays": list(bill.holidays),
        "totals": [
            {"currency": currency, "amount": amount} for currency, amount in bill.totals.items()
        ],
        "lines": [_told_line(line) for line in bill.lines],
    }


def _told_line(line: Line) -> dict[str, object]:
    values = {name: value for name, value in asdict(line).items() if name not in WITHIN}
    return {**values, "peaks": [each._asdict() for each in line.peaks]}


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
    """What a site pays, by component and bucket, and the bill of every month that it touches.

    The months are billing months, and so are the buckets of the grain `month`.
    """
    found = await entities.find(entity_id, as_of=as_of, registry=registry)
    if found.kind != "site":
        detail = f"{found.id!r} is of the kind {found.kind}; a bill is of one site: site:ID"
        raise InvalidEntityError(detail, [Problem("not_a_site", detail, field="entity_id")])
    tariffs = await registry.tariffs(found.id)
    buckets, terms = await _asked(period, grain, tariffs, found.timezone, calendar)
    whole = Period(buckets["start_utc"][0], buckets["end_utc"][-1])
    _refuse_more_than_can_be_shown(buckets.height, terms.spans, grain)
    mains = Mains(found.meters)
    _refuse_removed(mains.meters, terms, grain)
    zone = str(found.meters["zone"][0])
    prices = await prices_of(zone, terms.billed, grid=grid, as_of=as_of)
    load = await loads(zone, terms, grid=grid, as_of=as_of)

    async def read(figures: Rollups) -> tuple[Books, list[Bill], pl.DataFrame]:
        drawn = await drawn_by(found.meters, terms, figures)
        books = await asyncio.to_thread(kept, terms, drawn, prices.rows, load)
        made = await asyncio.to_thread(billed, books, drawn)
        rows = await mains.read(figures, Grain.DAY if grain is Grain.MONTH else grain, whole)
        return books, await _marked(made, mains, figures), rows

    books, made, rows = await rolling.read_settled(
        read,
        pl.concat([presence.with_role(found.meters, role) for role in BILLED]).unique(
            "meter_id", maintain_order=True
        ),
        terms.period,
        as_of=as_of,
        registry=registry,
        readings=readings,
        rollups=rollups,
        clock=clock,
    )

    def compute() -> Account:
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


async def _asked(
    period: Period, grain: Grain, tariffs: Sequence[Tariff], timezone: str, calendar: Calendar
) -> tuple[pl.DataFrame, Terms]:
    """The buckets of a question, and the terms of the months that they touch."""
    billing_day = asked_day(period, timezone)
    if grain is Grain.MONTH:
        terms = await terms_of(
            tariffs, timezone, period, billing_day=billing_day, calendar=calendar
        )
        months = terms.months.filter(pl.col("first") >= terms.since)
        return months.select("start_utc", "end_utc"), terms
    buckets = periods.buckets(period, grain, timezone)
    whole = Period(buckets["start_utc"][0], buckets["end_utc"][-1])
    terms = await terms_of(tariffs, timezone, whole, billing_day=billing_day, calendar=calendar)
    return buckets, terms


async def _marked(made: Sequence[Bill], mains: Mains, figures: Rollups) -> list[Bill]:
    """The bills, with the lines marked whose demand was estimated or measured in part.

    A meter that has one value for an hour measures no quarter-hour: its demand is estimated too.
    """
    spans = {each for bill in made for line in bill.lines for each in line.peaks}
    weak, lengths = set(), {}
    for each in spans:
        length = presence.longest_interval_s(mains.meters, each.at)
        if length is not None:
            lengths[each] = length
            if length > each.minutes * SECONDS_PER_MINUTE:
                weak.add(each)
        period = Period(each.at, each.at + timedelta(minutes=each.minutes))
        rows = await mains.read(figures, Grain.QUARTER, period)
        short = not bill_lines.whole(_share(rows, period, mains.spans))
        if short or (rows["quality"] != frames.QUALITIES[0]).any():
            weak.add(each)
    return [
        replace(
            bill,
            lines=tuple(
                replace(
                    line,
                    estimated=not weak.isdisjoint(line.peaks),
                    demand_interval_s=max(
                        (lengths[each] for each in line.peaks if each in lengths), default=None
                    ),
                )
                for line in bill.lines
            ),
        )
        for bill in made
    ]


async def terms_of(
    tariffs: Sequence[Tariff],
    timezone: str,
    whole: Period,
    *,
    billing_day: int = FIRST_OF_MONTH,
    standing: bool = True,
    calendar: Calendar,
) -> Terms:
    """What decides the bills of the months that a period touches; without `standing`, the energy.

    Demand alone is decided by months before, and not wanted where only energy is priced.
    """
    first = _billing_month(tariffs, _day(whole.start, timezone), billing_day)[0]
    end = _billing_month(tariffs, _day(whole.end - QUARTER, timezone), billing_day)[1]
    earliest = first
    if standing and (reached := billed_demand.reach(tariffs, first, end)) < first:
        earliest = min(first, _billing_month(tariffs, reached, billing_day)[0])
    spans = list(timeline(tariffs, earliest, end, billing_day))
    holidays = {}
    for tariff in (span.tariff for span in spans if span.tariff is not None):
        listed: frozenset[date] = frozenset()
        if tariff.calendar is not None:
            listed = await asyncio.to_thread(calendar.holidays, tariff.calendar, earliest, end)
        holidays[tariff.id] = days_off(tariff, listed)
    return Terms(
        timezone=timezone,
        months=_in_utc(cycle.months(spans), timezone),
        since=first,
        spans=spans,
        holidays=holidays,
    )


def _billing_month(tariffs: Sequence[Tariff], day: date, billing_day: int) -> tuple[date, date]:
    """The billing month in which a day lies."""
    around = timeline(tariffs, day - TWO_MONTHS, day + TWO_MONTHS, billing_day)
    return cycle.containing(list(around), day)


def _in_utc(months: Sequence[tuple[date, date]], timezone: str) -> pl.DataFrame:
    """Billing months with the instants at which they begin and end."""
    days = pl.DataFrame(months, schema={"first": pl.Date, "following": pl.Date}, orient="row")
    return days.with_columns(
        start_utc=periods.midnight_utc(pl.col("first").cast(pl.Datetime("us")), timezone),
        end_utc=periods.midnight_utc(pl.col("following").cast(pl.Datetime("us")), timezone),
    )


def asked_day(period: Period, timezone: str) -> int:
    """The billing day of a question from one day of a month to the same day of another.

    What is asked for is answered: from 18 March to 18 April is one bill, where the tariff names
    no day of its own.
    """
    first, end = _day(period.start, timezone), _day(period.end, timezone)
    midnights = periods.midnight(first, timezone), periods.midnight(end, timezone)
    if midnights != (period.start, period.end):
        return FIRST_OF_MONTH
    return cycle.asked(first, end) or FIRST_OF_MONTH


async def drawn_by(meters: pl.DataFrame, terms: Terms, figures: Rollups) -> Drawn:
    """What a site drew by its main meters, and gave back, in the months of its terms."""
    mains, exports = Mains(meters), Mains(meters, MeterRole.EXPORT)
    demand = await mains.demand(figures, terms.period)
    exported = await exports.demand(figures, terms.period) if exports.ids else demand.clear()
    return Drawn(
        demand=demand,
        exported=exported,
        daily=await mains.read(figures, Grain.DAY, terms.period),
        spans=mains.spans,
        since=cutoffs.quarters_since(mains.meters),
    )


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


def kept(terms: Terms, drawn: Drawn, prices: pl.DataFrame, load: pl.DataFrame) -> Books:
    """What the energy of the months costs, quarter by quarter."""
    energy = charges.quarters(drawn.demand, terms.timezone, terms.spans, drawn.exported)
    billed = energy.filter(pl.col("month") >= terms.since)
    charged = charges.of_energy(billed, prices, terms.spans, terms.holidays)
    return Books(terms=terms, energy=energy, charged=charged, load=load)


def billed(books: Books, drawn: Drawn) -> list[Bill]:
    """The bills of the months."""
    terms = books.terms
    months = _months(terms.months, drawn)
    return bills.made(
        months,
        books.energy,
        books.charged,
        terms.spans,
        terms.holidays,
        terms.since,
        load=books.load,
        timezone=terms.timezone,
    )


def lost(
    rows: pl.DataFrame, terms: Terms, drawn: Drawn, made: Sequence[Bill], grain: Grain
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


def _months(months: pl.DataFrame, drawn: Drawn) -> list[Month]:
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
    if (since := cutoffs.quarters_since(mains)) is not None:
        month = _whole_from(terms.months, since)
        answered = month if grain is Grain.MONTH else periods.ceil(month, grain, terms.timezone)
        cutoffs.check_quarters(mains, terms.billed.start, answered)


def _refuse_more_than_can_be_shown(buckets: int, spans: Sequence[Span], grain: Grain) -> None:
    most = max(len(span.tariff.components) if span.tariff else 1 for span in spans)
    if buckets * most > periods.MAX_ROWS:
        detail = f"{buckets} buckets of a {grain} with {most} components are more than"
        raise periods.invalid("end", f"{detail} {periods.MAX_ROWS} rows")


def _day(at: datetime, timezone: str) -> date:
    """The local day in which an instant lies."""
    return at.astimezone(periods.zone(timezone)).date()
