"""What a meter usually draws at such an hour: the middle of the same hours of earlier weeks."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from wattbook.core.anomaly.hours import Hours, middle, middles, spread
from wattbook.core.forecast import curtailment, levels
from wattbook.core.forecast.series import Bools, Floats, Ints, Series

HOURS_A_DAY: Final = 24
HOURS_A_WEEK: Final = 7 * HOURS_A_DAY
WEEKS: Final = 8
"""So many weeks back the same hour is looked up."""
DAYS: Final = 7
"""Where fewer than two weeks know it: so many days back."""
LEAST: Final = 2
MIN_DAYS: Final = 3
HIGHEST: Final = 10
"""One price in so many is high."""
NEAR: Final = 4 * HOURS_A_DAY
FINEST: Final = 1000
"""Nothing is judged more finely than this part of the level."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baseline:
    """What was to be expected of each hour."""

    expected_kw: Floats
    """NaN where too little is known."""
    earlier_kw: Floats
    """A row for each of the weeks and days before: what the hour is compared with."""
    settled_kw: Floats
    """What was drawn, as if it had always been on the present level; NaN where it is not learnt."""
    usual_kw: float
    """The middle of all hours on the present level."""
    sigma_kw: Floats
    """How far off such an hour usually is."""
    shifts: dict[int, float]
    """Where the level changed for good, and by how much [kW]."""
    explained: Bools
    """Hours that are low because of their price."""

    def nearest_kw(self, place: int, value: float) -> float | None:
        """Of the values that the hour is compared with, the one nearest to this one."""
        known = self.earlier_kw[:, place]
        known = known[np.isfinite(known)]
        if not len(known) or not np.isfinite(value):
            return None
        return float(known[np.argmin(np.abs(known - value))])


def usual(hours: Hours, doubted: Bools, price: Floats) -> Baseline:
    """What was to be expected of each hour, from what was before it.

    Parameters
    ----------
    hours
        Of a meter.
    doubted
        Hours that are not learnt from.
    price
        Of each hour, per MWh; NaN where it is not known.

    Notes
    -----
    The expected power is the median of the same hour of the local week in the 8 weeks before, on
    the present level; where fewer than two of them are known, of the same hour of the 7 days
    before. Hours that were curtailed for their price are not learnt from, and what such hours
    usually leave is expected of them.
    """
    drawn = np.where(doubted, np.nan, hours.power_kw)
    less = curtailed(hours, doubted, price)
    free = np.where(less, np.nan, drawn)
    settled, shifts = _settled(hours, free)
    earlier = _earlier(settled, hours.local_hour)
    expected = _expected(earlier)
    moved = np.zeros(len(hours))
    for step, amount in shifts.items():
        moved[:step] += amount
    level = middle(settled)
    off = np.where(hours.in_history(), settled - expected, np.nan)
    left = curtailment.share_left(drawn, less)
    if left is not None:
        expected = np.where(less, expected * left, expected)
    return Baseline(
        expected_kw=expected - moved,
        earlier_kw=earlier - moved,
        settled_kw=settled,
        usual_kw=level,
        sigma_kw=np.fmax(_sigma(off, hours.local_hour % HOURS_A_DAY), level / FINEST),
        shifts=shifts,
        explained=less,
    )


def curtailed(hours: Hours, doubted: Bools, price: Floats) -> Bools:
    """Hours in which less was drawn because of their price, where the history shows such a habit.

    Low are hours with no more than 3/4 of the median. There is a habit where there are twelve or
    more, and 3/4 of them had one of the highest tenth of all prices; then low hours at such a price
    are curtailed. The strike price need not be known, nor be that of the same hub.
    """
    drawn = np.where(doubted, np.nan, hours.power_kw)
    known = np.isfinite(drawn) & np.isfinite(price)
    nothing = np.zeros(len(hours), dtype=np.bool_)
    if not known.any():
        return nothing
    low = drawn <= middle(drawn) * curtailment.MAX_LEFT
    dear = price > np.quantile(price[known], 1 - 1 / HIGHEST)
    if (low & known).sum() < curtailment.MIN_STEPS:
        return nothing
    habit = dear[low & known].mean() >= curtailment.MAX_LEFT
    return low & dear if habit else nothing


def _settled(hours: Hours, values: Floats) -> tuple[Floats, dict[int, float]]:
    if not np.isfinite(values).any():
        return values, {}
    series = Series(
        start_utc=hours.start_utc,
        values=values,
        per_day=HOURS_A_DAY,
        local_us=hours.local_hour,
        holiday=np.zeros(len(values), dtype=np.bool_),
    )
    _, shifts = levels.remove_level_shifts(series)
    exact = {_exactly(values, step, amount): amount for step, amount in shifts.items()}
    settled = values.copy()
    for step, amount in exact.items():
        settled[:step] += amount
    return settled, exact


def _exactly(values: Floats, near: int, amount: float) -> int:
    """The hour within some days of `near` at which the level changed.

    Where the change was is known by medians of weeks, which look alike a few days before and after
    it; the hour is the one that leaves the least on the wrong level.
    """
    begin, end = max(near - NEAR, 0), min(near + NEAR, len(values))
    before = middle(values[max(begin - HOURS_A_WEEK, 0) : begin + 1])
    after = before + amount
    part = values[begin:end]
    off_before = np.nan_to_num(np.abs(part - before))
    off_after = np.nan_to_num(np.abs(part - after))
    left = np.concatenate([[0.0], np.cumsum(off_before)])
    right = np.concatenate([np.cumsum(off_after[::-1])[::-1], [0.0]])
    return begin + int(np.argmin(left + right))


def _earlier(values: Floats, local_hour: Ints) -> Floats:
    """The same hour on the wall clock of the weeks and days before: a row for each."""
    at = local_hour - local_hour.min() + WEEKS * HOURS_A_WEEK
    clock = np.full(int(at.max()) + 1, np.nan)
    clock[at] = values
    back = [HOURS_A_WEEK * week for week in range(1, WEEKS + 1)]
    back += [HOURS_A_DAY * day for day in range(1, DAYS)]
    return np.stack([clock[at - steps] for steps in back])


def _expected(earlier: Floats) -> Floats:
    by_week, weeks = middles(earlier[:WEEKS])
    days_too, both = middles(earlier)
    enough = np.where(both >= MIN_DAYS, days_too, np.nan)
    return np.where(weeks >= LEAST, by_week, enough)


def _sigma(off: Floats, hour_of_day: Ints) -> Floats:
    """The spread of what is off at each hour of the day, never far below that of all hours."""
    overall = spread(off)
    by_hour = np.array([spread(off[hour_of_day == hour]) for hour in range(HOURS_A_DAY)])
    by_hour = np.where(np.isfinite(by_hour), by_hour, overall)
    found: Floats = np.maximum(by_hour, overall / 2)[hour_of_day]
    return found


def prices_of(hours: Hours, prices: pl.DataFrame) -> Floats:
    """The mean price of each hour of the grid; NaN where it is not known."""
    wanted = hours.start_utc.alias("start_utc").to_frame()
    joined = wanted.join(prices, on="start_utc", how="left", maintain_order="left")
    found: Floats = joined["price_per_mwh"].fill_null(float("nan")).to_numpy()
    return found
