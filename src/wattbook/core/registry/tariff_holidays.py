"""The days that a tariff charges as holidays: those of its calendar, less and more its own."""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from wattbook.core.registry.tariffs import Tariff

EVERY_YEAR: Final = re.compile(r"(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
"""A day of every year, as 12-24."""
MOVABLE: Final = re.compile(r"easter(?:([+-])(\d{1,3}))?")
"""A day that moves with Easter Sunday (Gregorian), as easter-2: Good Friday."""


def readable(text: str) -> bool:
    """Whether a day to strike out can be read: a date, `12-24`, or `easter-2`.

    >>> readable("2026-04-03"), readable("12-24"), readable("easter-2"), readable("Friday")
    (True, True, True, False)
    """
    if MOVABLE.fullmatch(text):
        return True
    try:
        return bool(date.fromisoformat(f"2000-{text}" if EVERY_YEAR.fullmatch(text) else text))
    except ValueError:
        return False


def days_off(tariff: Tariff, listed: Iterable[date]) -> frozenset[date]:
    """The holidays of a tariff, of those that its calendar lists and those that it names.

    >>> from wattbook.core.registry.components import Flat
    >>> plain = Tariff(
    ...     id="t",
    ...     site_id="s",
    ...     valid_from=date(2026, 1, 1),
    ...     currency="EUR",
    ...     components=(Flat(name="e", price_per_kwh=0.1),),
    ...     holidays_removed=("easter-2",),
    ... )
    >>> days_off(plain, [date(2026, 4, 3), date(2026, 12, 25)])  # 3 April 2026 is Good Friday
    frozenset({datetime.date(2026, 12, 25)})
    """
    kept = (day for day in listed if not any(_is(text, day) for text in tariff.holidays_removed))
    return frozenset(kept) | frozenset(tariff.holidays)


def _is(text: str, day: date) -> bool:
    if EVERY_YEAR.fullmatch(text):
        return f"{day:%m-%d}" == text
    if (movable := MOVABLE.fullmatch(text)) is not None:
        sunday: date = easter_sunday(day.year)
        return day == sunday + timedelta(days=int("".join(movable.groups(default="0"))))
    return day.isoformat() == text


def easter_sunday(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Meeus, Jones and Butcher).

    >>> str(easter_sunday(2026)), str(easter_sunday(2038)), str(easter_sunday(2285))
    ('2026-04-05', '2038-04-25', '2285-03-22')
    """
    golden = year % 19
    century, of_century = divmod(year, 100)
    leap_centuries, rest = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    moon = (19 * golden + century - leap_centuries - correction + 15) % 30
    week = (32 + 2 * rest + 2 * (of_century // 4) - moon - of_century % 4) % 7
    late = (golden + 11 * moon + 22 * week) // 451
    month, day = divmod(moon + week - 7 * late + 114, 31)
    return date(year, month, day + 1)
