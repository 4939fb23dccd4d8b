"""Gradient-boosted trees on what the regression leaves: calendar, latest errors, covariates."""

from typing import Any, Final

import numpy as np

from wattbook.core.forecast.backtest import Plan
from wattbook.core.forecast.covariates import as_known
from wattbook.core.forecast.series import Floats, Ints, Series
from wattbook.models.regression import latest

MIN_ORIGINS: Final = 120
"""Half of them are learnt from before the other half is tried."""
FAR_DAYS: Final = 7
"""Without covariates nothing beyond is better for it."""
LEADS_PER_ORIGIN: Final = 40
TREES: Final[dict[str, Any]] = {
    "loss": "absolute_error",
    "max_iter": 80,
    "learning_rate": 0.08,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 60,
    "early_stopping": False,
}


def boosted(series: Series, plan: Plan, base: Floats, seed: int) -> Floats | None:
    """The forecasts `base`, corrected; null where there are too few origins to learn from.

    The first half of the origins has no correction (NaN): it is learnt from for the second half.
    For the last origin it is learnt anew from all errors that are known by then.
    """
    count = len(plan.origins) - 1
    if count < MIN_ORIGINS:
        return None
    far = (
        series.horizon
        if series.extras is not None
        else min(series.horizon, FAR_DAYS * series.per_day)
    )
    told = _Told(series, plan, base, far)
    half = count // 2
    found = base.copy()
    found[:half] = np.nan
    tried, last = np.arange(half, count), np.array([count])
    found[half:count, :far] = told.corrected(tried, _learn(told, int(plan.origins[half]), seed))
    found[last, :far] = told.corrected(last, _learn(told, series.origin, seed))
    return found


class _Told:
    """What the trees are told of each origin and lead."""

    def __init__(self, series: Series, plan: Plan, base: Floats, far: int) -> None:
        self.series, self.plan, self.base, self.far = series, plan, base, far
        self.left = (plan.actual - base)[:, :far]
        day = series.per_day
        # How far off the forecasts of the day before were, at each origin: what was known of it.
        one_day = np.full(series.origin, np.nan)
        for origin, row in zip(plan.origins[:-1], base[:-1, :day], strict=True):
            end = min(day, series.origin - int(origin))
            span = slice(int(origin), int(origin) + end)
            one_day[span] = series.values[span] - row[:end]
        self.recent = latest(one_day, day, plan.origins)[:, :: max(min(day, 24) // 8, 1)]
        self.extras = as_known(series, plan.origins, far)

    def table(self, at: Ints, lead: Ints) -> Floats:
        series = self.series
        step = self.plan.origins[at] + lead
        columns = [
            lead,
            self.base[at, lead],
            series.slot[step],
            series.weekday[step],
            series.holiday[step],
            *self.recent[at].T,
            *(each[at, lead] for each in self.extras),
        ]
        return np.stack([np.asarray(each, dtype=np.float64) for each in columns], axis=1)

    def corrected(self, at: Ints, trees: Any) -> Floats:  # noqa: ANN401 -- scikit-learn has no types
        rows = np.repeat(at, self.far)
        leads = np.tile(np.arange(self.far), len(at))
        off: Floats = trees.predict(self.table(rows, leads)).reshape(len(at), self.far)
        return self.base[at, : self.far] + off


def _learn(told: _Told, until: int, seed: int) -> Any:  # noqa: ANN401 -- scikit-learn has no types
    """Trees that have seen the errors of the steps before `until`."""
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415 -- slow

    rng = np.random.default_rng(seed)
    origins = np.flatnonzero(told.plan.origins < until)
    at = np.repeat(origins, LEADS_PER_ORIGIN)
    lead = (told.far * rng.random(len(at)) ** 2).astype(np.int64)
    off = told.left[at, lead]
    usable = np.isfinite(off) & (told.plan.origins[at] + lead < until)
    return HistGradientBoostingRegressor(**TREES, random_state=seed).fit(
        told.table(at[usable], lead[usable]), off[usable]
    )
