"""What a site pays by: dated tariffs, each with the components of its bill."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, TypeAlias

from wattbook.core import manifest
from wattbook.core.former_words import present
from wattbook.core.registry.components import (
    ON_ENERGY,
    Band,
    Basis,
    Block,
    CoincidentDemand,
    Component,
    ComponentKind,
    Demand,
    DemandSteps,
    Direction,
    Export,
    Fixed,
    Flat,
    Indexed,
    LowFactor,
    Minimum,
    OnEnergy,
    Per,
    Percentage,
    Ratchet,
    Reactive,
    Step,
    Tiered,
    TimeOfUse,
)

__all__ = [
    "FIRST_OF_MONTH",
    "IMPLICIT",
    "WEEKEND",
    "Band",
    "Basis",
    "Block",
    "CoincidentDemand",
    "Component",
    "ComponentKind",
    "Demand",
    "DemandSteps",
    "Direction",
    "Export",
    "Fixed",
    "Flat",
    "Holidays",
    "Indexed",
    "LowFactor",
    "Minimum",
    "Netting",
    "OnEnergy",
    "Per",
    "Percentage",
    "Ratchet",
    "Reactive",
    "Span",
    "Step",
    "Tariff",
    "Tiered",
    "TimeOfUse",
    "timeline",
]

WEEKEND: Final = (6, 7)
"""Saturday and Sunday, as ISO 8601 counts."""
FIRST_OF_MONTH: Final = 1
"""Billing months are civil months unless a tariff, or the question, says another day."""


class Netting(StrEnum):
    """Over which time what is given back is taken off what is drawn, before prices apply."""

    NONE = "none"
    QUARTER = "15min"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"

    @classmethod
    def _missing_(cls, value: object) -> "Netting | None":
        now = present(value)
        return None if now == value else cls(now)


@manifest.named(
    "Tariff",
    "id site_id valid_from valid_to currency calendar holidays holidays_removed"
    " weekend billing_day netting components",
    later={"holidays_removed": (), "billing_day": None, "netting": Netting.NONE},
)
@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What a site pays by from the local date `valid_from` until `valid_to`, or until the next."""

    id: str
    site_id: str
    valid_from: date
    valid_to: date | None = None
    currency: str
    calendar: str | None = None
    """Public holidays of a country or a part of it, as `US` or `US-TX`; or those of `NERC`."""
    holidays: tuple[date, ...] = ()
    """Holidays beside those of the calendar."""
    holidays_removed: tuple[str, ...] = ()
    """Days of the calendar that the tariff does not know: dates, `12-24`, or `easter-2`."""
    weekend: tuple[int, ...] = WEEKEND
    billing_day: int | None = None
    """Day of the month on which bills begin, in shorter months the last; null: the first."""
    netting: Netting = Netting.NONE
    components: tuple[Component, ...]

    @property
    def on_energy(self) -> tuple[OnEnergy, ...]:
        """Components that are charged on the energy of each quarter-hour."""
        return tuple(each for each in self.components if isinstance(each, ON_ENERGY))


IMPLICIT: Final = Indexed(name="energy")
"""What is paid on days for which there is no tariff: the zone's price."""


@dataclass(frozen=True, slots=True)
class Span:
    """Local days on which one tariff is in force; null where none is and `IMPLICIT` is paid."""

    first: date
    end: date
    tariff: Tariff | None
    billing_day: int = FIRST_OF_MONTH

    @property
    def tariff_id(self) -> str | None:
        """Id of the tariff, if there is one."""
        return self.tariff.id if self.tariff is not None else None


def timeline(
    tariffs: Iterable[Tariff], first: date, end: date, billing_day: int = FIRST_OF_MONTH
) -> Iterator[Span]:
    """The days from `first` until `end` without gap, each in the span of its tariff.

    A tariff ends with its `valid_to`, and in any case where the next one begins. Bills begin on
    `billing_day` where the tariff does not say when.

    >>> flat = Flat(name="energy", price_per_kwh=0.1)
    >>> tariff = Tariff(
    ...     id="a", site_id="s", valid_from=date(2026, 7, 1), currency="EUR", components=(flat,)
    ... )
    >>> spans = timeline([tariff], date(2026, 6, 1), date(2026, 8, 1))
    >>> [(str(span.first), str(span.end), span.tariff_id) for span in spans]
    [('2026-06-01', '2026-07-01', None), ('2026-07-01', '2026-08-01', 'a')]
    """
    ordered = sorted(tariffs, key=lambda each: (each.valid_from, each.id))
    at = first
    for tariff, last in zip(ordered, _ends(ordered), strict=True):
        begins, ends = max(tariff.valid_from, at), min(last or end, end)
        if ends <= begins:
            continue
        if at < begins:
            yield Span(at, begins, None, billing_day)
        yield Span(begins, ends, tariff, tariff.billing_day or billing_day)
        at = ends
    if at < end:
        yield Span(at, end, None, billing_day)


def _ends(ordered: Sequence[Tariff]) -> Iterator[date | None]:
    """When each of the tariffs, in the order of time, is no longer in force."""
    for at, tariff in enumerate(ordered):
        ends = [tariff.valid_to] if tariff.valid_to is not None else []
        ends += [following.valid_from for following in ordered[at + 1 : at + 2]]
        yield min(ends, default=None)


Holidays: TypeAlias = Mapping[str, frozenset[date]]
"""The holidays of each tariff, by its id."""
