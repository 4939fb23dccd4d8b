"""How high a demand can have been in time that was not measured quarter-hour by quarter-hour.

A register that left readings out knows how much flowed in their time, and not when: all of it may
have flowed in one quarter-hour. Where nothing is known, a site may have drawn all that it can.
"""

import math
from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.meters import presence
from wattbook.core.periods import QUARTER, QUARTER_S, QUARTER_US, Period, instant, microseconds
from wattbook.core.readings.segments import plausible_kw
from wattbook.core.registry.components import STEP_MINUTES
from wattbook.core.registry.entities import MeterKind
from wattbook.core.rollups import gaps
from wattbook.core.units import QUARTERS_PER_HOUR, US_PER_SECOND

UNMEASURED: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "start_utc": frames.UTC,
    "run": pl.Int64,
    "run_kwh": pl.Float64,
    "own_kwh": pl.Float64,
    "limit_kw": pl.Float64,
}
"""Quarter-hours of a meter whose own energy was not measured. Those that follow each other are a
`run`, all of which together drew `run_kwh` (infinite: not known); `own_kwh` is what was counted for
the quarter-hour, `limit_kw` what the site can draw (infinite: not registered)."""
NONE: Final = pl.DataFrame(schema=UNMEASURED)
_ABOUT: Final = (
    "kind",
    "expected_interval_s",
    "plausible_kw",
    "capacity_kw",
    "register_resolution_kwh",
)
_ALIKE: Final = 1e-9
"""Quarter-hours of one value differ by no more than this share, for rounding."""


def unmeasured(
    quarters: pl.DataFrame, meters: pl.DataFrame, spans: pl.DataFrame, period: Period
) -> pl.DataFrame:
    """The quarter-hours whose own energy was not measured: `UNMEASURED`, sorted by run and time.

    Parameters
    ----------
    quarters
        `frames.ROLLUPS` of the grain `15min`, of the meters whose demand is billed.
    meters
        `frames.METERS` of these meters.
    spans
        `presence.SPANS` of these meters.
    period
        On quarter-hours of UTC.

    Notes
    -----
    A run of a register that begins and ends within the period drew what the register counted from
    its first to its last quarter-hour. A meter that has one value for several quarter-hours drew
    that in each run of so many, where its values begin on multiples of their length. Everything
    else that was estimated, measured in part, or missing is unknown.
    """
    rows = _every_quarter(quarters, meters, spans, period)
    is_register = pl.col("kind") == str(MeterKind.REGISTER)
    whole = pl.col("covered_s") >= QUARTER_S
    guessed = pl.col("quality") != frames.QUALITIES[0]
    longer = pl.col("expected_interval_s") > QUARTER_S
    rows = rows.with_columns(
        counted=whole & is_register & (guessed | longer),
        valued=whole & ~guessed & longer & (pl.col("kind") == str(MeterKind.INTERVAL)),
        measured=whole & ~guessed & ~longer,
    )
    odd = rows.filter(~pl.col("measured"))
    if odd.is_empty():
        return NONE
    return _runs(odd, period).select(*UNMEASURED).sort("run", "start_utc")


def intervals_at_most(
    intervals: pl.DataFrame, minutes: int, not_measured: pl.DataFrame
) -> pl.DataFrame:
    """Intervals with `most_kw`, the most that their mean demand can have been [kW].

    Parameters
    ----------
    intervals
        `start_utc` and `kw` (null where nothing is known) of intervals of so many minutes.
    not_measured
        `UNMEASURED`, of all meters whose demand is added.

    Returns
    -------
    polars.DataFrame
        Infinite where nothing limits it; `kw` where all of the interval was measured.
    """
    if not_measured.is_empty():
        return intervals.with_columns(most_kw=pl.col("kw"))
    count = minutes // STEP_MINUTES
    touched = pl.concat(
        not_measured.with_columns(start_utc=pl.col("start_utc") - later * QUARTER)
        for later in range(count)
    ).join(intervals.select("start_utc").unique(), on="start_utc", how="semi")
    by_run = touched.group_by("start_utc", "run").agg(
        pl.col("run_kwh").first(), pl.col("own_kwh").sum(), pl.col("limit_kw").max()
    )
    extra = by_run.group_by("start_utc").agg(
        extra_kwh=(pl.col("run_kwh") - pl.col("own_kwh")).sum(), limit_kw=pl.col("limit_kw").max()
    )
    known = pl.col("kw").fill_null(0.0)
    reached = known + pl.col("extra_kwh") * QUARTERS_PER_HOUR / count
    at_most = pl.max_horizontal(known, pl.min_horizontal(reached, "limit_kw"))
    return (
        intervals.join(extra, on="start_utc", how="left", maintain_order="left")
        .with_columns(most_kw=pl.when(pl.col("extra_kwh").is_null()).then("kw").otherwise(at_most))
        .drop("extra_kwh", "limit_kw")
    )


def _every_quarter(
    quarters: pl.DataFrame, meters: pl.DataFrame, spans: pl.DataFrame, period: Period
) -> pl.DataFrame:
    """The quarter-hours for which a meter is there, with what is known of them and of the meter."""
    slots = meters.select("meter_id", slot=pl.int_range(pl.len(), dtype=pl.UInt32))
    whole = gaps.in_quarters(spans, period).filter(pl.col("from_us") < pl.col("to_us"))
    every = (
        whole.select(
            "meter_id", start_us=pl.int_ranges("from_us", "to_us", QUARTER_US, dtype=pl.Int64)
        )
        .explode("start_us")
        .select("meter_id", start_utc=instant(pl.col("start_us")))
    )
    known = every.join(
        quarters.select("meter_id", "start_utc", "energy_kwh", "covered_s", "quality"),
        on=["meter_id", "start_utc"],
        how="left",
        maintain_order="left",
    ).join(slots, on="meter_id", how="left", maintain_order="left")
    asked = known.with_columns(
        ts=microseconds("start_utc"), covered_s=pl.col("covered_s").fill_null(0)
    )
    return presence.attributes(asked, meters, _ABOUT)


def _runs(odd: pl.DataFrame, period: Period) -> pl.DataFrame:
    """Quarter-hours that were not measured, by run, with what all of the run drew."""
    length_us = pl.col("expected_interval_s") * US_PER_SECOND
    part = pl.when("valued").then(pl.col("ts") // length_us)
    goes_on = (
        (pl.col("slot") == pl.col("slot").shift(1))
        & (pl.col("ts") == pl.col("ts").shift(1) + QUARTER_US)
        & (pl.col("counted") == pl.col("counted").shift(1))
        & (pl.col("valued") == pl.col("valued").shift(1))
        & pl.col("part").eq_missing(pl.col("part").shift(1))
    )
    rows = odd.sort("slot", "ts").with_columns(part=part)
    rows = rows.with_columns(run=(~goes_on.fill_null(value=False)).cast(pl.Int64).cum_sum())
    first, last = pl.col("start_utc").min().over("run"), pl.col("start_utc").max().over("run")
    closed = (first > period.start) & (last < period.end - QUARTER)
    energy = pl.col("energy_kwh")
    alike = (energy.max() - energy.min()).over("run") <= energy.max().over("run") * _ALIKE
    full = pl.len().over("run") * QUARTER_US == length_us
    digit = pl.col("register_resolution_kwh").fill_null(0.0)
    total = energy.sum().over("run")
    return rows.with_columns(
        run_kwh=pl.when(pl.col("counted") & closed)
        .then(total + digit)
        .when(pl.col("valued") & alike & full)
        .then(total)
        .otherwise(math.inf),
        own_kwh=energy.fill_null(0.0),
        limit_kw=plausible_kw().fill_null(math.inf),
    )
