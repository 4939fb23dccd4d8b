"""Which readings came, beside which energy is known: a register knows what it was silent about."""

from dataclasses import dataclass
from typing import Final

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.meters import presence
from wattbook.core.periods import Period
from wattbook.core.rollups import gaps
from wattbook.core.units import US_PER_SECOND

QUARTER_S: Final = int(periods.QUARTER.total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """How many readings came, and over which spans none did."""

    meters: pl.DataFrame
    """`meter_id`, `readings`, `expected` (null for a meter that sends when its power changes)."""
    silences: pl.DataFrame
    """`meter_id`, `start_utc`, `end_utc`, `length_s`, `known_kwh` (drawn in
    the time, as a register knows it; null where most of it is unknown), `estimated_kwh` (what of it
    is not measured): the longest first."""

    @property
    def received(self) -> int:
        """Readings of meters that send at fixed intervals."""
        return int(self.meters.drop_nulls("expected")["readings"].sum())

    @property
    def expected(self) -> int:
        """Readings that these meters send in the period."""
        return int(self.meters["expected"].sum())

    @property
    def missing(self) -> int:
        """Readings that did not come; more than expected of one meter make up for no other."""
        fewer = (pl.col("expected") - pl.col("readings")).clip(lower_bound=0)
        return int(self.meters.select(fewer.sum()).item() or 0)

    @property
    def share(self) -> float | None:
        """Share of the expected readings that came; null where none is expected."""
        return 1 - self.missing / self.expected if self.expected else None

    @property
    def silent_s(self) -> int:
        """Seconds without readings, of all meters together."""
        return int(self.silences["length_s"].sum())


def completeness(quarters: pl.DataFrame, meters: pl.DataFrame, period: Period) -> Completeness:
    """Readings received and expected of each meter, and the spans without any.

    Parameters
    ----------
    quarters
        `frames.ROLLUPS` of the grain `15min`, of the meters, within the period.
    meters
        `frames.METERS` of those that are expected to report.
    period
        On quarter-hours of UTC.

    Examples
    --------
    >>> from datetime import datetime
    >>> silent = completeness(
    ...     frames.ROLLUPS.empty(),
    ...     pl.DataFrame(
    ...         [{"meter_id": "m", "expected_interval_s": 900}], schema=frames.METERS.schema
    ...     ),
    ...     Period(
    ...         datetime.fromisoformat("2026-01-01T00:00Z"),
    ...         datetime.fromisoformat("2026-01-02T00:00Z"),
    ...     ),
    ... )
    >>> silent.expected, silent.missing, silent.silent_s
    (96, 96, 86400)
    """
    every = pl.col("expected_interval_s")
    there = presence.clipped(presence.versions(meters), period)
    seconds = (pl.col("to_us") - pl.col("from_us")) // US_PER_SECOND
    counts = (
        there.with_columns(
            expected=pl.when(~presence.by_change()).then(pl.max_horizontal(seconds // every, 1))
        )
        .group_by("meter_id")
        .agg(expected=frames.known_sum("expected"))
        .join(
            quarters.group_by("meter_id").agg(pl.col("readings").sum()),
            on="meter_id",
            how="left",
            maintain_order="left",
        )
        .select("meter_id", pl.col("readings").fill_null(0), pl.col("expected").cast(pl.Int64))
        .sort("meter_id")
    )
    return Completeness(meters=counts, silences=_silences(quarters, meters, period))


def _silences(quarters: pl.DataFrame, meters: pl.DataFrame, period: Period) -> pl.DataFrame:
    """Spans between quarter-hours with readings that are longer than a meter's interval."""
    step_s = pl.when(presence.by_change()).then("max_hold_s").otherwise("expected_interval_s")
    whole_s = (step_s / QUARTER_S).ceil().cast(pl.Int64) * QUARTER_S
    steps = meters.select("meter_id", step=pl.duration(seconds=whole_s))
    whole = gaps.in_quarters(presence.spans(meters), period)
    ends = gaps.ends(whole)
    heard = gaps.owned(quarters.filter(pl.col("readings") > 0), whole)
    before = pl.col("start_utc").shift(1).over("meter_id", "span")
    spans = (
        pl.concat([heard, ends])
        .join(steps, on="meter_id")
        .sort("meter_id", "span", "start_utc")
        .with_columns(before=before)
        .filter(pl.col("start_utc") - pl.col("before") > pl.col("step"))
        .select("meter_id", start_utc=pl.col("before") + pl.col("step"), end_utc="start_utc")
    )
    energy = pl.col("energy_kwh")
    known = (
        quarters.select("meter_id", "energy_kwh", "covered_s", "quality", at="start_utc")
        .sort("at")
        .join_asof(
            spans.sort("start_utc"),
            left_on="at",
            right_on="start_utc",
            by="meter_id",
            check_sortedness=False,  # both are sorted above
        )
        .filter(pl.col("at") < pl.col("end_utc"))
        .group_by("meter_id", "start_utc")
        .agg(
            frames.known_sum("energy_kwh"),
            pl.col("covered_s").sum(),
            estimated_kwh=energy.filter(pl.col("quality") != frames.QUALITIES[0]).sum(),
        )
    )
    length_s = (pl.col("end_utc") - pl.col("start_utc")).dt.total_seconds()
    told = pl.col("covered_s") > length_s / 2
    return (
        spans.join(known, on=["meter_id", "start_utc"], how="left")
        .select(
            "meter_id",
            "start_utc",
            "end_utc",
            length_s=length_s,
            known_kwh=pl.when(told).then(energy),
            estimated_kwh=pl.when(told).then("estimated_kwh"),
        )
        .sort("length_s", "meter_id", "start_utc", descending=[True, False, False])
    )


def of_steps(silences: pl.DataFrame, buckets: pl.DataFrame, spans: pl.DataFrame) -> pl.Series:
    """Share of the time of each bucket in which readings came, 0 to 1.

    Parameters
    ----------
    buckets
        `start_utc` and `end_utc` of each, sorted.
    spans
        `presence.SPANS` of the meters that are expected to report.
    """
    begin, end = pl.col("start_utc"), pl.col("end_utc")
    overlap = pl.min_horizontal("end_utc", "until") - pl.max_horizontal("start_utc", "since")
    lost = (
        buckets.select("start_utc", "end_utc")
        .join_where(
            silences.select(since="start_utc", until="end_utc"),
            begin < pl.col("until"),
            end > pl.col("since"),
        )
        .group_by("start_utc")
        .agg(lost_s=overlap.dt.total_seconds().sum())
    )
    share = 1 - pl.col("lost_s").fill_null(0) / pl.col("expected_s")
    return (
        buckets.join(lost, on="start_utc", how="left", maintain_order="left")
        .with_columns(expected_s=presence.seconds(spans, buckets))
        .select(share=pl.when(pl.col("expected_s") > 0).then(share).otherwise(1.0))
        .to_series()
    )


def together(parts: "list[Completeness]") -> Completeness:
    """That of several sites."""
    order = ["length_s", "meter_id", "start_utc"]
    return Completeness(
        meters=pl.concat(each.meters for each in parts),
        silences=pl.concat(each.silences for each in parts).sort(
            order, descending=[True, False, False]
        ),
    )
