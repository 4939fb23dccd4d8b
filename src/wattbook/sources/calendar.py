"""Public holidays, as the package `holidays` lists them."""

from datetime import date
from functools import cache
from typing import Final

from wattbook.core.errors import InputError, Problem

FIRST: Final = 1900
LAST: Final = 2200


class PublicHolidays:
    """Days off by law in a country, or in a part of it: `US`, `US-TX` (ISO 3166)."""

    def knows(self, name: str) -> bool:
        """Whether the package lists this country and this part of it."""
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

    country, _, part = name.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))
