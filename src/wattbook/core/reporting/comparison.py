"""The period that a report is compared with: a year earlier, or the one before."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from wattbook.core import periods
from wattbook.core.frames import known_sum
from wattbook.core.meters import presence
from wattbook.core.periods import Grain, Period
from wattbook.core.reporting.site_figures import highest
from wattbook.core.rollups import metrics
from wattbook.core.rollups.profile import stepped
from wattbook.core.units import SECONDS_PER_HOUR, over

MIN_COVERAGE: Final = 9 / 10
"""A period of which less is known is no measure for another."""
MONTHS_PER_YEAR: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was drawn in an earlier period of the same kind."""

    period: Period
    yearly: bool
    """Whether it is the same period of the year before."""
    energy_kwh: float
    power_kw_mean: float
    power_kw_max: float
    coverage: float
    load: pl.DataFrame
    """`start_utc` of the later period's buckets, and `power_kw` of this one."""


def candidates(period: Period, timezone: str) -> Iterator[tuple[Period, bool]]:
    """The periods that may serve, the best first, and whether each is a year earlier."""
    here = periods.zone(timezone)
    first, end = (at.astimezone(here).replace(tzinfo=None) for at in (period.start, period.end))
    yield _between(_moved(first, -MONTHS_PER_YEAR), _moved(end, -MONTHS_PER_YEAR), timezone), True
    if first.day == end.day == 1 and first.time() == end.time() == datetime.min.time():
        months = (end.year - first.year) * MONTHS_PER_YEAR + end.month - first.month
        yield _between(_moved(first, -months), first, timezone), False
    else:
        yield _between(first - (end - first), first, timezone), False


def _moved(at: datetime, months: int) -> datetime:
    """So many months later; the last day of February where the 29th is not there."""
    month = at.year * MONTHS_PER_YEAR + at.month - 1 + months
    year, index = divmod(month, MONTHS_PER_YEAR)
    following = datetime(year + (index + 1) // 12, (index + 1) % 12 + 1, 1)  # noqa: DTZ001 -- local
    last = (following - timedelta(days=1)).day
    return at.replace(year=year, month=index + 1, day=min(at.day, last))


def _between(first: datetime, end: datetime, timezone: str) -> Period:
    here = periods.zone(timezone)
    return Period(
        periods.floor(first.replace(tzinfo=here), Grain.QUARTER),
        periods.floor(end.replace(tzinfo=here), Grain.QUARTER),
    )


def compare(
    quarters: pl.DataFrame,
    period: Period,
    spans: pl.DataFrame,
    *,
    yearly: bool,
    buckets: pl.DataFrame,
    earlier: pl.DataFrame,
) -> Comparison | None:
    """The figures of an earlier period; null where too little is known of it.

    Parameters
    ----------
    quarters
        `frames.ROLLUPS` of the grain `15min`, of the main meters in the earlier period.
    period
        The earlier period.
    spans
        `presence.SPANS` of the meters that are expected to report.
    buckets
        `start_utc` of the buckets by which the later period's load is drawn, sorted.
    earlier
        `start_utc` of as many buckets of the earlier period, sorted; more or fewer are cut off.
    """
    seconds = presence.seconds(spans, presence.bucket(period)).item()
    coverage = float(quarters["covered_s"].sum()) / seconds if seconds else 0.0
    peak = highest(metrics.demand(quarters))
    if coverage < MIN_COVERAGE or peak is None:
        return None
    energy, power = _whole(quarters, presence.bucket(period), spans)
    means = _means(stepped(quarters, earlier), "step_utc")
    drawn = earlier.select("start_utc").join(
        means.rename({"step_utc": "start_utc"}), on="start_utc", how="left", maintain_order="left"
    )
    both = min(buckets.height, drawn.height)
    load = buckets.select("start_utc").head(both).with_columns(drawn["power_kw"].head(both))
    return Comparison(
        period=period,
        yearly=yearly,
        energy_kwh=energy,
        power_kw_mean=power,
        power_kw_max=peak[1],
        coverage=coverage,
        load=load,
    )


def _whole(
    quarters: pl.DataFrame, bucket: pl.DataFrame, spans: pl.DataFrame
) -> tuple[float, float]:
    """Energy and mean power of the whole period."""
    power = over(pl.col("energy_kwh") * SECONDS_PER_HOUR, pl.col("covered_s"))
    by_meter = (
        quarters.group_by("meter_id", maintain_order=True)
        .agg(energy_kwh=known_sum("energy_kwh"), covered_s=pl.col("covered_s").sum())
        .with_columns(power_kw=power)
    )
    present = metrics.present(by_meter, bucket, spans)
    energy, mean = present.select(known_sum("energy_kwh"), power=known_sum("power_kw")).row(0)
    return energy, mean


def _means(quarters: pl.DataFrame, by: str) -> pl.DataFrame:
    """Energy, and mean power formed for each meter over its own covered time, by a column."""
    power = over(pl.col("energy_kwh") * SECONDS_PER_HOUR, pl.col("covered_s"))
    return (
        quarters.group_by(by, "meter_id")
        .agg(energy_kwh=known_sum("energy_kwh"), covered_s=pl.col("covered_s").sum())
        .with_columns(power_kw=power)
        .group_by(by)
        .agg(energy_kwh=known_sum("energy_kwh"), power_kw=known_sum("power_kw"))
        .sort(by)
    )
