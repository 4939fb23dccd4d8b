"""Public holidays, as the package `holidays` lists them, and the off-peak days of NERC."""

from datetime import date, timedelta
from functools import cache
from typing import Final

from wattbook.core.errors import InputError, Problem

FIRST: Final = 1900
LAST: Final = 2200
SUNDAY: Final = 6
NERC: Final = "NERC"
"""The off-peak days of the North American Electric Reliability Corporation: six a year."""


class PublicHolidays:
    """Days off by law in a country, or in a part of it: `US`, `US-TX` (ISO 3166); or `NERC`."""

    def knows(self, name: str) -> bool:
        """Whether the package lists this country and this part of it."""
        if name == NERC:
            return True
        country, dash, part = name.partition("-")
        listed = _listed()
        return country in listed and (not dash or part in listed[country])

    def holidays(self, name: str, first: date, end: date) -> frozenset[date]:
        """Those from `first` until `end`, with the days on which they are observed instead."""
        if not self.knows(name):
            detail = f"no public holidays are known of {name!r}"
            raise InputError(detail, [Problem("unknown_calendar", detail, field="calendar")])
        years = range(max(first.year, FIRST), min(end.year, LAST) + 1)
        return frozenset(day for year in years for day in _of(name, year) if first <= day < end)


# The package takes a second to load, and is only needed where a tariff names a calendar.


@cache
def _listed() -> dict[str, list[str]]:
    import holidays  # noqa: PLC0415 -- slow

    return holidays.list_supported_countries(include_aliases=False)


@cache
def _of(name: str, year: int) -> frozenset[date]:
    import holidays  # noqa: PLC0415 -- slow

    if name == NERC:
        return _nerc(year)
    country, _, part = name.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))


def _nerc(year: int) -> frozenset[date]:
    """New Year, Memorial, Independence, Labor, Thanksgiving, Christmas Day.

    One that falls on a Sunday is kept on the Monday after; one on a Saturday stays where it is.
    """
    last_of_may = date(year, 5, 31)
    fixed = [date(year, 1, 1), date(year, 7, 4), date(year, 12, 25)]
    return frozenset(
        [day + timedelta(days=day.weekday() == SUNDAY) for day in fixed]
        + [
            last_of_may - timedelta(days=last_of_may.weekday()),
            _monday_on_or_after(date(year, 9, 1)),
            _monday_on_or_after(date(year, 11, 19)) + timedelta(days=3),
        ]
    )


def _monday_on_or_after(day: date) -> date:
    return day + timedelta(days=-day.weekday() % 7)
