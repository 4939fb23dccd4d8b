"""Registers sites and changes them."""

import hashlib
import re
import secrets
import unicodedata
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import polars as pl

from wattbook.core.errors import ChangedError, ConflictError, InvalidEntityError, Problem
from wattbook.core.grid import zones
from wattbook.core.periods import Period
from wattbook.core.registry import dated, declared, stale, versions
from wattbook.core.registry.declared import SentMeter
from wattbook.core.registry.entities import (
    CAPACITIES,
    SLUG,
    ZONE,
    CivilInterval,
    FleetItem,
    Meter,
    MeterFlow,
    MeterKind,
    MeterRole,
    Site,
    SiteStatus,
    Supply,
    problems_with,
)
from wattbook.core.registry.versions import UNSET, Sent
from wattbook.ports.readings import ReadingStore
from wattbook.ports.registry import Edit, Registry
from wattbook.ports.rollups import RollupStore

Check = Callable[[Site], None]
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
    """Kind of the main meter that a site without meters is given, with the five that follow."""
    expected_interval_s: int | None = None
    expected_interval: CivilInterval | None = None
    register_size_kwh: float | None = None
    register_resolution_kwh: float | None = None
    max_hold_s: int | None = None
    flow: MeterFlow = MeterFlow.CONSUMPTION
    meters: tuple[SentMeter | Meter, ...] = ()
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
    problems = _problems(site) + declared.roleless(_sent(draft.meters), {})
    problems += _zone_problem(draft.zone)
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


def matching(if_match: str | None) -> Check | None:
    """Refuses a site that is not, or is no longer, the one that an `If-Match` names.

    Raises
    ------
    ChangedError
        Its tag is none of those named.
    """
    if if_match is None or if_match.strip() == "*":
        return None

    def check(site: Site) -> None:
        named = {each.strip().removeprefix("W/").strip('"') for each in if_match.split(",")}
        if dated.tag(site) not in named:
            detail = f"site {site.id!r} has changed since it was read: read it again"
            raise ChangedError(detail, [Problem("changed", detail, field="If-Match")])

    return check


async def change(
    site_id: str,
    changes: Mapping[str, object],
    *,
    valid_from: Sent = UNSET,
    check: Check | None = None,
    registry: Registry,
    readings: ReadingStore,
    rollups: RollupStore,
    now: datetime,
) -> Site:
    """Change fields of a site, and mark its rollups when they rest on one of them.

    Another capacity holds from `valid_from`, or where that is left out from the first reading that
    is yet to come.
    """
    site = await registry.site(site_id)
    if isinstance(zone := changes.get("zone"), str):
        changes = {**changes, "zone": zones.resolved(zone)}
    upcoming = await _upcoming(site.meters, readings)
    if "timezone" in changes and changes["timezone"] != site.timezone:
        _refuse_to_move(await registry.meters(), site_id)

    def plan(found: Site) -> Edit:
        if check is not None:
            check(found)
        whole = dict(changes)
        if valid_from is not UNSET or changes.keys() & set(CAPACITIES):
            whole |= _capacity(found, changes, valid_from, max(upcoming.values(), default=None))
        news = {name: value for name, value in whole.items() if value != getattr(found, name, ...)}
        if "hold_reason" in news:
            news["hold_since_utc"] = _held_since(found, news["hold_reason"], now)
        problems = _problems(replace(found, **_own(news)))  # the registry checks names
        _refuse([*problems, *(_zone_problem(str(news["zone"])) if "zone" in news else ())])
        return Edit(changes=news)

    # Marked on both sides of the change: should this process die between the two,
    # nothing that was computed before it survives it.
    foreseen = plan(site)
    if foreseen == Edit():
        return site
    late = stale.stale(site, replace(site, **_own(foreseen.changes)), upcoming)
    await mark(late, registry=registry, readings=readings, rollups=rollups)
    edited = await registry.edit(site_id, plan, now)
    late = stale.stale(edited.before, edited.after, upcoming)
    await mark(late, registry=registry, readings=readings, rollups=rollups)
    return edited.after


def _own(changes: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if name in Site.__slots__}


def _capacity(
    site: Site, changes: Mapping[str, object], valid_from: Sent, upcoming: datetime | None
) -> dict[str, object]:
    """The fields of a site whose capacity is another from an instant on."""
    what = tuple(changes.get(name, getattr(site, name)) for name in CAPACITIES)
    found = versions.changed(
        dated.capacities_of(site),
        what,
        since=declared.instant(valid_from, site.timezone),
        upcoming=upcoming,
    )
    # Before the first one there is the first one: a site always has a capacity.
    return dated.capacity_fields((replace(found[0], valid_from=None), *found[1:]))


async def describe(
    site_id: str, changes: Mapping[str, str | None], *, registry: Registry, now: datetime
) -> Site:
    """Change texts about a site on which no figure rests: its name, `MAX_DETAIL`."""

    def plan(site: Site) -> Edit:
        news: dict[str, Any] = {
            name: text for name, text in changes.items() if text != getattr(site, name)
        }
        _refuse(_problems(replace(site, **news)))
        return Edit(changes=news)

    return (await registry.edit(site_id, plan, now)).after


async def hold(site_id: str, reason: str | None, *, registry: Registry, now: datetime) -> Site:
    """Put a legal hold on a site, or release it (null): while it is on, nothing is removed."""

    def plan(site: Site) -> Edit:
        if site.hold_reason == reason:
            return Edit()
        _refuse(_problems(replace(site, hold_reason=reason)))
        since = _held_since(site, reason, now)
        return Edit(changes={"hold_reason": reason, "hold_since_utc": since})

    return (await registry.edit(site_id, plan, now)).after


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
    parts: Sequence[SentMeter | Meter | Supply | FleetItem],
    *,
    check: Check | None = None,
    registry: Registry,
    readings: ReadingStore,
    rollups: RollupStore,
    now: datetime,
) -> Placement:
    """Add parts to a site or replace those with the same id; mark meters that read otherwise."""
    site = await registry.site(site_id)
    sent = [SentMeter.of(each) if isinstance(each, Meter) else each for each in parts]
    named = {each.id for each in sent if isinstance(each, SentMeter)}
    upcoming = await _upcoming([each for each in site.meters if each.id in named], readings)

    def plan(found: Site) -> Edit:
        if check is not None:
            check(found)
        whole, placed = _with(found, sent, upcoming)
        _refuse(_problems(whole))
        return Edit(parts=placed)

    # Marked on both sides, as in `change`.
    late = stale.stale(site, _over_site(site, plan(site).parts), upcoming)
    await mark(late, registry=registry, readings=readings, rollups=rollups)
    edited = await registry.edit(site_id, plan, now)
    late = stale.stale(edited.before, edited.after, upcoming)
    await mark(late, registry=registry, readings=readings, rollups=rollups)
    return Placement(edited.after, _size(edited.after) > _size(edited.before))


def _with(
    site: Site,
    sent: Sequence[SentMeter | Supply | FleetItem],
    upcoming: Mapping[str, datetime],
) -> tuple[Site, tuple[Meter | Supply | FleetItem, ...]]:
    """A site with what was sent put on it, and what was put there."""
    known = {meter.id: meter for meter in site.meters}
    meters = [part for part in sent if isinstance(part, SentMeter)]
    _refuse(declared.roleless(meters, known))
    put = [
        declared.put(each, index, site, known.get(each.id), upcoming.get(each.id))
        for index, each in enumerate(meters)
    ]
    placed: tuple[Meter | Supply | FleetItem, ...] = (
        *_placed(site.id, put),
        *_placed(site.id, [part for part in sent if isinstance(part, Supply)]),
        *_placed(site.id, [part for part in sent if isinstance(part, FleetItem)]),
    )
    return _over_site(site, placed), placed


def _over_site(site: Site, parts: Sequence[object]) -> Site:
    return replace(
        site,
        meters=_over(site.meters, tuple(part for part in parts if isinstance(part, Meter))),
        supplies=_over(site.supplies, tuple(part for part in parts if isinstance(part, Supply))),
        fleet=_over(site.fleet, tuple(part for part in parts if isinstance(part, FleetItem))),
    )


async def _upcoming(meters: Sequence[Meter], readings: ReadingStore) -> dict[str, datetime]:
    """For each meter that has readings, from when on it has none yet.

    An interval's reading covers the interval; of other readings this is the instant after.
    """
    about = {meter.id: meter for meter in meters}
    if not about:
        return {}
    found = {}
    for meter_id, last in (await readings.extent(list(about))).select("meter_id", "to_utc").rows():
        meter = about[meter_id]
        length = timedelta(microseconds=1)
        if meter.kind is MeterKind.INTERVAL:
            length = timedelta(seconds=meter.expected_interval_s)
        found[meter_id] = last + length
    return found


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
    main = SentMeter(
        id=f"{site_id}.main",
        kind=draft.telemetry,
        role=MeterRole.MAIN,
        expected_interval_s=draft.expected_interval_s,
        expected_interval=draft.expected_interval,
        max_hold_s=draft.max_hold_s,
        register_size_kwh=draft.register_size_kwh,
        flow=draft.flow,
        register_resolution_kwh=draft.register_resolution_kwh,
    )
    site = Site(
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
        supplies=_placed(site_id, draft.supplies),
        fleet=_placed(site_id, draft.fleet),
    )
    sent = _sent(draft.meters) or [main]
    put = [declared.put(each, index, site, None, None) for index, each in enumerate(sent)]
    return replace(site, meters=_placed(site_id, put))


def _sent(meters: Sequence[SentMeter | Meter]) -> list[SentMeter]:
    return [SentMeter.of(each) if isinstance(each, Meter) else each for each in meters]


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
                found.append(Problem("duplicate_id", f"duplicate {part_id!r}", field=where))
    return found


def _refuse(problems: Sequence[Problem], unsent: str = "") -> None:
    """Raise InvalidEntityError with all the problems, if there are any."""
    if not problems:
        return
    named = [replace(each, field=(each.field or "").removeprefix(unsent)) for each in problems]
    said = "; ".join(f"{each.field}: {each.detail}" for each in named)
    raise InvalidEntityError(said, named)
