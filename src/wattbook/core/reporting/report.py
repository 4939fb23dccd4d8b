"""What a site, an operator or a zone drew, cost and emitted over a period, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import polars as pl

from wattbook.core import frames
from wattbook.core.anomaly.finding import Finding
from wattbook.core.archive.fingerprint import Fingerprint
from wattbook.core.billing import payments
from wattbook.core.billing.payments import Payments
from wattbook.core.carbon import location
from wattbook.core.meters import presence
from wattbook.core.periods import Grain
from wattbook.core.reporting import limits, notices, totals
from wattbook.core.reporting.ahead import Ahead
from wattbook.core.reporting.comparison import Comparison
from wattbook.core.reporting.notices import Notice
from wattbook.core.reporting.site_figures import Scope, SiteFigures, combine_sites
from wattbook.core.rollups import completeness, load_factor, profile
from wattbook.core.rollups.completeness import Completeness
from wattbook.core.units import QUARTERS_PER_HOUR

SCHEMA: Final = "wattbook-report/1"
METHODS: Final = {
    "rollup": "docs/methods/rollup.md",
    "cost": "docs/methods/cost.md",
    "carbon": "docs/methods/carbon.md",
    "report": "docs/methods/report.md",
}
"""Where each method is told."""
VERSIONS: Final = dict.fromkeys(METHODS, 1)
"""One more whenever the same readings give another figure: "Figures that change" of the log."""


class Format(StrEnum):
    """What a report is handed out as."""

    PDF = "pdf"
    HTML = "html"
    JSON = "json"
    CSV = "csv"
    ZIP = "zip"
    """Every table as CSV."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How complete and how sure the figures are."""

    completeness: Completeness
    """Of readings: a register knows the energy of a time of which it sent nothing."""
    gaps: pl.DataFrame
    """Of energy."""
    rejects: pl.DataFrame | None
    """From `core.rollups.gaps.refused`; null where the store keeps none."""
    corrections: pl.DataFrame | None
    events: pl.DataFrame
    findings: tuple[Finding, ...] | None
    """What the search for anomalies found, the largest first; null where it was not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """What is drawn."""

    load_grain: Grain
    load: pl.DataFrame
    """From `core.rollups.profile.load`, with `estimated` and `received`, shares from 0 to 1."""
    heat: pl.DataFrame
    mean_day: pl.DataFrame
    """From `core.rollups.profile.mean_day`."""
    duration: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Every figure of a report, and what it rests on."""

    scope: Scope
    total: dict[str, Any]
    """The key figures; null is unknown."""
    expected_s: float
    """For how long its main meters are there, all of them added up."""
    costs: pl.DataFrame
    """`currency`, `cost`, `cost_energy_share`."""
    grain: Grain
    """Of `steps`."""
    steps: pl.DataFrame
    step_costs: pl.DataFrame
    """`start_utc`, `currency`, `cost`."""
    payments: Payments
    comparison: Comparison | None
    """With an earlier period; null where too little is known of any."""
    series_grain: Grain
    series: pl.DataFrame
    meters: pl.DataFrame
    sites: pl.DataFrame
    site_loads: pl.DataFrame
    """`core.rollups.profile.load` of each site, with `site_id`, by the hour or the day."""
    curves: Curves
    quality: Quality
    operators: pl.DataFrame
    """From `totals.by_operator`."""
    ahead: Ahead | None
    """What is expected after the period; null where no forecast of it is stored."""
    rungs: pl.DataFrame
    """From `core.carbon.location.shares`."""
    factors: pl.DataFrame
    """`frames.FACTORS` that were used."""
    fingerprint: Fingerprint
    exceeded: pl.DataFrame
    """`limits.EXCEEDED`."""
    notices: tuple[Notice, ...] = ()
    """What has to be said in front of the figures."""


PARTS: Final = ("start_utc", "energy_kwh", "quality")


def build_report(
    scope: Scope,
    digests: Sequence[SiteFigures],
    *,
    series_grain: Grain,
    demand: pl.DataFrame,
    quarters: pl.DataFrame | None,
    conditions: pl.DataFrame,
    table: pl.DataFrame,
    rejects: pl.DataFrame | None,
    findings: Sequence[Finding] | None = None,
    comparison: Comparison | None = None,
    ahead: Ahead | None = None,
    fingerprint: Fingerprint,
) -> Report:
    """The report of sites together.

    Parameters
    ----------
    scope
        Its sites are those of the digests.
    demand
        `core.rollups.metrics.demand` of all main meters.
    quarters
        Power by quarter-hour, from `together`, where the load is drawn by it.
    conditions
        `frames.GRID` of the zones over whole UTC months.
    table
        `frames.FACTORS`.
    rejects
        From `core.rollups.gaps.refused`.
    findings
        Those of the period; null where nobody searched.
    """
    period, spans = scope.period, pl.concat(each.spans for each in digests)
    grain, buckets = profile.steps(period, scope.timezone)
    emitted = _emitted(scope, digests, conditions, table)
    series = _series(digests, spans, emitted)
    came = completeness.together([each.completeness for each in digests])
    known = load_factor.added([each.known for each in digests])
    meter_steps = pl.concat(each.by_step for each in digests)
    steps = totals.by_step(buckets, meter_steps, spans, demand, known, emitted)
    total = totals.total(digests, meter_steps, demand, known, emitted, period, spans)
    sites, rungs = totals.by_site(digests, emitted), location.shares(emitted)
    return Report(
        scope=scope,
        total=total,
        expected_s=presence.seconds(spans, presence.bucket(period)).item(),
        costs=totals.costs(digests, total["energy_kwh"]),
        grain=grain,
        steps=steps.with_columns(received=completeness.of_steps(came.silences, buckets, spans)),
        step_costs=totals.step_costs(digests, buckets),
        payments=payments.together([each.payments for each in digests]),
        comparison=comparison,
        series_grain=series_grain,
        series=series,
        meters=pl.concat(each.meters for each in digests),
        sites=sites,
        operators=totals.by_operator(digests, sites, period),
        ahead=ahead,
        site_loads=_site_loads(scope, digests),
        curves=_curves(
            scope,
            totals.prevailing(series, pl.concat(each.rows.select(PARTS) for each in digests))
            if quarters is None
            else quarters,
            series,
            demand,
            came,
            spans,
        ),
        quality=_quality(digests, came, rejects, findings),
        rungs=rungs,
        exceeded=limits.exceeded(digests, period),
        notices=_notices(digests, rungs, conditions),
        factors=location.factor_rows(emitted, conditions, table, scope.factor_set),
        fingerprint=fingerprint,
    )


def _emitted(
    scope: Scope, digests: Sequence[SiteFigures], conditions: pl.DataFrame, table: pl.DataFrame
) -> pl.DataFrame:
    """The footprint of every quarter-hour of every site."""
    drawn = pl.concat(
        each.demand.select(
            "start_utc",
            energy_kwh=pl.col("power_kw") / QUARTERS_PER_HOUR,
            site_id=pl.lit(each.site.id),
            zone=pl.lit(each.site.zone),
        )
        for each in digests
    )
    known = location.known_intensity(conditions, table, scope.factor_set)
    return location.footprint(drawn, location.intensity(drawn, known, table, scope.factor_set))


def _series(
    digests: Sequence[SiteFigures], spans: pl.DataFrame, emitted: pl.DataFrame
) -> pl.DataFrame:
    """All sites together, with what they emitted."""
    series = combine_sites(digests, spans)
    footprints = location.sum_emissions(profile.stepped(emitted, series), "step_utc").select(
        "emitted_kg", "intensity_g_per_kwh", "fallback", start_utc="step_utc"
    )
    return series.join(footprints, on="start_utc", how="left", maintain_order="left")


def _site_loads(scope: Scope, digests: Sequence[SiteFigures]) -> pl.DataFrame:
    grain = profile.grain(scope.period)
    return pl.concat(
        totals.load(each.rows, grain, scope).with_columns(site_id=pl.lit(each.site.id))
        for each in digests
    )


def _curves(
    scope: Scope,
    drawn: pl.DataFrame,
    series: pl.DataFrame,
    demand: pl.DataFrame,
    came: Completeness,
    spans: pl.DataFrame,
) -> Curves:
    grain = profile.grain(scope.period)
    load = totals.load(drawn, grain, scope)
    heat = profile.heat(series, scope.timezone)
    return Curves(
        load_grain=grain,
        load=load.with_columns(received=completeness.of_steps(came.silences, load, spans)),
        heat=heat,
        mean_day=profile.mean_day(heat),
        duration=profile.duration(demand),
    )


def _quality(
    digests: Sequence[SiteFigures],
    came: Completeness,
    rejects: pl.DataFrame | None,
    findings: Sequence[Finding] | None,
) -> Quality:
    return Quality(
        completeness=came,
        gaps=pl.concat(each.gaps for each in digests).sort(
            "length_s", "meter_id", "start_utc", descending=[True, False, False]
        ),
        rejects=rejects,
        corrections=totals.corrections(digests),
        events=pl.concat(each.events for each in digests).sort(*frames.EVENTS.key),
        findings=None if findings is None else ranked(findings),
    )


def _notices(
    digests: Sequence[SiteFigures], rungs: pl.DataFrame, conditions: pl.DataFrame
) -> tuple[Notice, ...]:
    return (
        *notices.of_factors(rungs),
        *notices.of_overlaps(conditions, ("generation", "intensity")),
        *(notice for each in digests for notice in each.notices),
    )


def ranked(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """What is most at stake first; what cannot be put into energy last."""
    return tuple(
        sorted(
            findings,
            key=lambda each: (
                -abs(each.energy_at_stake_kwh or 0),
                each.start_utc,
                each.meter_id,
                each.rule,
            ),
        )
    )
