"""What a forecast learns from: the history of meters, and what of it is left out."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.archive.fingerprint import Fingerprint, checksums_of, fingerprint_of
from wattbook.core.archive.tables import Table
from wattbook.core.billing import cost
from wattbook.core.frames import Column, Contract
from wattbook.core.meters import presence
from wattbook.core.periods import Grain, Period, instant
from wattbook.core.rollups import hashing

MIN_SHARE: Final = 0.9
"""Of a bucket's time, and of its meters by their mean: with less it is a gap."""
LINGER: Final = timedelta(days=7)
"""A meter that fell silent is missed for so long; after that it is taken for gone."""
MAX_HISTORY: Final = timedelta(days=2 * 365)
"""So far back a history reaches."""
WITHIN_A_DAY: Final = (Grain.QUARTER, Grain.HOUR)
"""Steps of which each has a price of its own."""
OFF_KINDS: Final = ("reset", "retrograde", "implausible")
"""What a register does when its figures are doubtful; a roll-over is none of them."""


class Quantity(StrEnum):
    """What is forecast."""

    LOAD = "load"
    HASHRATE = "hashrate"

    @property
    def column(self) -> str:
        """The column of rollups that holds it."""
        return {"load": "power_kw_mean", "hashrate": "hashrate_th_mean"}[self]

    @property
    def unit(self) -> str:
        """The unit of its values."""
        return {"load": "kW", "hashrate": "TH/s"}[self]


HISTORY: Final = Contract(
    "history",
    "what a forecast learns from",
    ("start_utc",),
    {
        "start_utc": Column(frames.UTC, "start of the step"),
        "value": Column(pl.Float64, "mean power [kW] or hash rate [TH/s]; null is a gap"),
        "excluded": Column(pl.Boolean, "whether the models are not trained on the row"),
    },
)
_PRINTED: Final = Table(
    "history",
    Contract(
        "history", "", ("series", "start_utc"), {"series": Column(pl.String, ""), **HISTORY.columns}
    ),
    "series",
    "start_utc",
)


def parts_of(grain: Grain, period: Period, timezone: str) -> Grain:
    """The grain of the rollups that a history of this grain is made from."""
    return periods.parts_of(grain, periods.buckets(period, grain, timezone))


def history(
    rollups: pl.DataFrame,
    events: pl.DataFrame,
    quantity: Quantity,
    grain: Grain,
    timezone: str,
    spans: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The sum of meters over time, `HISTORY`, from the first to the last step that is known.

    Parameters
    ----------
    rollups
        `frames.ROLLUPS` of the meters, of the grain that `parts_of` says.
    events
        `frames.EVENTS` of the same meters.
    quantity
        Load [kW], or hash rate [TH/s].
    grain
        Length of a step.
    timezone
        Of the days.
    spans
        `core.meters.presence.SPANS` of the meters. Of a meter that was removed nothing is expected
        from then on.

    Returns
    -------
    polars.DataFrame
        A value is the mean over the step. It is known where the meters that have it make up
        `MIN_SHARE` of what all of them usually come to, each over at least that share of the
        bucket's time; the little that is missing is added in proportion. Of a step whose quality
        is not `measured`, or in which a register did something doubtful, the value stands, and is
        excluded.
    """
    value = pl.col(quantity.column)
    covered = pl.col("coverage") >= MIN_SHARE if quantity is Quantity.LOAD else value.is_not_null()
    known = rollups.filter(value.is_not_null() & covered)
    if known.is_empty():
        return HISTORY.empty()
    weights = known.group_by("meter_id").agg(
        weight=value.mean().abs(),
        first=pl.col("start_utc").min(),
        last=pl.col("start_utc").max() + LINGER,
    )
    if spans is not None:
        gone = (
            spans.filter(pl.col("to_us") < presence.OPEN_US)
            .group_by("meter_id")
            .agg(gone=instant(pl.col("to_us").max()))
        )
        weights = weights.join(gone, on="meter_id", how="left").with_columns(
            last=pl.min_horizontal("last", "gone")
        )
    doubtful = known.join(
        _doubted(events, known), on=["meter_id", "start_utc"], how="left", maintain_order="left"
    )
    sums = (
        doubtful.join(weights.select("meter_id", "weight"), on="meter_id")
        .group_by("start_utc")
        .agg(
            value=value.sum(),
            weight=pl.col("weight").sum(),
            excluded=(
                (pl.col("quality") != frames.QUALITIES[0]) | pl.col("doubted").is_not_null()
            ).any(),
        )
        .sort("start_utc")
    )
    found = sums.join_asof(_expected(weights), on="start_utc")
    share = pl.col("weight") / pl.col("expected")
    full = (pl.col("expected") <= 0) | (share >= MIN_SHARE)
    totals = found.select(
        "start_utc",
        value=pl.when(full).then(
            pl.when(pl.col("weight") > 0)
            .then(pl.col("value") / share.clip(upper_bound=1))
            .otherwise(pl.col("value"))
        ),
        excluded=pl.col("excluded").fill_null(value=False),
    )
    return _on_grid(totals.drop_nulls("value"), rollups["bucket_s"].max(), grain, timezone)


def without(history: pl.DataFrame, spans: Sequence[Period]) -> pl.DataFrame:
    """`HISTORY` in which nothing is learnt from the steps that begin in, or reach into, a span."""
    starts = history["start_utc"]
    excluded = history["excluded"].to_numpy().copy()
    for span in spans:
        first = max(int(starts.search_sorted(span.start, side="right")) - 1, 0)
        excluded[first : int(starts.search_sorted(span.end, side="left"))] = True
    return history.with_columns(excluded=pl.Series(excluded))


def _doubted(events: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The buckets in which a register did something doubtful, with the column `doubted`."""
    off = events.filter(pl.col("kind").is_in(OFF_KINDS)).sort("at_utc")
    starts = known.select("meter_id", "start_utc").sort("start_utc")
    return (
        off.join_asof(
            starts.with_columns(bucket="start_utc"),
            left_on="at_utc",
            right_on="start_utc",
            by="meter_id",
            check_sortedness=False,  # both sides are sorted above
        )
        .select("meter_id", start_utc="bucket", doubted=pl.lit(value=True))
        .drop_nulls("start_utc")
        .unique()
    )


def _expected(weights: pl.DataFrame) -> pl.DataFrame:
    """What the meters that there are usually come to, from each change on."""
    come = weights.select(start_utc="first", expected="weight")
    go = weights.select(start_utc="last", expected=-pl.col("weight"))
    return (
        pl.concat([come, go])
        .group_by("start_utc")
        .agg(pl.col("expected").sum())
        .sort("start_utc")
        .with_columns(pl.col("expected").cum_sum())
    )


def _on_grid(totals: pl.DataFrame, part_s: object, grain: Grain, timezone: str) -> pl.DataFrame:
    """The steps from the first known one to the last, gaps as nulls."""
    if totals.is_empty():
        return HISTORY.empty()
    first, last = totals["start_utc"][0], totals["start_utc"][-1]
    assert isinstance(part_s, int)
    grid = periods.buckets(Period(first, last + timedelta(seconds=part_s)), grain, timezone)
    owned = totals.join_asof(grid.select("start_utc", bucket="start_utc"), on="start_utc")
    steps = owned.group_by(start_utc="bucket").agg(
        pl.col("value").mean(), pl.col("excluded").any(), parts=pl.len()
    )
    length_s = (pl.col("end_utc") - pl.col("start_utc")).dt.total_seconds()
    rows = (
        grid.join(steps, on="start_utc", how="left", maintain_order="left")
        .with_columns(full=pl.col("parts") * part_s >= length_s * MIN_SHARE)
        .select(
            "start_utc",
            value=pl.when("full").then("value"),
            excluded=pl.col("excluded").fill_null(value=False),
        )
    )
    known = rows.with_row_index().drop_nulls("value")["index"]
    if known.is_empty():
        return HISTORY.empty()
    return rows.slice(int(known[0]), int(known[-1]) - int(known[0]) + 1)


def prices(grid: pl.DataFrame, grain: Grain, origin: datetime) -> pl.DataFrame | None:
    """What a forecast is told of prices: `start_utc`, `known_utc`, `price_per_mwh`.

    Parameters
    ----------
    grid
        `frames.GRID` of one zone.
    grain
        Length of a step. A day has many prices: of days none is told.
    origin
        End of the history.

    Returns
    -------
    polars.DataFrame or None
        Of each step its mean price, where all of it has one; null where there is none, or where
        prices are in several currencies. What is known by now counts as known at
        the origin, because the history counts so too; at earlier origins only what was known then.
    """
    if grain not in WITHIN_A_DAY or grid.drop_nulls("price_per_mwh")["currency"].n_unique() != 1:
        return None
    quarters = cost.quarter_prices(grid)
    steps = quarters if grain is Grain.QUARTER else cost.hour_means(quarters)
    at_origin = pl.min_horizontal("known_utc", pl.lit(origin, dtype=frames.UTC))
    return steps.select("start_utc", at_origin.alias("known_utc"), "price_per_mwh")


def hashed(rollups: pl.DataFrame) -> float | None:
    """Energy over hashes [J/TH] of the time in which both are known; null where none is."""
    found: float | None = rollups.select(hashing.efficiency()).item()
    return found or None


def fingerprint(rows: pl.DataFrame, settings: list[str]) -> Fingerprint:
    """One number for a history and all that was asked of it."""
    if "excluded" not in rows.columns:
        rows = rows.with_columns(excluded=pl.lit(value=False))
    named = rows.select(pl.lit("history").alias("series"), *HISTORY.columns)
    return fingerprint_of(settings, [checksums_of(named, _PRINTED)])
