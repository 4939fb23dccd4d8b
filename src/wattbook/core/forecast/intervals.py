"""Intervals that hold as often as they say: errors of the past, by lead time and hour."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Final

import numpy as np

from wattbook.core.forecast import samples
from wattbook.core.forecast.naive import trailing_mean
from wattbook.core.forecast.series import DAYS_PER_WEEK, Floats, Ints, Series
from wattbook.core.formatting import ROUNDING

UNIT_WEEKS: Final = 8
DAY_EDGES: Final = (0, 1, 2, 4, 7, 14)
"""Days of lead at which errors begin to be judged apart from those of shorter leads."""
BLOCKS: Final = 6
"""Parts of the past of which each is foretold by the others."""
MIN_OTHERS: Final = 14
"""Origins without which the others say nothing of a part."""
LEVELS: Final = (1 / 2, 6 / 10, 7 / 10, 8 / 10, 85 / 100, 9 / 10, 95 / 100, 98 / 100, 99 / 100)
"""Levels of one tail that are tried on the parts left out."""
FURTHEST: Final = 9999 / 10_000
"""An outermost error is not widened beyond this level."""
NORMAL: Final = NormalDist()
SHRINK_ORIGINS: Final = 10
"""So many origins without any error speak for the centre staying where the forecast is."""


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """How often the tails of some blocks of the past held in the others."""

    levels: Floats
    """Of `LEVELS` those for which each block had enough errors in the others."""
    below: Floats
    """Share of values that were not below the lower tail of each level."""
    above: Floats
    """Share of values that were not above the upper one."""

    def level(self, quantile: float) -> float:
        """The quantile to take so that as much is beyond it as was asked for."""
        upper = quantile > 1 / 2
        was = np.concatenate([[0.0], self.above if upper else self.below, [1.0]])
        wanted = quantile if upper else 1 - quantile
        said = np.concatenate([[0.0], self.levels, [1.0]])
        found = float(np.interp(wanted, np.maximum.accumulate(was), said))
        return found if upper else 1 - found


def offsets(errors: Floats, per_day: int, quantiles: Sequence[float]) -> Floats:
    """What to add to a forecast for each of its quantiles: leads × quantiles; NaN is not known.

    Parameters
    ----------
    errors
        Origins, in their order and a day apart, × leads: what was, less what had been forecast; NaN
        where unknown. Those of one time of day, about as far ahead, are pooled.
    per_day
        Steps of a day.
    quantiles
        Of the errors. Each tail is calibrated by itself, at the level that holds in a finite
        sample of exchangeable errors, and further out where errors of one part of the past are not
        exchangeable with those of the others. Where the past is too short to see that, errors that
        depend on one another count as fewer (`samples.independent`), and a quantile that needs
        more of them than there are is that of shorter leads, widened like a random walk, or NaN.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer, "Algorithmic Learning in a Random World," 2005.
    .. [2] Y. Romano, E. Patterson, E. Candès, "Conformalized Quantile Regression," 2019, th. 2.
    .. [3] R. F. Barber et al., "Predictive inference with the jackknife+," 2021.
    """
    found = np.zeros((errors.shape[1], len(quantiles)))
    nearer: tuple[float, Floats] | None = None
    for leads in distances(errors.shape[1], per_day):
        part = _by_slot(errors[:, leads], per_day)
        by_slot = _of_part(part, -(-leads.stop // per_day), quantiles)
        middle = (leads.start + leads.stop) / 2
        if nearer is not None and np.isnan(by_slot).any():
            wider = nearer[1][: len(by_slot)] * np.sqrt(middle / nearer[0])
            by_slot = np.where(np.isnan(by_slot), wider, by_slot)
        nearer = middle, by_slot
        days = -(-(leads.stop - leads.start) // per_day)
        found[leads] = np.tile(by_slot, (days, 1))[: leads.stop - leads.start]
    return found


def _of_part(part: Floats, apart: int, quantiles: Sequence[float]) -> Floats:
    """Slots × quantiles of errors about as far ahead; NaN where there are too few of them."""
    held = left_out(part, apart)
    found = np.empty((len(part), len(quantiles)))
    for at, quantile in enumerate(quantiles):
        if quantile == 1 / 2:
            found[:, at] = np.nan
        elif held is None:
            found[:, at] = samples.quantile(part, quantile)
        else:
            found[:, at] = _tail(_pooled(part), quantile, held.level(quantile))
    if 1 / 2 in quantiles:
        found[:, quantiles.index(1 / 2)] = _median(part, found, quantiles)
    return found


def _median(part: Floats, others: Floats, quantiles: Sequence[float]) -> Floats:
    """The median error by slot, drawn towards none, but not as far as another quantile."""
    full, drawn = _shrunk(part, np.nanmedian, 0), _shrunk(part, np.nanmedian, SHRINK_ORIGINS)
    level = np.asarray(quantiles)
    for side, nearest in ((level < 1 / 2, np.fmax), (level > 1 / 2, np.fmin)):
        if side.any():
            limit = (nearest.reduce(others[:, side], axis=1) + full) / 2
            drawn = np.where(np.isnan(limit), drawn, nearest(drawn, limit))
    return drawn


def _tail(errors: Floats, quantile: float, level: float) -> Floats:
    """The quantile of each row, taken at `level`.

    A level that needs more errors than there are, where the quantile itself does not, lies beyond
    the outermost error by as much as in a normal distribution.
    """
    count = np.isfinite(errors).sum(axis=1)
    sign = 1 if quantile > 1 / 2 else -1
    feasible = np.where(count > 0, count / (count + 1), 1 / 2)
    asked, outer = (quantile, level) if sign > 0 else (1 - quantile, 1 - level)
    found = np.full(len(errors), np.nan)
    for most in np.unique(feasible).tolist():
        rows = feasible == most
        if asked > most * (1 + ROUNDING):
            continue
        taken = min(outer, most)
        tail = tails(errors[rows], [taken if sign > 0 else 1 - taken])[:, 0]
        beyond = (
            1.0 if outer <= most else NORMAL.inv_cdf(min(outer, FURTHEST)) / NORMAL.inv_cdf(most)
        )
        found[rows] = tail * np.where(tail * sign > 0, beyond, 1.0)
    lacking = np.isnan(found)
    if lacking.any():
        found[lacking] = samples.quantile(errors[:, :, None], quantile)[lacking]
    return found


def means(errors: Floats, per_day: int) -> Floats:
    """What to add to a forecast for its mean: the mean error by slot, drawn towards none."""
    found = np.zeros(errors.shape[1])
    for leads in distances(errors.shape[1], per_day):
        part = _by_slot(errors[:, leads], per_day)
        by_slot = _shrunk(part, np.nanmean, SHRINK_ORIGINS)
        days = -(-(leads.stop - leads.start) // per_day)
        found[leads] = np.tile(by_slot, days)[: leads.stop - leads.start]
    return found


def _shrunk(part: Floats, centre: Callable[..., Floats], weight: int) -> Floats:
    """The centre of each slot's errors as if `weight` more origins had none; 0 without errors."""
    origins = np.isfinite(part).any(axis=2).sum(axis=1)
    found = np.zeros(len(part))
    known = origins > 0
    if known.any():
        found[known] = centre(_pooled(part)[known], axis=1)
    shrunk: Floats = found * origins / np.maximum(origins + weight, 1)
    return shrunk


def distances(horizon: int, per_day: int) -> Iterator[slice]:
    """The leads that are about as far ahead."""
    edges = [each * per_day for each in DAY_EDGES if each * per_day < horizon]
    yield from (slice(near, far) for near, far in pairwise([*edges, horizon]))


def left_out(errors: Floats, apart: int) -> Held | None:
    """How often each tail held in blocks of origins that it was not made from.

    `errors` are slots × origins × days. Origins less than `apart` days from a block are not used
    for it, for their errors are partly its own. Null where the past is too short for that.
    """
    count = errors.shape[1]
    quantiles = [*(1 - level for level in LEVELS), *LEVELS]
    below, above, seen, bounded = np.zeros(len(LEVELS)), np.zeros(len(LEVELS)), 0, 1.0
    for begin, end in pairwise(np.linspace(0, count, BLOCKS + 1).astype(int).tolist()):
        sides = [errors[:, : max(begin - apart, 0)], errors[:, end + apart :]]
        others = np.concatenate(sides, axis=1)
        if _origins(others) < MIN_OTHERS:
            continue
        block = _pooled(errors[:, begin:end])[:, :, None]
        low, high = np.split(tails(_pooled(others), quantiles)[:, None, :], 2, axis=2)
        below += (block >= low).sum(axis=(0, 1))
        above += (block <= high).sum(axis=(0, 1))
        seen += int(np.isfinite(block).sum())
        fewest = int(np.isfinite(_pooled(others)).sum(axis=1).min())
        bounded = min(bounded, fewest / (fewest + 1))
    enough = np.asarray(LEVELS) <= bounded * (1 + ROUNDING)
    if not seen or not enough.any():
        return None
    return Held(np.asarray(LEVELS)[enough], below[enough] / seen, above[enough] / seen)


def tails(errors: Floats, quantiles: Sequence[float]) -> Floats:
    """Quantiles of each row that hold in a finite sample, rows × quantiles.

    Of n errors a quantile above the median is the ⌈q(n + 1)⌉-th smallest, one below it the
    ⌊q(n + 1)⌋-th; without bound where there are too few for that.

    >>> tails(np.array([[*range(1, 10), np.nan]]), [1 / 20, 1 / 10, 9 / 10])
    array([[-inf,   1.,   9.]])
    """
    ordered = np.sort(errors, axis=1)  # what is unknown comes last
    count = np.isfinite(ordered).sum(axis=1)[:, None]
    level = np.asarray(quantiles)
    rank = np.round(level * (count + 1), 6)
    place = np.where(level > 1 / 2, np.ceil(rank), np.floor(rank)).astype(np.int64)
    chosen = np.take_along_axis(ordered, np.clip(place, 1, np.maximum(count, 1)) - 1, axis=1)
    found: Floats = np.where(place < 1, -np.inf, np.where(place > count, np.inf, chosen))
    return found


def around(point: Floats, offset: Floats) -> Floats:
    """Quantiles in ascending order around a point forecast: they never cross; NaN stays."""
    spread = point[..., None] + offset
    known = np.isfinite(spread)
    filled = np.where(known, spread, -np.inf)
    rising: Floats = np.where(known, np.maximum.accumulate(filled, axis=-1), np.nan)
    return rising


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


def _by_slot(errors: Floats, per_day: int) -> Floats:
    """Slots × origins × days of what is origins × leads; what fills up the last day is unknown."""
    origins, leads = errors.shape
    slots = min(per_day, leads)
    days = -(-leads // slots)
    whole = np.full((origins, days * slots), np.nan)
    whole[:, :leads] = errors
    return whole.reshape(origins, days, slots).transpose(2, 0, 1)


def _pooled(errors: Floats) -> Floats:
    return errors.reshape(len(errors), -1)


def _origins(errors: Floats) -> int:
    return int(np.isfinite(errors).any(axis=(0, 2)).sum())
