"""How a report says figures, instants and periods."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from wattbook.core.carbon.factors import EARLIER, LATER
from wattbook.core.formatting import (
    BLANK,
    NOTHING,
    THIN,
    Unit,
    clock,
    money,
    number,
    percent,
    spoken,
    unit_of,
)
from wattbook.core.periods import QUARTER_S, Period, zone
from wattbook.core.units import SECONDS_PER_HOUR

FULL: Final = 1 - 10**-9
"""A share that is whole but for how numbers are kept."""


def energy_said(value: object) -> str:
    """Energy in the unit that suits it, to three or four figures."""
    unit = unit_of("energy_kwh", [value])
    return Unit(unit.name, unit.size, 2 if unit.name == "GWh" else 1).say(value)


def power_said(value: object) -> str:
    """Power in the unit that suits it."""
    return unit_of("power_kw", [value]).say(value)


def limit_said(value: float) -> str:
    """A registered power: `25 MW`, `12.5 MW`."""
    return unit_of("power_kw", [value]).say_short(value)


def money_said(value: object, currency: str) -> str:
    """An amount of money with its currency."""
    return money([value], currency).say(value)


def share(value: object) -> str:
    """A share with its sign."""
    said = percent(value)
    return said if said == NOTHING else f"{said}{THIN}%"


def count(many: int, thing: str) -> str:
    """So many of a thing: `1 day`, `2 days`."""
    return f"{number(many)}{BLANK}{thing}{'' if many == 1 else 's'}"


def day_of(at: datetime) -> str:
    """A day in words: `21 June 2021`."""
    return f"{at.day}{BLANK}{at:%B}{BLANK}{at.year}"


def grouped(text: str) -> str:
    r"""A sentence of another place with the digits of its figures in groups, as in all reports.

    >>> grouped("from 9999170.4 to 2024.1 kWh")
    'from 9\u202f999\u202f170.4 to 2\u202f024.1 kWh'
    """
    return FIGURE.sub(lambda found: number(float(found[0]), len(found[1] or ".") - 1), text)


FIGURE: Final = re.compile(r"(?<![\d.,-])\d{4,}(\.\d+)?(?= (?:to|kWh?)\b)")
"""A figure of four digits or more before its unit, or before the other end of a range."""


def sentence_list(texts: Sequence[str]) -> str:
    """Several things in one sentence.

    >>> sentence_list(["energy"]), sentence_list(["energy", "demand", "tax"])
    ('energy', 'energy, demand and tax')
    """
    *most, last = texts
    return f"{', '.join(most)} and {last}" if most else last


def moment(at: datetime) -> str:
    """A local time in words: `21 June 2021 at 15:15`."""
    return f"{day_of(at)} at{BLANK}{at:%H:%M}"


def interval(seconds: int | None) -> str:
    r"""The name of the interval that a demand is the mean of, which is a quarter-hour or longer.

    >>> interval(None), interval(300), interval(3600), interval(1800)
    ('quarter-hour', 'quarter-hour', 'hour', '30\xa0minutes')
    """
    if seconds is None or seconds <= QUARTER_S:
        return "quarter-hour"
    return {SECONDS_PER_HOUR: "hour", 24 * SECONDS_PER_HOUR: "day"}.get(seconds, spoken(seconds))


def local(at: datetime, timezone: str) -> str:
    """A time on the clock of a place, with its offset."""
    return clock(at.astimezone(zone(timezone)))


def clock_of(timezone: str) -> str:
    """The clock that an axis of time shows: `America/New York time`, `UTC`."""
    return timezone if timezone == "UTC" else f"{timezone.replace('_', ' ')} time"


def spans_months(period: Period, timezone: str) -> bool:
    """Whether a period is whole civil months."""
    here = zone(timezone)
    ends = [at.astimezone(here) for at in (period.start, period.end)]
    return all(at.day == 1 and at.time() == datetime.min.time() for at in ends)


def period_of(period: Period, timezone: str) -> str:
    """A period in words: `2020`, `June 2021`, `June to August 2021`, `21 to 23 June 2021`."""
    here = zone(timezone)
    first = period.start.astimezone(here)
    last = (period.end - timedelta(microseconds=1)).astimezone(here)
    if spans_months(period, timezone):
        if (first.year, first.month, last.month) == (last.year, 1, 12):
            return f"{first.year}"
        return _range(first, last, f"{first:%B}", f"{last:%B}")
    end = period.end.astimezone(here)
    midnights = first.time() == end.time() == datetime.min.time()
    if not midnights and first.date() != last.date():
        return f"{day_of(first)}, {first:%H:%M}, to {day_of(end)}, {end:%H:%M}"
    said = _range(first, last, f"{first.day}{BLANK}{first:%B}", f"{last.day}{BLANK}{last:%B}")
    if (first.year, first.month) == (last.year, last.month) and first.day != last.day:
        said = f"{first.day} to {day_of(last)}"
    return said if midnights else f"{said}, {first:%H:%M} to {end:%H:%M}"


def _range(first: datetime, last: datetime, from_: str, to: str) -> str:
    if first.year != last.year:
        return f"{from_}{BLANK}{first.year} to {to}{BLANK}{last.year}"
    return f"{to}{BLANK}{last.year}" if from_ == to else f"{from_} to {to}{BLANK}{last.year}"


def factor_said(fallback: str) -> str:
    """Which emission factor was used, as a reader of reports knows it.

    >>> factor_said("zone_later")
    'average of the grid zone, of a later year'
    """
    stem = fallback.removesuffix(LATER).removesuffix(EARLIER)
    said = FACTORS.get(stem, stem)
    if fallback.endswith(LATER):
        return f"{said}, of a later year"
    return f"{said}, of an earlier year" if fallback.endswith(EARLIER) else said


FACTORS: Final = {
    "none": "hourly generation mix",
    "reported": "hourly intensity, as published",
    "zone": "average of the grid zone",
    "region": "average of the region",
    "country": "average of the country",
    "world": "average of the world",
    "unknown": "no factor is known",
    "mixed": "several factors",
}
