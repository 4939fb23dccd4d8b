"""Emissions of energy drawn from a grid, hour by hour, with the origin of every factor."""

from typing import Final

import polars as pl

from wattbook.core import factors, frames
from wattbook.core.frames import known_sum
from wattbook.core.units import G_PER_KG, SECONDS_PER_HOUR

NONE: Final = "none"
REPORTED: Final = "reported"
UNKNOWN: Final = "unknown"
STORAGE: Final = ("battery",)
"""Discharge is not generation: what was charged was counted when it was made."""


def mix_intensity(grid: pl.DataFrame, technologies: pl.DataFrame) -> pl.DataFrame:
    r"""Carbon intensity of each zone and hour, from its own generation.

    .. math:: I_h = \sum_k g_{k,h} f_k / \sum_k g_{k,h}

    Parameters
    ----------
    grid
        Rows of `frames.GRID` over whole UTC months, so that the technologies which a zone reports
        can be told from those it does not have.
    technologies
        `factors.of_technologies`.

    Returns
    -------
    polars.DataFrame
        `zone`, `start_utc` (hour), `g_per_kwh` [gCO2e/kWh]; only hours whose mix is known. It is
        not known where rows are missing in the hour, where a technology is null that the zone
        reports in that month, where nothing is generated, or where a technology that generates has
        no factor. Negative generation (a plant's own use, storage that charges) counts as none.

    References
    ----------
    .. [1] WRI/WBCSD, "GHG Protocol Scope 2 Guidance," 2015, ch. 6 (grid average factors).
    .. [2] IPCC AR5 WG3 Annex III, table A.III.2 (set `ipcc2014`).
    """
    names = [
        f"gen_{technology}_mw" for technology in frames.TECHNOLOGIES if technology not in STORAGE
    ]
    month = pl.col("start_utc").dt.truncate("1mo")
    reported = [
        pl.col(name).is_not_null().any().over("zone", month).alias(f"{name}?") for name in names
    ]
    missing = pl.any_horizontal(pl.col(f"{name}?") & pl.col(name).is_null() for name in names)
    rows = grid.with_columns(reported).with_columns(missing=missing)
    weight = pl.col("interval_s")
    hours = rows.group_by("zone", hour=pl.col("start_utc").dt.truncate("1h")).agg(
        *((pl.col(name).clip(0) * weight).sum() for name in names),
        missing=pl.col("missing").any(),
        known_s=weight.clip(0, SECONDS_PER_HOUR).sum(),
        long=(weight > SECONDS_PER_HOUR).any(),
    )
    whole = hours.filter(~pl.col("missing"), ~pl.col("long"), pl.col("known_s") >= SECONDS_PER_HOUR)
    by_technology = (
        whole.unpivot(names, index=["zone", "hour"], value_name="generated")
        .filter(pl.col("generated") > 0)
        .with_columns(
            technology=pl.col("variable").str.strip_prefix("gen_").str.strip_suffix("_mw")
        )
        .sort("hour")
        .join_asof(
            technologies.with_columns(
                from_utc=factors.midnight("valid_from"), to_utc=factors.midnight("valid_to")
            ).sort("from_utc"),
            left_on="hour",
            right_on="from_utc",
            by="technology",
            check_sortedness=False,  # both sides are sorted above
        )
    )
    run_out = (pl.col("hour") >= pl.col("to_utc")).fill_null(value=False)
    by_technology = by_technology.with_columns(
        g_per_kwh=pl.when(~run_out).then("g_per_kwh"),
    )
    return (
        by_technology.sort("zone", "hour", "technology")
        .group_by("zone", "hour", maintain_order=True)
        .agg(
            g_per_kwh=(pl.col("generated") * pl.col("g_per_kwh")).sum() / pl.col("generated").sum(),
            complete=pl.col("g_per_kwh").is_not_null().all(),
        )
        .filter("complete")
        .select("zone", "g_per_kwh", start_utc="hour")
        .select("zone", "start_utc", "g_per_kwh")
    )


def reported_intensity(grid: pl.DataFrame) -> pl.DataFrame:
    """The intensity that the zone itself publishes: mean over the rows of each hour."""
    return (
        grid.drop_nulls("carbon_g_per_kwh")
        .group_by("zone", start_utc=pl.col("start_utc").dt.truncate("1h"))
        .agg(g_per_kwh=pl.col("carbon_g_per_kwh").mean())
        .sort("zone", "start_utc")
    )


def intensity(
    hours: pl.DataFrame, grid: pl.DataFrame, table: pl.DataFrame, factor_set: str
) -> pl.DataFrame:
    """The factor for each zone and hour, by the first rung of the ladder that has one.

    The rungs: the hour's own mix (`none`), the zone's published hourly intensity (`reported`), then
    published yearly averages (`zone`, `region`, `country`, `world`, each with `_later` where only a
    younger figure exists).

    Parameters
    ----------
    hours
        `zone`, `start_utc`: instants in the hours wanted.
    grid
        `frames.GRID` over whole UTC months around them.
    table
        `frames.FACTORS`.
    factor_set
        The set of technology factors for the mix.

    Returns
    -------
    polars.DataFrame
        `zone`, `start_utc`, `g_per_kwh` [gCO2e/kWh], `source`, `scope` (`lifecycle` or `direct`;
        null where a zone published it without saying), `fallback`.
    """
    technologies = factors.of_technologies(table, factor_set)
    own = mix_intensity(grid, technologies).rename({"g_per_kwh": "mix"})
    said = reported_intensity(grid).rename({"g_per_kwh": "said"})
    key = ["zone", "start_utc"]
    rows = hours.select("zone", pl.col("start_utc").dt.truncate("1h")).unique(maintain_order=True)
    yearly = [
        factors.published(table, str(zone), group["start_utc"]).with_columns(zone=pl.lit(str(zone)))
        for (zone,), group in rows.group_by("zone", maintain_order=True)
    ]
    if not yearly:
        return rows.with_columns(
            g_per_kwh=pl.lit(None, dtype=pl.Float64),
            source=pl.lit(None, dtype=pl.String),
            scope=pl.lit(None, dtype=pl.String),
            fallback=pl.lit(None, dtype=pl.String),
        )
    published = pl.concat(yearly)
    mix_source = f"{factor_set}: generation by technology of the hour"
    return (
        rows.join(own, on=key, how="left", maintain_order="left")
        .join(said, on=key, how="left", maintain_order="left")
        .join(published, on=key, how="left", maintain_order="left")
        .select(
            *key,
            g_per_kwh=pl.coalesce("mix", "said", "g_per_kwh"),
            source=pl.when(pl.col("mix").is_not_null())
            .then(pl.lit(mix_source))
            .when(pl.col("said").is_not_null())
            .then(pl.lit("published hourly intensity of the zone, as ingested"))
            .otherwise("source"),
            scope=pl.when(pl.col("mix").is_not_null())
            .then(pl.lit(factors.LIFECYCLE))
            .when(pl.col("said").is_null())
            .then("scope"),
            fallback=pl.when(pl.col("mix").is_not_null())
            .then(pl.lit(NONE))
            .when(pl.col("said").is_not_null())
            .then(pl.lit(REPORTED))
            .otherwise(pl.col("fallback").fill_null(UNKNOWN)),
        )
    )


def footprint(energy: pl.DataFrame, intensities: pl.DataFrame) -> pl.DataFrame:
    """Location-based emissions of each row, by the factor of the hour in which it starts.

    Parameters
    ----------
    energy
        `zone`, `start_utc`, `energy_kwh` [kWh] of hours or quarters; null where it is not known.
    intensities
        From `intensity`.

    What a net meter gave back emits nothing and takes nothing off: exports are not netted from
    purchases (GHG Protocol, Scope 2 Guidance, 2015).

    Returns
    -------
    polars.DataFrame
        `energy` with `g_per_kwh` [gCO2e/kWh], `source`, `fallback` and `emitted_kg` [kgCO2e]; null
        where the energy or the factor is unknown: an unknown emission is not a clean one.
    """
    factor = intensities.rename({"start_utc": "hour"})
    return (
        energy.with_columns(
            hour=pl.col("start_utc").dt.truncate("1h"),
            energy_kwh=pl.col("energy_kwh").clip(lower_bound=0),
        )
        .join(factor, on=["zone", "hour"], how="left", maintain_order="left")
        .drop("hour")
        .with_columns(emitted_kg=pl.col("energy_kwh") * pl.col("g_per_kwh") / G_PER_KG)
    )


def summed(hours: pl.DataFrame, by: str) -> pl.DataFrame:
    """Rows of `footprint` added up by the column `by`: energy, emissions, intensity, rungs.

    `intensity_g_per_kwh` is emissions over the energy whose factor is known. `fallback` is the one
    rung that was used, or `mixed`.
    """
    known = pl.col("emitted_kg").is_not_null()
    energy = pl.col("energy_kwh")
    used = pl.col("fallback").filter(energy.is_not_null())
    return (
        hours.group_by(by, maintain_order=True)
        .agg(
            energy_kwh=known_sum("energy_kwh"),
            emitted_kg=known_sum("emitted_kg"),
            known_kwh=energy.filter(known).sum(),
            fallback=pl.when(used.n_unique() > 1).then(pl.lit("mixed")).otherwise(used.first()),
        )
        .with_columns(
            intensity_g_per_kwh=pl.when(pl.col("known_kwh") > 0).then(
                pl.col("emitted_kg") * G_PER_KG / pl.col("known_kwh")
            )
        )
    )


def shares(hours: pl.DataFrame) -> pl.DataFrame:
    """Which factors were used for how much of the energy: their origin, rung and share."""
    energy = pl.col("energy_kwh")
    used = hours.drop_nulls("energy_kwh")
    whole = used["energy_kwh"].sum()
    return (
        used.group_by("source", "scope", "fallback")
        .agg(
            energy_kwh=energy.sum(),
            emitted_kg=known_sum("emitted_kg"),
        )
        .select(
            "source",
            "scope",
            "fallback",
            energy_share=energy / whole if whole else pl.lit(None, dtype=pl.Float64),
            g_per_kwh=pl.when(energy > 0).then(pl.col("emitted_kg") * G_PER_KG / energy),
        )
        .sort("energy_share", "fallback", descending=[True, False])
    )


def factor_rows(
    hours: pl.DataFrame, grid: pl.DataFrame, table: pl.DataFrame, factor_set: str
) -> pl.DataFrame:
    """The rows of the factor table on which the emissions of `hours` rest, sorted by its key.

    Parameters
    ----------
    hours
        From `footprint`.
    grid
        `frames.GRID` from which the mixes of the hours were made.
    table
        `frames.FACTORS`.
    factor_set
        The set of technology factors for the mix.
    """
    used = hours.drop_nulls("emitted_kg")
    mixed = used.filter(fallback=NONE).select("zone", hour=pl.col("start_utc").dt.truncate("1h"))
    made = grid.with_columns(hour=pl.col("start_utc").dt.truncate("1h")).join(
        mixed.unique(), on=["zone", "hour"], how="semi"
    )
    technologies = [
        technology
        for technology in frames.TECHNOLOGIES
        if technology not in STORAGE and (made[f"gen_{technology}_mw"] > 0).any()
    ]
    by_technology = table.filter(
        pl.col("factor_set") == factor_set,
        pl.col("technology").is_in(technologies),
        scope=factors.LIFECYCLE,
        zone=factors.ANY_ZONE,
    )
    averages = table.filter(factor_set=factors.PUBLISHED, technology=factors.MIX)
    have = set(averages["zone"])
    stood_in = used.filter(~pl.col("fallback").is_in([NONE, REPORTED]))
    chosen = [
        averages.filter(zone=next(each for each in factors.ancestors(str(zone)) if each in have))
        .join(rows.select("source", "g_per_kwh").unique(), on=["source", "g_per_kwh"], how="semi")
        .select(table.columns)
        for (zone,), rows in stood_in.group_by("zone", maintain_order=True)
    ]
    return pl.concat([by_technology, *chosen]).unique().sort(frames.FACTORS.key)
