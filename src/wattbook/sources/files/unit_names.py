"""Units that the names of a file's columns tell, as `Power (MW)` or `power_w_avg` do."""

import re
from dataclasses import replace
from typing import Final

from wattbook.core import units
from wattbook.sources.codecs.rows import Guess
from wattbook.sources.files.mapping import Mapping

BRACKETED: Final = re.compile(r"[\[(]\s*([^\])]+?)\s*[\])]")
LETTERS: Final = ("j", "f")
"""Too short to mean a unit outside brackets."""
MILLIWATT: Final = "mW"
PARTS: Final = re.compile(r"[\s_,;:]+")


def with_units(mapping: Mapping) -> tuple[Mapping, tuple[Guess, ...]]:
    """The mapping with a unit for every column whose source names one, and where each is from."""
    targets = []
    guesses: dict[Guess, None] = {}
    for target in mapping.columns:
        known = units.units_of(target.column)
        unit = mapping.units.get(target.column)
        if known and (unit is not None or not target.either):
            name = target.sources[0]
            because = None
            how = "given"
            if unit is None:
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
    spelt = {unit.lower(): unit for unit in known}
    words = [word for word in (*bracketed, *reversed(loose)) if word != MILLIWATT]
    return next((spelt[word.lower()] for word in words if word.lower() in spelt), None)
