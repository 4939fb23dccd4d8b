"""Emissions of energy drawn from a grid, by quarter-hour, with the origin of every factor."""

from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.billing import cost
from wattbook.core.carbon import factors
from wattbook.core.frames import known_sum
from wattbook.core.grid import conditions
from wattbook.core.periods import QUARTER
from wattbook.core.ratios import ratio
from wattbook.core.units import G_PER_KG, QUARTERS_PER_HOUR

NONE: Final = "none"
REPORTED: Final = "reported"
UNKNOWN: Final = "unknown"
STORAGE: Final = ("battery",)
"""Discharge is not generation: what was charged was counted when it was made."""


def mix_intensity(grid: pl.DataFrame, technologies: pl.DataFrame) -> pl.DataFrame:
    r"""Carbon intensity of each zone and quarter-hour, from its own generation.

    .. math:: I_q = \sum_k g_{k,q} f_k / \sum_k g_{k,q}

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
        `zone`, `start_utc` (quarter-hour), `g_per_kwh` [gCO2e/kWh]; only quarters whose mix is
        known. It is not known where rows are missing, where a technology is null that the zone
        reports in that month, where nothing is generated, or where a technology that generates has
        no factor. Negative generation (a plant's own use, storage that charges) counts as none.
        A row holds for the time that it covers; where rows overlap, `in_force_by_hour` says which.

    References
    ----------
    .. [1] WRI/WBCSD, "GHG Protocol Scope 2 Guidance," 2015, ch. 6 (grid average factors).
    .. [2] IPCC AR5 WG3 Annex III, table A.III.2 (set `ipcc2014`).
    """
    whole = _whole_mixes(grid)
    rows = conditions.in_force_by_hour(whole).with_row_index("row")
    pieces = conditions.quarters(
        rows.join(_emitted(rows, technologies), on="row"),
        ("generated_mw", "emitted", "g_per_kwh"),
    )
    weight = pl.col("weight")
    pooled = ratio(pl.col("emitted") * weight, pl.col("generated_mw") * weight)
    return (
        pieces.group_by("zone", "start_utc")
        .agg(
            complete=pl.col("emitted").is_not_null().all(),
            generates=(pl.col("generated_mw") > 0).any(),
            g_per_kwh=pl.when(pl.len() == 1).then(pl.col("g_per_kwh").first()).otherwise(pooled),
        )
        .filter("complete", "generates")
        .select("zone", "start_utc", "g_per_kwh")
        .sort("zone", "start_utc")
    )


GENERATING: Final = tuple(
    f"gen_{technology}_mw" for technology in frames.TECHNOLOGIES if technology not in STORAGE
)


def _whole_mixes(grid: pl.DataFrame) -> pl.DataFrame:
    """Rows without a null of a technology that their zone reports in their month."""
    rows = conditions.of_quantity(grid, "generation")
    month = pl.col("start_utc").dt.truncate("1mo")
    lacks = (
        pl.col(name).is_null() & pl.col(name).is_not_null().any().over("zone", month)
        for name in GENERATING
    )
    return rows.filter(~pl.any_horizontal(lacks))


def _emitted(rows: pl.DataFrame, technologies: pl.DataFrame) -> pl.DataFrame:
    """Generation of each `row`, what it emits, and its intensity; null where a factor is missing.

    `emitted` is in MW × g/kWh.
    """
    dated = technologies.with_columns(
        from_utc=factors.midnight("valid_from"), to_utc=factors.midnight("valid_to")
    ).sort("from_utc")
    by_technology = (
        rows.unpivot(list(GENERATING), index=["row", "start_utc"], value_name="generated")
        .with_columns(
            pl.col("generated").clip(0),
            technology=pl.col("variable").str.strip_prefix("gen_").str.strip_suffix("_mw"),
        )
        .filter(pl.col("generated") > 0)
        .sort("start_utc")
        .join_asof(
            dated,
            left_on="start_utc",
            right_on="from_utc",
            by="technology",
            check_sortedness=False,  # both sides are sorted above
        )
    )
    run_out = (pl.col("start_utc") >= pl.col("to_utc")).fill_null(value=False)
    factor = pl.when(~run_out).then("g_per_kwh")
    sums = (
        by_technology.with_columns(factor=factor)
        .sort("row", "technology")
        .group_by("row", maintain_order=True)
        .agg(
            generated_mw=pl.col("generated").sum(),
            emitted=(pl.col("generated") * pl.col("factor")).sum(),
            complete=pl.col("factor").is_not_null().all(),
        )
    )
    emitted = pl.when("complete").then("emitted")
    return (
        rows.select("row")
        .join(sums, on="row", how="left", maintain_order="left")
        .select(
            "row",
            generated_mw=pl.col("generated_mw").fill_null(0.0),
            emitted=pl.when(pl.col("complete").is_null()).then(0.0).otherwise(emitted),
            g_per_kwh=emitted / pl.col("generated_mw"),
        )
    )


def reported_intensity(grid: pl.DataFrame) -> pl.DataFrame:
    """The intensity that the zone itself publishes, by quarter-hour; what is shorter by time."""
    rows = conditions.in_force(conditions.of_quantity(grid, "intensity"))
    return (
        conditions.quarters(rows, ("carbon_g_per_kwh",))
        .group_by("zone", "start_utc")
        .agg(g_per_kwh=conditions.weighted_mean("carbon_g_per_kwh"))
        .sort("zone", "start_utc")
    )


def known_intensity(grid: pl.DataFrame, table: pl.DataFrame, factor_set: str) -> pl.DataFrame:
    """What zones know of their own intensity, by quarter-hour: `zone`, `start_utc`, `mix`, `said`.

    `mix` is from `mix_intensity`, `said` from `reported_intensity`.
    """
    technologies = factors.of_technologies(table, factor_set)
    own = mix_intensity(grid, technologies).rename({"g_per_kwh": "mix"})
    said = reported_intensity(grid).rename({"g_per_kwh": "said"})
    key = ["zone", "start_utc"]
    return own.join(said, on=key, how="full", coalesce=True).sort(key)


def intensity(
    starts: pl.DataFrame, known: pl.DataFrame, table: pl.DataFrame, factor_set: str
) -> pl.DataFrame:
    """The factor for each zone and quarter-hour, by the first fallback level that has one.

    The rungs: the own mix of the time (`none`), the zone's published intensity (`reported`), then
    published yearly averages (`zone`, `region`, `country`, `world`, each with `_later` where only a
    younger figure exists).

    Parameters
    ----------
    starts
        `zone`, `start_utc` of the quarter-hours wanted.
    known
        From `known_intensity`, of these zones and this factor set.
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
    key = ["zone", "start_utc"]
    rows = starts.select(key).unique(maintain_order=True)
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
    mix_source = f"{factor_set}: generation by technology of the time"
    return (
        rows.join(known, on=key, how="left", maintain_order="left")
        .join(published, on=key, how="left", maintain_order="left")
        .select(
            *key,
            g_per_kwh=pl.coalesce("mix", "said", "g_per_kwh"),
            source=pl.when(pl.col("mix").is_not_null())
            .then(pl.lit(mix_source))
            .when(pl.col("said").is_not_null())
            .then(pl.lit("published intensity of the zone, as ingested"))
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
    """Location-based emissions of each row, by the factor of the quarter-hour that it is of.

    What a net meter gave back emits nothing and takes nothing off: exports are not netted from
    purchases (GHG Protocol, Scope 2 Guidance, 2015).

    Parameters
    ----------
    energy
        `zone`, `start_utc`, `energy_kwh` [kWh] of quarters; null where it is not known.
    intensities
        From `intensity`.

    Returns
    -------
    polars.DataFrame
        `energy` with `g_per_kwh` [gCO2e/kWh], `source`, `fallback` and `emitted_kg` [kgCO2e]; null
        where the energy or the factor is unknown: an unknown emission is not a clean one.
    """
    return (
        energy.with_columns(pl.col("energy_kwh").clip(lower_bound=0))
        .join(intensities, on=["zone", "start_utc"], how="left", maintain_order="left")
        .with_columns(emitted_kg=pl.col("energy_kwh") * pl.col("g_per_kwh") / G_PER_KG)
    )


def by_quarter(hours: pl.DataFrame, quarters: pl.DataFrame) -> pl.DataFrame:
    """Energy of zones by quarter-hour: `zone`, `start_utc`, `energy_kwh`, sorted.

    Parameters
    ----------
    hours, quarters
        `zone`, `start_utc`, `energy_kwh` of the same meters. What hours have and their quarters
        lack, because these were removed, lies evenly in the hour.
    """
    hour = pl.col("start_utc").dt.truncate("1h")
    known = quarters.group_by("zone", start_utc=hour).agg(known_kwh=pl.col("energy_kwh").sum())
    left = (
        hours.drop_nulls("energy_kwh")
        .join(known, on=["zone", "start_utc"], how="left")
        .with_columns(gone=pl.col("energy_kwh") - pl.col("known_kwh").fill_null(0.0))
        .filter(pl.col("gone").abs() > pl.col("energy_kwh").abs() * cost.NEGLIGIBLE)
    )
    steps = pl.DataFrame({"after": [at * QUARTER for at in range(QUARTERS_PER_HOUR)]})
    spread = left.join(steps, how="cross").select(
        "zone",
        pl.col("start_utc") + pl.col("after"),
        energy_kwh=pl.col("gone") / QUARTERS_PER_HOUR,
    )
    return (
        pl.concat([quarters.select("zone", "start_utc", "energy_kwh"), spread])
        .group_by("zone", "start_utc")
        .agg(pl.col("energy_kwh").sum())
        .sort("zone", "start_utc")
    )


def sum_emissions(hours: pl.DataFrame, by: str) -> pl.DataFrame:
    """Rows of `footprint` added up by the column `by`: energy, emissions, intensity, rungs.

    `intensity_g_per_kwh` is emissions over the energy whose factor is known. `fallback` is the one
    fallback level that was used, or `mixed`.
    """
    energy = pl.col("energy_kwh")
    used = pl.col("fallback").filter(energy.is_not_null())
    return hours.group_by(by, maintain_order=True).agg(
        energy_kwh=known_sum("energy_kwh"),
        emitted_kg=known_sum("emitted_kg"),
        known_kwh=energy.filter(pl.col("emitted_kg").is_not_null()).sum(),
        fallback=pl.when(used.n_unique() > 1).then(pl.lit("mixed")).otherwise(used.first()),
        intensity_g_per_kwh=ratio(pl.col("emitted_kg") * G_PER_KG, energy),
    )


def shares(hours: pl.DataFrame) -> pl.DataFrame:
    """The factors that were used: origin, fallback level, and their share of the energy."""
    energy = pl.col("energy_kwh")
    used = hours.drop_nulls("energy_kwh")
    whole = used["energy_kwh"].sum()
    return (
        used.group_by("source", "scope", "fallback")
        .agg(
            energy_kwh=energy.sum(),
            emitted_kg=known_sum("emitted_kg"),
            g_per_kwh=ratio(pl.col("emitted_kg") * G_PER_KG, energy),
        )
        .select(
            "source",
            "scope",
            "fallback",
            energy_share=energy / whole if whole else pl.lit(None, dtype=pl.Float64),
            g_per_kwh="g_per_kwh",
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
    made = _behind(used.filter(fallback=NONE), grid)
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


def _behind(mixed: pl.DataFrame, grid: pl.DataFrame) -> pl.DataFrame:
    """Rows of the grid whose mix holds in one of the quarters in `mixed`."""
    rows = conditions.in_force_by_hour(_whole_mixes(grid))
    pieces = conditions.quarters(rows, GENERATING)
    return pieces.join(mixed.select("zone", "start_utc"), on=["zone", "start_utc"], how="semi")
