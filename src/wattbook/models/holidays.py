"""Public holidays as a model sees them."""

from datetime import date

from wattbook.core.errors import InputError, Problem


def between(country: str | None, first: date, last: date) -> frozenset[date]:
    """Those of a country from the first to the last day; none where no country is named."""
    if country is None:
        return frozenset()
    import holidays  # noqa: PLC0415 -- slow

    name, _, part = country.partition("-")
    listed = holidays.list_supported_countries(include_aliases=False)
    if name not in listed or (part and part not in listed[name]):
        detail = f"no public holidays are known of {country!r}"
        raise InputError(detail, [Problem("unknown_calendar", detail, field="country")])
    years = range(first.year, last.year + 1)
    return frozenset(holidays.country_holidays(name, subdiv=part or None, years=years))
