"""Meters as somebody declares them to be, from when until when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from wattbook.core.errors import InvalidEntityError, Problem
from wattbook.core.registry import dated, versions
from wattbook.core.registry.entities import (
    DATED,
    CivilInterval,
    Meter,
    MeterFlow,
    MeterKind,
    MeterRole,
    Site,
)
from wattbook.core.registry.versions import UNSET, Sent, Unset
from wattbook.core.timezones import known_timezone


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMeter:
    """A meter as somebody declares it to be, from when until when.

    A date is its civil midnight at the site. Where `valid_from` is left out, a change holds from
    the first reading that is yet to come; where `valid_to` is, until the next version or the end.
    """

    id: str
    kind: MeterKind
    role: MeterRole | None = None
    """Null where it was left out: what it was, or main of a site's only meter."""
    parent: str | None = None
    expected_interval_s: int | None = None
    expected_interval: CivilInterval | None = None
    max_hold_s: int | None = None
    register_size_kwh: float | None = None
    register_resolution_kwh: float | None = None
    flow: MeterFlow = MeterFlow.CONSUMPTION
    valid_from: Sent = UNSET
    valid_to: Sent = UNSET
    earlier: tuple["SentMeter", ...] = ()

    @classmethod
    def of(cls, meter: Meter) -> Self:
        """A meter of which everything is declared."""
        return cls(
            id=meter.id,
            **{name: getattr(meter, name) for name in DATED},
            valid_from=UNSET if meter.valid_from is None else meter.valid_from,
            valid_to=UNSET if meter.valid_to is None else meter.valid_to,
            earlier=tuple(map(cls.of, meter.earlier)),
        )

    def meter(self, site_id: str, role: MeterRole) -> Meter:
        """The meter at a site, in a role where none was declared."""
        usual = USUAL_S[self.expected_interval]
        own = {name: getattr(self, name) for name in DATED}
        own["role"] = self.role or role
        own["expected_interval_s"] = self.expected_interval_s or usual
        return Meter(id=self.id, site_id=site_id, **own)


USUAL_S: Final = {None: 900, CivilInterval.DAY: 86_400, CivilInterval.MONTH: 31 * 86_400}
"""Seconds between readings where they are not declared."""


def put(
    sent: SentMeter, index: int, site: Site, old: Meter | None, upcoming: datetime | None
) -> Meter:
    """A meter after it was declared to be what was sent."""
    found = () if old is None else dated.versions_of(old)
    meter = old
    for each in (*sent.earlier, sent):
        role = MeterRole.MAIN if old is None else old.role
        meter = each.meter(site.id, role)
        found = versions.changed(
            found,
            dated.values_of(meter),
            since=instant(each.valid_from, site.timezone),
            until=instant(each.valid_to, site.timezone),
            upcoming=upcoming,
        )
        if not found:
            detail = "valid_to must be after valid_from: the meter would end before it begins"
            where = f"meters[{index}].valid_to"
            raise InvalidEntityError(detail, [Problem("bad_period", detail, field=where)])
    assert meter is not None
    return dated.meter_of(meter, found)


def roleless(sent: Sequence[SentMeter], known: Mapping[str, Meter]) -> list[Problem]:
    """Meters without a role at a site that has several: it cannot be guessed."""
    if len({each.id for each in sent} | known.keys()) < SEVERAL:
        return []
    return [
        Problem(
            "missing_role", f"meter {each.id!r} needs a role: {ROLES}", field=f"meters[{at}].role"
        )
        for at, each in enumerate(sent)
        if each.role is None and each.id not in known
    ]


SEVERAL: Final = 2
ROLES: Final = (
    "a site with two or more meters must say of each whether it is 'main' (main meters are added up"
    " to what the site draws), 'sub' (it measures a part of what a main meter measures too, and is"
    " not added), 'generation' (it measures what the site makes itself) or 'export' (it measures"
    " what the site gives back)"
)


def instant(sent: Sent, timezone: str) -> datetime | Unset | None:
    """What was sent as an instant: a date is the midnight of the site."""
    if isinstance(sent, Unset):
        return sent
    # A time zone that is none has no midnights; it is refused with all else that is wrong.
    return versions.instant(sent, timezone if known_timezone(timezone) else "UTC")
