"""What is told of each hour: how it differs from what was usual, and from what was before."""

from typing import Final

import numpy as np

from wattbook.core.anomaly.baseline import HOURS_A_DAY, HOURS_A_WEEK, Baseline
from wattbook.core.anomaly.hours import Hours, middle
from wattbook.core.forecast.series import Floats

NAMES: Final = (
    "ratio_to_usual",
    "deviation",
    "change_1h",
    "change_2h",
    "change_24h",
    "change_168h",
    "deviation_24h",
    "peak_to_mean",
    "trough_to_mean",
    "coverage",
    "efficiency_ratio",
)
FAR: Final = 30
"""So many times the usual spread is as far off as any more."""


def table(hours: Hours, usual: Baseline) -> Floats:
    """A row for each hour, a column for each of `NAMES`; NaN where it is not known.

    Differences of what is off, not of the power itself: what happens at the same hour of every
    week is no change. All are divided by the level or by the usual spread, so that meters of any
    size are alike.
    """
    level = usual.usual_kw or float("nan")
    off_kw = off(usual)
    unit = np.where(usual.sigma_kw > 0, usual.sigma_kw, np.nan)
    deviation = np.clip(off_kw / unit, -FAR, FAR)
    drawn = usual.settled_kw
    scale = max(middle(unit), 0.0)
    expected = drawn - off_kw

    def change(steps: int, of: Floats) -> Floats:
        return np.clip((of - _before(of, steps)) / scale, -FAR, FAR)

    return np.stack(
        [
            drawn / np.where(expected > 0, expected, level),
            deviation,
            change(1, off_kw),
            change(2, off_kw),
            change(HOURS_A_DAY, drawn),
            change(HOURS_A_WEEK, drawn),
            _rolling(deviation, HOURS_A_DAY),
            hours.power_kw_max / np.where(hours.power_kw > 0, hours.power_kw, np.nan),
            hours.power_kw_min / np.where(hours.power_kw > 0, hours.power_kw, np.nan),
            hours.coverage,
            hours.efficiency_j_per_th / middle(hours.efficiency_j_per_th[: hours.judged]),
        ],
        axis=1,
    )


def distance(usual: Baseline) -> Floats:
    """From the second nearest of the same hours before, in usual spreads; NaN where not known.

    Not from their middle: an hour that was so once or twice of late is no surprise.
    """
    unit = np.where(usual.sigma_kw > 0, usual.sigma_kw, np.nan)
    apart = np.abs(usual.settled_kw - (usual.earlier_kw + moved(usual)))
    found: Floats = np.sort(apart, axis=0)[1] / unit
    return found


def off(usual: Baseline) -> Floats:
    """Drawn less expected power [kW] of each hour that is learnt from, on one level."""
    found: Floats = usual.settled_kw - (usual.expected_kw + moved(usual))
    return found


def moved(usual: Baseline) -> Floats:
    """By how much [kW] each hour is below the present level, where that was another."""
    found = np.zeros(len(usual.settled_kw))
    for step, amount in usual.shifts.items():
        found[:step] += amount
    return found


def _before(values: Floats, steps: int) -> Floats:
    found = np.full(len(values), np.nan)
    found[steps:] = values[: max(len(values) - steps, 0)]
    return found


def _rolling(values: Floats, steps: int) -> Floats:
    """The mean of what is known of the last steps, at least half of them; else NaN."""
    known = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    at = np.arange(len(values)) + 1
    begin = np.maximum(at - steps, 0)
    count = counts[at] - counts[begin]
    mean = (sums[at] - sums[begin]) / np.maximum(count, 1)
    return np.where(count * 2 >= steps, mean, np.nan)
