"""What a site, an operator or a zone drew, cost and emitted over a period, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import polars as pl

from wattbook.core import carbon, frames, hashing, metrics, profile
from wattbook.core.digest import Digest, Scope, highest, stepped, together
from wattbook.core.fingerprint import Fingerprint
from wattbook.core.frames import known_sum
from wattbook.core.periods import Grain, Period
from wattbook.core.units import SECONDS_PER_HOUR, over

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

    gaps: pl.DataFrame
    rejects: pl.DataFrame | None
    """From `core.gaps.refused`; null where the store keeps none."""
    corrections: pl.DataFrame | None
    events: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """What is drawn."""

    load_grain: Grain
    load: pl.DataFrame
    heat: pl.DataFrame
    duration: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Every figure of a report, and what it rests on."""

    scope: Scope
    total: dict[str, Any]
    """The key figures; null is unknown."""
    costs: pl.DataFrame
    """`currency`, `cost`, `cost_energy_share`."""
    grain: Grain
    """Of `steps`."""
    steps: pl.DataFrame
    step_costs: pl.DataFrame
    """`start_utc`, `currency`, `cost`."""
    series_grain: Grain
    series: pl.DataFrame
    meters: pl.DataFrame
    sites: pl.DataFrame
    curves: Curves
    quality: Quality
    rungs: pl.DataFrame
    """From `core.carbon.shares`."""
    factors: pl.DataFrame
    """`frames.FACTORS` that were used."""
    fingerprint: Fingerprint


def made(
    scope: Scope,
    digests: Sequence[Digest],
    *,
    series_grain: Grain,
    demand: pl.DataFrame,
    quarters: pl.DataFrame | None,
    conditions: pl.DataFrame,
    table: pl.DataFrame,
    rejects: pl.DataFrame | None,
    fingerprint: Fingerprint,
) -> Report:
    """The report of sites together.

    Parameters
    ----------
    scope
        Its sites are those of the digests.
    demand
        `core.metrics.demand` of all main meters.
    quarters
        Power by quarter-hour, from `together`, where the load is drawn by it.
    conditions
        `frames.GRID` of the zones over whole UTC months.
    table
        `frames.FACTORS`.
    rejects
        From `core.gaps.refused`.
    """
    period, mains = scope.period, len(scope.mains)
    grain, buckets = profile.steps(period, scope.timezone)

    drawn = pl.concat(
        each.rows.select(
            "start_utc",
            "energy_kwh",
            site_id=pl.lit(each.site.id),
            zone=pl.lit(each.site.zone),
        )
        for each in digests
    )
    intensities = carbon.intensity(
        drawn.drop_nulls("energy_kwh"), conditions, table, scope.factor_set
    )
    emitted = carbon.footprint(drawn.drop_nulls("energy_kwh"), intensities)

    series = together(digests, mains).join(
        carbon.summed(emitted, "start_utc").select(
            "start_utc", "emitted_kg", "intensity_g_per_kwh", "fallback"
        ),
        on="start_utc",
        how="left",
        maintain_order="left",
    )
    meter_steps = pl.concat(each.by_step for each in digests)
    steps = _steps(buckets, meter_steps, mains, demand, emitted)
    total = _total(digests, meter_steps, demand, emitted, period, mains)
    load_grain = profile.grain(period)
    return Report(
        scope=scope,
        total=total,
        costs=_costs(digests, total["energy_kwh"]),
        grain=grain,
        steps=steps,
        step_costs=_step_costs(digests, buckets),
        series_grain=series_grain,
        series=series,
        meters=pl.concat(each.meters for each in digests),
        sites=_sites(digests, emitted),
        curves=Curves(
            load_grain=load_grain,
            load=_load(series if quarters is None else quarters, load_grain, scope),
            heat=profile.heat(series, scope.timezone),
            duration=profile.duration(demand),
        ),
        quality=Quality(
            gaps=pl.concat(each.gaps for each in digests).sort(
                "length_s", "meter_id", "start_utc", descending=[True, False, False]
            ),
            rejects=rejects,
            corrections=_corrections(digests),
            events=pl.concat(each.events for each in digests).sort(*frames.EVENTS.key),
        ),
        rungs=carbon.shares(emitted),
        factors=carbon.factor_rows(emitted, conditions, table, scope.factor_set),
        fingerprint=fingerprint,
    )


def _steps(
    buckets: pl.DataFrame,
    meter_steps: pl.DataFrame,
    mains: int,
    demand: pl.DataFrame,
    emitted: pl.DataFrame,
) -> pl.DataFrame:
    per_meter = meter_steps.with_columns(
        power_kw=pl.col("energy_kwh") / (pl.col("covered_s") / SECONDS_PER_HOUR)
    )
    sums = per_meter.group_by(start_utc="step_utc").agg(
        energy_kwh=known_sum("energy_kwh"),
        power_kw_mean=known_sum("power_kw"),
        covered_s=pl.col("covered_s").sum(),
        estimated_kwh=pl.col("estimated_kwh").sum(),
    )
    seconds = (pl.col("end_utc") - pl.col("start_utc")).dt.total_seconds() * max(mains, 1)
    footprints = carbon.summed(stepped(emitted, buckets), "step_utc").select(
        "emitted_kg", "intensity_g_per_kwh", start_utc="step_utc"
    )
    rows = (
        buckets.join(sums, on="start_utc", how="left", maintain_order="left")
        .join(
            metrics.coincident_peak(demand, buckets),
            on="start_utc",
            how="left",
            maintain_order="left",
        )
        .join(footprints, on="start_utc", how="left", maintain_order="left")
    )
    energy = pl.col("energy_kwh")
    return rows.select(
        "start_utc",
        "end_utc",
        "energy_kwh",
        "power_kw_mean",
        "power_kw_max",
        "power_kw_max_at",
        load_factor=pl.col("power_kw_mean") / pl.col("power_kw_max"),
        coverage=pl.col("covered_s").fill_null(0.0) / seconds,
        estimated_share=pl.when(energy > 0).then(pl.col("estimated_kwh") / energy),
        emitted_kg="emitted_kg",
        intensity_g_per_kwh="intensity_g_per_kwh",
    )


def _total(
    digests: Sequence[Digest],
    meter_steps: pl.DataFrame,
    demand: pl.DataFrame,
    emitted: pl.DataFrame,
    period: Period,
    mains: int,
) -> dict[str, Any]:
    """The key figures. Means are formed for each meter over its own covered time, then added."""
    per_meter = meter_steps.group_by("meter_id").agg(
        energy_kwh=known_sum("energy_kwh"),
        covered_s=pl.col("covered_s").sum(),
        estimated_kwh=pl.col("estimated_kwh").sum(),
    )
    power = over(pl.col("energy_kwh") * SECONDS_PER_HOUR, pl.col("covered_s"))
    seconds = (period.end - period.start).total_seconds() * max(mains, 1)
    known: dict[str, Any] = (
        per_meter.with_columns(power_kw=power)
        .select(
            energy_kwh=known_sum("energy_kwh"),
            power_kw_mean=known_sum("power_kw"),
            coverage=pl.col("covered_s").sum() / seconds,
            estimated_kwh=pl.col("estimated_kwh").sum(),
        )
        .row(0, named=True)
    )
    peak = highest(demand)
    footprint = carbon.summed(emitted.with_columns(every=pl.lit("all")), "every")
    names = ("emitted_kg", "intensity_g_per_kwh", "known_kwh", "fallback")
    green: dict[str, Any] = (
        dict.fromkeys(names) if footprint.is_empty() else footprint.select(names).row(0, named=True)
    )
    energy = known["energy_kwh"]
    return {
        "energy_kwh": energy,
        "power_kw_mean": known["power_kw_mean"],
        "power_kw_max": peak[1] if peak else None,
        "power_kw_max_at": peak[0] if peak else None,
        "load_factor": known["power_kw_mean"] / peak[1] if peak and peak[1] else None,
        "coverage": known["coverage"],
        "estimated_share": known["estimated_kwh"] / energy if energy else None,
        "readings": sum(each.readings for each in digests),
        **_hashing(digests),
        "emitted_kg": green["emitted_kg"],
        "intensity_g_per_kwh": green["intensity_g_per_kwh"],
        "emissions_energy_share": green["known_kwh"] / energy if energy else None,
        "fallback": green["fallback"],
    }


def _hashing(digests: Sequence[Digest]) -> dict[str, float | None]:
    """Hash rate of all sites, and their energy over their hashes while both are known."""
    rates = [each.total["hashrate_th_mean"] for each in digests]
    known = [rate for rate in rates if rate is not None]
    columns = ("hashrate_th_mean", "hashrate_kwh", "hashrate_s", "hashes_th", "covered_s")
    rows = pl.concat(each.rows.select(columns) for each in digests)
    efficiency, share = rows.select(
        hashing.efficiency_of_sums(), share=hashing.efficiency_time_share()
    ).row(0)
    return {
        "hashrate_th_mean": sum(known) if known else None,
        "efficiency_j_per_th": efficiency,
        "efficiency_time_share": share,
    }


def _costs(digests: Sequence[Digest], energy_kwh: float | None) -> pl.DataFrame:
    """What is paid in each currency, and for how much of all energy."""
    rows = [
        {
            "currency": each.money.total["currency"],
            "cost": each.money.total["cost"],
            "priced_kwh": (each.money.total["cost_energy_share"] or 0)
            * (each.total["energy_kwh"] or 0),
        }
        for each in digests
        if each.money.total["cost"] is not None
    ]
    schema = {"currency": pl.String, "cost": pl.Float64, "priced_kwh": pl.Float64}
    return (
        pl.DataFrame(rows, schema=schema)
        .group_by("currency")
        .agg(
            cost=pl.col("cost").sum(),
            cost_energy_share=pl.col("priced_kwh").sum() / (energy_kwh or 1),
        )
        .sort("currency")
    )


def _step_costs(digests: Sequence[Digest], buckets: pl.DataFrame) -> pl.DataFrame:
    rows = pl.concat(
        each.money.steps.select(
            "start_utc", pl.col("cost").cast(pl.Float64), pl.col("currency").cast(pl.String)
        )
        for each in digests
    )
    return (
        stepped(rows.drop_nulls("cost"), buckets)
        .group_by("step_utc", "currency")
        .agg(cost=pl.col("cost").sum())
        .select("currency", "cost", start_utc="step_utc")
        .select("start_utc", "currency", "cost")
        .sort("start_utc", "currency")
    )


def _load(rows: pl.DataFrame, grain: Grain, scope: Scope) -> pl.DataFrame:
    if grain is not Grain.DAY:
        return profile.load(rows)
    return profile.load(rows, profile.days(scope.period, scope.timezone))


def _sites(digests: Sequence[Digest], emitted: pl.DataFrame) -> pl.DataFrame:
    footprints = carbon.summed(emitted, "site_id").select("site_id", "emitted_kg")
    rows = [
        {
            "site_id": each.site.id,
            "name": each.site.name,
            "operator": each.site.operator,
            "zone": each.site.zone,
            "simulated": each.site.simulated,
            "energy_kwh": each.total["energy_kwh"],
            "power_kw_mean": each.total["power_kw_mean"],
            "power_kw_max": each.peak[1] if each.peak else None,
            "power_kw_max_at": each.peak[0] if each.peak else None,
            "coverage": each.total["coverage"],
            "cost": each.money.total["cost"],
            "currency": each.money.total["currency"],
        }
        for each in digests
    ]
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "site_id": pl.String,
        "name": pl.String,
        "operator": pl.String,
        "zone": pl.String,
        "simulated": pl.Boolean,
        "energy_kwh": pl.Float64,
        "power_kw_mean": pl.Float64,
        "power_kw_max": pl.Float64,
        "power_kw_max_at": frames.UTC,
        "coverage": pl.Float64,
        "cost": pl.Float64,
        "currency": pl.String,
    }
    return pl.DataFrame(rows, schema=schema).join(
        footprints, on="site_id", how="left", maintain_order="left"
    )


def _corrections(digests: Sequence[Digest]) -> pl.DataFrame | None:
    known = [each.corrections for each in digests if each.corrections is not None]
    return pl.concat(known) if known else None
