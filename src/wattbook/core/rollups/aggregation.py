"""Energy and statistics per bucket: from readings to segments, to quarter-hours, to every grain.

A *segment* is a span of time over which a reading, or a pair of them, says what flowed. A
quarter-hour is the sum of the pieces of segments in it, and every other bucket is the sum of its
quarters.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.frames import known_sum
from wattbook.core.meters import presence
from wattbook.core.periods import DAY_US, QUARTER_S, QUARTER_US, Grain, instant, microseconds
from wattbook.core.readings import registers
from wattbook.core.readings.segments import ordered, pieces
from wattbook.core.rollups import hashing
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
            rank=pl.col("rank").max(),
            above=pl.col("above").max(),
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


def packed(rollups: pl.DataFrame) -> pl.DataFrame:
    """`frames.ROLLUPS` as stores keep them: words as small numbers, nothing that can be derived."""
    return rollups.drop(*_DERIVED).with_columns(coded("grain"), quality=frames.rank())


def unpacked(rows: pl.DataFrame) -> pl.DataFrame:
    """What was `packed`, as `frames.ROLLUPS`; whole numbers may have come back smaller."""
    words = rows.with_columns(
        pl.col("readings", "expected", "bucket_s", "revision").cast(pl.Int64),
        grain=pl.lit(_GRAINS).gather(pl.col("grain")),
        quality=frames.quality_of(pl.col("quality")),
    )
    return frames.check(with_ratios(words), frames.ROLLUPS)


def code(grain: Grain) -> int:
    """The small number that stands for a grain."""
    return tuple(Grain).index(grain)


def coded(column: str) -> pl.Expr:
    """The small numbers that stand for the grains in a column."""
    return pl.col(column).cast(_GRAIN).to_physical()


def changed(rows: pl.DataFrame, meter: str = "meter_id") -> pl.DataFrame:
    """First and last stamp of the rows of each meter and UTC day.

    Parameters
    ----------
    rows
        Readings that changed: `ts_utc`, and the meter in the column `meter`.
    meter
        Name of that column; its values are strings or whole numbers.

    Returns
    -------
    polars.DataFrame
        `meter`, `from_utc`, `to_utc` (both included), in any order.
    """
    day = pl.col("ts_utc").to_physical() // DAY_US
    spans = rows.group_by(meter, day.alias("day")).agg(
        from_utc=pl.col("ts_utc").min(), to_utc=pl.col("ts_utc").max()
    )
    return spans.drop("day")


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
    begin, end = microseconds("from_utc"), microseconds("to_utc") + pl.col("pad_s") * US_PER_SECOND
    spans = (
        dirty.join(presence.reaches(meters), on="meter_id")
        .select(
            "meter_id",
            "kind",
            "pad_s",
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
            from_utc=instant(pl.col("begin")),
            to_utc=instant(pl.col("end")),
        )
    )


_SLOT: Final = 2**32
"""Keys are slot × this + quarter: one whole number that sorts by meter and time."""


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


_QUARTERS: Final = (pl.col("to_utc") - pl.col("from_utc")).dt.total_seconds() // QUARTER_S

NEIGHBOURS: Final = registers.NEIGHBOURS
"""A changed reading of a register reaches so many states (readings of equal value) to each side."""


def reach(spans: pl.DataFrame, beside: Callable[[pl.DataFrame, int], pl.DataFrame]) -> pl.DataFrame:
    """Spans widened to all quarters that can change, and from where readings decide these.

    Parameters
    ----------
    spans
        What `touched` returns.
    beside
        Of some spans (with their number in `span`) and a count, for each span the stamps of the
        farthest readings of so many states that lie before and after it, fewer where there are no
        more: `span`, `before`, `after`. Readings of equal `register_kwh` in a row are one state.

    Returns
    -------
    polars.DataFrame
        `spans` with `from_utc` and `to_utc` moved outwards for registers, and `wide_from`,
        `wide_to` (both included): readings between them decide the quarters of the span.
    """
    quarters = _widened(spans.with_row_index("span"), beside, NEIGHBOURS - 1).with_columns(
        from_utc=pl.col("wide_from").dt.truncate("15m"),
        to_utc=pl.col("wide_to").dt.offset_by("15m").dt.truncate("15m"),
    )
    return _widened(quarters, beside, NEIGHBOURS)


def _widened(
    spans: pl.DataFrame, beside: Callable[[pl.DataFrame, int], pl.DataFrame], count: int
) -> pl.DataFrame:
    pad = pl.duration(seconds=pl.col("pad_s"))
    spans = spans.drop("wide_from", "wide_to", strict=False)
    registers = spans.filter(kind="register")
    if registers.is_empty():
        return spans.with_columns(wide_from=pl.col("from_utc") - pad, wide_to=pl.col("to_utc"))
    is_register = pl.col("kind") == "register"
    return (
        spans.join(beside(registers, count), on="span", how="left", maintain_order="left")
        .with_columns(
            wide_from=pl.when(is_register)
            .then(pl.coalesce("before", "from_utc"))
            .otherwise(pl.col("from_utc") - pad),
            wide_to=pl.when(is_register).then(pl.coalesce("after", "to_utc")).otherwise("to_utc"),
        )
        .drop("before", "after")
    )


def portions(spans: pl.DataFrame, meters: pl.DataFrame, most: int) -> list[list[pl.DataFrame]]:
    """Spans of `touched` in loads of meters of one time zone, each in parts to be done in turn.

    A load has about `most` readings, as the meters' expected intervals tell; a meter that has more
    is a load of its own, its spans cut at quarter borders into parts of about `most`.
    """
    sized = spans.join(
        meters.select("meter_id", "timezone", "expected_interval_s"),
        on="meter_id",
        maintain_order="left",
    ).with_columns(size=_QUARTERS * QUARTER_S / pl.col("expected_interval_s"))
    by_meter = sized.group_by("timezone", "meter_id", maintain_order=True).agg(pl.col("size").sum())
    heavy = by_meter.filter(pl.col("size") > most)["meter_id"]
    light = by_meter.filter(pl.col("size") <= most).with_columns(
        load=(pl.col("size").cum_sum().over("timezone") // most)
    )
    own = spans.columns
    loads = [
        [spans.join(group.select("meter_id"), on="meter_id", how="semi", maintain_order="left")]
        for _, group in light.group_by("timezone", "load", maintain_order=True)
    ]
    for meter_id in heavy:
        parts = [
            part
            for span in sized.filter(meter_id=meter_id).iter_slices(1)
            for part in _cut(span, most)
        ]
        loads.append([part.select(own) for part in parts])
    return loads


def shares(spans: pl.DataFrame, meters: pl.DataFrame, least: int) -> pl.DataFrame:
    """Sites whose spans of `touched` are worked on together, apart from those of other shares.

    A share has about `least` readings, as the meters' expected intervals tell. A site is never
    divided: its meters are rolled up in one turn.

    Returns
    -------
    polars.DataFrame
        `site_ids`, sorted, and `quarters`, how many are out of date; one row for each share.
    """
    about = meters.select("meter_id", "site_id", "expected_interval_s")
    return (
        spans.join(about, on="meter_id")
        .group_by("site_id")
        .agg(
            quarters=_QUARTERS.sum(),
            size=(_QUARTERS * QUARTER_S / pl.col("expected_interval_s")).sum(),
        )
        .sort("site_id")
        .with_columns(share=pl.col("size").cum_sum() // least)
        .group_by("share", maintain_order=True)
        .agg(site_ids=pl.col("site_id"), quarters=pl.col("quarters").sum())
        .drop("share")
    )


def quarters_in(spans: pl.DataFrame) -> int:
    """How many quarters lie in spans that begin and end on quarter borders."""
    count: int = spans.select(_QUARTERS.sum()).item()
    return count


def _cut(span: pl.DataFrame, most: int) -> list[pl.DataFrame]:
    """One span in parts of about `most` readings."""
    quarters_in = (span["to_utc"][0] - span["from_utc"][0]) // periods.QUARTER
    count = min(quarters_in, max(1, math.ceil(span["size"][0] / most)))
    borders = [
        span["from_utc"][0] + quarters_in * place // count * periods.QUARTER
        for place in range(count + 1)
    ]
    return [
        span.with_columns(
            from_utc=pl.lit(begin, dtype=frames.UTC), to_utc=pl.lit(end, dtype=frames.UTC)
        )
        for begin, end in itertools.pairwise(borders)
    ]


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
    "hashrate_kwh",
    "hashrate_s",
    "temperature_c_mean",
    "temperature_s",
    "readings",
    "expected",
    "covered_s",
    "quality",
    "above_capacity",
)
