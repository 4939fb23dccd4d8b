"""Rows of grid zones over the time that they cover: which of them holds when.

A row of `frames.GRID` holds from its start for `interval_s`, be that five minutes or a day. Rows
may overlap, because a zone publishes in several resolutions. Everything here is worked out by
quarter-hour, in which the energy of meters is known; what is shorter weighs by its time.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.periods import QUARTER_US, instant, microseconds
from wattbook.core.ratios import ratio
from wattbook.core.units import QUARTERS_PER_HOUR, US_PER_HOUR, US_PER_SECOND

MAX_INTERVAL: Final = timedelta(days=366)
"""The longest time for which a row may hold: a year."""
OVERLAPS: Final[Mapping[str, pl.DataType | type[pl.DataType]]] = {
    "zone": pl.String,
    "quantity": pl.String,
    "from_utc": frames.UTC,
    "to_utc": frames.UTC,
    "seconds": pl.Float64,
    "finest_s": pl.Int64,
    "coarsest_s": pl.Int64,
}
"""Time for which rows of a zone say the same quantity more than once."""
QUANTITIES: Final[Mapping[str, tuple[str, ...]]] = {
    "price": ("price_per_mwh",),
    "generation": frames.GRID_GENERATION,
    "intensity": ("carbon_g_per_kwh",),
}
"""What a zone publishes, and the columns of which one says it."""


def of_quantity(grid: pl.DataFrame, quantity: str) -> pl.DataFrame:
    """Rows that say a quantity of `QUANTITIES`, with their `begin` and `end` [µs since 1970]."""
    said = pl.any_horizontal(pl.col(name).is_not_null() for name in QUANTITIES[quantity])
    begin = microseconds("start_utc")
    return (
        grid.filter(said)
        .with_columns(begin=begin, end=begin + pl.col("interval_s") * US_PER_SECOND)
        .sort("zone", "begin", "interval_s")
    )


def in_force(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of `of_quantity` cut so that one of them holds at any time: the finest.

    Of rows of one length the one that begins later holds, so that a row ends where the next one
    begins. What a finer row leaves of a coarser one still holds.
    """
    overlapping = _overlapping(rows)
    if not overlapping:
        return rows
    mine = pl.col("zone").is_in(overlapping)
    return pl.concat([rows.filter(~mine), _finest(_cut(rows.filter(mine)))]).sort("zone", "begin")


def in_force_by_hour(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of `of_quantity`, in each hour of the finest length that says all of it.

    Means over an interval, as generation is, of several lengths are not put together within an
    hour: a mean of the hour is none of the part that finer rows leave. Where no length alone covers
    the hour, the finest row holds as in `in_force`.
    """
    overlapping = _overlapping(rows)
    if not overlapping:
        return rows
    mine = pl.col("zone").is_in(overlapping)
    cut = _cut(rows.filter(mine), hours=True).with_columns(hour=pl.col("begin") // US_PER_HOUR)
    hour = ["zone", "hour"]
    whole = (
        cut.group_by(*hour, "interval_s")
        .agg(covered=(pl.col("end") - pl.col("begin")).sum())
        .filter(pl.col("covered") >= US_PER_HOUR)
        .group_by(hour)
        .agg(chosen=pl.col("interval_s").min())
    )
    chosen = cut.join(whole, on=hour, how="left", maintain_order="left").filter(
        pl.col("chosen").is_null() | (pl.col("interval_s") == pl.col("chosen"))
    )
    finest = _finest(chosen.drop("hour", "chosen"))
    return pl.concat([rows.filter(~mine), finest]).sort("zone", "begin")


def overlaps(grid: pl.DataFrame) -> pl.DataFrame:
    """`OVERLAPS`: for how long rows of a zone say the same quantity more than once, and when."""
    found = [pl.DataFrame(schema=dict(OVERLAPS))]
    for quantity in QUANTITIES:
        rows = of_quantity(grid, quantity)
        if not (overlapping := _overlapping(rows)):
            continue
        twice = (
            _cut(rows.filter(pl.col("zone").is_in(overlapping)))
            .group_by("zone", "begin", "end")
            .agg(
                rows=pl.len(),
                finest_s=pl.col("interval_s").min(),
                coarsest_s=pl.col("interval_s").max(),
            )
            .filter(pl.col("rows") > 1)
        )
        found.append(
            twice.group_by("zone")
            .agg(
                quantity=pl.lit(quantity),
                from_utc=instant(pl.col("begin").min()),
                to_utc=instant(pl.col("end").max()),
                seconds=(pl.col("end") - pl.col("begin")).sum() / US_PER_SECOND,
                finest_s=pl.col("finest_s").min(),
                coarsest_s=pl.col("coarsest_s").max(),
            )
            .select(list(OVERLAPS))
        )
    return pl.concat(found).sort("zone", "quantity")


def quarters(rows: pl.DataFrame, carried: Sequence[str]) -> pl.DataFrame:
    """Spans that do not overlap, cut at quarter-hours; quarters that are covered in part are out.

    Returns
    -------
    polars.DataFrame
        `zone`, `start_utc` of the quarter, `weight` [µs] of the piece in it, and the columns
        `carried`; several rows of a quarter where it has several pieces.
    """
    first = pl.col("begin") // QUARTER_US
    last = (pl.col("end") - 1) // QUARTER_US
    pieces = (
        rows.filter(pl.col("end") > pl.col("begin"))
        .select("zone", "begin", "end", *carried, quarter=pl.int_ranges(first, last + 1))
        .explode("quarter")
        .with_columns(
            weight=pl.min_horizontal("end", (pl.col("quarter") + 1) * QUARTER_US)
            - pl.max_horizontal("begin", pl.col("quarter") * QUARTER_US)
        )
    )
    known = pl.col("weight").sum().over("zone", "quarter")
    return pieces.filter(known >= QUARTER_US).select(
        "zone", "weight", *carried, start_utc=instant(pl.col("quarter") * QUARTER_US)
    )


def weighted_mean(column: str) -> pl.Expr:
    """Mean by `weight`; where there is but one piece, its own figure to the last bit."""
    value, weight = pl.col(column), pl.col("weight")
    mean = ratio(value * weight, pl.when(value.is_not_null()).then(weight))
    return pl.when(pl.len() == 1).then(value.first()).otherwise(mean)


def uneven_hours(quarter_rows: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """`zone` and `hour` of those hours whose quarters differ in `columns`, or are known in part."""
    return (
        quarter_rows.group_by("zone", hour=pl.col("start_utc").dt.truncate("1h"))
        .agg(differ=pl.struct(*columns).n_unique() > 1, count=pl.len())
        .filter(pl.col("differ") | (pl.col("count") < QUARTERS_PER_HOUR))
        .select("zone", "hour")
        .sort("zone", "hour")
    )


def _overlapping(rows: pl.DataFrame) -> list[str]:
    """Zones of which some rows overlap."""
    before = pl.col("end").cum_max().shift(1).over("zone")
    found: list[str] = rows.filter(pl.col("begin") < before)["zone"].unique().sort().to_list()
    return found


def _cut(rows: pl.DataFrame, *, hours: bool = False) -> pl.DataFrame:
    """Rows cut wherever one of the same zone begins or ends, and at full hours if asked for."""
    borders = [rows.select("zone", at="begin"), rows.select("zone", at="end")]
    if hours:
        first, last = pl.col("begin") // US_PER_HOUR, (pl.col("end") - 1) // US_PER_HOUR
        full = rows.select("zone", at=pl.int_ranges(first, last + 2)).explode("at")
        borders.append(full.with_columns(pl.col("at") * US_PER_HOUR))
    at = pl.concat(borders).unique().sort("zone", "at").with_row_index("place")
    at = at.with_columns(pl.col("place").cast(pl.Int64))
    ends = rows.with_row_index("row").select("row", "zone", "begin", "end")
    spans = (
        ends.join(at, left_on=["zone", "begin"], right_on=["zone", "at"])
        .rename({"place": "from"})
        .join(at, left_on=["zone", "end"], right_on=["zone", "at"])
        .rename({"place": "to"})
        .select("row", place=pl.int_ranges("from", "to"))
        .explode("place")
    )
    pieces = at.select("place", begin="at", end=pl.col("at").shift(-1))
    return (
        spans.join(rows.with_row_index("row").drop("begin", "end"), on="row")
        .join(pieces, on="place")
        .drop("row", "place")
        .select(rows.columns)
    )


def _finest(cut: pl.DataFrame) -> pl.DataFrame:
    """Of pieces of one time that of the shortest row, and of those the one that began last."""
    return cut.sort("interval_s", "start_utc", descending=[False, True]).unique(
        ["zone", "begin", "end"], keep="first", maintain_order=True
    )
