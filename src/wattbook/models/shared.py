"""One model of many series, for those that are too young to have a model of their own.

Everything is told as a share of the latest level, so that a site of 1 MW learns from one of 100.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from wattbook.core.forecast import naive
from wattbook.core.forecast.features import DAYS_PER_YEAR
from wattbook.core.forecast.naive import trailing_mean
from wattbook.core.forecast.series import Floats, Ints, Series
from wattbook.core.periods import DAY_US

MAX_HISTORY_DAYS: Final = 28
"""Days of its own history that a young series is told of, at most."""
WEEK: Final = 7
MIN_DONORS: Final = 3
FOLDS: Final = 2
"""The donors are parted so often; each part is foretold by what was learnt from the others."""
ROWS: Final = 40_000
"""So many origins and leads are learnt from."""
TRIED: Final = 200
"""So many origins of all donors together are foretold in full, to know how far off that is."""
YEAR: Final = 364
SOME: Final = 20
"""Below this part of its highest level a donor was not at work: no share of that says anything."""
TREES: Final[dict[str, Any]] = {
    "loss": "absolute_error",
    "max_iter": 120,
    "max_leaf_nodes": 31,
    "min_samples_leaf": 100,
    "early_stopping": False,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shared:
    """A forecast by the donors' model, and how far off it was for donors it had not seen."""

    point: Floats
    """One row of leads."""
    naive: Floats
    """The naive forecast beside it."""
    errors: Floats
    """Origins of donors × leads, as shares of the level at the origin."""
    naive_errors: Floats
    level: float
    """Of the young series."""
    donors: int
    """From how many others it was learnt."""


def forecast(series: Series, donors: Sequence[Series], seed: int) -> Shared | None:
    """What the others' past says of a young series; null where too few others have one."""
    day = series.per_day
    back = min(max(series.origin // day, 1), MAX_HISTORY_DAYS)
    usable = [donor for donor in donors if len(_origins(donor, series, back))]
    level = _level(series, np.array([series.origin]), back)[0]
    if len(usable) < MIN_DONORS or not level > 0:
        return None
    rng = np.random.default_rng(seed)
    folds = np.array_split(np.arange(len(usable)), min(FOLDS, len(usable)))
    errors, naive_errors = [], []
    for fold in folds:
        others = [donor for at, donor in enumerate(usable) if at not in fold]
        trees = _learn(others, series, back, rng, seed)
        for at in fold:
            origins = _origins(usable[at], series, back)
            some = np.sort(rng.permutation(origins)[: -(-TRIED // len(usable))])
            told = _off(usable[at], some, series.horizon, back, trees)
            errors.append(told[0])
            naive_errors.append(told[1])
    last = np.array([series.origin])
    trees = _learn(usable, series, back, rng, seed)
    return Shared(
        point=_predicted(series, last, series.horizon, back, trees),
        naive=repeated(series, last, series.horizon, back),
        errors=np.concatenate(errors),
        naive_errors=np.concatenate(naive_errors),
        level=float(level),
        donors=len(usable),
    )


def repeated(series: Series, origins: Ints, horizon: int, back: int) -> Floats:
    """The last week again and again, or the last day where no week is known."""
    days = naive.WEEK if back >= WEEK else naive.DAY
    found = naive.seasonal(series, origins, horizon, days)
    level = _level(series, origins, back)[:, None]
    return np.where(np.isnan(found), level, found)


def _origins(donor: Series, young: Series, back: int) -> Ints:
    """Days of the donor's last year from which as much is known as of the young series.

    From each of them something is known of what came, too.
    """
    day = donor.per_day
    last = donor.origin - young.horizon
    first = max(back * day, last - YEAR * day)
    origins = np.arange(last, first - 1, -day, dtype=np.int64)
    level = _level(donor, origins, back)
    count = np.concatenate([[0], np.cumsum(np.isfinite(donor.values))])
    came = count[origins + young.horizon] > count[origins]
    return origins[came & (level > np.max(level, initial=0.0) / SOME)]


def _level(series: Series, origins: Ints, back: int) -> Floats:
    found: Floats = trailing_mean(series.values, min(back, WEEK) * series.per_day)[origins]
    return np.nan_to_num(found)


def _learn(
    donors: Sequence[Series], young: Series, back: int, rng: np.random.Generator, seed: int
) -> Any:  # noqa: ANN401 -- scikit-learn has no types
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415 -- slow

    tables, shares = [], []
    each = ROWS // len(donors)
    for donor in donors:
        origins = rng.choice(_origins(donor, young, back), each)
        leads = rng.integers(0, young.horizon, each)
        off = (donor.values[origins + leads] - _same_slot(donor, origins, leads, back)) / _level(
            donor, origins, back
        )
        known = np.isfinite(off)
        tables.append(_table(donor, origins[known], leads[known], back))
        shares.append(off[known])
    model = HistGradientBoostingRegressor(**TREES, random_state=seed)
    return model.fit(np.concatenate(tables), np.concatenate(shares))


def _off(
    donor: Series,
    origins: Ints,
    horizon: int,
    back: int,
    trees: Any,  # noqa: ANN401
) -> tuple[Floats, Floats]:
    actual = donor.values[origins[:, None] + np.arange(horizon)]
    level = _level(donor, origins, back)[:, None]
    ours = _predicted(donor, origins, horizon, back, trees)
    return (actual - ours) / level, (actual - repeated(donor, origins, horizon, back)) / level


def _predicted(
    series: Series,
    origins: Ints,
    horizon: int,
    back: int,
    trees: Any,  # noqa: ANN401
) -> Floats:
    at, lead = np.repeat(origins, horizon), np.tile(np.arange(horizon), len(origins))
    share = trees.predict(_table(series, at, lead, back))
    found = _same_slot(series, at, lead, back) + share * _level(series, at, back)
    return np.asarray(found, dtype=np.float64).reshape(len(origins), horizon)


def _same_slot(series: Series, origins: Ints, leads: Ints, back: int) -> Floats:
    """The mean at the same time of day over the days that are known."""
    days = _days(series, origins, leads, min(back, 2 * WEEK))
    known = np.isfinite(days)
    count = known.sum(axis=1)
    total = np.where(known, days, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), _level(series, origins, back))


def _days(series: Series, origins: Ints, leads: Ints, back: int) -> Floats:
    """Origins × days before them: the values at the time of day of the leads."""
    day = series.per_day
    steps = (origins + leads % day)[:, None] - day * np.arange(1, back + 1)
    days: Floats = np.where(steps >= 0, series.values[np.maximum(steps, 0)], np.nan)
    return days


def _table(series: Series, origins: Ints, leads: Ints, back: int) -> Floats:
    """What the trees are told: the calendar, the season, and the latest days by their level."""
    day, step = series.per_day, origins + leads
    level = _level(series, origins, back)
    days = _days(series, origins, leads, back)
    mean = _same_slot(series, origins, leads, back)
    known = np.isfinite(days)
    off = np.where(known, np.abs(days - mean[:, None]), 0.0).sum(axis=1)
    days = np.where(known, days, mean[:, None])
    before = WEEK - 1 - leads // day % WEEK  # so many days ago it was the same day of the week
    week_ago = days[np.arange(len(step)), np.minimum(before, back - 1)]
    shares = [
        days[:, 0],
        np.where(before < back, week_ago, mean),
        mean,
        trailing_mean(series.values, day)[origins],
        off / np.maximum(known.sum(axis=1), 1),
    ]
    now, then = _season(series, origins), _season(series, step)
    columns = [
        leads // day,
        series.slot[step],
        series.weekday[step],
        series.holiday[step],
        *(each / level for each in shares),
        *then,
        *(then - now),
    ]
    return np.stack([np.asarray(each, dtype=np.float64) for each in columns], axis=1)


def _season(series: Series, steps: Ints) -> Floats:
    """Where in the year, as a point on a circle: two rows."""
    turn = 2 * np.pi * series.local_us[steps] / (DAYS_PER_YEAR * DAY_US)
    return np.stack([np.cos(turn), np.sin(turn)])
