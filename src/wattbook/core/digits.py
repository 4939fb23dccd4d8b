"""Numbers as they are read: grouped digits, shares as percentages, a dash for what is unknown."""

from typing import Final

NOTHING: Final = "–"
THIN: Final = "\N{NARROW NO-BREAK SPACE}"
PERCENT: Final = 100
ROUNDING: Final = 10**-9
"""So far from whole a sum of shares may be, for no other reason than how numbers are kept."""


def number(value: object, digits: int = 0) -> str:
    """`value` with grouped digits; a dash where it is not known.

    >>> number(12410.52, 1), number(None), number(-1 / 100, 1)
    ('12\u202f410.5', '–', '0.0')
    """
    if not isinstance(value, int | float):
        return NOTHING
    text = f"{value:,.{digits}f}".replace(",", THIN)
    return text.removeprefix("-") if not text.strip(f"-0.{THIN}") else text


def percent(value: object, digits: int = 1) -> str:
    """A share as a percentage, never rounded up to whole or down to nothing."""
    if not isinstance(value, int | float):
        return NOTHING
    shown = number(value * PERCENT, digits)
    least = 10**-digits
    if 0 < value < 1 - ROUNDING and float(shown) == PERCENT:
        return number(PERCENT - least, digits)
    return f"<{number(least, digits)}" if value > 0 and not shown.strip("0.") else shown
