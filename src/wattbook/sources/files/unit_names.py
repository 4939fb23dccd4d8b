"""Units that the names of a file's columns tell, as `Power (MW)` or `power_w_avg` do."""

import re
from collections.abc import Mapping as Dictionary
from dataclasses import replace
from typing import Final

from wattbook.core import units
from wattbook.sources.codecs.rows import Guess
from wattbook.sources.files.mapping import Mapping

BRACKETED: Final = re.compile(r"[\[(]\s*([^\])]+?)\s*[\])]")
LETTERS: Final = ("j", "f")
"""Too short to mean a unit outside brackets."""
MILLIWATT: Final = "mW"
MONEY: Final = re.compile(r"^(?:[A-Z]{3}|[€$£]|kr\.?)\s?/\s?([kM]Wh)$")
CENTS: Final = re.compile(r"^(?:c|ct|cts|cent|cents|øre|öre|p|¢)\s?/\s?kWh$", re.IGNORECASE)
PARTS: Final = re.compile(r"[\s_,;:]+")


def with_units(
    mapping: Mapping, below: Dictionary[str, str] | None = None
) -> tuple[Mapping, tuple[Guess, ...]]:
    """The mapping with a unit for every column whose source names one, and where each is from.

    `below` are units of the file's columns that the row below the header names.
    """
    targets = []
    guesses: dict[Guess, None] = {}
    for target in mapping.columns:
        known = units.units_of(target.column)
        unit = mapping.units.get(target.column)
        if known and (unit is not None or not target.either):
            name = target.sources[0]
            because = None
            how = "given"
            if unit is None and name in (below or {}):
                unit = (below or {})[name]
                how, because = "detected", "the row below the header"
            elif unit is None:
                unit = unit_in(name, known)
                how, because = ("detected", f"the name {name!r}") if unit else ("default", None)
            guesses[Guess(f"unit of {target.column}", unit or known[0], how, because)] = None
        targets.append(replace(target, unit=unit))
    return replace(mapping, columns=tuple(targets)), tuple(guesses)


def unit_in(name: str, known: tuple[str, ...]) -> str | None:
    """The unit that a name tells, of those that the column may be given in.

    >>> unit_in("Power (MW)", ("kW", "W", "MW")), unit_in("power_w_avg", ("kW", "W", "MW"))
    ('MW', 'W')
    """
    bracketed = BRACKETED.findall(name)
    loose = [word for word in PARTS.split(BRACKETED.sub(" ", name)) if word.lower() not in LETTERS]
    found = (known_unit(word, known) for word in (*bracketed, *reversed(loose)))
    return next(filter(None, found), None)


def known_unit(word: str, known: tuple[str, ...]) -> str | None:
    """The unit of `known` that a word means; prices with their currency, in whole or in cents.

    >>> known_unit("mw", ("kW", "MW")), known_unit("mW", ("kW", "MW"))
    ('MW', None)
    >>> [known_unit(word, ("1/MWh", "1/kWh", "c/kWh")) for word in ("EUR/MWh", "ct/kWh", "$/kWh")]
    ['1/MWh', 'c/kWh', '1/kWh']
    """
    if word == MILLIWATT:
        return None
    word = CENTS.sub("c/kWh", MONEY.sub(r"1/\1", word.removeprefix("°")))
    return {unit.lower(): unit for unit in known}.get(word.lower())
