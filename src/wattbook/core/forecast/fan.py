"""The rows of a forecast: its mean and quantiles, within what the series can be."""

from typing import Final

import numpy as np
import polars as pl

from wattbook.core.forecast import intervals
from wattbook.core.forecast import scenario as scenarios
from wattbook.core.forecast.scenario import Scenario
from wattbook.core.forecast.series import Floats, Series
from wattbook.core.forecast.task import ForecastTask, column

MEAN_INSIDE: Final = 0.1
"""The mean stays inside the outermost quantiles by this share of their distance to the point."""


def rows(
    known: Series,
    point: Floats,
    errors: Floats,
    usual: Floats,
    unit: float,
    ask: ForecastTask,
    left: Floats,
    scenario: Scenario | None,
) -> pl.DataFrame:
    """The forecast `point` with its mean and quantiles by past errors, given in units of `unit`.

    The quantiles are those of all `errors`, the mean is that of the `usual` ones, without one-offs.
    What is left of each step by a foreseen curtailment is applied after the bounds, and after
    that the scenario.
    """
    levels = tuple(sorted(ask.quantiles))
    low, high = bounds(known, ask)
    middle = np.clip(point, low, high)
    offset = intervals.offsets(errors, known.per_day, levels)
    spread = np.clip(intervals.around(point, offset * unit), low, high)
    mean = np.clip(point + intervals.means(usual, known.per_day) * unit, low, high)
    mean = _inside(mean, middle, spread, levels)
    names = [column(level) for level in levels]
    found = pl.DataFrame(
        {
            "start_utc": known.start_utc[known.origin :],
            "mean": mean * left,
            **{name: spread[:, at] * left for at, name in enumerate(names)},
        }
    ).with_columns(pl.col("mean", *names).fill_nan(None))
    return found if scenario is None else scenarios.under(found, scenario, ["mean", *names])


def bounds(known: Series, ask: ForecastTask) -> tuple[float, float]:
    """The least and the most that a figure can be."""
    low = -np.inf if ask.minimum is None else ask.minimum
    if ask.minimum is None and np.nanmin(known.values) >= 0:
        low = 0.0
    return low, np.inf if ask.maximum is None else ask.maximum


def _inside(mean: Floats, point: Floats, spread: Floats, levels: tuple[float, ...]) -> Floats:
    """The mean, drawn inside the outermost quantiles where they lie around the median."""
    if levels[0] < 1 / 2:
        least = spread[:, 0] + MEAN_INSIDE * (point - spread[:, 0])
        mean = np.fmax(mean, np.fmin(least, point))
    if levels[-1] > 1 / 2:
        most = spread[:, -1] - MEAN_INSIDE * (spread[:, -1] - point)
        mean = np.fmin(mean, np.fmax(most, point))
    return mean
