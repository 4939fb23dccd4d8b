"""Grid zones: their canonical names, aliases and the larger zones that hold them.

The table `data/zones.csv` ships with the package and names the source of each row. Codes that ISO
3166 leaves to users (AA, QM to QZ, XA to XZ, ZZ, also with a suffix, as `XX-lab`) are private
zones: nothing is known of them, and they are accepted as they are.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from wattbook.core.errors import Problem

PRIVATE: Final = re.compile(r"(AA|Q[M-Z]|X[A-Z]|ZZ)(-.*)?", re.IGNORECASE)
NEAREST: Final = 3
"""How many names are proposed for one that is not known."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A grid zone that is registered."""

    zone: str
    name: str
    kind: str
    """`country`, `state`, `province`, `region`, `zone`, `bidding zone` or `balancing authority`."""
    parent: str | None
    """The zone that holds it; null for a country."""
    aliases: tuple[str, ...]
    source: str


@cache
def registered() -> Mapping[str, Zone]:
    """All zones by their canonical names, sorted."""
    text = files("wattbook.core").joinpath("data", "zones.csv").read_text("utf-8")
    rows = sorted(csv.DictReader(text.splitlines()), key=lambda row: row["zone"])
    return {
        row["zone"]: Zone(
            zone=row["zone"],
            name=row["name"],
            kind=row["kind"],
            parent=row["parent"] or None,
            aliases=tuple(row["aliases"].split()),
            source=row["source"],
        )
        for row in rows
    }


@cache
def _names() -> Mapping[str, str]:
    """Canonical names by all names, in the form of `_key`."""
    found = {_key(alias): each.zone for each in registered().values() for alias in each.aliases}
    return found | {_key(zone): zone for zone in registered()}


def _key(name: str) -> str:
    return name.upper().replace("_", "-")


def is_private(name: str) -> bool:
    """Whether a zone is of a code that ISO 3166 leaves to users.

    >>> is_private("XX-lab"), is_private("ZZ"), is_private("NO2")
    (True, True, False)
    """
    return PRIVATE.fullmatch(name) is not None


def canonical(name: str) -> str | None:
    """The one name of a zone, by any of its names; that of a private zone; null if unknown.

    >>> canonical("NO2"), canonical("no-2"), canonical("10YNO-2--------T"), canonical("ERCOT")
    ('NO-NO2', 'NO-NO2', 'NO-NO2', 'US-TEX-ERCO')
    >>> canonical("XX-lab"), canonical("Atlantis")
    ('XX-lab', None)
    """
    return _names().get(_key(name)) or (name if is_private(name) else None)


def resolved(name: str) -> str:
    """The canonical name of a zone; the name itself if it is not known, as in older stores."""
    return canonical(name) or name


def spellings(name: str) -> list[str]:
    """All names under which rows of a zone may be stored, its canonical one first.

    >>> spellings("SE3")
    ['SE-SE3', '10Y1001A1001A46L', 'SE3', 'SE-3']
    """
    zone = resolved(name)
    known = registered().get(zone)
    aliases = known.aliases if known is not None else ()
    return list(dict.fromkeys([zone, *aliases, name]))


def ancestors(name: str) -> list[str]:
    """A zone and the larger ones that hold it, nearest first.

    >>> ancestors("CISO"), ancestors("XX-lab")
    (['US-CAL-CISO', 'US-CA', 'US'], ['XX-lab', 'XX'])
    """
    zone = resolved(name)
    if zone not in registered():
        parts = zone.split("-")
        return ["-".join(parts[:count]) for count in range(len(parts), 0, -1)]
    chain, at = [], registered().get(zone)
    while at is not None:
        chain.append(at.zone)
        at = None if at.parent is None else registered()[at.parent]
    return chain


def nearest(name: str, count: int = NEAREST) -> list[str]:
    """Canonical names of the zones whose name, alias or code is most like a name.

    >>> nearest("ERCOTT")
    ['US-TEX-ERCO']
    """
    key = _key(name)
    off = [(_distance(key, each), each) for each in _names()]
    off += [(_distance(key, _key(each.name)), _key(each.zone)) for each in registered().values()]
    close = sorted(pair for pair in off if pair[0] <= max(1, len(key) // 3))
    return list(dict.fromkeys(_names()[each] for _, each in close))[:count]


def _distance(one: str, other: str) -> int:
    """How many letters have to be put in, left out or changed (Levenshtein)."""
    before = list(range(len(other) + 1))
    for at, letter in enumerate(one, start=1):
        row = [at]
        for place, own in enumerate(other):
            row.append(min(before[place + 1] + 1, row[place] + 1, before[place] + (letter != own)))
        before = row
    return before[-1]


def unknown(name: str) -> str:
    """What is wrong with a name that is not known, and which ones are like it."""
    close = nearest(name)
    hint = f"; the nearest: {', '.join(close)}" if close else ""
    return (
        f"unknown zone {name!r}{hint}. `wattbook zones` lists all; codes such as XX or XX-lab are"
        " for private zones"
    )


def problem_with(name: str) -> Problem | None:
    """The problem with the zone of a site; null where there is none."""
    return None if canonical(name) else Problem("unknown_zone", unknown(name), field="zone")


def search(text: str = "", kinds: Iterable[str] = ()) -> list[Zone]:
    """Zones in whose names or aliases a text occurs, of some kinds or of all, by their names.

    >>> [each.zone for each in search("SE3")]
    ['SE-SE3']
    """
    wanted, key = set(kinds), _key(text)
    return [
        each
        for each in registered().values()
        if (not wanted or each.kind in wanted)
        and any(key in _key(name) for name in (each.zone, each.name, *each.aliases))
    ]


def kinds() -> Sequence[str]:
    """The kinds of zones that there are, sorted."""
    return sorted({each.kind for each in registered().values()})
