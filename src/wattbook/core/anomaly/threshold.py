"""How often something so unusual happens by itself: the threshold is a budget of false alarms."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from wattbook.core.forecast.series import Floats

HOURS_A_DAY: Final = 24
HOURS_A_MONTH: Final = 730
TAIL: Final = 5
"""The highest of one day in so many is of the tail."""
LEAST: Final = 10
"""With fewer days nothing can be said of how often something happens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The upper end of a score's distribution, as events per month.

    Of each day the highest score counts. Above the threshold `begin` such events come at a rate,
    and what they exceed it by falls off exponentially, with the mean `scale`: peaks over a
    threshold, as of floods [1]_.

    References
    ----------
    .. [1] S. Coles, "An Introduction to Statistical Modeling of Extreme Values," Springer, 2001,
       ch. 4 and 5.3.
    """

    begin: float
    scale: float
    per_month: float

    @classmethod
    def of(cls, scores: Floats, steps_a_day: int = HOURS_A_DAY) -> "Tail | None":
        """The tail of scores in the order of time (NaN: not known); null with too few of them.

        Days are counted back from the end. The scale is the median excess over the logarithm of
        two, which a few true anomalies among the events do not move, however long they lasted.
        """
        days = scores[len(scores) % steps_a_day :].reshape(-1, steps_a_day)
        peaks = np.fmax.reduce(days, axis=1, initial=-np.inf)
        peaks = peaks[np.isfinite(peaks)]
        if len(peaks) < LEAST:
            return None
        begin = float(np.quantile(peaks, 1 - 1 / TAIL))
        excess = peaks[peaks > begin] - begin
        a_month = HOURS_A_MONTH / HOURS_A_DAY / len(peaks)
        if not len(excess):  # all days are alike: what never was is once in all of them
            return cls(begin=begin, scale=0.0, per_month=a_month)
        scale = float(np.median(excess) / np.log(2))
        return cls(begin=begin, scale=scale, per_month=len(excess) * a_month)

    def events_per_month(self, scores: Floats) -> Floats:
        """How many events a month reach a score by themselves; NaN where it is not known.

        Below the threshold this is no more than an order: it grows with what is missing to it.
        """
        if self.scale <= 0:
            level = np.where(scores > self.begin, self.per_month, HOURS_A_MONTH)
            return np.where(np.isfinite(scores), level, np.nan)
        with np.errstate(over="ignore"):  # beyond all bounds is as far as they reach
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
