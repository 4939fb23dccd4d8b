"""How figures are written: grouped digits, a unit that suits them, a dash for what is unknown."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from wattbook.core.digits import NOTHING, ROUNDING, THIN, number, percent
from wattbook.core.units import (
    KG_PER_T,
    KW_PER_MW,
    KWH_PER_GWH,
    KWH_PER_MWH,
    TH_PER_EH,
    TH_PER_PH,
)

__all__ = [
    "BLANK",
    "MINUS",
    "NOTHING",
    "ROUNDING",
    "SCALES",
    "THIN",
    "Unit",
    "clock",
    "lasting",
    "money",
    "number",
    "offset",
    "percent",
    "unit_of",
]

BLANK: Final = "\N{NO-BREAK SPACE}"
MINUS: Final = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit in which figures are shown: so many of ours are one of it."""

    name: str
    size: int
    digits: int
    since: int = 10
    """So many of it, or more, are shown in it."""

    def write(self, value: object) -> str:
        """A figure of ours in this unit, without its name.

        >>> Unit("MWh", 1000, 1).write(12_345_678)
        '12\u202f345.7'
        """
        if not isinstance(value, int | float):
            return NOTHING
        return number(value / self.size, self.digits).replace("-", MINUS)

    def say(self, value: object) -> str:
        """The same with the name of the unit."""
        said = self.write(value)
        return said if said == NOTHING else f"{said}{BLANK}{self.name}"

    def say_short(self, value: float) -> str:
        r"""The same without decimals that say nothing, for what was registered as a round figure.

        >>> Unit("MW", 1000, 2).say_short(25_000), Unit("MW", 1000, 2).say_short(12_500)
        ('25\xa0MW', '12.5\xa0MW')
        """
        shown = round(value / self.size, self.digits)
        digits = next(d for d in range(self.digits + 1) if round(shown, d) == shown)
        return f"{number(shown, digits).replace('-', MINUS)}{BLANK}{self.name}"


SCALES: Final = {
    "energy_kwh": (
        Unit("kWh", 1, 1),
        Unit("MWh", KWH_PER_MWH, 1),
        Unit("GWh", KWH_PER_GWH, 1, since=1000),
    ),
    "power_kw": (Unit("kW", 1, 1), Unit("MW", KW_PER_MW, 2)),
    "emitted_kg": (Unit("kg\u202fCO₂e", 1, 1), Unit("t\u202fCO₂e", KG_PER_T, 1)),
    "hashrate_th": (
        Unit("TH/s", 1, 1),
        Unit("PH/s", TH_PER_PH, 1),
        Unit("EH/s", TH_PER_EH, 2),
    ),
}
"""Units that a quantity may be shown in, the smallest first."""


def unit_of(quantity: str, values: Iterable[object]) -> Unit:
    """The unit that suits the largest of the values: one for all figures that stand together.

    >>> unit_of("energy_kwh", [900, None]).name, unit_of("energy_kwh", [12_000]).name
    ('kWh', 'MWh')
    """
    known = [abs(value) for value in values if isinstance(value, int | float)]
    largest = max(known, default=0)
    chosen, *larger = SCALES[quantity]
    for unit in larger:
        if largest >= unit.since * unit.size:
            chosen = unit
    return chosen


def money(values: Iterable[object], currency: str) -> Unit:
    """An amount of money: with its cents where the largest is small."""
    known = [abs(value) for value in values if isinstance(value, int | float)]
    small = max(known, default=0) < _WITH_CENTS
    return Unit(currency, 1, 2 if small else 0)


_WITH_CENTS: Final = 10_000


def offset(at: datetime) -> str:
    """The offset of a local time from UTC, as in `+05:30`."""
    seconds = at.utcoffset() or timedelta(0)
    sign = "-" if seconds < timedelta(0) else "+"
    minutes = abs(seconds) // timedelta(minutes=1)
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}"


def clock(at: datetime) -> str:
    """A local time with its offset, to the minute, as in `2026-03-29 03:00 +02:00`."""
    return f"{at:%Y-%m-%d %H:%M}{BLANK}{offset(at).replace('-', MINUS)}"


def lasting(seconds: float) -> str:
    """A length of time in the two largest units that it has.

    >>> lasting(900), lasting(9000), lasting(90_000)
    ('15\u202fmin', '2\u202fh 30\u202fmin', '1\u202fd 1\u202fh')
    """
    minutes = round(seconds / 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "d"), (hours, "h"), (rest, "min")]
    said = [f"{number(count)}{THIN}{name}" for count, name in parts if count]
    return " ".join(said[:2]) or f"0{THIN}min"


def spoken(seconds: float) -> str:
    r"""A length of time in words, in the two largest units that it has.

    >>> spoken(900), spoken(9000), spoken(86_400)
    ('15\xa0minutes', '2\xa0hours and 30\xa0minutes', '1\xa0day')
    """
    minutes = round(seconds / 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "day"), (hours, "hour"), (rest, "minute")]
    said = [
        f"{number(many)}{BLANK}{name}{'' if many == 1 else 's'}" for many, name in parts if many
    ]
    return " and ".join(said[:2]) or f"less than a{BLANK}minute"
