"""Forecasts that repeat what was: the bar that every model has to pass."""

from typing import Final

import numpy as np

from wattbook.core.forecast.series import Floats, Ints, Series, clock_steps

DAY: Final = 1
WEEK: Final = 7
YEAR: Final = 364
"""Days of 52 weeks: a year ago on the same day of the week."""
LEVEL_DAYS: Final = 28
MAX_SEASONS_BACK: Final = 8
"""So many seasons are gone back where a value is unknown."""


def seasonal(series: Series, origins: Ints, horizon: int, days: int) -> Floats:
    """The last known value at the same local time so many days, or a multiple of them, earlier.

    Returns
    -------
    NDArray
        One row for each origin, which is the index of its first step; one column for each lead.
        NaN where the history does not reach back. No value from the origin on is read.
    """
    season = days * series.per_day
    clock = clock_steps(series)
    steps = origins[:, None] + np.arange(horizon)
    back = (np.arange(horizon) // season + 1) * season
    found = np.full(steps.shape, np.nan)
    for more in range(MAX_SEASONS_BACK):
        source = np.maximum(steps - back - more * season, 0)
        source = source + clock[np.minimum(steps, len(clock) - 1)] - clock[source]
        usable = (
            (source >= 0)
            & (source < origins[:, None])
            & (steps - back - more * season >= 0)
            & np.isnan(found)
        )
        found[usable] = series.values[source[usable]]
        if not np.isnan(found).any():
            break
    return found


def year_ago(series: Series, origins: Ints, horizon: int) -> Floats:
    """The value 52 weeks earlier, times what the last four weeks were of those a year ago."""
    then = seasonal(series, origins, horizon, YEAR)
    level = trailing_mean(series.values, LEVEL_DAYS * series.per_day)
    before = origins - YEAR * series.per_day
    now_level = level[origins]
    then_level = np.where(before > 0, level[np.maximum(before, 0)], np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(then_level > 0, now_level / then_level, np.nan)
    scaled: Floats = then * ratio[:, None]
    return scaled


def drift(series: Series, origins: Ints, horizon: int) -> Floats:
    """The last known value, and on along the line from the first one."""
    known = np.flatnonzero(np.isfinite(series.values))
    place = np.searchsorted(known, origins) - 1
    last = known[np.maximum(place, 0)]
    run = np.maximum(last - known[0], 1)
    slope = (series.values[last] - series.values[known[0]]) / run
    ahead = origins[:, None] + np.arange(horizon) - last[:, None]
    line: Floats = series.values[last][:, None] + slope[:, None] * ahead
    line[place < 0] = np.nan
    return line


def trailing_mean(values: Floats, window: int) -> Floats:
    """Mean of the known values among the `window` before each index, from 0 to the length.

    >>> trailing_mean(np.array([1.0, 3.0, np.nan, 5.0]), 2).tolist()
    [nan, 1.0, 2.0, 3.0, 5.0]
    """
    known = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    begin = np.maximum(np.arange(len(values) + 1) - window, 0)
    many = counts - counts[begin]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: Floats = np.where(many > 0, (sums - sums[begin]) / many, np.nan)
    return mean
