"""Energy and statistics per bucket: from readings to segments, to quarter-hours, to every grain.

A *segment* is a span of time over which a reading, or a pair of them, says what flowed. A
quarter-hour is the sum of the pieces of segments in it, and every other bucket is the sum of its
quarters.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.entities import MeterKind
from wattbook.core.periods import QUARTER_S, QUARTER_US, Grain, Period
from wattbook.core.units import (
    MEAN_STEP,
    SECONDS_PER_HOUR,
    US_PER_SECOND,
    W_PER_KW,
    energy_step_kwh,
    on_step,
    over,
)

US_PER_HOUR: Final = SECONDS_PER_HOUR * US_PER_SECOND
IMPLAUSIBLE: Final = 2
"""A register that rose by more than so many times what the capacity allows was misread.

Stamps that jitter can lift the mean power of a short span above the capacity, but not so far.
"""
STORED_GRAINS: Final = (Grain.QUARTER, Grain.HOUR, Grain.DAY, Grain.WEEK, Grain.MONTH)
FIGURES: Final = tuple(
    name for name in frames.ROLLUPS.columns if name not in ("computed_utc", "revision")
)


class EventKind(StrEnum):
    """What a register did other than count up."""

    ROLLOVER = "rollover"
    RESET = "reset"
    RETROGRADE = "retrograde"
    IMPLAUSIBLE = "implausible"


def quarters(readings: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """Energy and statistics of each meter and quarter-hour (UTC) that a reading touches.

    Parameters
    ----------
    readings
        `frames.READINGS` in any order, unique by `meter_id` and `ts_utc`.
    meters
        `frames.METERS` of the meters that occur; readings of others are left out.

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
    rows = _ordered(readings, meters)
    pieces = _pieces(_segments(rows))
    covered = (pl.min_horizontal("end", "until") - pl.col("begin")).clip(0)
    sums = (
        pieces.with_columns(
            covered=covered,
            key=pl.col("slot") * _SLOT + pl.col("quarter"),
            **_weighted("hashrate_th", "hash", covered),
            **_weighted("temperature_c", "warm", covered),
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
            temperature_c_mean=_weighted_mean("warm"),
            rank=pl.col("rank").max(),
        )
    )
    counts = (
        rows.select(key=(pl.col("slot") * _SLOT + pl.col("ts") // QUARTER_US).set_sorted())
        .group_by("key", maintain_order=True)
        .agg(readings=pl.len())
    )
    both = counts.join(sums, on="key", how="full", coalesce=True)
    start = pl.col("key") % _SLOT * QUARTER_US
    whole_rows = both.sort("key").with_columns(
        slot=pl.col("key") // _SLOT,
        start_utc=_utc(start),
        power_kw_max_at=_utc(pl.col("power_kw_max_at")),
        readings=pl.col("readings").fill_null(0).cast(pl.Int64),
        covered_s=over(pl.col("covered").fill_null(0), US_PER_SECOND),
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
    if len(timezones) == 1:
        return _finish(_coarsened(rows, grain, timezones[0]), meters, grain)
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
    calendar = every.select(periods.bucket_start(_utc(pl.col("us")), grain, timezone))
    return calendar.to_series().gather(quarter - first)


def _coarsened(rows: pl.DataFrame, grain: Grain, timezone: str) -> pl.DataFrame:
    """Rows of meters in one time zone, summed by meter and bucket."""
    covered = (pl.col("covered_s") * US_PER_SECOND).round().cast(pl.Int64)
    start = _bucket_of(rows["start_utc"], grain, timezone)
    key = pl.col("slot").cast(pl.Int64) * _SLOT + start.to_physical() // QUARTER_US
    return (
        rows.with_columns(
            key=key,
            bucket_utc=start,
            rank=_rank(),
            covered=covered,
            **_weighted("hashrate_th_mean", "hash", covered),
            **_weighted("temperature_c_mean", "warm", covered),
        )
        .sort("key", "start_utc")
        .group_by("key", maintain_order=True)
        .agg(
            energy_kwh=_sum("energy_kwh"),
            power_kw_min=pl.col("power_kw_min").min(),
            power_kw_max=pl.col("power_kw_max").max(),
            power_kw_max_at=pl.col("power_kw_max_at").get(pl.col("power_kw_max").arg_max()),
            hashrate_th_mean=_weighted_mean("hash"),
            temperature_c_mean=_weighted_mean("warm"),
            readings=pl.col("readings").sum(),
            covered_s=over(pl.col("covered").sum(), US_PER_SECOND),
            rank=pl.col("rank").max(),
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


def register_events(readings: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """What registers did other than count up: `frames.EVENTS`, sorted by key.

    A *rollover* is counted through the register's size. A *reset* (a swap, or a register set back)
    leaves a gap. A *retrograde* reading, one that dips and is followed by a return, is refused. An
    *implausible* rise, beyond `IMPLAUSIBLE` times the capacity, leaves a gap.
    """
    registers = meters.filter(kind=str(MeterKind.REGISTER))
    if registers.is_empty():
        return frames.EVENTS.empty()
    rows = _ordered(readings, registers)
    name = pl.lit(registers["meter_id"]).gather(pl.col("slot"))
    dips = rows.filter(_dips()).select(
        meter_id=name,
        at=pl.col("ts"),
        kind=pl.lit(str(EventKind.RETROGRADE)),
        detail=pl.format("reads {} kWh, after and before higher readings", "register_kwh"),
    )
    steps = _register_steps(rows).filter(pl.col("event").is_not_null())
    odd = steps.select(
        meter_id=name,
        at="next_ts",
        kind="event",
        detail=pl.format("from {} to {} kWh", "register_kwh", "next_register"),
    )
    both = pl.concat([dips, odd]).with_columns(at_utc=_utc(pl.col("at")))
    return frames.check(both, frames.EVENTS).sort(*frames.EVENTS.key)


def touched(dirty: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """Spans whose quarters can change when readings in the dirty spans changed.

    Parameters
    ----------
    dirty
        `meter_id`, `from_utc`, `to_utc` (both ends included).
    meters
        `frames.METERS`.

    Returns
    -------
    polars.DataFrame
        `meter_id`, `from_utc`, `to_utc` (end excluded), on quarter borders, merged where they meet,
        sorted; `kind`; and `pad_s`, for how long a reading before the span reaches into it. For
        registers the span still has to be widened to the neighbouring readings.
    """
    pad_s = pl.max_horizontal("expected_interval_s", "max_hold_s")
    begin, end = _us("from_utc"), _us("to_utc") + pad_s * US_PER_SECOND
    spans = (
        dirty.join(meters, on="meter_id")
        .select(
            "meter_id",
            "kind",
            pad_s=pad_s,
            begin=begin // QUARTER_US * QUARTER_US,
            end=(end // QUARTER_US + 1) * QUARTER_US,
        )
        .sort("meter_id", "begin")
    )
    before = pl.col("end").cum_max().shift(1).over("meter_id")
    island = (pl.col("begin") > before).fill_null(value=True).cum_sum()
    return (
        spans.with_columns(island=island)
        .group_by("meter_id", "island", maintain_order=True)
        .agg(pl.col("begin").min(), pl.col("end").max(), pl.col("kind", "pad_s").first())
        .select(
            "meter_id",
            "kind",
            "pad_s",
            from_utc=_utc(pl.col("begin")),
            to_utc=_utc(pl.col("end")),
        )
    )


def total(rollups: pl.DataFrame, buckets: pl.DataFrame, meter_count: int) -> pl.DataFrame:
    """One row per bucket with the sum of several meters: gaps are nulls with coverage 0.

    Parameters
    ----------
    rollups
        Rows of one grain, of the meters that are to be added.
    buckets
        `start_utc` and `end_utc` of every bucket wanted.
    meter_count
        How many meters are expected to report: a silent one lowers `coverage`.

    Returns
    -------
    polars.DataFrame
        `start_utc`, the figures, `coverage` [0-1], `meters` (how many had energy). Of several
        meters, `power_kw_max` is that of the one meter, or null: the peak of a sum is not the sum
        of the peaks, see `coincident_peak`.
    """
    weight = pl.col("covered_s")
    single = meter_count == 1
    sums = (
        rollups.with_columns(rank=_rank())
        .group_by("start_utc")
        .agg(
            energy_kwh=_sum("energy_kwh"),
            power_kw_mean=_sum("power_kw_mean"),
            power_kw_min=_sum("power_kw_min"),
            power_kw_max=_sum("power_kw_max" if single else "power_kw_mean"),
            power_kw_max_at=pl.col("power_kw_max_at").min(),
            hashrate_th_mean=_sum("hashrate_th_mean"),
            hashed_kw=pl.col("power_kw_mean")
            .filter(pl.col("hashrate_th_mean").is_not_null())
            .sum(),
            temperature_c_mean=(pl.col("temperature_c_mean") * weight).sum()
            / weight.filter(pl.col("temperature_c_mean").is_not_null()).sum(),
            readings=pl.col("readings").sum(),
            covered_s=weight.sum(),
            rank=pl.col("rank").max(),
            meters=pl.col("energy_kwh").is_not_null().sum(),
            revision=pl.col("revision").max(),
            computed_utc=pl.col("computed_utc").max(),
        )
    )
    seconds = (pl.col("end_utc") - pl.col("start_utc")).dt.total_seconds()
    rows = buckets.join(sums, on="start_utc", how="left", maintain_order="left")
    return rows.select(
        "start_utc",
        "end_utc",
        "energy_kwh",
        "power_kw_mean",
        "power_kw_min",
        "power_kw_max",
        "power_kw_max_at",
        "hashrate_th_mean",
        efficiency_j_per_th=_efficiency("hashed_kw"),
        temperature_c_mean=pl.col("temperature_c_mean").fill_nan(None),
        readings=pl.col("readings").fill_null(0),
        covered_s=weight.fill_null(0.0),
        coverage=weight.fill_null(0.0) / (seconds * meter_count),
        quality=_quality(pl.col("rank")),
        meters=pl.col("meters").fill_null(0).cast(pl.Int64),
        revision="revision",
        computed_utc="computed_utc",
    )


def power(quarter_rows: pl.DataFrame) -> pl.DataFrame:
    """Sum of the meters' mean power in each quarter: `start_utc`, `power_kw` [kW], sorted."""
    known = quarter_rows.drop_nulls("power_kw_mean").sort("start_utc", "meter_id")
    return known.group_by("start_utc", maintain_order=True).agg(
        power_kw=pl.col("power_kw_mean").sum()
    )


def coincident_peak(quarter_power: pl.DataFrame, buckets: pl.DataFrame) -> pl.DataFrame:
    """Highest summed quarter-hour mean in each bucket: `power_kw_max` [kW], `power_kw_max_at`.

    Parameters
    ----------
    quarter_power
        From `power`.
    buckets
        `start_utc` and `end_utc`.
    """
    owner = quarter_power.sort("start_utc").join_asof(
        buckets.select(bucket="start_utc", end_utc="end_utc").sort("bucket"),
        left_on="start_utc",
        right_on="bucket",
    )
    return (
        owner.filter(pl.col("start_utc") < pl.col("end_utc"))
        .group_by("bucket", maintain_order=True)
        .agg(
            power_kw_max=pl.col("power_kw").max(),
            power_kw_max_at=pl.col("start_utc").get(pl.col("power_kw").arg_max()),
        )
        .rename({"bucket": "start_utc"})
    )


def whole(rows: pl.DataFrame, period: Period, meter_count: int) -> dict[str, object]:
    """One row over the whole period from the rows of `total`."""
    weight = pl.col("covered_s")
    seconds = (period.end - period.start).total_seconds()
    hashed = pl.col("efficiency_j_per_th").is_not_null()
    summed = rows.select(
        energy_kwh=_sum("energy_kwh"),
        power_kw_mean=(pl.col("power_kw_mean") * weight).sum()
        / weight.filter(pl.col("power_kw_mean").is_not_null()).sum(),
        power_kw_min=pl.col("power_kw_min").min(),
        power_kw_max=pl.col("power_kw_max").max(),
        power_kw_max_at=pl.col("power_kw_max_at").get(pl.col("power_kw_max").arg_max()),
        hashrate_th_mean=(pl.col("hashrate_th_mean") * weight).sum()
        / weight.filter(pl.col("hashrate_th_mean").is_not_null()).sum(),
        efficiency_j_per_th=(
            pl.col("efficiency_j_per_th") * pl.col("hashrate_th_mean") * weight
        ).sum()
        / (pl.col("hashrate_th_mean") * weight).filter(hashed).sum(),
        readings=pl.col("readings").sum(),
        coverage=weight.sum() / (seconds * max(meter_count, 1)),
        quality=_quality(_rank().max()),
    )
    return summed.with_columns(pl.col(pl.Float64).fill_nan(None)).row(0, named=True)


_QUALITY: Final = pl.Enum(frames.QUALITIES)
_QUALITIES: Final = pl.Series(frames.QUALITIES)
_ESTIMATED: Final = frames.QUALITIES.index("estimated")
_SLOT: Final = 2**32
"""Keys are slot × this + quarter: one whole number that sorts by meter and time."""
_SEGMENT: Final = (
    "slot",
    "begin",
    "end",
    "until",
    "energy_kwh",
    "power_kw",
    "hashrate_th",
    "temperature_c",
    "rank",
    "resolution_kwh",
)


def _us(column: str) -> pl.Expr:
    return pl.col(column).to_physical()


def _utc(microseconds: pl.Expr) -> pl.Expr:
    return microseconds.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _rank() -> pl.Expr:
    return pl.col("quality").cast(_QUALITY).to_physical()


def _quality(rank: pl.Expr) -> pl.Expr:
    return pl.lit(_QUALITIES).gather(rank.cast(pl.UInt32))


def _weighted(column: str, name: str, covered_us: pl.Expr) -> dict[str, pl.Expr]:
    """The parts of a mean of `column` over the time for which it is known, exact in their sums."""
    value = pl.col(column)
    return {
        f"{name}_sum": on_step(value * over(covered_us, QUARTER_US), MEAN_STEP),
        f"{name}_us": pl.when(value.is_not_null()).then(covered_us),
    }


def _weighted_mean(name: str) -> pl.Expr:
    return over(pl.col(f"{name}_sum").sum() * QUARTER_US, pl.col(f"{name}_us").sum())


def _sum(column: str) -> pl.Expr:
    """Sum that is null where nothing is known."""
    value = pl.col(column)
    return pl.when(value.count() > 0).then(value.sum())


def _efficiency(power_kw: str) -> pl.Expr:
    rate = pl.col("hashrate_th_mean")
    return pl.when(rate > 0).then(over(pl.col(power_kw) * W_PER_KW, rate))


def _ordered(readings: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """Readings by meter (its `slot` in `meters`) and time, with what the meter says of itself."""
    about = meters.with_columns(resolution_kwh=energy_step_kwh(pl.col("capacity_kw")))
    slot = readings["meter_id"].cast(pl.Enum(meters["meter_id"]), strict=False).to_physical()
    return (
        readings.select(*frames.READING_VALUES, ts=_us("ts_utc"), rank=_rank(), slot=slot)
        .drop_nulls("slot")
        .with_columns(pl.lit(about[name]).gather(pl.col("slot")).alias(name) for name in _ABOUT)
        .with_columns(pl.col("slot").cast(pl.Int64))
        .sort("slot", "ts")
    )


_ABOUT: Final = (
    "kind",
    "expected_interval_s",
    "max_hold_s",
    "register_size_kwh",
    "capacity_kw",
    "resolution_kwh",
)


def _beside(column: str, step: int) -> pl.Expr:
    """The value of the same meter so many rows before (`step` > 0) or after, else null."""
    same = pl.col("slot").shift(step) == pl.col("slot")
    return pl.when(same).then(pl.col(column).shift(step))


def _segments(rows: pl.DataFrame) -> pl.DataFrame:
    """Spans [begin, end) in µs with their energy and power, of all meters.

    The energy of an interval belongs to its whole length, even where the next one begins early;
    what is covered ends there, at `until`, so that no time is counted twice.
    """
    after = _beside("ts", -1)
    held = rows.filter(pl.col("kind") != str(MeterKind.REGISTER)).with_columns(
        is_power=pl.col("kind") == str(MeterKind.POWER)
    )
    believed = pl.when("is_power").then("max_hold_s").otherwise("expected_interval_s")
    hours = over(pl.col("expected_interval_s"), SECONDS_PER_HOUR)
    length = pl.col("ts") + believed * US_PER_SECOND
    held = held.with_columns(
        begin="ts",
        until=pl.min_horizontal(after, length),
        end=pl.when("is_power").then(pl.min_horizontal(after, length)).otherwise(length),
        power_kw=pl.when("is_power").then("power_kw").otherwise(over(pl.col("energy_kwh"), hours)),
    ).with_columns(
        energy_kwh=pl.when("is_power")
        .then(over(pl.col("power_kw") * (pl.col("end") - pl.col("begin")), US_PER_HOUR))
        .otherwise("energy_kwh")
    )
    registers = rows.filter(kind=str(MeterKind.REGISTER))
    if registers.is_empty():
        return held.select(_SEGMENT)
    steps = _register_steps(registers)
    span = pl.col("next_ts") - pl.col("ts")
    spread = (span > pl.col("max_hold_s") * US_PER_SECOND).cast(pl.UInt8) * _ESTIMATED
    counted = steps.filter(pl.col("step_kwh").is_not_null()).with_columns(
        begin="ts",
        until="next_ts",
        end="next_ts",
        energy_kwh="step_kwh",
        power_kw=over(pl.col("step_kwh") * US_PER_HOUR, span),
        rank=pl.max_horizontal("rank", "next_rank", spread),
    )
    return pl.concat([held.select(_SEGMENT), counted.select(_SEGMENT)])


def _dips() -> pl.Expr:
    """A register reading below the one before, when the one after is not."""
    before, after = _beside("register_kwh", 1), _beside("register_kwh", -1)
    return ((pl.col("register_kwh") < before) & (after >= before)).fill_null(value=False)


def _register_steps(rows: pl.DataFrame) -> pl.DataFrame:
    """Pairs of consecutive readings with `step_kwh`, null where it cannot be known, and `event`."""
    rows = rows.filter(~_dips()).with_columns(
        next_ts=_beside("ts", -1),
        next_register=_beside("register_kwh", -1),
        next_rank=_beside("rank", -1),
    )
    rows = rows.filter(pl.col("next_ts").is_not_null())
    hours = over(pl.col("next_ts") - pl.col("ts"), US_PER_HOUR)
    size = pl.col("register_size_kwh")
    most = (pl.col("capacity_kw") * hours * IMPLAUSIBLE).fill_null(size / IMPLAUSIBLE)
    rise = pl.col("next_register") - pl.col("register_kwh")
    wrapped = (rise < 0) & (rise + size).is_between(0, most)
    return (
        rows.with_columns(
            event=pl.when(wrapped)
            .then(pl.lit(str(EventKind.ROLLOVER)))
            .when(rise < 0)
            .then(pl.lit(str(EventKind.RESET)))
            .when((rise > most) & pl.col("capacity_kw").is_not_null())
            .then(pl.lit(str(EventKind.IMPLAUSIBLE))),
            rise=rise,
        )
        .with_columns(
            step_kwh=pl.when(pl.col("event").is_null())
            .then("rise")
            .when(pl.col("event") == str(EventKind.ROLLOVER))
            .then(pl.col("rise") + size)
        )
        .drop("rise")
    )


def _pieces(segments: pl.DataFrame) -> pl.DataFrame:
    """Segments cut at quarter borders; the pieces of one segment add up to its energy."""
    segments = segments.filter(pl.col("end") > pl.col("begin")).with_columns(
        quarter=pl.col("begin") // QUARTER_US,
        last=(pl.col("end") - 1) // QUARTER_US,
    )
    inside = pl.col("quarter") == pl.col("last")
    cut = (
        segments.filter(~inside)
        .with_columns(
            quarter=pl.int_ranges("quarter", pl.col("last") + 1),
            from_=pl.col("begin"),
            to=pl.col("end"),
        )
        .explode("quarter")
        .with_columns(
            begin=pl.max_horizontal("from_", pl.col("quarter") * QUARTER_US),
            end=pl.min_horizontal("to", (pl.col("quarter") + 1) * QUARTER_US),
        )
    )
    length = pl.col("to") - pl.col("from_")
    energy, step = pl.col("energy_kwh"), pl.col("resolution_kwh")
    cut = cut.with_columns(
        energy_kwh=on_step(energy * over(pl.col("end") - pl.col("from_"), length), step)
        - on_step(energy * over(pl.col("begin") - pl.col("from_"), length), step)
    )
    whole_ones = segments.filter(inside).with_columns(energy_kwh=on_step(energy, step))
    columns = (*_SEGMENT, "quarter")
    return pl.concat([whole_ones.select(columns), cut.select(columns)]).sort("slot", "begin")


def _finish(rows: pl.DataFrame, meters: pl.DataFrame, grain: Grain) -> pl.DataFrame:
    """What follows from the sums: names, expected readings, the worst quality, and the ratios."""
    slot = pl.col("slot")
    every = pl.lit(meters["expected_interval_s"]).gather(slot)
    named = rows.with_columns(
        meter_id=pl.lit(meters["meter_id"]).gather(slot),
        grain=pl.lit(str(grain)),
        hashrate_th_mean=pl.col("hashrate_th_mean").fill_nan(None),
        temperature_c_mean=pl.col("temperature_c_mean").fill_nan(None),
        expected=(pl.col("bucket_s") // every).cast(pl.Int64),
        quality=_quality(pl.col("rank")),
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
    ).with_columns(efficiency_j_per_th=_efficiency("power_kw_mean"))


def stamped(figures: pl.DataFrame, now: datetime, old: pl.DataFrame | None = None) -> pl.DataFrame:
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
    "temperature_c_mean",
    "readings",
    "expected",
    "covered_s",
    "quality",
)
