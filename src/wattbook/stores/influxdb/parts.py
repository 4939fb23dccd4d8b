"""Which meters are asked for together, so that few questions fetch little that was not wanted."""

from dataclasses import dataclass
from typing import Final

import polars as pl

from wattbook.core.periods import DAY_US

METERS_PER_QUERY: Final = 500
"""So many ids make a pattern of some 20 kB."""
GAP_US: Final = DAY_US // 4
"""Spans of one meter that are no further apart are read as one."""
QUESTIONS: Final = 64
"""Where there would be more, spans that are further apart are put together."""
COARSER: Final = 8


@dataclass(frozen=True, slots=True)
class Part:
    """Some meters over one span, [from, until) in microseconds since 1970."""

    meter_ids: list[str]
    from_us: int
    until_us: int


def parts(spans: pl.DataFrame) -> list[Part]:
    """Parts that hold all of the spans (`meter_id`, `from_us`, `to_us`, both included).

    Meters whose spans begin and end on the same days are together.
    """
    if spans.is_empty():
        return []
    scale = 1
    while True:
        islands = _islands(spans, GAP_US * scale)
        day = DAY_US * scale
        groups = islands.group_by(
            pl.col("from_us") // day, (pl.col("to_us") // day).alias("last"), maintain_order=True
        ).agg(pl.col("meter_id"), begin=pl.col("from_us").min(), end=pl.col("to_us").max())
        if groups.height <= QUESTIONS:
            break
        scale *= COARSER
    return [
        Part(ids[at : at + METERS_PER_QUERY], begin, end + 1)
        for ids, begin, end in groups.select("meter_id", "begin", "end").iter_rows()
        for at in range(0, len(ids), METERS_PER_QUERY)
    ]


def _islands(spans: pl.DataFrame, gap_us: int) -> pl.DataFrame:
    """Spans of each meter, merged where they are no more than the gap apart."""
    ordered = spans.sort("meter_id", "from_us")
    before = pl.col("to_us").cum_max().shift(1).over("meter_id")
    fresh = (pl.col("from_us") - before > gap_us).fill_null(value=True)
    return (
        ordered.with_columns(island=fresh.cum_sum())
        .group_by("island", maintain_order=True)
        .agg(pl.col("meter_id").first(), pl.col("from_us").min(), pl.col("to_us").max())
    )
