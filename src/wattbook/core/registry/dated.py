"""Meters and capacities as versions, and back."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from wattbook.core.registry.entities import (
    CAPACITIES,
    DATED,
    Capacity,
    CivilInterval,
    Meter,
    MeterFlow,
    MeterKind,
    MeterRole,
    Site,
)
from wattbook.core.registry.versions import Version

Values = tuple[Any, ...]
WORDS: Final = {
    "kind": MeterKind,
    "role": MeterRole,
    "flow": MeterFlow,
    "expected_interval": CivilInterval,
}


def versions_of(meter: Meter) -> tuple[Version[Values], ...]:
    """What a meter was and is, in the order of time."""
    return tuple(
        Version(values_of(each), each.valid_from, each.valid_to) for each in (*meter.earlier, meter)
    )


def values_of(meter: Meter) -> Values:
    """The fields `DATED` of a meter."""
    return tuple(getattr(meter, name) for name in DATED)


def meter_of(meter: Meter, versions: Sequence[Version[Values]]) -> Meter:
    """The meter with these versions; the last of them is what it is now."""
    every = [
        replace(
            meter,
            **dict(zip(DATED, each.what, strict=True)),
            valid_from=each.valid_from,
            valid_to=each.valid_to,
            earlier=(),
        )
        for each in versions
    ]
    return replace(every[-1], earlier=tuple(every[:-1]))


def capacities_of(site: Site) -> tuple[Version[Values], ...]:
    """What a site could and can draw, in the order of time."""
    now = tuple(getattr(site, name) for name in CAPACITIES)
    before = (
        Version(tuple(getattr(each, name) for name in CAPACITIES), each.valid_from, each.valid_to)
        for each in site.earlier_capacities
    )
    return (*before, Version(now, site.capacity_since_utc))


def capacity_fields(versions: Sequence[Version[Values]]) -> dict[str, object]:
    """The fields of a site that has these capacities."""
    *before, last = versions
    earlier = tuple(
        Capacity(
            **dict(zip(CAPACITIES, each.what, strict=True)),
            valid_from=each.valid_from,
            valid_to=each.valid_to,
        )
        for each in before
    )
    return {
        **dict(zip(CAPACITIES, last.what, strict=True)),
        "capacity_since_utc": last.valid_from,
        "earlier_capacities": earlier,
    }


def written(names: Iterable[str], what: Values) -> dict[str, object]:
    """The values by name, as JSON holds them."""
    pairs = zip(names, what, strict=True)
    return {
        name: str(value) if name in WORDS and value is not None else value for name, value in pairs
    }


def read(names: Iterable[str], values: Mapping[str, Any], defaults: Mapping[str, Any]) -> Values:
    """The values as they were `written`; what was not known then is what it is by default."""
    found = ((name, values.get(name, defaults.get(name))) for name in names)
    return tuple(
        WORDS[name](value) if name in WORDS and value is not None else value
        for name, value in found
    )


def tag(site: Site) -> str:
    """A short text that differs whenever anything of a site does: its ETag."""
    return hashlib.sha256(repr(site).encode()).hexdigest()[:32]
