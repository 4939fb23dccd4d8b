"""What a report says beside its figures: rows refused, anomalies found, an earlier period."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Final

import polars as pl

from wattbook.core import periods
from wattbook.core.anomaly.finding import Finding, Review, State
from wattbook.core.archive import tables as keeping
from wattbook.core.forecast.history import Quantity
from wattbook.core.meters import presence
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import MeterRole
from wattbook.core.reporting import ahead, comparison
from wattbook.core.reporting.comparison import Comparison
from wattbook.core.reporting.site_figures import Scope
from wattbook.core.retention import cutoffs
from wattbook.core.rollups import gaps, profile
from wattbook.flows import consistent
from wattbook.flows.entities import Found
from wattbook.flows.mains import Mains
from wattbook.flows.report_parts import Ports
from wattbook.ports.anomalies import Anomalies, FindingFilter
from wattbook.ports.archive import Archive
from wattbook.ports.forecasts import Forecasts, Run
from wattbook.ports.rollups import Rollups

REJECTS: Final = keeping.BY_NAME["rejects"]
PAGE: Final = 1000
"""So many findings are read at a time."""


async def refused(scope: Scope, found: Found, archive: Archive) -> pl.DataFrame | None:
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


async def findings(
    scope: Scope, as_of: datetime | None, anomalies: Anomalies
) -> list[Finding] | None:
    """Findings of the period that were not dismissed; null where it was not searched.

    As of an instant, those that had been found then, with what had been said of them.
    """
    found: list[Finding] = []
    for site in scope.sites:
        wanted = FindingFilter(site_id=site.id, since=scope.period.start, until=scope.period.end)
        cursor = None
        while True:
            page = await anomalies.findings(wanted, after=cursor, limit=PAGE)
            found += page.findings
            cursor = page.cursor
            if cursor is None:
                break
    if not found and not await _searched(scope, anomalies):
        return None
    known = [_as_known(each, as_of) for each in found if as_of is None or each.found_utc <= as_of]
    return [each for each in known if each.review.state is not State.DISMISSED]


def _as_known(finding: Finding, as_of: datetime | None) -> Finding:
    at = finding.review.at_utc
    if as_of is None or at is None or at <= as_of:
        return finding
    return replace(finding, review=Review())


async def _searched(scope: Scope, anomalies: Anomalies) -> bool:
    for meter_id in scope.mains:
        if (await anomalies.scores(meter_id, scope.period)).height:
            return True
    return False


async def forecast(
    scope: Scope, as_of: datetime | None, forecasts: Forecasts
) -> ahead.Ahead | None:
    """The newest stored forecast of the load after the period; null if there is none."""
    cursor = None
    while True:
        page = await forecasts.runs(
            entity_id=scope.entity,
            quantity=Quantity.LOAD,
            since=scope.period.start,
            after=cursor,
            limit=PAGE,
        )
        for each in page.runs:
            known = as_of is None or each.known_utc <= as_of
            if known and ahead.follows(each.period, scope.period):
                return _ahead(await forecasts.run(each.run_id), scope)
        if (cursor := page.cursor) is None:
            return None


def _ahead(run: Run, scope: Scope) -> ahead.Ahead | None:
    rows = ahead.steps(run.rows, run.asked.grain, run.timezone, scope.period.end)
    if rows.is_empty():
        return None
    return ahead.Ahead(
        run_id=run.run_id,
        made_utc=run.known_utc,
        origin_utc=run.period.start,
        model=run.model,
        basis=run.basis,
        reason=run.reason,
        grain=run.asked.grain,
        period=Period(rows["start_utc"][0], rows["end_utc"][-1]),
        rows=rows,
    )


async def compared(
    scope: Scope, found: Found, as_of: datetime | None, ports: Ports
) -> Comparison | None:
    """The earlier period that the report is compared with; null where none is known enough."""
    for period, yearly in comparison.candidates(scope.period, scope.timezone):
        since = cutoffs.quarters_since(found.mains)
        if since is not None and period.start < since:
            continue
        quarters = await _quarters(found, period, as_of, ports)
        if quarters.is_empty():
            continue
        made = await asyncio.to_thread(
            comparison.compare,
            quarters,
            period,
            presence.spans(found.mains, MeterRole.MAIN),
            yearly=yearly,
            buckets=_drawn(scope.period, scope.period, scope.timezone),
            earlier=_drawn(period, scope.period, scope.timezone),
        )
        if made is not None:
            return made
    return None


def _drawn(period: Period, like: Period, timezone: str) -> pl.DataFrame:
    """The buckets by which the load of a period is drawn, in those of another one's length."""
    grain = profile.grain(like)
    if grain is Grain.DAY:
        return profile.days(period, timezone)
    return profile.clipped(periods.buckets(period, grain), period)


async def _quarters(
    found: Found, period: Period, as_of: datetime | None, ports: Ports
) -> pl.DataFrame:
    mains = Mains(found.meters)

    async def read(figures: Rollups) -> pl.DataFrame:
        return await mains.read(figures, Grain.QUARTER, period)

    return await consistent.read_consistent(
        read,
        found.mains,
        period,
        as_of=as_of,
        registry=ports.registry,
        readings=ports.readings,
        rollups=ports.rollups,
        clock=ports.clock,
    )
