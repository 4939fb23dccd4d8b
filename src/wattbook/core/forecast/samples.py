"""Quantiles of few errors, which depend on one another."""

from math import ceil, floor
from typing import Final

import numpy as np

from wattbook.core.forecast.series import Floats

SHRINK_ERRORS: Final = 10
"""A slot's own size counts by its number of errors against so many of the whole day's."""


def quantile(errors: Floats, level: float) -> Floats:
    """A quantile of errors for each slot; NaN where there are too few of them to know.

    Parameters
    ----------
    errors
        Slots × origins × days about as far ahead; NaN is unknown.
    level
        The ⌈q(n + 1)⌉-th of n independent errors is taken above the median, the ⌊q(n + 1)⌋-th
        below, where there is one: of the slot's own errors, else of the whole day's, each measured
        by the size that errors have in its slot.
    """
    found = np.full(len(errors), np.nan)
    if not np.isfinite(errors).any():
        return found
    along_origins = dependence(errors, 1)
    pooled = errors.reshape(len(errors), -1)
    origins = np.isfinite(errors).any(axis=2).sum(axis=1)
    for slot, own in enumerate(pooled):
        found[slot] = _ranked(own, origins[slot] / along_origins, level)
    lacking = np.isnan(found)
    if lacking.any():
        sizes = _sizes(pooled)
        alike = np.divide(pooled, sizes[:, None], where=sizes[:, None] > 0, out=pooled * 0)
        independent = origins.sum() / along_origins / dependence(errors, 0)
        found[lacking] = (_ranked(alike.ravel(), independent, level) * sizes)[lacking]
    return found


def dependence(errors: Floats, axis: int) -> float:
    """How many errors along an axis say as much as one that is independent; at least 1.

    1 + 2 Σ ρ(k) over the autocorrelations ρ of the errors, which should be around 0, up to the
    first that is no longer distinct from 0.

    >>> dependence(np.array([[[1.0], [1.0], [1.0], [1.0]]]), 1)
    4.0

    References
    ----------
    .. [1] C. J. Geyer, "Practical Markov chain Monte Carlo," Statistical Science 7, 1992.
    """
    size = errors.shape[axis]
    square = float(np.nanmean(errors**2)) if np.isfinite(errors).any() else 0.0
    total = 1.0
    if not square > 0:
        return total
    moved = np.moveaxis(errors, axis, 0)
    for lag in range(1, size):
        products = moved[lag:] * moved[:-lag]
        pairs = int(np.isfinite(products).sum())
        if not pairs:
            break
        correlation = float(np.nanmean(products)) / square
        if correlation < 1 / np.sqrt(pairs):
            break
        total += 2 * correlation * (1 - lag / size)
    return min(total, float(size))


def _ranked(errors: Floats, independent: float, level: float) -> float:
    """The error at the rank that `independent` errors give the level; NaN where they do not."""
    known = np.sort(errors[np.isfinite(errors)])
    rank = round(level * (independent + 1), 6)
    rank = ceil(rank) if level > 1 / 2 else floor(rank)
    if not len(known) or rank < 1 or rank > independent:
        return float("nan")
    if level > 1 / 2:
        return float(known[ceil(round(rank / independent * len(known), 6)) - 1])
    from_top = (independent + 1 - rank) / independent  # the same seen from the other end
    return float(known[len(known) - ceil(round(min(from_top, 1.0) * len(known), 6))])


def _sizes(pooled: Floats) -> Floats:
    """How large errors are in each slot, drawn towards how large they are in all."""
    count = np.isfinite(pooled).sum(axis=1)
    total = np.nansum(np.abs(pooled), axis=1)
    overall = total.sum() / max(int(count.sum()), 1)
    sizes: Floats = (total + SHRINK_ERRORS * overall) / (count + SHRINK_ERRORS)
    return sizes
