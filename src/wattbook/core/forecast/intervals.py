"""Intervals that hold as often as they say: errors of the past, by lead time and hour."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from wattbook.core.forecast.naive import trailing_mean
from wattbook.core.forecast.series import DAYS_PER_WEEK, Floats, Ints, Series

UNIT_WEEKS: Final = 8
DAY_EDGES: Final = (0, 1, 2, 4, 7, 14)
"""Days of lead at which errors begin to be judged apart from those of shorter leads."""
BLOCKS: Final = 6
"""Parts of the past of which each is foretold by the others."""
LEAST_OTHERS: Final = 14
"""Origins without which the others say nothing of a part."""
CENTRAL: Final = (1 / 2, 6 / 10, 7 / 10, 8 / 10, 85 / 100, 9 / 10, 95 / 100, 98 / 100)
"""Central intervals that are tried on the parts left out."""


def offsets(errors: Floats, per_day: int, quantiles: Sequence[float]) -> Floats:
    """What to add to a forecast for each of its quantiles: leads × quantiles.

    Parameters
    ----------
    errors
        Origins, in their order and a day apart, × leads: what was, less what had been forecast; NaN
        where unknown. Those of one time of day, about as far ahead, are pooled.
    per_day
        Steps of a day.
    quantiles
        Of the errors. The median is left where it is; the tails are taken apart from one another,
        at the level that holds in a finite sample of exchangeable errors, and further out where
        errors of one part of the past are not exchangeable with those of the others.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer, "Algorithmic Learning in a Random World," 2005.
    .. [2] Y. Romano, E. Patterson, E. Candès, "Conformalized Quantile Regression," 2019, th. 2.
    .. [3] R. F. Barber et al., "Predictive inference with the jackknife+," 2021.
    """
    found = np.zeros((errors.shape[1], len(quantiles)))
    for leads in distances(errors.shape[1], per_day):
        part = _by_slot(errors[:, leads], per_day)
        if not np.isfinite(part).any():
            part = _by_slot(errors, per_day)
        apart = -(-leads.stop // per_day)
        by_slot = tails(_pooled(part), stretched(quantiles, *left_out(part, apart)))
        days = -(-(leads.stop - leads.start) // per_day)
        found[leads] = np.tile(by_slot, (days, 1))[: leads.stop - leads.start]
    return found


def distances(horizon: int, per_day: int) -> Iterator[slice]:
    """The leads that are about as far ahead."""
    edges = [each * per_day for each in DAY_EDGES if each * per_day < horizon]
    yield from (slice(near, far) for near, far in pairwise([*edges, horizon]))


def left_out(errors: Floats, apart: int) -> tuple[list[float], Floats]:
    """Central intervals, and how often each held in blocks of origins that it was not made from.

    `errors` are slots × origins × days. Origins less than `apart` days from a block are not used
    for it, for their errors are partly its own. Of a past too short for that nothing is said.
    """
    count = errors.shape[1]
    quantiles = [1 / 2 + side * share / 2 for side in (-1, 1) for share in CENTRAL]
    held, seen = np.zeros(len(CENTRAL)), 0
    for begin, end in pairwise(np.linspace(0, count, BLOCKS + 1).astype(int).tolist()):
        sides = [errors[:, : max(begin - apart, 0)], errors[:, end + apart :]]
        others = np.concatenate(sides, axis=1)
        block = _pooled(errors[:, begin:end])[:, :, None]
        if others.shape[1] < LEAST_OTHERS or not np.isfinite(others).any():
            continue
        low, high = np.split(tails(_pooled(others), quantiles)[:, None, :], 2, axis=2)
        held += ((block >= low) & (block <= high)).sum(axis=(0, 1))
        seen += int(np.isfinite(block).sum())
    return (list(CENTRAL), held / seen) if seen else ([], np.zeros(0))


def stretched(quantiles: Sequence[float], central: Sequence[float], held: Floats) -> list[float]:
    """The quantiles to take so that as much lies between them as is asked for.

    >>> [round(q, 3) for q in stretched([0.1, 0.5, 0.9], [0.8, 0.9], np.array([0.7, 0.8]))]
    [0.05, 0.5, 0.95]
    """
    said = np.concatenate([[0.0], central, [1.0]])
    was = np.maximum.accumulate(np.concatenate([[0.0], held, [1.0]]))
    wide = np.interp(np.abs(2 * np.asarray(quantiles) - 1), was, said).tolist()
    return [1 / 2 + (wide[at] if q > 1 / 2 else -wide[at]) / 2 for at, q in enumerate(quantiles)]


def tails(errors: Floats, quantiles: Sequence[float]) -> Floats:
    """Quantiles of each row that hold in a finite sample, rows × quantiles; of the median 0.

    >>> tails(np.array([[*range(1, 10), np.nan]]), [1 / 10, 1 / 2, 9 / 10])
    array([[1., 0., 9.]])
    """
    ordered = np.sort(errors, axis=1)  # what is unknown comes last
    count = np.isfinite(ordered).sum(axis=1)[:, None]
    level = np.asarray(quantiles)
    rank = np.round(level * (count + 1), 6)
    place = np.where(level > 1 / 2, np.ceil(rank), np.floor(rank)).astype(np.int64)
    chosen = np.take_along_axis(ordered, np.clip(place, 1, np.maximum(count, 1)) - 1, axis=1)
    found: Floats = np.where((level == 1 / 2) | (count == 0), 0.0, chosen)
    return found


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
