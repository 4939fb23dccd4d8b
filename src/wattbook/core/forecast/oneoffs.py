"""One-off deviations: a curtailment, an outage or a spike that the series has no pattern of."""

from dataclasses import replace
from typing import Final

import numpy as np

from wattbook.core.forecast.series import DAYS_PER_WEEK, Bools, Floats, Series
from wattbook.core.formatting import ROUNDING

WEEKS: Final = 4
"""Weeks before and after a step whose values at the same time of the week it is compared with."""
DAYS: Final = 3
"""Days before and after a step whose values at the same time of day it is compared with."""
MIN_DAYS: Final = 4
"""Known days of these without which no step is a one-off."""
USUAL: Final = 0.9
"""So large a share of the deviations is usual."""
UNUSUAL: Final = 4
"""A one-off deviates by more than so many times the largest usual deviation of the series."""
MIN_SHARE: Final = 0.25
"""And by more than this share of the median of the series."""
MAX_LENGTH_DAYS: Final = 7
"""A deviation that lasted longer is a state of the site, which may return."""
MAX_RUNS: Final = 3
"""More deviations in one direction are a pattern, also where the history is short."""
WEEKS_PER_RUN: Final = 8
"""In a longer history one deviation in so many weeks is still a one-off."""
YEAR: Final = 364
"""Days of 52 weeks."""


def excluded(series: Series) -> tuple[Series, list[tuple[int, int]]]:
    """The series without its one-off deviations, and these as half-open ranges of steps.

    A step deviates if it is far from the median of the same time of the week in the weeks around
    it, and as far, in the same direction, from the median of the same time in the days around it.
    The first comparison spares weekends, the second spares the days that are compared with a
    deviation. Adjacent steps make up a run. A run is no one-off where it lasts for more than a
    week, reaches the origin, touches a public holiday, was there 52 weeks before or after, or has
    too many others like it: all of these are learnt.
    """
    from_weeks, deviation = _deviations(series.values, series.per_day)
    limit = _limit(series.values, deviation)
    spans: list[tuple[int, int]] = []
    for sign in (-1.0, 1.0):
        far = sign * np.nan_to_num(deviation) > limit
        unlike = sign * np.nan_to_num(from_weeks, nan=sign * np.inf) > limit
        runs = _runs(far, series.values, series.per_day)
        weeks = series.origin / (DAYS_PER_WEEK * series.per_day)
        if len(runs) <= max(MAX_RUNS, weeks / WEEKS_PER_RUN):
            spans += [run for run in runs if not _stays(series, far, unlike, run)]
    if not spans:
        return series, []
    values = series.values.copy()
    for begin, end in spans:
        values[begin:end] = np.nan
    return replace(series, values=values), sorted(spans)


def _deviations(values: Floats, day: int) -> tuple[Floats, Floats]:
    """How far each step is from the weeks around it; and from both medians, 0 where they differ."""
    week = DAYS_PER_WEEK * day
    from_weeks = values - _median_around(values, week, WEEKS, 1)
    from_days = values - _median_around(values, day, DAYS, MIN_DAYS)
    alike = np.sign(from_weeks) == np.sign(from_days)
    nearer = np.where(np.abs(from_weeks) < np.abs(from_days), from_weeks, from_days)
    return from_weeks, np.where(alike, nearer, 0.0)


def _median_around(values: Floats, apart: int, count: int, least: int) -> Floats:
    """The median of the values `apart` steps away, and 2, 3, … `count` times as far."""
    padded = np.pad(values, count * apart, constant_values=np.nan)
    others = np.stack(
        [
            padded[(count + many) * apart :][: len(values)]
            for many in range(-count, count + 1)
            if many
        ]
    )
    enough = np.isfinite(others).sum(axis=0) >= least
    found = np.full(len(values), np.nan)
    if enough.any():
        found[enough] = np.nanmedian(others[:, enough], axis=0)
    return found


def _limit(values: Floats, deviation: Floats) -> float:
    known = np.abs(deviation[np.isfinite(deviation)])
    usual = float(np.quantile(known, USUAL)) if len(known) else 0.0
    return max(UNUSUAL * usual, MIN_SHARE * float(np.nanmedian(np.abs(values))), ROUNDING)


def _runs(far: Bools, values: Floats, day: int) -> list[tuple[int, int]]:
    """Runs of far steps, those less than half a day apart as one; what is unknown parts none."""
    at = np.flatnonzero(far)
    if not len(at):
        return []
    known = np.cumsum(np.isfinite(values))
    between = known[at[1:]] - known[at[:-1]]
    parts = np.split(at, np.flatnonzero(between > max(day // 2, 1)) + 1)
    return [(int(part[0]), int(part[-1]) + 1) for part in parts]


def _stays(series: Series, far: Bools, unlike: Bools, run: tuple[int, int]) -> bool:
    """Whether the run is, or may be, more than a one-off."""
    begin, end = run
    day = series.per_day
    other = np.flatnonzero(~unlike)  # steps like those of the weeks around them
    first = int(other[other < begin].max(initial=-1)) + 1
    last = int(other[other >= end].min(initial=series.origin))
    if last - first > MAX_LENGTH_DAYS * day or last > _last_known(series.values):
        return True
    if series.holiday[max(begin - day, 0) : end + day].any():
        return True
    for year in (-YEAR * day, YEAR * day):
        around = slice(max(begin + year - day, 0), max(end + year + day, 0))
        if far[around].any():
            return True
    return False


def _last_known(values: Floats) -> int:
    return int(np.flatnonzero(np.isfinite(values))[-1])
