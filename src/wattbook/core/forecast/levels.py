"""Level shifts that have stayed: racks that were added, or taken away."""

from dataclasses import replace
from typing import Final

import numpy as np

from wattbook.core.forecast.series import Floats, Series

WEEK: Final = 7
MIN_DAYS_AFTER: Final = 3
UNUSUAL: Final = 8
"""A shift is so many times the usual change of level."""
LATE_DAYS: Final = 56
MOST: Final = 3


def remove_level_shifts(series: Series) -> tuple[Series, dict[int, float]]:
    """The history as if it had always been on its present level, and the shifts by their step.

    A shift is a change of the daily medians that is far beyond what is usual in this series, no
    less than half of its range, leads to where it has not been of late, and has not been undone
    since. The end of a heat wave is none: it leads back.
    """
    day = series.per_day
    shifts: dict[int, float] = {}
    values = series.values
    for _ in range(MOST):
        found = _largest(values, day)
        if found is None:
            break
        step, amount = found
        values = values.copy()
        values[:step] += amount
        shifts[step] = amount
    return replace(series, values=values), shifts


def _largest(values: Floats, day: int) -> tuple[int, float] | None:
    lead = len(values) % day
    days = values[lead:].reshape(-1, day)
    whole = np.isfinite(days).any(axis=1)
    medians = np.full(len(days), np.nan)
    medians[whole] = np.nanmedian(days[whole], axis=1)
    count = len(medians)
    if count < 2 * WEEK + MIN_DAYS_AFTER:
        return None
    places = np.arange(WEEK, count - MIN_DAYS_AFTER + 1)
    jumps = np.array([_jump(medians, int(at), int(at)) for at in places])
    if not np.isfinite(jumps).any():
        return None
    usual = float(np.nanmedian(np.abs(jumps)))
    low, high = np.nanquantile(medians, (1 / 20, 19 / 20))
    far = np.nan_to_num(np.abs(jumps)) > max(UNUSUAL * usual, (high - low) / 2)
    for place in sorted(np.flatnonzero(far), key=lambda each: -abs(jumps[each])):
        at, amount = int(places[place]), float(jumps[place])
        if _stayed(medians, at, amount) and _new(medians, at, amount):
            return _exactly(values, lead + at * day, day, amount), amount
    return None


def _stayed(medians: Floats, at: int, amount: float) -> bool:
    """Whether at least half of it was there in each of the weeks that followed, and is today."""
    count = len(medians)
    weeks = [*range(at, min(at + LATE_DAYS, count - MIN_DAYS_AFTER), WEEK), max(count - WEEK, at)]
    left = np.array([_jump(medians, at, week) for week in weeks]) / amount
    known = left[np.isfinite(left)]
    return bool((known >= 1 / 2).all()) and bool(np.isfinite(left[-1]))


def _new(medians: Floats, at: int, amount: float) -> bool:
    """Whether the level from `at` on was not reached in the weeks before the last one."""
    before = medians[max(at - LATE_DAYS - WEEK, 0) : max(at - WEEK, WEEK)]
    if not np.isfinite(before).any():
        return True
    low, high = np.nanquantile(before, (1 / 20, 19 / 20))
    level, apart = float(np.nanmedian(medians[at : at + WEEK])), abs(amount) / 4
    return bool(level > high + apart if amount > 0 else level < low - apart)


def _jump(medians: Floats, at: int, later: int) -> float:
    """By how much a week from `later` on is above the same weekdays in the week before `at`."""
    after = np.arange(later, min(later + WEEK, len(medians)))
    changes = medians[after] - medians[at - WEEK + (after - at) % WEEK]
    known = changes[np.isfinite(changes)]
    return float(np.median(known)) if len(known) >= MIN_DAYS_AFTER else float("nan")


def _exactly(values: Floats, near: int, day: int, amount: float) -> int:
    """The step near `near` from which on values are nearer to the new level.

    The median of a week's changes is the same as far as half a week from the day of the shift.
    """
    apart = (WEEK // 2 + 1) * day
    begin, end = max(near - apart, 0), min(near + apart, len(values))
    before = values[max(begin - WEEK * day, 0) : begin + day]
    if not np.isfinite(before).any():
        return near
    middle = float(np.nanmedian(before)) + amount / 2
    beyond = (values[begin:end] - middle) * np.sign(amount) > 0
    # The split with the fewest values on the wrong side of it.
    wrong = np.cumsum(np.concatenate([[0], beyond])) + np.concatenate(
        [np.cumsum((~beyond)[::-1])[::-1], [0]]
    )
    return begin + int(np.argmin(wrong))
