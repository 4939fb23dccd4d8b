"""Registers sites and changes them."""

import hashlib
import re
import secrets
import unicodedata
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar

import polars as pl

from wattbook.core import zones
from wattbook.core.entities import (
    SLUG,
    ZONE,
    FleetItem,
    Meter,
    MeterFlow,
    MeterKind,
    Site,
    SiteStatus,
    Supply,
    problems_with,
)
from wattbook.core.errors import ConflictError, InvalidEntityError, Problem
from wattbook.core.periods import Period
from wattbook.ports.readings import ReadingStore
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import RollupStore

DECIDES_ROLLUPS: Final = {"timezone", "capacity_kw", "plausible_kw"}
"""Fields of a site on which the figures of all its meters rest."""
PAGE: Final = 1000
"""So many sites are read at a time."""
STEM: Final = 40
"""So many letters of a name go into an id."""

Part = TypeVar("Part", Meter, Supply, FleetItem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A site as somebody asks for it.

    Ids that are null or empty are made up, and what `site_id` the parts name does not matter.
    """

    id: str | None = None
    name: str
    operator: str
    timezone: str
    zone: str
    capacity_kw: float | None = None
    plausible_kw: float | None = None
    contracted_kw: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    legal_name: str | None = None
    permit: str | None = None
    address: str | None = None
    contact: str | None = None
    status: SiteStatus = SiteStatus.ACTIVE
    simulated: bool = False
    telemetry: MeterKind = MeterKind.POWER
    """Kind of the main meter that a site without meters is given, with the three that follow."""
    expected_interval_s: int = 900
    register_size_kwh: float | None = None
    register_resolution_kwh: float | None = None
    max_hold_s: int | None = None
    flow: MeterFlow = MeterFlow.CONSUMPTION
    meters: tuple[Meter, ...] = ()
    supplies: tuple[Supply, ...] = ()
    fleet: tuple[FleetItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Placement:
    """A site after parts were put on it, and whether any of them is new."""

    site: Site
    added: bool


async def register(
    draft: Draft, *, registry: Registry, now: datetime, suffix: str | None = None
) -> Site:
    """Register a site with everything on it; `suffix` ends an id that is made up."""
    site = _site(draft, suffix or secrets.token_hex(3), now)

    # A main meter that nobody sent has no place in the body: its fields are the site's.
    problems = [*_problems(site), *_zone_problem(draft.zone)]
    _refuse(problems, unsent="" if draft.meters else "meters[0].")

    return await registry.add(site)


async def every(registry: Registry, *, at_once: int = PAGE) -> AsyncIterator[Site]:
    """All sites in the order of their ids."""
    cursor = None
    while True:
        page = await registry.sites(after=cursor, limit=at_once)
        for site in page.sites:
            yield site
        cursor = page.cursor
        if cursor is None:
            return


async def change(
    site_id: str,
    changes: Mapping[str, object],
    *,
    registry: Registry,
    readings: ReadingStore,
    rollups: RollupStore,
    now: datetime,
) -> Site:
    """Change fields of a site, and mark its rollups when they rest on one of them."""
    site = await registry.site(site_id)

    if isinstance(sent := changes.get("zone"), str):
        changes = {**changes, "zone": zones.resolved(sent)}
    news = {name: value for name, value in changes.items() if value != getattr(site, name, ...)}
    if "hold_reason" in news:
        news["hold_since_utc"] = _held_since(site, news["hold_reason"], now)
    stale = [meter.id for meter in site.meters] if news.keys() & DECIDES_ROLLUPS else []
    known = {name: value for name, value in news.items() if hasattr(site, name)}
    problems = _problems(replace(site, **known))  # type: ignore[arg-type]  # the registry checks names
    _refuse([*problems, *(_zone_problem(str(news["zone"])) if "zone" in news else ())])

    if not news:
        return site
    if "timezone" in news:
        _refuse_to_move(await registry.meters(), site_id)
    # Marked on both sides of the change: should this process die between the two,
    # nothing that was computed before it survives it.
    await mark(stale, registry=registry, readings=readings, rollups=rollups)
    changed = await registry.change(site_id, news, now)
    await mark(stale, registry=registry, readings=readings, rollups=rollups)
    return changed


async def describe(
    site_id: str, changes: Mapping[str, str | None], *, registry: Registry, now: datetime
) -> Site:
    """Change texts about a site on which no figure rests: its name, `MAX_DETAIL`."""
    site = await registry.site(site_id)
    news: dict[str, Any] = {
        name: text for name, text in changes.items() if text != getattr(site, name)
    }
    if not news:
        return site
    _refuse(_problems(replace(site, **news)))
    return await registry.change(site_id, news, now)


async def hold(site_id: str, reason: str | None, *, registry: Registry, now: datetime) -> Site:
    """Put a legal hold on a site, or release it (null): while it is on, nothing is removed."""
    site = await registry.site(site_id)
    if site.hold_reason == reason:
        return site
    _refuse(_problems(replace(site, hold_reason=reason)))
    changes = {"hold_reason": reason, "hold_since_utc": _held_since(site, reason, now)}
    return await registry.change(site_id, changes, now)


def _zone_problem(zone: str) -> list[Problem]:
    """That a zone is not known; none where its name has letters that no name has."""
    problem = zones.problem_with(zone) if ZONE.fullmatch(zone) else None
    return [] if problem is None else [problem]


def _held_since(site: Site, reason: object, now: datetime) -> datetime | None:
    """A hold whose reason is only worded otherwise goes on."""
    return None if reason is None else site.hold_since_utc or now


def _refuse_to_move(meters: pl.DataFrame, site_id: str) -> None:
    """Refuse another time zone where civil days can no longer be summed from readings."""
    lost = meters.filter(pl.col("readings_from_utc").is_not_null(), site_id=site_id)
    if lost.height:
        detail = (
            f"readings of {lost['meter_id'][0]} before {lost['readings_from_utc'][0]:%FT%TZ} were"
            " removed: their days cannot be computed in another time zone"
        )
        raise ConflictError(detail, [Problem("removed", detail, field="timezone")])


async def put_parts(
    site_id: str,
    parts: Sequence[Meter | Supply | FleetItem],
    *,
    registry: Registry,
    readings: ReadingStore,
    rollups: RollupStore,
    now: datetime,
) -> Placement:
    """Add parts to a site or replace those with the same id; mark meters that read otherwise."""
    site = await registry.site(site_id)

    meters = _placed(site_id, [part for part in parts if isinstance(part, Meter)])
    supplies = _placed(site_id, [part for part in parts if isinstance(part, Supply)])
    fleet = _placed(site_id, [part for part in parts if isinstance(part, FleetItem)])
    whole = replace(
        site,
        meters=_over(site.meters, meters),
        supplies=_over(site.supplies, supplies),
        fleet=_over(site.fleet, fleet),
    )
    _refuse(_problems(whole))
    added = _size(whole) > _size(site)
    before = {meter.id: _reads(meter) for meter in site.meters}
    stale = [meter.id for meter in meters if before.get(meter.id, _reads(meter)) != _reads(meter)]

    await mark(stale, registry=registry, readings=readings, rollups=rollups)
    changed = await registry.put_parts(site_id, (*meters, *supplies, *fleet), now)
    await mark(stale, registry=registry, readings=readings, rollups=rollups)
    return Placement(changed, added)


async def mark(
    meter_ids: list[str], *, registry: Registry, readings: ReadingStore, rollups: RollupStore
) -> None:
    """Have all figures of these meters computed afresh for which there still are readings."""
    if not meter_ids:
        return
    kept = (await registry.meters()).select("meter_id", keep_utc="readings_from_utc")
    spans = (await readings.extent(meter_ids)).join(kept, on="meter_id", how="left")
    fresh = spans.with_columns(from_utc=pl.max_horizontal("from_utc", "keep_utc"))
    await rollups.mark(fresh.filter(pl.col("from_utc") <= pl.col("to_utc")), afresh=True)


async def mark_period(
    meter_ids: list[str], period: Period, *, readings: ReadingStore, rollups: RollupStore
) -> None:
    """Have the figures that readings of a period decide computed again."""
    if not meter_ids:
        return
    extent = await readings.extent(meter_ids)
    spans = extent.with_columns(
        from_utc=pl.max_horizontal("from_utc", pl.lit(period.start)),
        to_utc=pl.min_horizontal("to_utc", pl.lit(period.end)),
    ).filter(pl.col("from_utc") <= pl.col("to_utc"))
    if spans.height:
        await rollups.mark(spans)


def _site(draft: Draft, suffix: str, now: datetime) -> Site:
    site_id = draft.id or f"{slug(draft.name) or 'site'}-{suffix}"
    main = Meter(
        id=f"{site_id}.main",
        site_id=site_id,
        kind=draft.telemetry,
        expected_interval_s=draft.expected_interval_s,
        max_hold_s=draft.max_hold_s,
        register_size_kwh=draft.register_size_kwh,
        flow=draft.flow,
        register_resolution_kwh=draft.register_resolution_kwh,
    )
    return Site(
        id=site_id,
        name=draft.name,
        operator=draft.operator,
        timezone=draft.timezone,
        zone=zones.resolved(draft.zone),
        capacity_kw=draft.capacity_kw,
        plausible_kw=draft.plausible_kw,
        contracted_kw=draft.contracted_kw,
        latitude=draft.latitude,
        longitude=draft.longitude,
        legal_name=draft.legal_name,
        permit=draft.permit,
        address=draft.address,
        contact=draft.contact,
        status=draft.status,
        simulated=draft.simulated,
        created_utc=now,
        updated_utc=now,
        meters=_placed(site_id, draft.meters) or (main,),
        supplies=_placed(site_id, draft.supplies),
        fleet=_placed(site_id, draft.fleet),
    )


def slug(text: str) -> str:
    """`text` as the beginning of an id; empty when no letter of it fits.

    >>> slug("Ørsted Höhe № 3 (simulated)"), slug("秩父")
    ('rsted-hohe-no-3-simulated', '')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:STEM].strip("-")


def _placed(site_id: str, parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts, each at the site and with an id; an id that is made up follows from the content.

    So what is sent twice is there once.
    """
    placed = []
    for part in parts:
        at_site = replace(part, site_id=site_id)
        placed.append(at_site if at_site.id else replace(at_site, id=_derived(at_site)))
    return tuple(placed)


def _derived(part: Meter | Supply | FleetItem) -> str:
    if isinstance(part, Meter):
        stem = f"{part.site_id}.{part.role}"
    elif isinstance(part, Supply):
        stem = slug(f"{part.kind} {part.technology or ''}")
    else:
        stem = slug(part.model) or "machines"
    content = "|".join(map(str, astuple(part)))
    return f"{stem}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def _over(old: Sequence[Part], new: tuple[Part, ...]) -> tuple[Part, ...]:
    """The new parts, then those of the old that they do not replace."""
    ids = {part.id for part in new}
    return new + tuple(part for part in old if part.id not in ids)


def _size(site: Site) -> int:
    return len(site.meters) + len(site.supplies) + len(site.fleet)


def _reads(meter: Meter) -> tuple[MeterKind, int, int, float | None, float | None]:
    """How readings of this meter become energy."""
    return (
        meter.kind,
        meter.expected_interval_s,
        meter.hold_s,
        meter.register_size_kwh,
        meter.register_resolution_kwh,
    )


def _problems(site: Site) -> list[Problem]:
    """Everything that is wrong with the site, and with the ids of its supplies and fleet."""
    found = problems_with(site)
    for name, parts in (("supplies", site.supplies), ("fleet", site.fleet)):
        ids = [part.id for part in parts]
        for index, part_id in enumerate(ids):
            where = f"{name}[{index}].id"
            if not SLUG.fullmatch(part_id):
                found.append(
                    Problem(
                        "bad_id", f"invalid id {part_id!r}: must match {SLUG.pattern}", field=where
                    )
                )
            if ids.count(part_id) > 1:
                found.append(Problem("duplicate_id", f"{part_id!r} stands here twice", field=where))
    return found


def _refuse(problems: Sequence[Problem], unsent: str = "") -> None:
    """Raise InvalidEntityError with all the problems, if there are any."""
    if not problems:
        return
    named = [replace(each, field=(each.field or "").removeprefix(unsent)) for each in problems]
    said = "; ".join(f"{each.field}: {each.detail}" for each in named)
    raise InvalidEntityError(said, named)
