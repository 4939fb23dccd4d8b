"""What a report needs to know of one site."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.archive import fingerprint
from wattbook.core.billing import cost, payments
from wattbook.core.billing.payments import Payments
from wattbook.core.errors import RemovedError
from wattbook.core.meters import presence
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import Meter, Site
from wattbook.core.reporting import site_figures
from wattbook.core.reporting.site_figures import Money, Scope, SiteFigures
from wattbook.core.retention.cutoffs import AS_OF_MARGIN
from wattbook.core.rollups import completeness, gaps, load_factor, metrics, profile
from wattbook.flows import consistent
from wattbook.flows import cost as paying
from wattbook.flows import metrics as figures_of
from wattbook.flows.cost import Account
from wattbook.flows.mains import Mains
from wattbook.flows.metrics import Series
from wattbook.ports.analytics import FigurePorts
from wattbook.ports.anomalies import Anomalies
from wattbook.ports.archive import Archive
from wattbook.ports.calendar import Calendar
from wattbook.ports.forecasts import Forecasts
from wattbook.ports.readings import ReadingStore
from wattbook.ports.rollups import Rollups

READINGS_PER_CHUNK: Final = 500_000
"""About so many readings are hashed together."""


class Ports(FigurePorts, Protocol):
    """What a report is read from."""

    @property
    def archive(self) -> Archive: ...
    @property
    def calendar(self) -> Calendar: ...
    @property
    def anomalies(self) -> Anomalies: ...
    @property
    def forecasts(self) -> Forecasts: ...


@dataclass(frozen=True, slots=True)
class Counted:
    """Readings that are still there and that decide the figures."""

    mains: int = 0
    """Of main meters, stamped in the period."""
    others: int = 0
    """Of other meters, stamped in the period."""
    around: int = 0
    """Stamped outside the period: held into it, or the neighbours of a register's ends."""

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(
            self.mains + other.mains, self.others + other.others, self.around + other.around
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One site's figures, and what they rest on."""

    digest: SiteFigures
    quarters: pl.DataFrame
    demand: pl.DataFrame
    sums: list[pl.DataFrame]
    """From `core.archive.fingerprint.checksums_of`."""
    counted: Counted
    known_utc: datetime | None
    """When the last of what it rests on was learned."""


async def part_of(
    site: Site, meters: pl.DataFrame, scope: Scope, as_of: datetime | None, ports: Ports
) -> Part:
    period = scope.period
    series = await _series(site.id, period, parts_of(period, scope.timezone), as_of, ports)
    paid = await _payments(site, scope, as_of, ports)
    money = await _money(site, series, scope, as_of, ports)
    mains = Mains(meters)

    async def read(figures: Rollups) -> pl.DataFrame:
        return await mains.read(figures, Grain.QUARTER, period)

    quarters = await consistent.read_consistent(
        read,
        mains.meters,
        period,
        as_of=as_of,
        registry=ports.registry,
        readings=ports.readings,
        rollups=ports.rollups,
        clock=ports.clock,
    )
    corrections = await _corrections(site.meters, scope, ports.readings)
    counted, known_utc, sums = await _sums(meters, mains.ids, period, as_of, ports.readings)

    def compute() -> Part:
        _, steps = profile.steps(period, scope.timezone)
        demand = metrics.demand(quarters)
        return Part(
            digest=SiteFigures(
                site=site,
                rows=series.rows,
                total=series.total,
                meters=series.meters,
                by_step=site_figures.by_step(quarters, steps),
                gaps=gaps.gaps(quarters, mains.spans, period),
                peak=site_figures.highest(demand),
                money=money,
                payments=paid,
                completeness=completeness.completeness(quarters, mains.meters, period),
                events=series.events,
                corrections=corrections,
                readings=int(quarters["readings"].sum()),
                demand=demand,
                known=load_factor.quarters(quarters),
                notices=series.notices,
                spans=mains.spans,
            ),
            quarters=quarters if profile.grain(period) is Grain.QUARTER else quarters.clear(),
            demand=demand,
            sums=sums,
            counted=counted,
            known_utc=latest_of(
                known_utc, None if corrections is None else corrections["latest_utc"].max()
            ),
        )

    return await asyncio.to_thread(compute)


async def _series(
    site_id: str, period: Period, grain: Grain, as_of: datetime | None, ports: Ports
) -> Series:
    return await figures_of.of_site(
        site_id,
        period,
        grain,
        as_of=as_of,
        registry=ports.registry,
        readings=ports.readings,
        rollups=ports.rollups,
        grid=ports.grid,
        calendar=ports.calendar,
        clock=ports.clock,
    )


async def _money(
    site: Site, series: Series, scope: Scope, as_of: datetime | None, ports: Ports
) -> Money:
    """What the site pays; demand and fixed charges where the period is whole months."""
    columns = ["start_utc", "cost", "currency"]
    if not site.tariffs or not whole(scope.period, Grain.MONTH, site.timezone):
        return Money(steps=series.rows.select(columns), total=series.total)
    months = await _series(site.id, scope.period, Grain.MONTH, as_of, ports)
    monthly = profile.steps(scope.period, scope.timezone)[0] is Grain.MONTH
    same = scope.timezone == site.timezone
    rows = months.rows if monthly and same else series.rows
    return Money(steps=rows.select(columns), total=months.total)


async def _payments(site: Site, scope: Scope, as_of: datetime | None, ports: Ports) -> Payments:
    """What the site pays for; nothing where quarter-hours that decide its bills were removed."""
    period = scope.period
    try:
        account = await paying.account(
            site.id,
            period,
            Grain.MONTH,
            as_of=as_of,
            registry=ports.registry,
            readings=ports.readings,
            rollups=ports.rollups,
            grid=ports.grid,
            calendar=ports.calendar,
            clock=ports.clock,
        )
    except RemovedError:
        return payments.NONE
    return await asyncio.to_thread(_paid, site, scope, account)


def _paid(site: Site, scope: Scope, account: Account) -> Payments:
    period = scope.period
    every, steps = profile.steps(period, scope.timezone)
    charged = payments.within(account.charged, period)
    months = whole(period, Grain.MONTH, site.timezone)
    monthly = every is Grain.MONTH and months and scope.timezone == site.timezone
    due = cost.spread_standing_charges(
        account.bills if monthly else (), site.timezone, Grain.MONTH, spread=False
    )
    by_bill = months and bool(site.tariffs)
    lines = (
        payments.of_bills(site.id, account.bills)
        if by_bill
        else payments.of_charges(site.id, charged)
    )
    return Payments(
        lines=lines,
        steps=payments.by_step(charged, due, steps),
        missing=payments.missing_of(site.id, account.bills if by_bill else ()),
        whole_months=months or not site.tariffs,
    )


async def _corrections(
    meters: Sequence[Meter], scope: Scope, readings: ReadingStore
) -> pl.DataFrame | None:
    if not readings.abilities.revisions:
        return None
    found = [await readings.revisions(meter.id, scope.period) for meter in meters]
    known = pl.concat(found).filter(pl.col("superseded_utc") <= scope.known_utc)
    return gaps.corrected(known)


async def _sums(
    meters: pl.DataFrame,
    main_ids: Sequence[str],
    period: Period,
    as_of: datetime | None,
    readings: ReadingStore,
) -> tuple[Counted, datetime | None, list[pl.DataFrame]]:
    """How many readings are kept, when the last of them was learned, and the sums of them."""
    sums, counted, latest = [], Counted(), None
    within = pl.col("ts_utc").is_between(period.start, period.end, closed="left")
    main = pl.col("meter_id").is_in(main_ids)
    for some in _loads(meters, period):
        rows = await _around(some, period, as_of, readings)

        def compute(
            rows: pl.DataFrame, some: pl.DataFrame
        ) -> tuple[Counted, datetime | None, pl.DataFrame]:
            own = fingerprint.decisive(rows, some, period)
            known = latest_of(own["known_utc"].max())
            counts = own.select(
                mains=(within & main).sum(), others=(within & ~main).sum(), around=(~within).sum()
            )
            return (
                Counted(*counts.row(0)),
                known,
                fingerprint.checksums_of(own, fingerprint.READINGS),
            )

        count, known, summed = await asyncio.to_thread(compute, rows, some)
        counted += count
        latest = latest_of(latest, known)
        sums.append(summed)
    return counted, latest, sums


def latest_of(*instants: object) -> datetime | None:
    """The last of those that are known."""
    return max((at for at in instants if isinstance(at, datetime)), default=None)


def _loads(meters: pl.DataFrame, period: Period) -> list[pl.DataFrame]:
    """Meters that together have about `READINGS_PER_CHUNK` readings."""
    seconds = (period.end - period.start) / timedelta(seconds=1)
    load = (seconds / pl.col("expected_interval_s")).cum_sum() // READINGS_PER_CHUNK
    loads = meters.with_columns(load=load).partition_by("load", include_key=False)
    return list(loads)


async def _around(
    meters: pl.DataFrame, period: Period, as_of: datetime | None, readings: ReadingStore
) -> pl.DataFrame:
    """The readings that decide the figures of the period, and some more."""
    ids = meters["meter_id"].to_list()
    if as_of is not None:
        margin = AS_OF_MARGIN
        return await readings.read(
            ids, Period(period.start - margin, period.end + margin), as_of=as_of
        )
    reaches = presence.reaches(meters).sort("meter_id")
    spans = reaches.select(
        "meter_id",
        "kind",
        "pad_s",
        from_utc=pl.lit(period.start, frames.UTC),
        to_utc=pl.lit(period.end, frames.UTC),
    )
    _, rows = await readings.around(spans)
    return rows


def parts_of(period: Period, timezone: str) -> Grain:
    """The coarsest grain of which the period and its days are whole sums."""
    days = periods.buckets(period, Grain.DAY, timezone)
    hourly = whole(period, Grain.HOUR, timezone)
    return periods.parts_of(Grain.DAY, days) if hourly else Grain.QUARTER


def whole(period: Period, grain: Grain, timezone: str) -> bool:
    """Whether the period begins and ends where buckets do."""
    return all(periods.floor(at, grain, timezone) == at for at in (period.start, period.end))
