"""Intervals that hold as often as they say: errors of the past, by lead time and hour."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from wattbook.core.forecast.naive import trailing_mean
from wattbook.core.forecast.series import DAYS_PER_WEEK, Floats, Ints, Series

UNIT_WEEKS: Final = 8
DAY_EDGES: Final = (1, 2, 4, 7, 14)
"""Days of lead at which errors begin to be judged apart from those of shorter leads."""


def groups(horizon: int, per_day: int) -> Ints:
    """Leads whose errors are judged together: the same slot of the day, about as far ahead."""
    lead = np.arange(horizon)
    far = np.searchsorted(DAY_EDGES, lead // per_day, side="right")
    joint: Ints = far * per_day + lead % per_day
    return joint


def offsets(errors: Floats, group: Ints, quantiles: Sequence[float]) -> Floats:
    """What to add to a forecast for each of its quantiles: leads × quantiles.

    Parameters
    ----------
    errors
        Origins × leads: what was, less what had been forecast; NaN where unknown.
    group
        Of each lead: errors of one group are pooled.
    quantiles
        Of the errors. The median is left where it is; the tails are taken apart from one another,
        at the level that holds in a finite sample of exchangeable errors.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer, "Algorithmic Learning in a Random World," 2005.
    .. [2] Y. Romano, E. Patterson, E. Candès, "Conformalized Quantile Regression," 2019, th. 2.
    """
    found = np.zeros((errors.shape[1], len(quantiles)))
    everything = np.sort(errors[np.isfinite(errors)])
    for each in np.unique(group):
        member = group == each
        pooled = errors[:, member]
        ordered = np.sort(pooled[np.isfinite(pooled)])
        found[member] = [tail(ordered if len(ordered) else everything, q) for q in quantiles]
    return found


def tail(ordered: Floats, quantile: float) -> float:
    """The quantile of sorted errors that holds in a finite sample; of the median 0.

    >>> tail(np.arange(1.0, 10.0), 9 / 10), tail(np.arange(1.0, 10.0), 1 / 10)
    (9.0, 1.0)
    """
    count = len(ordered)
    if not count or quantile * 2 == 1:
        return 0.0
    rank = quantile * (count + 1)
    place = math.ceil(round(rank, 6)) if quantile * 2 > 1 else math.floor(round(rank, 6))
    return float(ordered[min(max(place, 1), count) - 1])


def around(point: Floats, offset: Floats) -> Floats:
    """Quantiles in ascending order around a point forecast: they never cross."""
    return np.sort(point[..., None] + offset, axis=-1)


def unit(series: Series, origins: Ints) -> Floats:
    """How much the series moved of late, as seen from each origin: the unit of its errors.

    The mean absolute change from week to week over eight weeks, but never less than a quarter of
    what is usual.
    """
    week = DAYS_PER_WEEK * series.per_day
    moved = np.full(len(series.values), np.nan)
    moved[week:] = np.abs(series.values[week:] - series.values[:-week])
    late = trailing_mean(moved, UNIT_WEEKS * week)[origins]
    usual = float(np.nanmedian(late)) if np.isfinite(late).any() else 0.0
    if not usual > 0:
        return np.ones(len(origins))
    units: Floats = np.maximum(np.where(np.isfinite(late), late, usual), usual / 4)
    return units
