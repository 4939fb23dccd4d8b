"""Forecasts as they would have been: from many origins of the past, by lead time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from wattbook.core.forecast import scores
from wattbook.core.forecast.series import Bools, Floats, Ints, Series
from wattbook.core.forecast.task import Band

JUDGED_DAYS: Final = 60
"""The latest days, on which the answer's coverage and the leaderboard are measured."""
BACKTEST_DAYS: Final = 430
"""A year, and the judged days, so that they too are judged by errors of a whole year."""
SHARE_TO_LEARN: Final = 2
"""One part in so many of a short history is kept to learn from before the first origin."""


class Fitted(Protocol):
    """A model that has learnt."""

    def predict(self, origins: Ints, horizon: int) -> Floats:
        """Origins × leads; of each origin only what lies before it is read."""
        ...


class Forecaster(Protocol):
    """A model of one series."""

    def fit(self, until: int) -> Fitted:
        """The model as it is when it has learnt from the steps before `until` alone."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """From where, and by what, forecasts of the past are judged."""

    origins: Ints
    """Indices of first steps, ascending, a day apart; the last one is the forecast's own."""
    actual: Floats
    """Origins × leads; NaN where unknown, or yet to come."""
    learnt: Bools
    """What was known before the judged days: weights and errors come from it."""
    judged: Bools
    """Forecasts made within the judged days."""
    days: int
    """How many days are judged."""

    @property
    def tried(self) -> int:
        """How many origins have anything to compare with."""
        return int(np.isfinite(self.actual).any(axis=1).sum())


def plan(series: Series) -> Plan:
    """Daily origins, at the time of day of the forecast's own, as far back as can be learnt."""
    own, horizon, day = series.origin, series.horizon, series.per_day
    first = int(np.flatnonzero(np.isfinite(series.values))[0])
    history_days = (own - first) // day
    back = min(BACKTEST_DAYS, history_days - max(history_days // SHARE_TO_LEARN, 1))
    origins = own - np.arange(max(back, 0), -1, -1, dtype=np.int64) * day
    steps = origins[:, None] + np.arange(horizon)
    days = min(JUDGED_DAYS, max(back, 0) // 2)
    cut = own - days * day
    return Plan(
        origins=origins,
        actual=actual(series, origins),
        learnt=steps < cut,
        judged=np.broadcast_to(origins[:, None] >= cut, steps.shape),
        days=days,
    )


def actual(series: Series, origins: Ints) -> Floats:
    """Origins × leads of what came; NaN where it is unknown, or yet to come."""
    values = np.concatenate([series.values, np.full(series.horizon, np.nan)])
    found: Floats = values[origins[:, None] + np.arange(series.horizon)]
    return found


def roll_forecasts(forecaster: Forecaster, plan_: Plan, *, every: int) -> Floats:
    """Forecasts at all origins, learnt anew at every so-manieth and at the last of them."""
    horizon = plan_.actual.shape[1]
    count = len(plan_.origins)
    found = np.full(plan_.actual.shape, np.nan)
    starts = [*range(0, count - 1, every), count - 1]
    for begin, end in zip(starts, [*starts[1:], count], strict=True):
        part = plan_.origins[begin:end]
        found[begin:end] = forecaster.fit(int(part[0])).predict(part, horizon)
    return found


def errors(plan_: Plan, forecasts: Mapping[str, Floats], inside: Bools) -> dict[str, float]:
    """Mean absolute error at the leads `inside` of each forecast that has one to publish.

    Only where all of them are known, so that none is judged in easier times than another.
    """
    offered = {
        name: np.abs(plan_.actual - each)[:, inside]
        for name, each in forecasts.items()
        if np.isfinite(each[-1, inside]).all()
    }
    if not offered:
        return {}
    together = np.isfinite(sum(offered.values()))
    if not together.any():
        return {}
    return {name: float(each[together].mean()) for name, each in offered.items()}


def best(plan_: Plan, forecasts: Mapping[str, Floats], per_day: int) -> dict[Band, str]:
    """The forecast with the least error in each band; the first one where none could be tried."""
    chosen = {}
    for band in Band:
        inside = scores.leads(band, plan_.actual.shape[1], per_day)
        tried = errors(plan_, forecasts, inside)
        chosen[band] = min(tried, key=lambda name: tried[name], default=next(iter(forecasts)))
    return chosen


def by_band(
    forecasts: Mapping[str, Floats],
    chosen: Mapping[Band, str],
    per_day: int,
    *,
    alone: bool = False,
) -> Floats:
    """Of each band the chosen forecast; where it is unknown, the first of the others that is not.

    `alone`: what is unknown stays so, for another model's errors say nothing of the chosen one.
    """
    horizon = next(iter(forecasts.values())).shape[1]
    joined = np.full_like(next(iter(forecasts.values())), np.nan)
    for band, name in chosen.items():
        inside = scores.leads(band, horizon, per_day)
        joined[:, inside] = forecasts[name][:, inside]
    for each in () if alone else forecasts.values():
        joined = np.where(np.isnan(joined), each, joined)
    return joined
