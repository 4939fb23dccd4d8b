"""Segments: spans of time over which a reading, or a pair of them, says what flowed."""

from typing import Final, NamedTuple

import polars as pl

from wattbook.core import frames
from wattbook.core.meters import civil, presence
from wattbook.core.periods import QUARTER_US, instant, microseconds
from wattbook.core.readings import companions
from wattbook.core.registry.entities import MeterKind
from wattbook.core.units import (
    SECONDS_PER_HOUR,
    US_PER_HOUR,
    US_PER_SECOND,
    energy_step_kwh,
    on_step,
    over,
)

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
    "reactive_power_kvar",
    "rank",
    "resolution_kwh",
    "above_capacity",
)
_ABOUT: Final = (
    "kind",
    "expected_interval_s",
    "max_hold_s",
    "register_size_kwh",
    "register_resolution_kwh",
    "capacity_kw",
    "plausible_kw",
    "expected_interval",
)
_MISSING: Final = 1.5
"""A register that was silent for more than so many intervals has left a reading out."""
_JITTER: Final = 0.02
"""The power of a register follows from two stamps, which jitter by up to this share."""
_PARTS: Final = 2**20
"""The numbers of a meter's registers follow each other: a counter that comes after another kind of
meter is not compared with the one before."""


class Rows(NamedTuple):
    """Readings in the order of their meters and times, with what the meter is at their instant."""

    valued: pl.DataFrame
    """Those that have the value that their meter's kind needs."""
    alone: pl.DataFrame
    """The others: a hash rate, a temperature or a reactive power without energy."""


def register_events(readings: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """What registers did other than count up: `frames.EVENTS`, sorted by key.

    See `core.readings.registers.counted` for what each means.
    """
    about = presence.registers(meters)
    if about.is_empty():
        return frames.EVENTS.empty()
    rows = ordered(readings, about).valued.filter(kind=str(MeterKind.REGISTER))
    from wattbook.core.readings import registers  # noqa: PLC0415 -- imports NumPy

    found = registers.counted(_apart(rows)).events
    named = found.select(
        "kind",
        "detail",
        meter_id=pl.lit(about["meter_id"]).gather(pl.col("slot") // _PARTS),
        at_utc=instant(pl.col("at")),
    )
    return frames.check(named, frames.EVENTS).sort(*frames.EVENTS.key)


def above_capacity(readings: pl.DataFrame, meters: pl.DataFrame) -> pl.Series:
    """Whether each reading is above the capacity in force at its instant, in their order.

    The power of a `power` meter and the mean power of an interval count, as in rollups. Null
    without a capacity or a value, and of a register, whose power follows from two readings.

    Parameters
    ----------
    readings
        `frames.READINGS`.
    meters
        `frames.METERS` of the meters that occur.
    """
    rows = readings.select(
        *frames.READING_VALUES, ts=microseconds("ts_utc"), slot=_slot(readings, meters)
    )
    known = civil.lengths(presence.attributes(rows, meters, _ABOUT), meters)
    is_interval = pl.col("kind") == str(MeterKind.INTERVAL)
    is_power = pl.col("kind") == str(MeterKind.POWER)
    power = pl.when(is_interval).then(_mean_kw()).when(is_power).then("power_kw")
    return known.select(above_capacity=power > pl.col("capacity_kw")).to_series()


def _mean_kw() -> pl.Expr:
    """The mean power of an interval [kW]."""
    return over(pl.col("energy_kwh"), over(pl.col("expected_interval_s"), SECONDS_PER_HOUR))


def pieces(rows: Rows) -> pl.DataFrame:
    """Segments of ordered readings, cut at quarter borders, with the `quarter` of each piece.

    A piece in which another segment begins too early counts as estimated.
    """
    overlapped = pl.col("end") > pl.col("until")
    rank = pl.when(overlapped).then(pl.max_horizontal("rank", _ESTIMATED)).otherwise("rank")
    whole = companions.split_at_values(_segments(rows.valued), rows.alone)
    return _cut(whole).with_columns(rank=rank.cast(pl.UInt8))


def ordered(
    readings: pl.DataFrame, meters: pl.DataFrame, refused: pl.DataFrame | None = None
) -> Rows:
    """Readings by meter (its `slot` in `meters`) and time, with what the meter is at their instant.

    Readings of a time at which the meter was not there are left out. `next_us` is when the next row
    with a value came, be it a reading or one of those that were `refused` (`frames.REFUSED`);
    `interrupted` tells which.
    """
    rows = readings.select(
        *frames.READING_VALUES,
        ts=microseconds("ts_utc"),
        rank=frames.rank(),
        slot=_slot(readings, meters),
    ).drop_nulls("slot")
    rows = _known(rows, meters).with_columns(pl.col("slot").cast(pl.Int64)).sort("slot", "ts")
    valued = rows.select(companions.has_value()).to_series()
    alone = rows.clear() if valued.all() else rows.filter(~valued)
    rows = rows if alone.is_empty() else rows.filter(valued)
    if refused is None or refused.is_empty():
        never = pl.lit(value=False)
        return Rows(rows.with_columns(next_us=_beside("ts", -1), interrupted=never), alone)
    return Rows(_with_refused(rows, refused, meters), alone)


def _known(rows: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """Rows with what their meter is at their instant."""
    if presence.constant(meters):
        steps = meters.select(step=energy_step_kwh(pl.col("capacity_kw")))["step"]
        resolution = pl.lit(steps).gather(pl.col("slot"))
        known = presence.attributes(rows, meters, _ABOUT).with_columns(resolution_kwh=resolution)
    else:
        left_s = (pl.col("stop_us") - pl.col("ts")) // US_PER_SECOND
        is_power = pl.col("kind") == str(MeterKind.POWER)
        known = _with_closing_states(
            presence.attributes(rows, meters, _ABOUT), rows, meters
        ).with_columns(
            resolution_kwh=energy_step_kwh(pl.col("capacity_kw")),
            max_hold_s=pl.when(is_power)
            .then(pl.min_horizontal("max_hold_s", left_s))
            .otherwise("max_hold_s"),
        )
    return civil.lengths(known, meters).with_columns(plausible_kw=plausible_kw())


def _with_closing_states(
    known: pl.DataFrame, rows: pl.DataFrame, meters: pl.DataFrame
) -> pl.DataFrame:
    """Readings of the time of their meter; of a register also that of the instant it is removed."""
    late = known.filter(pl.col("kind").is_null()).select(rows.columns)
    closing = (
        presence.attributes(late.with_columns(pl.col("ts") - 1), meters, _ABOUT)
        .filter(pl.col("kind") == str(MeterKind.REGISTER))
        .with_columns(pl.col("ts") + 1)
    )
    return pl.concat([known.drop_nulls("kind"), closing])


def _with_refused(rows: pl.DataFrame, refused: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """Rows with the instants of refused ones between them; a reading of the same instant counts."""
    odd = (
        refused.select(slot=_slot(refused, meters).cast(pl.Int64), ts=microseconds("ts_utc"))
        .drop_nulls("slot")
        .unique()
        .join(rows.select("slot", "ts"), on=["slot", "ts"], how="anti")
    )
    both = pl.concat(
        [
            rows.with_columns(refused=pl.lit(value=False)),
            odd.with_columns(refused=pl.lit(value=True)),
        ],
        how="diagonal",
    ).sort("slot", "ts")
    after = both.with_columns(
        next_us=_beside("ts", -1), interrupted=_beside("refused", -1).fill_null(value=False)
    )
    return after.filter(~pl.col("refused")).drop("refused")


def _slot(rows: pl.DataFrame, meters: pl.DataFrame) -> pl.Series:
    return rows["meter_id"].cast(pl.Enum(meters["meter_id"]), strict=False).to_physical()


def plausible_kw() -> pl.Expr:
    """The most that a site can draw [kW]: registered, or `PLAUSIBLE` times its capacity."""
    from wattbook.core.readings import registers  # noqa: PLC0415 -- imports NumPy

    return pl.coalesce("plausible_kw", pl.col("capacity_kw") * registers.PLAUSIBLE)


def _apart(counters: pl.DataFrame) -> pl.DataFrame:
    """Readings of registers with a `slot` for each stretch of time in which the meter was one."""
    return counters.with_columns(slot=pl.col("slot") * _PARTS + pl.col("version"))


def _beside(column: str, step: int) -> pl.Expr:
    """The value of the same meter so many rows before (`step` > 0) or after, else null."""
    same = pl.col("slot").shift(step) == pl.col("slot")
    return pl.when(same).then(pl.col(column).shift(step))


def _segments(rows: pl.DataFrame) -> pl.DataFrame:
    """Spans [begin, end) in µs with their energy and power, of all meters.

    The energy of an interval belongs to its whole length, even where the next one begins early;
    what is covered ends there, at `until`, so that no time is counted twice.
    """
    held = rows.filter(pl.col("kind") != str(MeterKind.REGISTER)).with_columns(
        is_power=pl.col("kind") == str(MeterKind.POWER)
    )
    believed = pl.when("is_power").then("max_hold_s").otherwise("expected_interval_s")
    # A refused row within an interval takes nothing from the energy that was sent for all of it.
    after = pl.when("is_power").then("next_us").otherwise(_beside("ts", -1))
    length = pl.col("ts") + believed * US_PER_SECOND
    held = held.with_columns(
        begin="ts",
        until=pl.min_horizontal(after, length),
        end=pl.when("is_power").then(pl.min_horizontal(after, length)).otherwise(length),
        power_kw=pl.when("is_power").then("power_kw").otherwise(_mean_kw()),
    ).with_columns(
        energy_kwh=pl.when("is_power")
        .then(over(pl.col("power_kw") * (pl.col("end") - pl.col("begin")), US_PER_HOUR))
        .otherwise("energy_kwh"),
        above_capacity=pl.col("power_kw") > pl.col("capacity_kw"),
    )
    counters = rows.filter(kind=str(MeterKind.REGISTER))
    if counters.is_empty():
        return held.select(_SEGMENT)
    span = pl.col("end") - pl.col("ts")
    # The total is known, not when it flowed.
    guessed = (span > _longest_s() * US_PER_SECOND) | pl.col("estimated") | pl.col("interrupted")
    from wattbook.core.readings import registers  # noqa: PLC0415 -- imports NumPy

    steps = registers.counted(_apart(counters)).steps
    counted = steps.with_columns(
        slot=pl.col("slot") // _PARTS,
        begin="ts",
        until="end",
        energy_kwh="step_kwh",
        power_kw=over(pl.col("step_kwh") * US_PER_HOUR, span),
        rank=pl.max_horizontal("rank", "last_rank", guessed.cast(pl.UInt8) * _ESTIMATED),
    ).with_columns(above_capacity=_register_above())
    return pl.concat([held.select(_SEGMENT), counted.select(_SEGMENT)])


def _longest_s() -> pl.Expr:
    """The longest time [s] from one reading of a register to the next without one missing."""
    every = pl.col("expected_interval_s") * _MISSING
    return pl.when(presence.by_change()).then("max_hold_s").otherwise(every)


def _register_above() -> pl.Expr:
    """Whether a register counted at more than the capacity; null where its steps are too coarse."""
    above = pl.col("power_kw") > pl.col("capacity_kw") * (1 + _JITTER)
    return pl.when(~(above & pl.col("estimated"))).then(above)


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
