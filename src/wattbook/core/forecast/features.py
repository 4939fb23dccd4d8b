"""What is known of a step before anything is measured: the calendar as columns of numbers."""

from typing import Final

import numpy as np

from wattbook.core.forecast.series import DAYS_PER_WEEK, Floats, Series
from wattbook.core.periods import DAY_US

DAYS_PER_YEAR: Final = 365.25
"""Of the Julian calendar, whose error of a day in 128 years is no matter here."""
DAY_WAVES: Final = 11
"""Pairs of waves within a day: with a constant they can follow any 24 hours but their last wave."""
SLOW_DAY_WAVES: Final = 4
"""Pairs of waves of the part of the day's shape that changes with the year."""
YEAR_WAVES: Final = 3
SATURDAY: Final = 5


def calendar(series: Series) -> Floats:
    """What the calendar says of each step, as columns for a regression.

    A constant, a trend in years; the shape of each day of the week and of holidays; how the seasons
    change it, on all days and on free ones. Of a short history no seasons can be learnt: there it
    is the shape that all days share, from which a few weeks of each weekday differ a little.
    """
    days = series.local_us / DAY_US
    shape = waves(days, min(DAY_WAVES, max(series.per_day // 2 - 1, 0)))
    slow = shape[:, : 1 + 2 * SLOW_DAY_WAVES]
    year = waves(days / DAYS_PER_YEAR, YEAR_WAVES)[:, 1:]
    weekday = series.weekday
    ordinary = ~series.holiday
    free = (weekday >= SATURDAY) | series.holiday
    kinds = [(weekday == each) & ordinary for each in range(DAYS_PER_WEEK)]
    trend = (days - days[0]) / DAYS_PER_YEAR
    seasons = [_products(slow, year), _products(slow, year) * free[:, None]]
    if series.origin < DAYS_PER_YEAR * series.per_day:
        seasons = [shape[:, 1:]]
    parts = [
        np.ones((len(days), 1)),
        trend[:, None],
        *(shape * kind[:, None] for kind in [*kinds, series.holiday]),
        *seasons,
    ]
    return np.concatenate(parts, axis=1)


def waves(turns: Floats, pairs: int) -> Floats:
    """A constant, and cosines and sines of 1 to `pairs` periods a turn."""
    angle = 2 * np.pi * turns[:, None] * np.arange(1, pairs + 1)
    both = np.stack([np.cos(angle), np.sin(angle)], axis=2).reshape(len(turns), 2 * pairs)
    return np.concatenate([np.ones((len(turns), 1)), both], axis=1)


def _products(left: Floats, right: Floats) -> Floats:
    return (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)
