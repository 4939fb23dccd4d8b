"""What a site pays: its bills, and the cost of each component per bucket."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.billing import cost
from wattbook.core.billing.bill_lines import Line
from wattbook.core.billing.bills import Bill
from wattbook.core.errors import InvalidEntityError, Problem
from wattbook.core.meters import presence
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import MeterRole
from wattbook.core.registry.tariffs import Tariff
from wattbook.core.reporting.notices import Notice
from wattbook.core.retention import cutoffs
from wattbook.flows import entities
from wattbook.flows.consistent import read_consistent
from wattbook.flows.cost.terms import Terms, _refuse_more_than_can_be_shown, asked_day, terms_of
from wattbook.flows.cost.usage import (
    EnergyCharges,
    _covered,
    _whole_from,
    billed,
    charge_energy,
    drawn_by,
    loads,
    prices_of,
    unmeasured_demand,
)
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


def bill_document(bill: Bill) -> dict[str, object]:
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

    async def read(figures: Rollups) -> tuple[EnergyCharges, list[Bill], pl.DataFrame]:
        drawn = await drawn_by(found.meters, terms, figures)
        books = await asyncio.to_thread(charge_energy, terms, drawn, prices.rows, load)
        unmeasured = await unmeasured_demand(mains, terms, figures)
        made = await asyncio.to_thread(billed, books, drawn, unmeasured)
        rows = await mains.read(figures, Grain.DAY if grain is Grain.MONTH else grain, whole)
        return books, [_with_intervals(bill, mains.meters) for bill in made], rows

    books, made, rows = await read_consistent(
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
        due = cost.spread_standing_charges(made, found.timezone, grain, spread=spread)
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


def _with_intervals(bill: Bill, meters: pl.DataFrame) -> Bill:
    """The bill, with the longest time for which a meter whose demand is billed has one value."""
    lines = []
    for line in bill.lines:
        lengths = [presence.longest_interval_s(meters, each.at) for each in line.peaks]
        longest = max((each for each in lengths if each is not None), default=None)
        lines.append(replace(line, demand_interval_s=longest))
    return replace(bill, lines=tuple(lines))


def _rows(
    books: EnergyCharges,
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
