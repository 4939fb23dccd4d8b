"""Least squares on the calendar, corrected by how far the latest days were from it."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from wattbook.core.forecast import features
from wattbook.core.forecast.naive import trailing_mean
from wattbook.core.forecast.series import Floats, Ints, Series

CHUNK_DAYS: Final = 28
HALF_LIFE_DAYS: Final = 365
"""After so long what was learnt counts half."""
STIFFNESS: Final = 10.0
"""How many days of a column's mean square speak for its coefficient being 0."""
RECENT_STIFFNESS: Final = 10.0
"""The same for the latest errors, for each day of lead: what is far ahead hangs less on today."""
MIN_ORIGINS: Final = 20
"""With fewer the latest errors are left out of account."""
SLOTS: Final = 24
"""The latest day is told by so many means."""
WEEK: Final = 7
MEAN_DAYS: Final = (7, 14, 28, 84)
SAME_SLOT_DAYS: Final = 28
MIN_SHARE: Final = 0.05
"""Logarithms are taken where no value is below this share of the median."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What the calendar says, and the weights of the latest errors for each lead."""

    series: Series
    expected: Floats
    recent: Floats
    logarithms: bool

    def predict(self, origins: Ints, horizon: int) -> Floats:
        """What the calendar says, corrected by how far off it was of late."""
        day = self.series.per_day
        errors = self.series.values - self.expected[: self.series.origin]
        found: Floats = self.expected[origins[:, None] + np.arange(horizon)]
        recent = latest(errors, day, origins)
        for slot in range(min(day, horizon)):
            told = np.concatenate([recent, same_slot(errors, day, origins, slot)], axis=1)
            found[:, slot::day] += told @ self.recent[:, slot:horizon:day]
        return np.exp(found) if self.logarithms else found


class Regression:
    """Ridge regression by chunks of four weeks, so that learning anew costs milliseconds.

    References
    ----------
    .. [1] T. Hong, "Short Term Electric Load Forecasting," 2010: calendar crossed with hour.
    .. [2] A. E. Hoerl, R. W. Kennard, "Ridge Regression," 1970.
    """

    def __init__(self, series: Series, *, logarithms: bool = False) -> None:
        self.logarithms = logarithms
        self.series = replace(series, values=np.log(series.values)) if logarithms else series
        values, day = self.series.values, series.per_day
        known = np.isfinite(values)
        self.design = features.calendar(series)
        self.center = float(np.nanmean(values))
        target = np.where(known, values - self.center, 0.0)
        length = CHUNK_DAYS * day
        self.ends = [*range(length, series.origin, length), series.origin]
        self.grams: list[Floats] = []
        self.moments: list[Floats] = []
        for begin, end in zip([0, *self.ends[:-1]], self.ends, strict=True):
            part = self.design[begin:end] * known[begin:end, None]
            self.grams.append(part.T @ part)
            self.moments.append(part.T @ target[begin:end])

    def fit(self, until: int) -> Fitted:
        """What is learnt from the chunks that end before `until`."""
        expected = self.design @ self._coefficients(until) + self.center
        return Fitted(self.series, expected, self._recent(expected, until), self.logarithms)

    def _coefficients(self, until: int) -> Floats:
        usable = [at for at, end in enumerate(self.ends) if end <= until]
        day = self.series.per_day
        ages = [(until - self.ends[at]) / day for at in usable]
        weights: list[float] = [0.5 ** (age / HALF_LIFE_DAYS) for age in ages]
        size = self.design.shape[1]
        gram: Floats = np.zeros((size, size))
        moment: Floats = np.zeros(size)
        for at, weight in zip(usable, weights, strict=True):
            gram += weight * self.grams[at]
            moment += weight * self.moments[at]
        mean_square = np.diag(gram) / max(gram[0, 0], 1.0)
        gram[np.diag_indices(size)] += STIFFNESS * day * mean_square + 1e-6
        return np.asarray(np.linalg.solve(gram, moment), dtype=np.float64)

    def _recent(self, expected: Floats, until: int) -> Floats:
        """For each lead the weights of the latest errors, learnt from daily origins."""
        horizon, day = self.series.horizon, self.series.per_day
        errors = self.series.values[:until] - expected[:until]
        origins = np.arange(until - day, SAME_SLOT_DAYS * day, -day, dtype=np.int64)
        columns = min(day, SLOTS) + WEEK + len(MEAN_DAYS) + 6
        weights = np.zeros((columns, horizon))
        if len(origins) < MIN_ORIGINS:
            return weights
        recent = latest(errors, day, origins)
        ahead = np.concatenate([errors, np.full(horizon, np.nan)])
        target = ahead[origins[:, None] + np.arange(horizon)]
        complete = np.nan_to_num(target)
        for slot in range(min(day, horizon)):
            told = np.concatenate([recent, same_slot(errors, day, origins, slot)], axis=1)
            values, vectors = np.linalg.eigh(told.T @ told)
            turned = vectors.T @ (told.T @ np.ascontiguousarray(complete[:, slot::day]))
            days = 1 + np.arange(turned.shape[1])
            ridge = RECENT_STIFFNESS * days**1.5 * values.mean() / len(told) + 1e-9
            weights[:, slot::day] = vectors @ (turned / (values[:, None].clip(0) + ridge))
        return weights


def fits_logarithms(series: Series) -> bool:
    """Whether all that is known is well above nothing."""
    median = float(np.nanmedian(series.values))
    return median > 0 and float(np.nanmin(series.values)) > MIN_SHARE * median


def latest(errors: Floats, day: int, origins: Ints) -> Floats:
    """The errors known at each origin: of the last day by hour, of the last week by day, means."""
    width = min(day, SLOTS)
    step = day // width
    by_hour, by_day = trailing_mean(errors, step), trailing_mean(errors, day)
    columns = [by_hour[np.maximum(origins - back * step, 0)] for back in range(width)]
    columns += [by_day[np.maximum(origins - back * day, 0)] for back in range(1, WEEK + 1)]
    columns += [trailing_mean(errors, days * day)[origins] for days in MEAN_DAYS]
    return np.nan_to_num(np.stack(columns, axis=1))


def same_slot(errors: Floats, day: int, origins: Ints, slot: int) -> Floats:
    """Errors of the days before, so many steps after the time of day of the origins."""
    filled = np.nan_to_num(errors)
    at = origins + slot - day
    back = at[:, None] - np.arange(SAME_SLOT_DAYS) * day
    days = np.where(back >= 0, filled[np.maximum(back, 0)], 0.0)
    means = [days[:, :many].mean(axis=1) for many in (WEEK, 2 * WEEK, SAME_SLOT_DAYS)]
    return np.stack([days[:, 0], days[:, 1], days[:, WEEK - 1], *means], axis=1)
