"""Everything that a report says of a site, an operator or a zone."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from wattbook import __version__
from wattbook.core import manifest, periods
from wattbook.core.anomaly.finding import Finding
from wattbook.core.archive import fingerprint
from wattbook.core.archive.fingerprint import Fingerprint
from wattbook.core.carbon.factors import DEFAULT_SET
from wattbook.core.meters import presence
from wattbook.core.periods import Grain, Period
from wattbook.core.reporting import report, site_figures, totals
from wattbook.core.reporting.ahead import Ahead
from wattbook.core.reporting.comparison import Comparison
from wattbook.core.reporting.report import Format, Report
from wattbook.core.reporting.site_figures import Scope
from wattbook.core.retention import cutoffs
from wattbook.core.rollups import metrics, profile
from wattbook.flows import conditions as zone_rows
from wattbook.flows import entities
from wattbook.flows import report_evidence as evidence
from wattbook.flows.entities import Found
from wattbook.flows.report_parts import Counted, Part, Ports, part_of, parts_of
from wattbook.ports.reports import Render, Reports, StoredReport

Progress = Callable[[int, int, str], None]
"""Takes steps done, steps in all, and what comes next: a site, then a format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is said beside the figures of the sites."""

    rejects: pl.DataFrame | None
    findings: Sequence[Finding] | None
    comparison: Comparison | None
    ahead: Ahead | None


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
    final: bool = False,
    ports: Ports,
    progress: Progress | None = None,
) -> Report:
    """The report of an entity over a period, widened to whole quarter-hours.

    Raises
    ------
    InvalidPeriodError
        `as_of`, or the end of a period whose report is to be final, is in the future.
    RemovedError
        Quarter-hours of the period were removed: curves, gaps and demand are made of them.
    """
    found = await entities.find(entity_id, as_of=as_of, registry=ports.registry)
    period = _on_quarters(period)
    periods.buckets(period, Grain.QUARTER)  # refuses more than can be read
    cutoffs.check_quarters(found.mains, period.start)
    sites = [await ports.registry.site(each) for each in found.meters["site_id"].unique().sort()]
    now = ports.clock.now()
    if as_of is not None and as_of > now:
        raise periods.invalid("as_of", "as_of is in the future")
    if final and period.end > now:
        raise periods.invalid("end", "a final report needs a period that is over")
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
        final=final,
    )

    parts = await _settled(scope, found, as_of, ports, progress)
    still = await entities.find(entity_id, as_of=as_of, registry=ports.registry)
    cutoffs.check_quarters(still.mains, period.start)  # a clean-up may have begun meanwhile
    zones = sorted({site.zone for site in sites})
    conditions = await zone_rows.read(zones, _months(period), grid=ports.grid, as_of=as_of)
    rejects = await evidence.refused(scope, found, ports.archive)
    findings = await evidence.findings(scope, as_of, ports.anomalies)
    earlier = await evidence.compared(scope, found, as_of, ports)
    ahead = await evidence.forecast(scope, as_of, ports.forecasts)
    beside = Beside(rejects=rejects, findings=findings, comparison=earlier, ahead=ahead)
    if as_of is None:
        scope = replace(scope, known_utc=_last_change(scope, parts, conditions, beside))

    return await asyncio.to_thread(_made, scope, parts, found, conditions, factors, beside)


async def publish(
    report_id: str,
    entity_id: str,
    period: Period,
    forms: Sequence[Format],
    *,
    factor_set: str = DEFAULT_SET,
    factors: pl.DataFrame,
    as_of: datetime | None = None,
    final: bool = False,
    ports: Ports,
    render: Render,
    reports: Reports,
    progress: Progress | None = None,
) -> StoredReport:
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
        final=final,
        ports=ports,
        progress=step,
    )

    documents, sites = {}, len(made.scope.sites)
    for done, form in enumerate(forms):
        step(sites + done, sites, form)
        documents[form] = await asyncio.to_thread(render, made, form)

    scope = made.scope
    filed = StoredReport(
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
    beside: Beside,
) -> datetime:
    """When what the report rests on became what it is: made again, it says the same instant."""
    learned = [
        *(site.updated_utc for site in scope.sites),
        *(part.known_utc for part in parts),
        conditions["known_utc"].max(),
        None if beside.rejects is None else beside.rejects["latest_utc"].max(),
        *(each.found_utc for each in beside.findings or ()),
        *(each.review.at_utc for each in beside.findings or ()),
        None if beside.ahead is None else beside.ahead.made_utc,
    ]
    return max(at for at in learned if isinstance(at, datetime))


def _made(
    scope: Scope,
    parts: Sequence[Part],
    found: Found,
    conditions: pl.DataFrame,
    table: pl.DataFrame,
    beside: Beside,
) -> Report:
    digests = [part.digest for part in parts]
    quarters = None
    if profile.grain(scope.period) is Grain.QUARTER:
        buckets = periods.buckets(scope.period, Grain.QUARTER)
        rows = pl.concat(part.quarters for part in parts)
        spans = pl.concat(each.spans for each in digests)
        quarters = totals.prevailing(metrics.total(rows, buckets, spans), rows)
    demand = (
        pl.concat(part.demand for part in parts)
        .group_by("start_utc")
        .agg(pl.col("power_kw").sum())
        .sort("start_utc")
    )
    made = report.build_report(
        scope,
        digests,
        series_grain=parts_of(scope.period, scope.timezone),
        demand=demand,
        quarters=quarters,
        conditions=conditions,
        table=table,
        rejects=beside.rejects,
        findings=beside.findings,
        comparison=beside.comparison,
        ahead=beside.ahead,
        fingerprint=Fingerprint("", (), 0),
    )
    at = made.total["power_kw_max_at"]
    interval_s = presence.longest_interval_s(found.meters, at)
    return replace(
        made,
        total=made.total
        | {
            "peak_interval_s": interval_s,
            "capacity_kw_at_peak": None
            if at is None
            else site_figures.capacity_at(scope.sites, at),
        },
        fingerprint=_printed(made, parts, found, conditions),
    )


def _printed(
    made: Report, parts: Sequence[Part], found: Found, conditions: pl.DataFrame
) -> Fingerprint:
    """What the report rests on, in one number."""
    scope = made.scope
    meters = found.meters.drop("operator")
    if presence.constant(meters):
        meters = meters.drop("valid_from_utc", "valid_to_utc", "versions")
    settings = [
        f"entity {scope.entity}",
        manifest.line("period", scope.period),
        f"timezone {scope.timezone}",
        f"factor_set {scope.factor_set}",
        *(f"method {name} {version}" for name, version in report.VERSIONS.items()),
        *fingerprint.meters_settled(meters),
        *(
            manifest.line(f"tariff {site.id}", tariff)
            for site in scope.sites
            for tariff in site.tariffs
        ),
        *fingerprint.rows_settled("factor", made.factors.drop("low", "high", "licence")),
    ]
    sums = [each for part in parts for each in part.sums]
    sums.append(fingerprint.checksums_of(conditions, fingerprint.GRID))
    counted = sum((part.counted for part in parts), Counted())
    return fingerprint.fingerprint_of(
        settings,
        sums,
        uncovered=max(0, made.total["readings"] - counted.mains),
        others=counted.others,
        around=counted.around,
    )


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
            parts.append(await part_of(site, meters, scope, known, ports))
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


def _on_quarters(period: Period) -> Period:
    last = periods.floor(period.end - timedelta(microseconds=1), Grain.QUARTER)
    return Period(periods.floor(period.start, Grain.QUARTER), last + periods.QUARTER)


def _months(period: Period) -> Period:
    """The whole UTC months around a period: what zones report is told month by month."""
    ends = periods.buckets(period, Grain.MONTH)["end_utc"]
    return Period(periods.floor(period.start, Grain.MONTH), ends[-1])
