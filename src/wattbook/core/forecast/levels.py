"""Level shifts that have stayed: racks that were added, or taken away."""

from dataclasses import replace
from typing import Final

import numpy as np

from wattbook.core.forecast.series import Floats, Series

WEEK: Final = 7
LEAST_AFTER_DAYS: Final = 3
UNUSUAL: Final = 8
"""A shift is so many times the usual change of level."""
MOST: Final = 3


def settled(series: Series) -> tuple[Series, dict[int, float]]:
    """The history as if it had always been on its present level, and the shifts by their step.

    A shift is a change of the daily medians that is far beyond what is usual in this series, no
    less than half of its range, and has not been undone since.
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
    if count < 2 * WEEK + LEAST_AFTER_DAYS:
        return None
    places = np.arange(WEEK, count - LEAST_AFTER_DAYS + 1)
    jumps = np.array([_jump(medians, int(at), int(at)) for at in places])
    if not np.isfinite(jumps).any():
        return None
    usual = float(np.nanmedian(np.abs(jumps)))
    place = int(np.nanargmax(np.abs(jumps)))
    at, amount = int(places[place]), float(jumps[place])
    low, high = np.nanquantile(medians, (1 / 20, 19 / 20))
    stayed = _jump(medians, at, max(count - WEEK, at))
    if abs(amount) <= max(UNUSUAL * usual, (high - low) / 2):
        return None
    if not stayed / amount >= 1 / 2:
        return None
    return _exactly(values, lead + at * day, day, amount), amount


def _jump(medians: Floats, at: int, later: int) -> float:
    """By how much a week from `later` on is above the same weekdays in the week before `at`."""
    after = np.arange(later, min(later + WEEK, len(medians)))
    changes = medians[after] - medians[at - WEEK + (after - at) % WEEK]
    known = changes[np.isfinite(changes)]
    return float(np.median(known)) if len(known) >= LEAST_AFTER_DAYS else float("nan")


def _exactly(values: Floats, near: int, day: int, amount: float) -> int:
    """The step within a day of `near` from which on values are nearer to the new level."""
    begin, end = max(near - day, 0), min(near + day, len(values))
    middle = float(np.nanmedian(values[max(begin - day, 0) : begin + 1])) + amount / 2
    beyond = (values[begin:end] - middle) * np.sign(amount) > 0
    # The split with the fewest values on the wrong side of it.
    wrong = np.cumsum(np.concatenate([[0], beyond])) + np.concatenate(
        [np.cumsum((~beyond)[::-1])[::-1], [0]]
    )
    return begin + int(np.argmin(wrong))
