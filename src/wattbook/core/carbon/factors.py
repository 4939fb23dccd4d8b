"""Emission factors: dated rows, and which of them holds when."""

from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.errors import InputError, Problem
from wattbook.core.grid import zones

ANY_ZONE: Final = "*"
WORLD: Final = "WORLD"
MIX: Final = "mix"
LIFECYCLE: Final = "lifecycle"
PUBLISHED: Final = "published"
DEFAULT_SET: Final = "ipcc2014"
LATER: Final = "_later"
EARLIER: Final = "_earlier"
"""Ends of the name of a fallback level whose figure is of another time than the hour."""


def technology_sets(table: pl.DataFrame) -> list[str]:
    """Names of the sets that have factors by technology."""
    by_technology = table.filter(pl.col("technology") != MIX)
    return sorted(by_technology["factor_set"].unique().to_list())


def of_technologies(table: pl.DataFrame, factor_set: str) -> pl.DataFrame:
    """Lifecycle factors of one set: `technology`, `valid_from`, `g_per_kwh`, `source`.

    Raises
    ------
    InputError
        There is no such set; the message lists those there are.
    """
    known = technology_sets(table)
    if factor_set not in known:
        detail = f"{factor_set!r} is none of {', '.join(known)}"
        problem = Problem("bad_factors", detail, "factors")
        raise InputError(f"unknown factor set: {detail}", [problem])
    chosen = table.filter(
        pl.col("factor_set") == factor_set,
        pl.col("technology").is_in(frames.TECHNOLOGIES),
        scope=LIFECYCLE,
        zone=ANY_ZONE,
    )
    return chosen.select("technology", "valid_from", "valid_to", "g_per_kwh", "source").sort(
        "technology", "valid_from"
    )


def ancestors(zone: str) -> list[str]:
    """The zone and the larger ones that hold it, nearest first; the world last.

    >>> ancestors("US-CAL-CISO")
    ['US-CAL-CISO', 'US-CA', 'US', 'WORLD']
    """
    return [*zones.ancestors(zone), WORLD]


def fallback_level(zone: str, holder: str) -> str:
    """What a published figure of `holder` is called when it stands in for `zone`.

    >>> fallback_level("US-TEX-ERCO", "US-TEX-ERCO"), fallback_level("US-TEX-ERCO", "US")
    ('zone', 'country')
    >>> fallback_level("FR", "WORLD")
    'world'
    """
    if holder == WORLD:
        return "world"
    if holder == zones.resolved(zone) and "-" in holder:
        return "zone"
    return "country" if "-" not in holder else "region"


def midnight(day: str) -> pl.Expr:
    """The UTC instant at which the day in this column begins."""
    return pl.col(day).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def published(table: pl.DataFrame, zone: str, instants: pl.Series) -> pl.DataFrame:
    """The published average that stands in for a zone's own mix at each instant.

    The nearest of `ancestors` that has any figure is used: the one in force, or, where all of them
    are younger than the instant, the oldest, and the level ends in `_later`; or, where the last has
    run out, that one, and the level ends in `_earlier`.

    Returns
    -------
    polars.DataFrame
        `start_utc`, `g_per_kwh` [gCO2e/kWh], `source`, `scope`, `fallback`; one row per instant, in
        order.
    """
    averages = table.filter(factor_set=PUBLISHED, technology=MIX)
    have = averages["zone"].unique().to_list()
    holder = next((each for each in ancestors(zone) if each in have), None)
    wanted = instants.alias("start_utc").to_frame().with_row_index("place")
    if holder is None:
        nothing = pl.lit(None, dtype=pl.String)
        return wanted.select(
            "start_utc",
            g_per_kwh=pl.lit(None, dtype=pl.Float64),
            source=nothing,
            scope=nothing,
            fallback=nothing,
        )
    rows = averages.filter(zone=holder).sort("valid_from")
    dated = rows.select(
        "g_per_kwh",
        "source",
        "scope",
        from_utc=midnight("valid_from"),
        to_utc=midnight("valid_to"),
    )
    name = fallback_level(zone, holder)
    first = dated.row(0, named=True)
    return (
        wanted.sort("start_utc")
        .join_asof(dated, left_on="start_utc", right_on="from_utc")
        .sort("place")
        .select(
            "start_utc",
            g_per_kwh=pl.col("g_per_kwh").fill_null(first["g_per_kwh"]),
            source=pl.col("source").fill_null(first["source"]),
            scope=pl.col("scope").fill_null(first["scope"]),
            fallback=pl.when(pl.col("g_per_kwh").is_null())
            .then(pl.lit(name + LATER))
            .when(pl.col("start_utc") >= pl.col("to_utc"))
            .then(pl.lit(name + EARLIER))
            .otherwise(pl.lit(name)),
        )
    )


FALLBACK_NAMES: Final = {
    "none": "hourly mix",
    "reported": "hourly, as published",
    "zone": "zone, yearly",
    "region": "region, yearly",
    "country": "country, yearly",
    "world": "world, yearly",
    "unknown": "unknown",
    "mixed": "mixed",
}
"""What the fallback levels of factors are called in a sentence."""


def fallback_name(fallback: str) -> str:
    """A fallback level in words.

    >>> fallback_name("none"), fallback_name("zone_later")
    ('hourly mix', 'zone, of a later year')
    """
    if fallback.endswith(LATER):
        return f"{fallback.removesuffix(LATER)}, of a later year"
    if fallback.endswith(EARLIER):
        return f"{fallback.removesuffix(EARLIER)}, run out"
    return FALLBACK_NAMES.get(fallback, fallback)
