"""Readings that decide the quarters of spans: for registers with those that lie beside them."""

from collections.abc import Callable
from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.periods import QUARTER_US, microseconds
from wattbook.core.registry.entities import MeterKind
from wattbook.core.rollups import affected
from wattbook.core.units import US_PER_SECOND
from wattbook.stores.influxdb.reader import Reader

MARGIN: Final = 8
"""A register's neighbours are looked for within so many times its `pad_s`, then further on."""
LACKING: Final = {
    "meter_id": pl.String,
    "from_us": pl.Int64,
    "to_us": pl.Int64,
    "few_before": pl.Boolean,
    "few_after": pl.Boolean,
}


async def around(reader: Reader, spans: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The spans as `ports.readings.ReadingStore.around` widens them, and their readings."""
    asked, margin = spans, MARGIN
    wide, near = [], [frames.READINGS.empty()]
    while asked.height:
        windows = _windows(asked, margin)
        rows = await reader.rows(windows)
        reached, lacking = _reached(windows, rows)
        short = await _short(reader, lacking)
        settled = reached.filter(~pl.col("meter_id").is_in(short.implode()))
        wide.append(settled.select(spans.columns))
        near.append(_within(rows, settled))
        asked = asked.filter(pl.col("meter_id").is_in(short.implode()))
        margin *= MARGIN
    return pl.concat(wide) if wide else spans, pl.concat(near)


def _windows(spans: pl.DataFrame, margin: int) -> pl.DataFrame:
    """Spans with `from_us` and `to_us`, between which readings are looked for."""
    pad = pl.col("pad_s") * US_PER_SECOND
    register = pl.col("kind") == MeterKind.REGISTER
    # What is held reaches forward by its pad: twice, as `rollup.reach` looks first for the quarters
    # that can change and then for what decides them.
    held = 2 * pad + QUARTER_US
    return spans.with_columns(
        from_us=microseconds("from_utc") - pl.when(register).then(pad * margin).otherwise(held),
        to_us=microseconds("to_utc") + pl.when(register).then(pad * margin).otherwise(QUARTER_US),
    )


def _reached(windows: pl.DataFrame, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The spans with what decides them, and those that lack a neighbour among the readings."""
    lacking = [pl.DataFrame(schema=LACKING)]
    reached = affected.widen(windows, _beside(rows, lacking))
    return reached, pl.concat(lacking)


def _beside(
    rows: pl.DataFrame, lacking: list[pl.DataFrame]
) -> Callable[[pl.DataFrame, int], pl.DataFrame]:
    """What `rollup.reach` asks, answered from rows; who has too few in its window is noted."""
    fresh = pl.struct("meter_id", "register_kwh")
    ordered = (
        rows.select("meter_id", "ts_utc", "register_kwh")
        .sort("meter_id", "ts_utc")
        .with_columns(
            state=(fresh != fresh.shift(1)).fill_null(value=True).cum_sum().cast(pl.Int64)
        )
    )
    ends = ordered.group_by("meter_id", "state", maintain_order=True).agg(
        first=pl.col("ts_utc").first(), final=pl.col("ts_utc").last()
    )
    extremes = ordered.group_by("meter_id").agg(
        lowest=pl.col("state").min(), highest=pl.col("state").max()
    )
    by_time = ordered.join(extremes, on="meter_id").sort("ts_utc")

    def side(spans: pl.DataFrame, edge: str, count: int) -> pl.DataFrame:
        """`span`, `at`, and whether fewer than `count` whole states are on that side of each."""
        backward = edge == "from_utc"
        found = spans.sort(edge).join_asof(
            by_time,
            left_on=edge,
            right_on="ts_utc",
            by="meter_id",
            strategy="backward" if backward else "forward",
            allow_exact_matches=not backward,
            check_sortedness=False,  # both sides are sorted by time as a whole
        )
        there = pl.col("state") - (count - 1) if backward else pl.col("state") + (count - 1)
        # The outermost state may go on beyond the window.
        few = there <= pl.col("lowest") if backward else there >= pl.col("highest")
        reached = found.with_columns(
            state=there.clip(pl.col("lowest"), pl.col("highest")), few=few
        ).join(ends, on=["meter_id", "state"], how="left")
        at = pl.col("first" if backward else "final")
        outside = (
            microseconds("first") < pl.col("from_us")
            if backward
            else microseconds("final") > pl.col("to_us")
        )
        return reached.select("span", at=at, few=(pl.col("few") | outside).fill_null(value=True))

    def beside(spans: pl.DataFrame, count: int) -> pl.DataFrame:
        before = side(spans, "from_utc", count)
        after = side(spans, "to_utc", count)
        both = before.rename({"at": "before", "few": "few_before"}).join(
            after.rename({"at": "after", "few": "few_after"}), on="span"
        )
        few = spans.join(both.select("span", "few_before", "few_after"), on="span")
        lacking.append(few.filter(pl.col("few_before") | pl.col("few_after")).select(*LACKING))
        return both.select("span", "before", "after")

    return beside


async def _short(reader: Reader, lacking: pl.DataFrame) -> pl.Series:
    """Meters that have a reading beyond the window of a span that lacks one on that side."""
    if lacking.is_empty():
        return lacking["meter_id"]
    extent = await reader.extent(lacking["meter_id"].unique().to_list())
    earlier = pl.col("few_before") & (microseconds("from_utc") < pl.col("from_us"))
    later = pl.col("few_after") & (microseconds("to_utc") > pl.col("to_us"))
    return lacking.join(extent, on="meter_id").filter(earlier | later)["meter_id"].unique()


def _within(rows: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Rows between `wide_from` and `wide_to` of a span of their meter."""
    owner = spans.select("meter_id", "wide_from", "wide_to").sort("wide_from")
    found = rows.sort("ts_utc").join_asof(
        owner,
        left_on="ts_utc",
        right_on="wide_from",
        by="meter_id",
        check_sortedness=False,  # both sides are sorted by time as a whole
    )
    return found.filter(pl.col("ts_utc") <= pl.col("wide_to")).select(rows.columns)
