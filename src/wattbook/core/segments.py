"""Segments: spans of time over which a reading, or a pair of them, says what flowed."""

from enum import StrEnum
from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.entities import MeterKind
from wattbook.core.periods import QUARTER_US, instant, microseconds
from wattbook.core.units import (
    SECONDS_PER_HOUR,
    US_PER_HOUR,
    US_PER_SECOND,
    energy_step_kwh,
    on_step,
    over,
)

IMPLAUSIBLE: Final = 2
"""A register that rose by more than so many times what the capacity allows was misread.

Stamps that jitter can lift the mean power of a short span above the capacity, but not so far.
"""
_ESTIMATED: Final = frames.QUALITIES.index("estimated")
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
_ABOUT: Final = (
    "kind",
    "expected_interval_s",
    "max_hold_s",
    "register_size_kwh",
    "capacity_kw",
    "resolution_kwh",
)


class EventKind(StrEnum):
    """What a register did other than count up."""

    ROLLOVER = "rollover"
    RESET = "reset"
    RETROGRADE = "retrograde"
    IMPLAUSIBLE = "implausible"


def register_events(readings: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """What registers did other than count up: `frames.EVENTS`, sorted by key.

    A *rollover* is counted through the register's size. A *reset* (a swap, or a register set back)
    leaves a gap. A *retrograde* reading, one that dips and is followed by a return, is refused. An
    *implausible* rise, beyond `IMPLAUSIBLE` times the capacity, leaves a gap.
    """
    registers = meters.filter(kind=str(MeterKind.REGISTER))
    if registers.is_empty():
        return frames.EVENTS.empty()
    rows = ordered(readings, registers)
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
    both = pl.concat([dips, odd]).with_columns(at_utc=instant(pl.col("at")))
    return frames.check(both, frames.EVENTS).sort(*frames.EVENTS.key)


def pieces(rows: pl.DataFrame) -> pl.DataFrame:
    """Segments of ordered readings, cut at quarter borders, with the `quarter` of each piece.

    A piece in which another segment begins too early counts as estimated.
    """
    overlapped = pl.col("end") > pl.col("until")
    rank = pl.when(overlapped).then(pl.max_horizontal("rank", _ESTIMATED)).otherwise("rank")
    return _cut(_segments(rows)).with_columns(rank=rank.cast(pl.UInt8))


def ordered(readings: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """Readings by meter (its `slot` in `meters`) and time, with what the meter says of itself."""
    about = meters.with_columns(resolution_kwh=energy_step_kwh(pl.col("capacity_kw")))
    slot = readings["meter_id"].cast(pl.Enum(meters["meter_id"]), strict=False).to_physical()
    return (
        readings.select(
            *frames.READING_VALUES, ts=microseconds("ts_utc"), rank=frames.rank(), slot=slot
        )
        .drop_nulls("slot")
        .with_columns(pl.lit(about[name]).gather(pl.col("slot")).alias(name) for name in _ABOUT)
        .with_columns(pl.col("slot").cast(pl.Int64))
        .sort("slot", "ts")
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


def _cut(segments: pl.DataFrame) -> pl.DataFrame:
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
