"""How good forecasts were."""

from typing import Final

import numpy as np
import polars as pl

from wattbook.core.forecast.series import Bools, Floats, Series
from wattbook.core.forecast.task import Band

LEADERBOARD: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "model": pl.String,
    "band": pl.String,
    "mase": pl.Float64,
    "rmae": pl.Float64,
    "pinball": pl.Float64,
    "coverage": pl.Float64,
    "width": pl.Float64,
    "origins": pl.Int64,
}
COVERAGE: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "band": pl.String,
    "nominal": pl.Float64,
    "measured": pl.Float64,
    "days": pl.Int64,
}


def leads(band: Band, horizon: int, per_day: int) -> Bools:
    """Which leads belong to the band; the last one takes all that is beyond it."""
    days = np.arange(horizon) // per_day
    first = {Band.DAY: 0, Band.WEEK: Band.DAY.longest.days, Band.MONTH: Band.WEEK.longest.days}
    inside: Bools = days >= first[band]
    return inside if band is Band.MONTH else inside & (days < band.longest.days)


def scale(series: Series) -> float | None:
    """Mean absolute error of the weekly naive forecast within the history: the unit of the MASE.

    Null where the history knows no two values a week apart, or repeats itself exactly.

    References
    ----------
    .. [1] R. J. Hyndman, A. B. Koehler, "Another look at measures of forecast accuracy," 2006.
    """
    week = 7 * series.per_day
    steps = np.abs(series.values[week:] - series.values[:-week])
    known = steps[np.isfinite(steps)]
    return float(known.mean()) if known.size and known.mean() > 0 else None


def spread(series: Series) -> float | None:
    """P99 less P1 of the history: the unit of the rMAE."""
    known = series.values[np.isfinite(series.values)]
    low, high = np.quantile(known, (1 / 100, 99 / 100))
    return float(high - low) if high > low else None


def mae(errors: Floats) -> float | None:
    """Mean of the absolute errors that are known."""
    known = np.abs(errors[np.isfinite(errors)])
    return float(known.mean()) if known.size else None


def pinball(actual: Floats, quantiles: Floats, levels: tuple[float, ...]) -> float | None:
    """Mean pinball loss over the quantiles, which are the last axis.

    >>> pinball(np.array([10.0]), np.array([[8.0]]), (3 / 4,))  # 2 too low, at 3/4
    1.5
    """
    off = actual[..., None] - quantiles
    level = np.array(levels)
    loss = np.maximum(level * off, (level - 1) * off)
    known = loss[np.isfinite(loss)]
    return float(known.mean()) if known.size else None


def coverage(actual: Floats, low: Floats, high: Floats) -> float | None:
    """Share of the known values within the interval, its ends included."""
    known = np.isfinite(actual) & np.isfinite(low)
    inside = (actual >= low) & (actual <= high)
    return float(inside[known].mean()) if known.any() else None


def over(value: float | None, unit: float | None) -> float | None:
    """A score in its unit; null where either is not known."""
    return None if value is None or unit is None else value / unit
