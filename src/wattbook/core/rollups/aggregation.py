"""Energy and statistics per bucket: from readings to segments, to quarter-hours, to every grain.

A *segment* is a span of time over which a reading, or a pair of them, says what flowed. A
quarter-hour is the sum of the pieces of segments in it, and every other bucket is the sum of its
quarters.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.frames import known_sum
from wattbook.core.meters import presence
from wattbook.core.periods import QUARTER_S, QUARTER_US, Grain, instant
from wattbook.core.readings.segments import ordered, pieces
from wattbook.core.rollups import hashing, reactive
from wattbook.core.rollups.affected import _SLOT
from wattbook.core.units import (
    MEAN_STEP,
    SECONDS_PER_HOUR,
    US_PER_SECOND,
    on_step,
    over,
)

_DERIVED: Final = ("power_kw_mean", "coverage", "efficiency_j_per_th", "efficiency_time_share")
_GRAINS: Final = pl.Series([str(grain) for grain in Grain])
_GRAIN: Final = pl.Enum(_GRAINS)
FIGURES: Final = tuple(
    name for name in frames.ROLLUPS.columns if name not in ("computed_utc", "revision")
)


def quarters(
    readings: pl.DataFrame, meters: pl.DataFrame, refused: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Energy and statistics of each meter and quarter-hour (UTC) that a reading touches.

    Parameters
    ----------
    readings
        `frames.READINGS` in any order, unique by `meter_id` and `ts_utc`.
    meters
        `frames.METERS` of the meters that occur; readings of others are left out.
    refused
        `frames.REFUSED`: instants at which a row was refused. No value is held over them.

    Returns
    -------
    polars.DataFrame
        The columns `FIGURES` of `frames.ROLLUPS`, sorted by its key. Time that no segment covers
        lowers `coverage` [0-1]; where nothing is covered, `energy_kwh` [kWh] is null, not zero.

    Notes
    -----
    The same readings give the same bits, in whatever order or batches they came: the parts of
    every sum are multiples of `units.energy_step_kwh`, a power of two.
    """
    rows = ordered(readings, meters, refused)
    cut = pieces(rows)
    covered = (pl.min_horizontal("end", "until") - pl.col("begin")).clip(0)
    hashed = pl.col("hashrate_th").is_not_null() & pl.col("energy_kwh").is_not_null()
    sums = (
        cut.with_columns(
            covered=covered,
            hashrate_kwh=pl.when(hashed).then("energy_kwh"),
            above=frames.above_rank(),
            key=pl.col("slot") * _SLOT + pl.col("quarter"),
            **_weighted(
                "hashrate_th", "hash", pl.when(pl.col("energy_kwh").is_not_null()).then(covered)
            ),
            **_weighted("temperature_c", "warm", covered),
            **reactive.piece_parts(covered),
        )
        .with_columns(pl.col("key").set_sorted())
        .group_by("key", maintain_order=True)
        .agg(
            pl.col("energy_kwh").sum(),
            pl.col("covered").sum(),
            power_kw_min=pl.col("power_kw").min(),
            power_kw_max=pl.col("power_kw").max(),
            power_kw_max_at=pl.col("begin").get(pl.col("power_kw").arg_max()),
            hashrate_th_mean=_weighted_mean("hash"),
            hashrate_kwh=known_sum("hashrate_kwh"),
            hash_us=pl.col("hash_us").sum(),
            temperature_c_mean=_weighted_mean("warm"),
            warm_us=pl.col("warm_us").sum(),
            **reactive.bucket_sums(),
            rank=pl.col("rank").max(),
            above=pl.col("above").max(),
        )
    )
    counts = (
        rows.valued.select(key=(pl.col("slot") * _SLOT + pl.col("ts") // QUARTER_US).set_sorted())
        .group_by("key", maintain_order=True)
        .agg(readings=pl.len())
    )
    both = counts.join(sums, on="key", how="full", coalesce=True)
    start = pl.col("key") % _SLOT * QUARTER_US
    whole_rows = both.sort("key").with_columns(
        slot=pl.col("key") // _SLOT,
        start_utc=instant(start),
        power_kw_max_at=instant(pl.col("power_kw_max_at")),
        readings=pl.col("readings").fill_null(0).cast(pl.Int64),
        covered_s=over(pl.col("covered").fill_null(0), US_PER_SECOND),
        hashrate_s=over(pl.col("hash_us").fill_null(0), US_PER_SECOND),
        temperature_s=over(pl.col("warm_us").fill_null(0), US_PER_SECOND),
        bucket_s=pl.lit(QUARTER_S, dtype=pl.Int64),
    )
    return _finish(whole_rows, meters, Grain.QUARTER)


def coarsen(finer: pl.DataFrame, meters: pl.DataFrame, grain: Grain) -> pl.DataFrame:
    """Rows of a finer grain summed into the buckets of `grain`; civil days are those of the site.

    `finer` holds quarters, or days where weeks and months are wanted. Returns the columns
    `FIGURES`, sorted by key. `power_kw_min|max` are those of the finer rows.
    """
    slot = finer["meter_id"].cast(pl.Enum(meters["meter_id"])).to_physical()
    rows = finer.with_columns(slot=slot)
    timezones = meters["timezone"].unique(maintain_order=True).to_list() if grain.civil else ["UTC"]
    if len(timezones) <= 1:  # none: there are no meters, and so no rows
        return _finish(_coarsened(rows, grain, next(iter(timezones), "UTC")), meters, grain)
    zone_of = meters["timezone"].gather(slot)
    parts = [_coarsened(rows.filter(zone_of == zone), grain, zone) for zone in timezones]
    return _finish(pl.concat(parts).sort("slot", "start_utc"), meters, grain)


def _bucket_of(starts: pl.Series, grain: Grain, timezone: str) -> pl.Series:
    """The bucket of each start; civil time is worked out once a quarter, not once a row."""
    quarter = starts.to_physical() // QUARTER_US
    first, last = quarter.min(), quarter.max()
    if first is None or not grain.civil:
        return starts.to_frame("t").select(periods.bucket_start(pl.col("t"), grain)).to_series()
    span = pl.int_range(first, last + 1)  # type: ignore[operator,arg-type]
    every = pl.select(us=span * QUARTER_US)
    calendar = every.select(periods.bucket_start(instant(pl.col("us")), grain, timezone))
    return calendar.to_series().gather(quarter - first)


def _coarsened(rows: pl.DataFrame, grain: Grain, timezone: str) -> pl.DataFrame:
    """Rows of meters in one time zone, summed by meter and bucket."""
    start = _bucket_of(rows["start_utc"], grain, timezone)
    key = pl.col("slot").cast(pl.Int64) * _SLOT + start.to_physical() // QUARTER_US
    return (
        rows.with_columns(
            key=key,
            bucket_utc=start,
            rank=frames.rank(),
            above=frames.above_rank(),
            covered=_us(pl.col("covered_s")),
            hashrate_kwh=hashing.energy_kwh(),
            **_weighted("hashrate_th_mean", "hash", _us(hashing.known_s("hashrate_th"))),
            **_weighted("temperature_c_mean", "warm", _us(hashing.known_s("temperature_c"))),
            **reactive.row_parts(),
        )
        .sort("key", "start_utc")
        .group_by("key", maintain_order=True)
        .agg(
            energy_kwh=known_sum("energy_kwh"),
            power_kw_min=pl.col("power_kw_min").min(),
            power_kw_max=pl.col("power_kw_max").max(),
            power_kw_max_at=pl.col("power_kw_max_at").get(pl.col("power_kw_max").arg_max()),
            hashrate_th_mean=_weighted_mean("hash"),
            hashrate_kwh=_unless_older("hashrate_th", known_sum("hashrate_kwh")),
            hashrate_s=_unless_older("hashrate_th", over(pl.col("hash_us").sum(), US_PER_SECOND)),
            temperature_c_mean=_weighted_mean("warm"),
            temperature_s=_unless_older(
                "temperature_c", over(pl.col("warm_us").sum(), US_PER_SECOND)
            ),
            **reactive.bucket_sums(),
            readings=pl.col("readings").sum(),
            covered_s=over(pl.col("covered").sum(), US_PER_SECOND),
            rank=pl.col("rank").max(),
            above=pl.col("above").max(),
            slot=pl.col("slot").first(),
            start_utc=pl.col("bucket_utc").first(),
        )
        .with_columns(bucket_s=_length_s(grain, timezone))
    )


def every_grain(quarter_rows: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """The quarters and all that is summed from them, sorted by grain, meter and start."""
    days = coarsen(quarter_rows, meters, Grain.DAY)
    return pl.concat(
        [
            days,
            coarsen(quarter_rows, meters, Grain.HOUR),
            coarsen(days, meters, Grain.MONTH),
            quarter_rows,
            coarsen(days, meters, Grain.WEEK),
        ]
    )


def pack(rollups: pl.DataFrame) -> pl.DataFrame:
    """`frames.ROLLUPS` as stores keep them: words as small numbers, nothing that can be derived."""
    return rollups.drop(*_DERIVED).with_columns(grain_code("grain"), quality=frames.rank())


def unpack(rows: pl.DataFrame) -> pl.DataFrame:
    """What was `pack`, as `frames.ROLLUPS`; whole numbers may have come back smaller."""
    words = rows.with_columns(
        pl.col("readings", "expected", "bucket_s", "revision").cast(pl.Int64),
        grain=pl.lit(_GRAINS).gather(pl.col("grain")),
        quality=frames.quality_of(pl.col("quality")),
    )
    return frames.check(with_ratios(words), frames.ROLLUPS)


def code(grain: Grain) -> int:
    """The small number that stands for a grain."""
    return tuple(Grain).index(grain)


def grain_code(column: str) -> pl.Expr:
    """The small numbers that stand for the grains in a column."""
    return pl.col(column).cast(_GRAIN).to_physical()


def _weighted(column: str, name: str, covered_us: pl.Expr) -> dict[str, pl.Expr]:
    """The parts of a mean of `column` over the time for which it is known, exact in their sums."""
    value = pl.col(column)
    return {
        f"{name}_sum": on_step(value * over(covered_us, QUARTER_US), MEAN_STEP),
        f"{name}_us": pl.when(value.is_not_null()).then(covered_us),
    }


def _weighted_mean(name: str) -> pl.Expr:
    return over(pl.col(f"{name}_sum").sum() * QUARTER_US, pl.col(f"{name}_us").sum())


def _us(seconds: pl.Expr) -> pl.Expr:
    return (seconds * US_PER_SECOND).round().cast(pl.Int64)


def _unless_older(quantity: str, summed: pl.Expr) -> pl.Expr:
    """Null where a part was rolled up before its known time was stored."""
    known, seconds = pl.col(f"{quantity}_mean"), pl.col(hashing.known_column(quantity))
    lacks = (known.is_not_null() & seconds.is_null()).any()
    return pl.when(~lacks).then(summed)


def _finish(rows: pl.DataFrame, meters: pl.DataFrame, grain: Grain) -> pl.DataFrame:
    """What follows from the sums: names, expected readings, the worst quality, and the ratios."""
    slot = pl.col("slot")
    named = rows.with_columns(
        meter_id=pl.lit(meters["meter_id"]).gather(slot),
        grain=pl.lit(str(grain)),
        hashrate_th_mean=pl.col("hashrate_th_mean").fill_nan(None),
        temperature_c_mean=pl.col("temperature_c_mean").fill_nan(None),
        expected=presence.expected(rows, meters),
        quality=frames.quality_of(pl.col("rank")),
        above_capacity=frames.above_of(pl.col("above")),
    )
    return with_ratios(named).select(FIGURES)


def _length_s(grain: Grain, timezone: str) -> pl.Expr:
    start = pl.col("start_utc")
    if not grain.civil:
        return pl.lit(SECONDS_PER_HOUR if grain is Grain.HOUR else QUARTER_S, dtype=pl.Int64)
    local = start.dt.convert_time_zone(timezone).dt.replace_time_zone(None).dt.truncate("1d")
    end = periods.midnight_utc(local.dt.offset_by(grain.every), timezone)
    return (end - start).dt.total_seconds()


def with_ratios(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` with what follows from the other figures: mean power, coverage, efficiency."""
    hours = over(pl.col("covered_s"), SECONDS_PER_HOUR)
    return rows.with_columns(
        power_kw_mean=pl.when(hours > 0).then(over(pl.col("energy_kwh"), hours)),
        coverage=over(pl.col("covered_s"), pl.col("bucket_s")),
        **hashing.of_each_row(),
    )


def with_revisions(
    figures: pl.DataFrame, now: datetime, old: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Figures as `frames.ROLLUPS`: those that differ from `old` get a revision more.

    Rows of `old` with the same figures are left out: what did not change is not written again.
    """
    fresh = figures.with_columns(computed_utc=pl.lit(now, dtype=frames.UTC))
    if old is None or old.is_empty():
        return fresh.with_columns(revision=pl.lit(0, dtype=pl.Int64)).select(
            *frames.ROLLUPS.columns
        )
    key = list(frames.ROLLUPS.key)
    before = old.select(
        *key, *(pl.col(name).alias(f"{name}_old") for name in _COMPARED), "revision"
    )
    both = fresh.join(before, on=key, how="left", maintain_order="left")
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_old")) for name in _COMPARED)
    changed = both.filter(~same | pl.col("revision").is_null())
    return changed.with_columns(revision=(pl.col("revision") + 1).fill_null(0)).select(
        *frames.ROLLUPS.columns
    )


_COMPARED: Final[Sequence[str]] = (
    "energy_kwh",
    "power_kw_min",
    "power_kw_max",
    "power_kw_max_at",
    "hashrate_th_mean",
    "hashrate_kwh",
    "hashrate_s",
    "temperature_c_mean",
    "temperature_s",
    "readings",
    "expected",
    "covered_s",
    "quality",
    "above_capacity",
    *reactive.COLUMNS,
)
