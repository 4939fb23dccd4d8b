"""What a report says of the time after its period: a forecast that was stored before."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from wattbook.core import periods
from wattbook.core.periods import Grain, Period
from wattbook.core.units import SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """A stored forecast of the load, from the end of a report's period on."""

    run_id: str
    made_utc: datetime
    origin_utc: datetime
    """End of what was known when it was made."""
    model: str
    basis: str
    reason: str | None
    grain: Grain
    period: Period
    rows: pl.DataFrame
    """`start_utc`, `end_utc`, `mean`, `p10`, `p90` [kW]; a quantile that is not known is null."""

    @property
    def energy_kwh(self) -> float:
        """What is expected to be drawn."""
        hours = (pl.col("end_utc") - pl.col("start_utc")).dt.total_seconds() / SECONDS_PER_HOUR
        return float(self.rows.select((pl.col("mean") * hours).sum()).item())

    @property
    def highest(self) -> dict[str, object]:
        """The step of which most is expected, the earlier one of two."""
        return self.rows.sort("mean", "start_utc", descending=[True, False]).row(0, named=True)


def follows(forecast: Period, period: Period) -> bool:
    """Whether a forecast begins in a period, or at its end, and goes on after it."""
    return period.start <= forecast.start <= period.end < forecast.end


def steps(rows: pl.DataFrame, grain: Grain, timezone: str, since: datetime) -> pl.DataFrame:
    """The steps of a forecast that begin at an instant or later, as `Ahead` holds them."""
    later = rows.filter(pl.col("start_utc") >= since)
    ends = [periods.after(start, grain, timezone) for start in later["start_utc"]]
    quantiles = [
        pl.col(name) if name in later.columns else pl.lit(None, pl.Float64).alias(name)
        for name in ("p10", "p90")
    ]
    end = pl.Series("end_utc", ends, later["start_utc"].dtype)
    return later.with_columns(end).select("start_utc", "end_utc", "mean", *quantiles)
