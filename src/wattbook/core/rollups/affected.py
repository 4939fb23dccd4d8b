"""Which buckets a change of readings affects, and how the work on them is divided."""

import itertools
import math
from collections.abc import Callable
from typing import Final

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.meters import presence
from wattbook.core.periods import DAY_US, QUARTER_S, QUARTER_US, instant, microseconds
from wattbook.core.units import (
    US_PER_SECOND,
)


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


def affected_spans(dirty: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
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
_QUARTERS: Final = (pl.col("to_utc") - pl.col("from_utc")).dt.total_seconds() // QUARTER_S


def widen(spans: pl.DataFrame, beside: Callable[[pl.DataFrame, int], pl.DataFrame]) -> pl.DataFrame:
    """Spans widened to all quarters that can change, and from where readings decide these.

    Parameters
    ----------
    spans
        What `affected_spans` returns.
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
    # A changed reading of a register reaches so many states (readings of equal value) to each side.
    from wattbook.core.readings.registers import NEIGHBOURS  # noqa: PLC0415 -- imports NumPy

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


def chunks(spans: pl.DataFrame, meters: pl.DataFrame, most: int) -> list[list[pl.DataFrame]]:
    """Spans of `affected_spans` in chunks: loads of meters of one time zone, each in parts.

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


def site_groups(spans: pl.DataFrame, meters: pl.DataFrame, least: int) -> pl.DataFrame:
    """Groups of sites whose spans of `affected_spans` are computed together.

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
