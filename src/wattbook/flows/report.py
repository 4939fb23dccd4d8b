"""Everything that a report says of a site, an operator or a zone."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

import polars as pl

from wattbook import __version__
from wattbook.core import archive as keeping
from wattbook.core import (
    digest,
    fingerprint,
    frames,
    gaps,
    metrics,
    periods,
    profile,
    report,
    retention,
)
from wattbook.core.digest import Digest, Money, Scope
from wattbook.core.entities import Meter, MeterRole, Site
from wattbook.core.factors import DEFAULT_SET
from wattbook.core.fingerprint import Fingerprint
from wattbook.core.periods import Grain, Period
from wattbook.core.report import Format, Report
from wattbook.core.retention import AS_OF_MARGIN
from wattbook.flows import entities
from wattbook.flows import metrics as figures_of
from wattbook.flows import rollup as rolling
from wattbook.flows.entities import Found
from wattbook.flows.metrics import Series
from wattbook.ports.archive import Archive
from wattbook.ports.calendar import Calendar
from wattbook.ports.figures import FigurePorts
from wattbook.ports.readings import ReadingStore
from wattbook.ports.reports import Filed, Render, Reports
from wattbook.ports.rollups import Rollups

Progress = Callable[[int, int, str], None]
"""Takes steps done, steps in all, and what comes next: a site, then a format."""

READINGS_AT_ONCE: Final = 500_000
"""About so many readings are hashed together."""
REJECTS: Final = keeping.BY_NAME["rejects"]


class Ports(FigurePorts, Protocol):
    """What a report is read from."""

    @property
    def archive(self) -> Archive: ...
    @property
    def calendar(self) -> Calendar: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One site's figures, and what they rest on."""

    digest: Digest
    quarters: pl.DataFrame
    demand: pl.DataFrame
    sums: list[pl.DataFrame]
    """From `core.fingerprint.summed`."""
    kept: int
    """Readings of the main meters in the period that are still there."""
    known_utc: datetime | None
    """When the last of what it rests on was learned."""


def timezone_of(found: Found) -> str:
    """The time zone of the days: that of the site, or of all its sites; UTC where they differ."""
    zones = found.meters["timezone"].unique().to_list()
    return str(zones[0]) if len(zones) == 1 else "UTC"


async def of(
    entity_id: str,
    period: Period,
    *,
    factor_set: str = DEFAULT_SET,
    factors: pl.DataFrame,
    as_of: datetime | None = None,
    ports: Ports,
    progress: Progress | None = None,
) -> Report:
    """The report of an entity over a period, widened to whole quarter-hours.

    Raises
    ------
    InvalidPeriodError
        `as_of` has not come yet: its answer could still change.
    RemovedError
        Quarter-hours of the period were removed: curves, gaps and demand are made of them.
    """
    found = await entities.find(entity_id, registry=ports.registry)
    period = _on_quarters(period)
    periods.buckets(period, Grain.QUARTER)  # refuses more than can be read
    retention.check_quarters(found.mains, period.start)
    sites = [await ports.registry.site(each) for each in found.meters["site_id"].unique().sort()]
    now = ports.clock.now()
    if as_of is not None and as_of > now:
        raise periods.invalid("as_of", "as_of has not come yet")
    scope = Scope(
        kind=found.kind,
        id=found.id,
        name=sites[0].name if found.kind == "site" else found.id,
        timezone=timezone_of(found),
        period=period,
        sites=tuple(sites),
        factor_set=factor_set,
        known_utc=as_of or now,
        version=__version__,
    )

    parts = await _settled(scope, found, as_of, ports, progress)
    still = await entities.find(entity_id, registry=ports.registry)
    retention.check_quarters(still.mains, period.start)  # a clean-up may have begun meanwhile
    zones = sorted({site.zone for site in sites})
    conditions = await ports.grid.read(zones, _months(period), as_of=as_of)
    rejects = await _refused(scope, found, ports.archive)
    if as_of is None:
        scope = replace(scope, known_utc=_last_change(scope, parts, conditions, rejects))

    return await asyncio.to_thread(_made, scope, parts, found, conditions, factors, rejects)


async def publish(
    report_id: str,
    entity_id: str,
    period: Period,
    forms: Sequence[Format],
    *,
    factor_set: str = DEFAULT_SET,
    factors: pl.DataFrame,
    as_of: datetime | None = None,
    ports: Ports,
    render: Render,
    reports: Reports,
    progress: Progress | None = None,
) -> Filed:
    """Make the report of an entity and keep it in these formats; done twice, it is kept once."""

    def step(done: int, sites: int, about: str) -> None:
        if progress is not None:
            progress(done, sites + len(forms), about)

    made = await of(
        entity_id,
        period,
        factor_set=factor_set,
        factors=factors,
        as_of=as_of,
        ports=ports,
        progress=step,
    )

    documents, sites = {}, len(made.scope.sites)
    for done, form in enumerate(forms):
        step(sites + done, sites, form)
        documents[form] = await asyncio.to_thread(render, made, form)

    scope = made.scope
    filed = Filed(
        report_id=report_id,
        entity_id=scope.entity,
        name=scope.name,
        period=scope.period,
        timezone=scope.timezone,
        known_utc=scope.known_utc,
        fingerprint=made.fingerprint.sha256,
        version=scope.version,
        created_utc=ports.clock.now(),
    )
    kept = await reports.file(filed, documents)
    step(sites + len(forms), sites, "")
    return kept


def _last_change(
    scope: Scope,
    parts: Sequence[Part],
    conditions: pl.DataFrame,
    rejects: pl.DataFrame | None,
) -> datetime:
    """When what the report rests on became what it is: made again, it says the same instant."""
    learned = [
        *(site.updated_utc for site in scope.sites),
        *(part.known_utc for part in parts),
        conditions["known_utc"].max(),
        None if rejects is None else rejects["latest_utc"].max(),
    ]
    return max(at for at in learned if isinstance(at, datetime))


def _made(
    scope: Scope,
    parts: Sequence[Part],
    found: Found,
    conditions: pl.DataFrame,
    table: pl.DataFrame,
    rejects: pl.DataFrame | None,
) -> Report:
    digests = [part.digest for part in parts]
    quarters = None
    if profile.grain(scope.period) is Grain.QUARTER:
        buckets = periods.buckets(scope.period, Grain.QUARTER)
        rows = pl.concat(part.quarters for part in parts)
        quarters = metrics.total(rows, buckets, max(len(scope.mains), 1))
    demand = (
        pl.concat(part.demand for part in parts)
        .group_by("start_utc")
        .agg(pl.col("power_kw").sum())
        .sort("start_utc")
    )
    made = report.made(
        scope,
        digests,
        series_grain=_parts_of(scope.period, scope.timezone),
        demand=demand,
        quarters=quarters,
        conditions=conditions,
        table=table,
        rejects=rejects,
        fingerprint=Fingerprint("", (), 0),
    )
    return replace(made, fingerprint=_printed(made, parts, found, conditions))


def _printed(
    made: Report, parts: Sequence[Part], found: Found, conditions: pl.DataFrame
) -> Fingerprint:
    """What the report rests on, in one number."""
    scope = made.scope
    meters = found.meters.drop("operator")
    settings = [
        f"entity {scope.entity}",
        fingerprint.settled("period", scope.period),
        f"timezone {scope.timezone}",
        f"factor_set {scope.factor_set}",
        *(f"method {name} {version}" for name, version in report.VERSIONS.items()),
        *fingerprint.rows_settled("meter", meters),
        *(
            fingerprint.settled(f"tariff {site.id}", tariff)
            for site in scope.sites
            for tariff in site.tariffs
        ),
        *fingerprint.rows_settled("factor", made.factors.drop("low", "high", "licence")),
    ]
    sums = [each for part in parts for each in part.sums]
    sums.append(fingerprint.summed(conditions, fingerprint.GRID))
    kept = sum(part.kept for part in parts)
    return fingerprint.of(settings, sums, uncovered=max(0, made.total["readings"] - kept))


async def _settled(
    scope: Scope,
    found: Found,
    as_of: datetime | None,
    ports: Ports,
    progress: Progress | None,
) -> list[Part]:
    """A part for each site; where readings come in meanwhile, as it was known at the beginning."""

    async def read(known: datetime | None) -> list[Part]:
        parts = []
        for done, site in enumerate(scope.sites):
            if progress is not None:
                progress(done, len(scope.sites), site.id)
            meters = found.meters.filter(site_id=site.id)
            parts.append(await _part(site, meters, scope, known, ports))
        if progress is not None:
            progress(len(scope.sites), len(scope.sites), "")
        return parts

    if as_of is not None:
        return await read(as_of)
    ids = found.meters["meter_id"].to_list()
    before = await ports.rollups.latest_mark(ids)
    parts = await read(None)
    if await ports.rollups.latest_mark(ids) == before or not ports.readings.abilities.as_of:
        return parts
    return await read(scope.known_utc)


async def _part(
    site: Site, meters: pl.DataFrame, scope: Scope, as_of: datetime | None, ports: Ports
) -> Part:
    period = scope.period
    series = await _series(site.id, period, _parts_of(period, scope.timezone), as_of, ports)
    money = await _money(site, series, scope, as_of, ports)
    mains = meters.filter(role=str(MeterRole.MAIN))
    main_ids = mains["meter_id"].to_list()

    async def read(figures: Rollups) -> pl.DataFrame:
        return await figures.read(main_ids, Grain.QUARTER, period)

    quarters = await rolling.read_settled(
        read,
        mains,
        period,
        as_of=as_of,
        registry=ports.registry,
        readings=ports.readings,
        rollups=ports.rollups,
        clock=ports.clock,
    )
    corrections = await _corrections(site.meters, scope, ports.readings)
    kept, known_utc, sums = await _sums(meters, main_ids, period, as_of, ports.readings)

    def compute() -> Part:
        _, steps = profile.steps(period, scope.timezone)
        demand = metrics.demand(quarters)
        return Part(
            digest=Digest(
                site=site,
                rows=series.rows,
                total=series.total,
                meters=series.meters,
                by_step=digest.by_step(quarters, steps),
                gaps=gaps.gaps(quarters, main_ids, period),
                peak=digest.highest(demand),
                money=money,
                events=series.events,
                corrections=corrections,
                readings=int(quarters["readings"].sum()),
            ),
            quarters=quarters if profile.grain(period) is Grain.QUARTER else quarters.clear(),
            demand=demand,
            sums=sums,
            kept=kept,
            known_utc=_latest(
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
    if not site.tariffs or not _whole(scope.period, Grain.MONTH, site.timezone):
        return Money(steps=series.rows.select(columns), total=series.total)
    months = await _series(site.id, scope.period, Grain.MONTH, as_of, ports)
    monthly = profile.steps(scope.period, scope.timezone)[0] is Grain.MONTH
    same = scope.timezone == site.timezone
    rows = months.rows if monthly and same else series.rows
    return Money(steps=rows.select(columns), total=months.total)


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
) -> tuple[int, datetime | None, list[pl.DataFrame]]:
    """How many readings of the main meters are kept; of all that decide, the last and the sums."""
    sums, kept, latest = [], 0, None
    within = pl.col("ts_utc").is_between(period.start, period.end, closed="left")
    for some in _loads(meters, period):
        rows = await _around(some, period, as_of, readings)

        def compute(
            rows: pl.DataFrame, some: pl.DataFrame
        ) -> tuple[int, datetime | None, pl.DataFrame]:
            own = fingerprint.decisive(rows, some, period)
            mine = own.filter(within, pl.col("meter_id").is_in(main_ids))
            known = _latest(own["known_utc"].max())
            return mine.height, known, fingerprint.summed(own, fingerprint.READINGS)

        count, known, summed = await asyncio.to_thread(compute, rows, some)
        kept += count
        latest = _latest(latest, known)
        sums.append(summed)
    return kept, latest, sums


def _latest(*instants: object) -> datetime | None:
    """The last of those that are known."""
    return max((at for at in instants if isinstance(at, datetime)), default=None)


def _loads(meters: pl.DataFrame, period: Period) -> list[pl.DataFrame]:
    """Meters that together have about `READINGS_AT_ONCE` readings."""
    seconds = (period.end - period.start) / timedelta(seconds=1)
    load = (seconds / pl.col("expected_interval_s")).cum_sum() // READINGS_AT_ONCE
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
    pad_s = pl.max_horizontal("expected_interval_s", "max_hold_s")
    spans = meters.select(
        "meter_id",
        "kind",
        pad_s=pad_s,
        from_utc=pl.lit(period.start, frames.UTC),
        to_utc=pl.lit(period.end, frames.UTC),
    )
    _, rows = await readings.around(spans)
    return rows


async def _refused(scope: Scope, found: Found, archive: Archive) -> pl.DataFrame | None:
    """Rows that were refused and are about this entity; null where the store keeps none."""
    if REJECTS.name not in archive.holds:
        return None
    meter_ids = found.meters["meter_id"].to_list()
    site_ids = [site.id for site in scope.sites]
    contents = await archive.contents([REJECTS])
    # A row that is not from the future comes in after the instant that it is stamped with.
    first = keeping.span(scope.period.start.date().replace(day=1)).start.date()
    parts = [gaps.NOTHING_REFUSED]
    for portion in keeping.portions(contents.filter(pl.col("month") >= first), REJECTS):
        spans = [portion.period]
        if portion.rows > 2 * REJECTS.at_once:
            spans = await archive.cut(REJECTS, portion.owners[0], portion.period, REJECTS.at_once)
        for span in spans:
            rows = await archive.take(REJECTS, portion.owners, span)
            known = rows.filter(pl.col("received_utc") <= scope.known_utc)
            parts.append(
                await asyncio.to_thread(gaps.refused, known, meter_ids, site_ids, scope.period)
            )
    return (
        pl.concat(parts)
        .group_by("reason")
        .agg(pl.col("rows").sum(), pl.col("latest_utc").max())
        .sort("rows", "reason", descending=[True, False])
    )


def _on_quarters(period: Period) -> Period:
    last = periods.floor(period.end - timedelta(microseconds=1), Grain.QUARTER)
    return Period(periods.floor(period.start, Grain.QUARTER), last + periods.QUARTER)


def _parts_of(period: Period, timezone: str) -> Grain:
    """The coarsest grain of which the period and its days are whole sums."""
    days = periods.buckets(period, Grain.DAY, timezone)
    hourly = _whole(period, Grain.HOUR, timezone)
    return periods.parts_of(Grain.DAY, days) if hourly else Grain.QUARTER


def _whole(period: Period, grain: Grain, timezone: str) -> bool:
    """Whether the period begins and ends where buckets do."""
    return all(periods.floor(at, grain, timezone) == at for at in (period.start, period.end))


def _months(period: Period) -> Period:
    """The whole UTC months around a period: what zones report is told month by month."""
    ends = periods.buckets(period, Grain.MONTH)["end_utc"]
    return Period(periods.floor(period.start, Grain.MONTH), ends[-1])
