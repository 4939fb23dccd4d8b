"""Figures of several sites in one: by step, over the period, and side by side."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from wattbook.core import frames
from wattbook.core.carbon import location
from wattbook.core.frames import known_sum
from wattbook.core.meters import presence
from wattbook.core.periods import Grain, Period
from wattbook.core.ratios import ratio
from wattbook.core.reporting.site_figures import Scope, SiteFigures, highest
from wattbook.core.rollups import gaps, hashing, metrics, profile
from wattbook.core.rollups.load_factor import load_factors
from wattbook.core.rollups.profile import stepped
from wattbook.core.units import KWH_PER_MWH, SECONDS_PER_HOUR, over


def by_step(
    buckets: pl.DataFrame,
    meter_steps: pl.DataFrame,
    spans: pl.DataFrame,
    demand: pl.DataFrame,
    known: pl.DataFrame,
    emitted: pl.DataFrame,
) -> pl.DataFrame:
    """Figures of all main meters together in each step; `known` is from `load_factor.added`."""
    per_meter = meter_steps.with_columns(
        power_kw_mean=pl.col("energy_kwh") / (pl.col("covered_s") / SECONDS_PER_HOUR),
        start_utc="step_utc",
    )
    present = metrics.weighed(per_meter, buckets, spans)
    sums = present.group_by("start_utc").agg(
        energy_kwh=known_sum("energy_kwh"),
        power_kw_mean=known_sum("power_kw_mean"),
        covered_s=pl.col("covered_s").sum(),
        estimated_kwh=pl.col("estimated_kwh").sum(),
    )
    share = metrics.covered(pl.col("covered_s"), pl.col("expected_s"))
    footprints = location.sum_emissions(stepped(emitted, buckets), "step_utc").select(
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
        .join(
            load_factors(known, buckets, spans),
            on="start_utc",
            how="left",
            maintain_order="left",
        )
        .with_columns(expected_s=presence.seconds(spans, buckets))
    )
    energy = pl.col("energy_kwh")
    return rows.select(
        "start_utc",
        "end_utc",
        "energy_kwh",
        "power_kw_mean",
        "power_kw_max",
        "power_kw_max_at",
        "load_factor",
        "load_factor_time_share",
        coverage=share,
        estimated_share=pl.when(energy > 0).then(pl.col("estimated_kwh") / energy),
        emitted_kg="emitted_kg",
        intensity_g_per_kwh="intensity_g_per_kwh",
    )


def total(
    digests: Sequence[SiteFigures],
    meter_steps: pl.DataFrame,
    demand: pl.DataFrame,
    known: pl.DataFrame,
    emitted: pl.DataFrame,
    period: Period,
    spans: pl.DataFrame,
) -> dict[str, Any]:
    """The key figures. Means are formed for each meter over its own covered time, then added.

    The load factor is of the time at which every meter is `known`: from `load_factor.added`.
    """
    per_meter = meter_steps.group_by("meter_id").agg(
        energy_kwh=known_sum("energy_kwh"),
        covered_s=pl.col("covered_s").sum(),
        estimated_kwh=pl.col("estimated_kwh").sum(),
    )
    power = over(pl.col("energy_kwh") * SECONDS_PER_HOUR, pl.col("covered_s"))
    bucket = presence.bucket(period)
    seconds = presence.seconds(spans, bucket).item()
    sums: dict[str, Any] = (
        metrics.present(per_meter.with_columns(power_kw=power), bucket, spans)
        .select(
            energy_kwh=known_sum("energy_kwh"),
            power_kw_mean=known_sum("power_kw"),
            coverage=metrics.covered(pl.col("covered_s").sum(), pl.lit(seconds)),
            estimated_kwh=pl.col("estimated_kwh").sum(),
        )
        .row(0, named=True)
    )
    peak = highest(demand)
    footprint = location.sum_emissions(emitted.with_columns(every=pl.lit("all")), "every")
    names = ("emitted_kg", "intensity_g_per_kwh", "known_kwh", "fallback")
    green: dict[str, Any] = (
        dict.fromkeys(names) if footprint.is_empty() else footprint.select(names).row(0, named=True)
    )
    energy = sums["energy_kwh"]
    factor = load_factors(known, bucket, spans).drop("start_utc").row(0, named=True)
    return {
        "energy_kwh": energy,
        "power_kw_mean": sums["power_kw_mean"],
        "power_kw_max": peak[1] if peak else None,
        "power_kw_max_at": peak[0] if peak else None,
        **factor,
        "coverage": sums["coverage"],
        "estimated_share": sums["estimated_kwh"] / energy if energy else None,
        "readings": sum(each.readings for each in digests),
        **_hashing(digests),
        "emitted_kg": green["emitted_kg"],
        "intensity_g_per_kwh": green["intensity_g_per_kwh"],
        "emissions_energy_share": green["known_kwh"] / energy if energy else None,
        "fallback": green["fallback"],
    }


def _hashing(digests: Sequence[SiteFigures]) -> dict[str, float | None]:
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


def costs(digests: Sequence[SiteFigures], energy_kwh: float | None) -> pl.DataFrame:
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


def step_costs(digests: Sequence[SiteFigures], buckets: pl.DataFrame) -> pl.DataFrame:
    """What is paid in each step, by currency."""
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


def prevailing(rows: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """Sums with the quality of most of their energy, in place of the worst of any part.

    One meter of fourteen whose reading is late does not make the load of all an estimate.

    Parameters
    ----------
    rows
        `start_utc`, `quality` and others of the sums.
    parts
        `start_utc`, `energy_kwh`, `quality` of what was added up.
    """
    energy, kind = pl.col("energy_kwh"), rows.schema["quality"]
    measured = energy.filter(pl.col("quality") == gaps.MEASURED).sum()
    shares = parts.group_by("start_utc").agg(mostly=2 * measured > energy.sum())
    best = pl.lit(gaps.MEASURED, dtype=kind)
    return (
        rows.join(shares, on="start_utc", how="left", maintain_order="left")
        .with_columns(quality=pl.when("mostly").then(best).otherwise("quality"))
        .drop("mostly")
    )


def load(rows: pl.DataFrame, grain: Grain, scope: Scope) -> pl.DataFrame:
    """The load as it is drawn."""
    if grain is not Grain.DAY:
        return profile.load(rows)
    return profile.load(rows, profile.days(scope.period, scope.timezone))


def by_site(digests: Sequence[SiteFigures], emitted: pl.DataFrame) -> pl.DataFrame:
    """A row of figures for each site; price and intensity are of the energy that has one."""
    footprints = location.sum_emissions(emitted, "site_id").select(
        "site_id", "emitted_kg", "intensity_g_per_kwh"
    )
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
            "efficiency_j_per_th": each.total["efficiency_j_per_th"],
            "cost": each.money.total["cost"],
            "currency": each.money.total["currency"],
            "cost_energy_share": each.money.total["cost_energy_share"],
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
        "efficiency_j_per_th": pl.Float64,
        "cost": pl.Float64,
        "currency": pl.String,
        "cost_energy_share": pl.Float64,
    }
    priced_mwh = pl.col("energy_kwh") * pl.col("cost_energy_share") / KWH_PER_MWH
    return (
        pl.DataFrame(rows, schema=schema)
        .with_columns(ratio(pl.col("cost"), priced_mwh).over("site_id").alias("price_per_mwh"))
        .join(footprints, on="site_id", how="left", maintain_order="left")
    )


def by_operator(
    digests: Sequence[SiteFigures], sites: pl.DataFrame, period: Period
) -> pl.DataFrame:
    """A row of figures for each operator, from those of its sites; the largest first.

    Parameters
    ----------
    sites
        From `by_site`.
    """
    bucket = presence.bucket(period)
    lengths = pl.DataFrame(
        {
            "site_id": [each.site.id for each in digests],
            "expected_s": [float(presence.seconds(e.spans, bucket).item()) for e in digests],
        }
    )
    peaks = (
        pl.concat(
            each.demand.select("start_utc", "power_kw", operator=pl.lit(each.site.operator))
            for each in digests
        )
        .group_by("operator", "start_utc")
        .agg(pl.col("power_kw").sum())
        .group_by("operator")
        .agg(power_kw_max=pl.col("power_kw").max())
    )
    energy, seconds = pl.col("energy_kwh"), pl.col("expected_s")
    one = pl.col("currency").drop_nulls().n_unique() == 1
    priced = (pl.col("cost_energy_share").fill_null(0) * energy).sum()
    return (
        sites.join(lengths, on="site_id")
        .group_by("operator")
        .agg(
            sites=pl.len().cast(pl.Int64),
            energy_kwh=known_sum("energy_kwh"),
            coverage=over((pl.col("coverage").fill_null(0) * seconds).sum(), seconds.sum()),
            emitted_kg=known_sum("emitted_kg"),
            cost=pl.when(one).then(known_sum("cost")),
            currency=pl.when(one).then(pl.col("currency").drop_nulls().first()),
            cost_energy_share=over(priced, energy.sum()).fill_nan(None),
        )
        .join(peaks, on="operator", how="left")
        .sort("energy_kwh", "operator", descending=[True, False], nulls_last=True)
    )


def corrections(digests: Sequence[SiteFigures]) -> pl.DataFrame | None:
    """How often readings of each meter were corrected; null where no store keeps that."""
    known = [each.corrections for each in digests if each.corrections is not None]
    return pl.concat(known) if known else None
