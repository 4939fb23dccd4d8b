"""Operators, sites and what stands on them."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from wattbook.core.errors import InvalidEntityError, Problem
from wattbook.core.timezones import known_timezone

if TYPE_CHECKING:
    from wattbook.core.registry.tariffs import Tariff

READING_VALUES: Final = (
    "power_kw",
    "energy_kwh",
    "register_kwh",
    "hashrate_th",
    "temperature_c",
    "reactive_power_kvar",
)
SENT_VALUES: Final = (*READING_VALUES, "reactive_kvarh")
"""Values that a row may be sent with: `reactive_kvarh` becomes `reactive_power_kvar`."""
"""What a meter can say of an instant."""
SLUG: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
ZONE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MAX_DETAIL: Final = {"legal_name": 200, "permit": 200, "address": 500, "contact": 200}
"""Characters of each field that only the first page of a report uses."""
ONE_LINE: Final = re.compile(r"[^\x00-\x1f\x7f]+")
HOLD_REASON: Final = re.compile(r"[^\x00-\x1f\x7f]{1,1000}")
_ABOVE_ZERO: Final = 5e-324
HOLD_INTERVALS: Final = 3
"""A power reading is believed for so many expected intervals unless its meter says otherwise."""


class MeterKind(StrEnum):
    """How a meter tells energy."""

    INTERVAL = "interval"
    REGISTER = "register"
    POWER = "power"


class CivilInterval(StrEnum):
    """An interval that is as long as the calendar says."""

    DAY = "day"
    MONTH = "month"


class MeterRole(StrEnum):
    """What a meter's flow means for its site."""

    MAIN = "main"
    SUB = "sub"
    GENERATION = "generation"
    EXPORT = "export"


class MeterFlow(StrEnum):
    """Which way a meter counts: what is drawn alone, or both ways, negative where given back."""

    CONSUMPTION = "consumption"
    NET = "net"


class SiteStatus(StrEnum):
    """Where a site stands in its life."""

    PLANNED = "planned"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    RETIRED = "retired"


class SupplyKind(StrEnum):
    """How power is bought or made."""

    GRID = "grid"
    PPA = "ppa"
    ONSITE = "onsite"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Measures one flow at a site."""

    id: str
    site_id: str
    kind: MeterKind
    role: MeterRole = MeterRole.MAIN
    parent: str | None = None
    expected_interval_s: int = 900
    max_hold_s: int | None = None
    register_size_kwh: float | None = None
    flow: MeterFlow = MeterFlow.CONSUMPTION
    register_resolution_kwh: float | None = None
    """Smallest step that the register shows; null where it is inferred from the readings."""
    expected_interval: CivilInterval | None = None
    """Where an interval is a civil day or month at the site; `expected_interval_s` is its usual
    length then."""
    valid_from: datetime | None = None
    """Since when the meter is what it is; null: from the beginning."""
    valid_to: datetime | None = None
    """Until when; null while it goes on."""
    earlier: "tuple[Meter, ...]" = ()
    """What it was before, in the order of time."""

    @property
    def hold_s(self) -> int:
        """Seconds for which a power reading is believed."""
        return self.max_hold_s or HOLD_INTERVALS * self.expected_interval_s


DATED: Final = tuple(
    each.name
    for each in fields(Meter)
    if each.name not in ("id", "site_id", "valid_from", "valid_to", "earlier")
)
"""Fields of a meter that can be another from one instant to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What a site could draw in [`valid_from`, `valid_to`); null where it is open."""

    capacity_kw: float | None = None
    plausible_kw: float | None = None
    contracted_kw: float | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None


CAPACITIES: Final = tuple(
    each.name for each in fields(Capacity) if each.name not in ("valid_from", "valid_to")
)
"""Fields of a site that hold from an instant on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """How a site is powered from `valid_from` until `valid_to`."""

    id: str
    site_id: str
    kind: SupplyKind
    technology: str | None = None
    share: float | None = None
    capacity_kw: float | None = None
    g_per_kwh: float | None = None
    valid_from: datetime
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetItem:
    """So many machines of one model at a site from `valid_from` until `valid_to`."""

    id: str
    site_id: str
    model: str
    count: int
    hashrate_th: float | None = None
    power_w: float | None = None
    valid_from: datetime
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place that draws power."""

    id: str
    name: str
    operator: str
    timezone: str
    zone: str
    capacity_kw: float | None = None
    """Power that the equipment of the site can draw; readings above it are stored and flagged."""
    plausible_kw: float | None = None
    """Power above which a reading is rejected; null for twice the capacity."""
    contracted_kw: float | None = None
    """Power that the grid contract or the permit allows."""
    latitude: float | None = None
    longitude: float | None = None
    legal_name: str | None = None
    """Name of the legal person that operates the site, as it stands in a filing."""
    permit: str | None = None
    """Number of the permit or connection agreement, with the authority that issued it."""
    address: str | None = None
    contact: str | None = None
    """Person, e-mail address or telephone number for questions about a report."""
    status: SiteStatus = SiteStatus.ACTIVE
    simulated: bool = False
    hold_reason: str | None = None
    """Why nothing of the site may be removed (a legal hold); null where something may."""
    hold_since_utc: datetime | None = None
    created_utc: datetime
    updated_utc: datetime
    capacity_since_utc: datetime | None = None
    """Since when it can draw what it can now; null: from the beginning."""
    earlier_capacities: tuple[Capacity, ...] = ()
    """What it could draw before, in the order of time."""
    meters: tuple[Meter, ...] = field(default=())
    supplies: tuple[Supply, ...] = field(default=())
    fleet: tuple[FleetItem, ...] = field(default=())
    tariffs: "tuple[Tariff, ...]" = field(default=())


@dataclass(frozen=True, slots=True)
class Entity:
    """A site, an operator or a zone, as the analytics endpoints name them."""

    kind: str
    id: str


ENTITY_KINDS: Final = ("site", "operator", "zone")


def parse_entity(text: str) -> tuple[str | None, str]:
    """Kind (null when it is left open) and id of `site:x`, `operator:x`, `zone:x` or a bare `x`.

    >>> parse_entity("zone:US-TEX-ERCO")
    ('zone', 'US-TEX-ERCO')
    >>> parse_entity("pecos-1")
    (None, 'pecos-1')
    """
    kind, colon, name = text.partition(":")
    if not colon:
        return None, text
    if kind not in ENTITY_KINDS:
        known = ", ".join(f"{kind}:" for kind in ENTITY_KINDS)
        detail = f"{kind!r} is not a kind of entity; use {known} or a bare id"
        raise InvalidEntityError(detail, [Problem("bad_entity", detail, field="entity_id")])
    return kind, name


def problems_with(site: Site) -> list[Problem]:
    """Everything about `site` that is invalid; empty when all is well."""
    found: list[Problem] = []

    def wrong(where: str, reason: str, detail: str) -> None:
        found.append(Problem(reason, detail, field=where))

    def slug(where: str, value: str) -> None:
        if not SLUG.fullmatch(value):
            wrong(where, "bad_id", f"invalid id {value!r}: must match {SLUG.pattern}")

    slug("id", site.id)
    slug("operator", site.operator)
    if not ZONE.fullmatch(site.zone):
        wrong("zone", "bad_id", f"{site.zone!r} is not a zone: must match {ZONE.pattern}")
    if not known_timezone(site.timezone):
        wrong("timezone", "bad_timezone", f"{site.timezone!r} is not an IANA time zone")
    _check_details(site, wrong)
    _judge_hold(site, wrong)
    _judge_numbers(site, wrong)
    _judge_meters(site.meters, slug, wrong)
    for index, supply in enumerate(site.supplies):
        if supply.valid_to is not None and supply.valid_to <= supply.valid_from:
            wrong(f"supplies[{index}].valid_to", "bad_period", "ends before it begins")
    for index, item in enumerate(site.fleet):
        if item.valid_to is not None and item.valid_to <= item.valid_from:
            wrong(f"fleet[{index}].valid_to", "bad_period", "ends before it begins")
    return found


def _check_details(site: Site, wrong: Callable[[str, str, str], None]) -> None:
    for name, longest in MAX_DETAIL.items():
        value = getattr(site, name)
        if value is not None and not (ONE_LINE.fullmatch(value) and len(value) <= longest):
            wrong(name, "bad_text", f"{name} must have 1 to {longest} characters on one line")


def _judge_hold(site: Site, wrong: Callable[[str, str, str], None]) -> None:
    if site.hold_reason is not None and not HOLD_REASON.fullmatch(site.hold_reason):
        wrong("hold_reason", "bad_reason", "must have 1 to 1000 characters on one line")


def _judge_numbers(site: Site, wrong: Callable[[str, str, str], None]) -> None:
    """Sizes are above zero, shares and places within their bounds, and all of them finite."""
    bounds: list[tuple[str, float | None, float, float]] = [
        ("capacity_kw", site.capacity_kw, _ABOVE_ZERO, math.inf),
        ("plausible_kw", site.plausible_kw, _ABOVE_ZERO, math.inf),
        ("contracted_kw", site.contracted_kw, _ABOVE_ZERO, math.inf),
        ("latitude", site.latitude, -90, 90),
        ("longitude", site.longitude, -180, 180),
    ]
    for index, meter in enumerate(site.meters):
        bounds += [
            (f"meters[{index}].{name}", getattr(meter, name), _ABOVE_ZERO, math.inf)
            for name in (
                "expected_interval_s",
                "max_hold_s",
                "register_size_kwh",
                "register_resolution_kwh",
            )
        ]
    for index, supply in enumerate(site.supplies):
        bounds += [
            (f"supplies[{index}].share", supply.share, 0, 1),
            (f"supplies[{index}].capacity_kw", supply.capacity_kw, 0, math.inf),
            (f"supplies[{index}].g_per_kwh", supply.g_per_kwh, 0, math.inf),
        ]
    for index, item in enumerate(site.fleet):
        bounds += [
            (f"fleet[{index}].{name}", getattr(item, name), 0, math.inf)
            for name in ("count", "hashrate_th", "power_w")
        ]
    if None not in (site.plausible_kw, site.capacity_kw) and site.plausible_kw < site.capacity_kw:  # type: ignore[operator]
        wrong("plausible_kw", "bad_number", f"{site.plausible_kw} is below capacity_kw")
    for where, value, low, high in bounds:
        if value is not None and not (low <= value <= high and math.isfinite(value)):
            said = "above 0" if low == _ABOVE_ZERO else f"from {low:g} to {high:g}"
            wrong(where, "bad_number", f"{value} is not {said}")


def _judge_meters(
    meters: Sequence[Meter],
    slug: Callable[[str, str], None],
    wrong: Callable[[str, str, str], None],
) -> None:
    ids = [meter.id for meter in meters]
    parents = {meter.id: meter.parent for meter in meters}
    for index, meter in enumerate(meters):
        where = f"meters[{index}]"
        slug(f"{where}.id", meter.id)
        if ids.count(meter.id) > 1:
            wrong(f"{where}.id", "duplicate_id", f"duplicate {meter.id!r}")
        if meter.parent is not None and meter.parent not in parents:
            wrong(
                f"{where}.parent", "unknown_meter", f"{meter.parent!r} is not a meter of this site"
            )
        elif _in_circle(meter.id, parents):
            wrong(f"{where}.parent", "circle", f"{meter.id!r} is its own ancestor")
        if meter.register_size_kwh is not None and meter.kind is not MeterKind.REGISTER:
            wrong(f"{where}.register_size_kwh", "bad_meter", "only a register has a size")
        if meter.register_resolution_kwh is not None and meter.kind is not MeterKind.REGISTER:
            detail = "only a register has a resolution"
            wrong(f"{where}.register_resolution_kwh", "bad_meter", detail)
        if meter.flow is MeterFlow.NET:
            _check_net(meter, f"{where}.flow", wrong)


def _check_net(meter: Meter, where: str, wrong: Callable[[str, str, str], None]) -> None:
    """A register that turns back cannot be told from one that was reset."""
    if meter.kind is MeterKind.REGISTER:
        detail = (
            "a register counts one way: register two meters, one of role 'export' for what is"
            " given back, or send energy by the interval"
        )
        wrong(where, "bad_meter", detail)
    if meter.role is MeterRole.EXPORT:
        wrong(where, "bad_meter", "a meter of role 'export' counts one way: leave out flow")


def _in_circle(meter_id: str, parents: dict[str, str | None]) -> bool:
    seen, at = {meter_id}, parents[meter_id]
    while at is not None:
        if at in seen:
            return True
        seen.add(at)
        at = parents.get(at)
    return False
