"""From figures and instants to places, and where the ticks stand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from wattbook.core import periods
from wattbook.core.formatting import MINUS, ROUNDING, number
from wattbook.core.periods import Grain, Period

NICE: Final = ((50, 10), (10, 5), (2, 2))
"""Steps are 10, 5 or 2 times a power of ten from such a square of their first guess on, else 1."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A straight line from a domain of figures to a range of places."""

    low: float
    high: float
    begin: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a figure.

        >>> Linear(0, 10, 100, 0)(5)
        50.0
        """
        extent = self.high - self.low
        share = (value - self.low) / extent if extent else 1 / 2
        return self.begin + share * (self.end - self.begin)


def nice(low: float, high: float, count: int) -> tuple[float, float, float]:
    """The domain widened to whole steps, and a step of which about `count` fill it.

    >>> nice(0, 23, 4)
    (0, 25, 5)
    """
    raw = ((high - low) or abs(high) or 1) / count
    power = 10 ** math.floor(math.log10(raw))
    error = (raw / power) ** 2
    step = power * next((times for limit, times in NICE if error >= limit), 1)
    return math.floor(low / step) * step, math.ceil(high / step) * step, step


def ticks(low: float, high: float, step: float) -> list[tuple[float, str]]:
    """Figures from `low` to `high` with what is written beside them.

    >>> ticks(0, 1, 1 / 2)
    [(0.0, '0.0'), (0.5, '0.5'), (1.0, '1.0')]
    """
    digits = max(0, -math.floor(math.log10(step)))
    first = math.ceil(low / step - ROUNDING)
    last = math.floor(high / step + ROUNDING)
    figures = [float(index * step) for index in range(first, last + 1)]
    return [(each, number(each, digits).replace("-", MINUS)) for each in figures]


def figures(
    values: Sequence[float], count: int, *, zero: bool = True
) -> tuple[float, float, float]:
    """`nice` for all values, from zero on unless they need not begin there.

    What hangs a little below zero takes no whole step of its own.

    >>> figures([100, -5], 2)
    (-6.0, 100, 50)
    """
    known = [value for value in values if math.isfinite(value)]
    least, high = min(known, default=0), max(known, default=0)
    if zero:
        least, high = min(least, 0), max(high, 0)
    low, high, step = nice(least, high, count)
    if zero and -step / 2 < least < 0 < high:
        low = least * 6 / 5
    return low, high, step


def instants(
    period: Period, timezone: str, most: int, *, dated: bool = False
) -> list[tuple[datetime, str]]:
    """At most about `most` round local times within the period, with their labels.

    Hours are said as `06:00`, days as `3 May`, months as `May`; with its year where the first of
    them, or a year, begins. `dated`, midnight and the first hour have their day on a second line.
    """
    here = local(timezone)

    def named(clock: datetime, *, first: bool) -> str:
        day = f"\n{clock:%a} {clock.day} {clock:%b}" if dated and (first or not clock.hour) else ""
        return f"{clock:%H:%M}{day}"

    for hours in HOURS:
        if (period.end - period.start) / timedelta(hours=hours) <= most:
            clocks = [(at, at.astimezone(here)) for at in _starts(period, Grain.QUARTER, timezone)]
            round_ = [(at, c) for at, c in clocks if c.minute == 0 and c.hour % hours == 0]
            return [(at, named(clock, first=not at_)) for at_, (at, clock) in enumerate(round_)]
    days = [(at, at.astimezone(here).date()) for at in _starts(period, Grain.DAY, timezone)]
    labels = dict(dates(days[0][1], days[-1][1] + timedelta(days=1), most)) if days else {}
    return [(at, labels[day]) for at, day in days if day in labels]


HOURS: Final = (1, 2, 3, 6, 12)
DAYS: Final = (1, 2, 7, 14)
MONTHS: Final = (1, 3, 12)


def dates(first: date, end: date, most: int) -> list[tuple[date, str]]:
    """At most about `most` round days from `first` until `end`, with their labels.

    >>> [label for _, label in dates(date(2026, 11, 1), date(2027, 3, 1), 5)]
    ['Nov 2026', 'Dec', 'Jan 2027', 'Feb']
    """
    every = [first + timedelta(days=count) for count in range((end - first).days)]
    for days in DAYS:
        if len(every) / days <= most:
            return [(day, f"{day.day} {day:%b}") for day in every[::days]]
    firsts = [day for day in every if day.day == 1]
    months = next((each for each in MONTHS if len(firsts) / each <= most), MONTHS[-1])
    chosen = [day for day in firsts if (day.month - 1) % months == 0]
    return [
        (day, f"{day:%b %Y}" if day == chosen[0] or day.month == 1 else f"{day:%b}")
        for day in chosen
    ]


def local(timezone: str) -> ZoneInfo:
    """The clock of a place."""
    return periods.zone(timezone)


def _starts(period: Period, grain: Grain, timezone: str) -> list[datetime]:
    starts: list[datetime] = periods.buckets(period, grain, timezone)["start_utc"].to_list()
    return [at for at in starts if at >= period.start]
