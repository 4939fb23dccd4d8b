"""How often something so unusual happens by itself: the threshold is a budget of false alarms."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from wattbook.core.anomaly.hours import runs
from wattbook.core.forecast.series import Floats

HOURS_A_MONTH: Final = 730
TAIL: Final = 50
"""One in so many steps is of the tail."""
APART: Final = 6
"""Exceedances with fewer steps between them are one event."""
LEAST: Final = 8
"""With fewer events nothing can be said of how often they happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The upper end of a score's distribution, as events per month.

    Above the threshold `begin` events come at a rate, and what they exceed it by falls off
    exponentially, with the mean `scale`: peaks over a threshold, as of floods [1]_.

    References
    ----------
    .. [1] S. Coles, "An Introduction to Statistical Modeling of Extreme Values," Springer, 2001,
       ch. 4 and 5.3.
    """

    begin: float
    scale: float
    per_month: float

    @classmethod
    def of(cls, scores: Floats, steps_per_month: int = HOURS_A_MONTH) -> "Tail | None":
        """The tail of scores in the order of time (NaN: not known); null with too few of them.

        The scale is the median excess over the logarithm of two, which a few true anomalies among
        the events do not move.
        """
        known = scores[np.isfinite(scores)]
        if len(known) < TAIL * LEAST:
            return None
        begin = float(np.quantile(known, 1 - 1 / TAIL))
        events = runs(np.nan_to_num(scores, nan=begin) > begin, bridge=APART)
        if len(events) < LEAST:  # nearly all hours are alike: what never was is once in all of it
            once = steps_per_month / len(known)
            return cls(begin=float(known.max()), scale=0.0, per_month=once)
        peaks = np.array([np.nanmax(scores[first:last]) for first, last in events])
        return cls(
            begin=begin,
            scale=float(np.median(peaks - begin) / np.log(2)),
            per_month=len(events) / len(known) * steps_per_month,
        )

    def events_per_month(self, scores: Floats) -> Floats:
        """How many events a month reach a score by themselves; NaN where it is not known.

        Below the threshold this is no more than an order: it grows with what is missing to it.
        """
        if self.scale <= 0:
            level = np.where(scores > self.begin, self.per_month, HOURS_A_MONTH)
            return np.where(np.isfinite(scores), level, np.nan)
        exponent = np.clip((self.begin - scores) / self.scale, -MOST, MOST)
        found: Floats = self.per_month * np.exp(exponent)
        return found


MOST: Final = 100
"""Beyond that many times the scale all is the same."""


def score(per_month: Floats) -> Floats:
    """From 0, every hour, to 1, never: one half is once a month, nine tenths is once in nine.

    >>> score(np.array([0.0, 1.0, 9.0])).tolist()
    [1.0, 0.5, 0.1]
    """
    found: Floats = 1 / (1 + per_month)
    return found


def limit(budget_per_month: float) -> float:
    """The score from which on there are no more alarms than the budget allows."""
    return 1 / (1 + budget_per_month)
