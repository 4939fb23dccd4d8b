"""The sites, as they are registered."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wattbook import settings, wiring
from wattbook.cli import bodies, door, show
from wattbook.cli.show import NOTHING, Column, number
from wattbook.core.entities import MAX_DETAIL, FleetItem, Meter, Site, Supply
from wattbook.core.errors import InputError, Problem, UndecodableError
from wattbook.core.tariffs import Tariff
from wattbook.flows import sites as flow
from wattbook.wiring import Runtime


def list_all(*, as_json: bool) -> None:
    """Every site in a line."""
    found = door.run(everyone)
    if as_json:
        show.json([_body(site) for site in found])
    elif not found:
        show.say("no site is registered; `wattbook sites add` registers one, `wattbook demo` five")
    else:
        show.table(
            [
                Column("site", [site.id for site in found], right=False),
                Column("name", [site.name for site in found], right=False, folds=True, worth=6),
                Column("operator", [site.operator for site in found], right=False, worth=5),
                Column("zone", [site.zone for site in found], right=False),
                Column("timezone", [site.timezone for site in found], right=False, worth=4),
                Column("capacity", [number(site.capacity_kw) for site in found], "kW"),
                Column("meters", [number(len(site.meters)) for site in found]),
                Column("status", [str(site.status) for site in found], right=False, worth=3),
            ]
        )


async def everyone(runtime: Runtime) -> list[Site]:
    """All sites, in the order of their ids."""
    return [site async for site in flow.every(runtime.registry)]


def show_one(site_id: str, *, as_json: bool) -> None:
    """One site with everything on it."""
    site = door.run(lambda runtime: runtime.registry.site(site_id))
    if as_json:
        show.json(_body(site))
        return
    made_up = " · simulated" if site.simulated else ""
    made_up += " · on hold" if site.hold_reason else ""
    place = "" if None in (site.latitude, site.longitude) else f" · {_place(site)}"
    show.say(f"{site.id} · {site.name} · {site.status}{made_up}")
    show.say(
        f"operator {site.operator} · zone {site.zone} · {site.timezone}{place}"
        f" · capacity {number(site.capacity_kw)} kW"
        f"{_limits(site)}"
    )
    _details(site)
    if site.hold_reason:
        show.say(f"on hold since {site.hold_since_utc:%F}: {site.hold_reason}")
    show.say("")
    _meters(site.meters)
    if site.supplies:
        show.say("")
        _supplies(site.supplies)
    if site.fleet:
        show.say("")
        _fleet(site.fleet)
    if site.tariffs:
        show.say("")
        tariff_table(site.tariffs)


def _place(site: Site) -> str:
    north, east = site.latitude or 0.0, site.longitude or 0.0
    return f"{abs(north):.2f}° {'NS'[north < 0]} {abs(east):.2f}° {'EW'[east < 0]}"


def list_meters(site_id: str | None, *, as_json: bool) -> None:
    """The meters of all sites, or of one."""

    async def work(runtime: Runtime) -> list[Site]:
        return [await runtime.registry.site(site_id)] if site_id else await everyone(runtime)

    found = [meter for site in door.run(work) for meter in site.meters]
    if as_json:
        show.json([asdict(meter) for meter in found])
    elif not found:
        show.say("no meter is registered")
    else:
        _meters(found)


def add(file: Path | None, options: Mapping[str, object]) -> None:
    """Register the site or the sites of a file, or the one that the options describe."""
    bodies_ = _bodies(file) if file is not None else [{}]
    if options and len(bodies_) > 1:
        detail = f"{file} holds {len(bodies_)} sites: options can describe only one"
        raise InputError(detail, [Problem("bad_option", detail)])
    drafts = [
        bodies.draft({**body, **options}, f"[{at}]." if len(bodies_) > 1 else "")
        for at, body in enumerate(bodies_)
    ]

    async def work(runtime: Runtime) -> None:
        for draft in drafts:
            site = await flow.register(draft, registry=runtime.registry, now=runtime.clock.now())
            meters = ", ".join(f"{meter.id} ({meter.kind})" for meter in site.meters)
            show.say(f"registered {site.id}: {meters}")

    door.run(work)


def edit(site_id: str, texts: Mapping[str, str]) -> None:
    """Change texts about a site; an empty one clears its field."""
    changes = {name: text.strip() or None for name, text in texts.items()}
    if changes.get("name", "") is None:
        raise InputError("--name is empty", [Problem("bad_option", "--name is empty", "name")])

    async def work() -> Site:
        async with wiring.open_registry(settings.load()) as registry:
            return await flow.describe(site_id, changes, registry=registry, now=datetime.now(UTC))

    site = asyncio.run(work())
    show.say(f"{site.id} · {site.name}")
    _details(site)


def _details(site: Site) -> None:
    """What the first page of a report says about who operates the site."""
    for name in MAX_DETAIL:
        if text := getattr(site, name):
            show.say(f"{name.replace('_', ' ')}: {text}")


def hold(site_id: str, reason: str | None) -> None:
    """Put a site on hold for a reason, or release it (null)."""
    told = None if reason is None else reason.strip()

    async def work() -> Site:
        async with wiring.open_registry(settings.load()) as registry:
            return await flow.hold(site_id, told, registry=registry, now=datetime.now(UTC))

    site = asyncio.run(work())
    if site.hold_reason is None:
        show.say(f"{site.id} is not on hold")
    else:
        show.say(f"{site.id} is on hold since {site.hold_since_utc:%FT%TZ}: {site.hold_reason}")


def _bodies(file: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (ValueError, OSError) as error:
        detail = f"{file} is not JSON: {error}"
        raise UndecodableError(detail, [Problem("bad_file", detail)]) from error
    bodies_ = found if isinstance(found, list) else [found]
    if not bodies_ or not all(isinstance(body, dict) for body in bodies_):
        detail = f"{file}: want a site, or a list of them"
        raise UndecodableError(detail, [Problem("bad_file", detail)])
    return bodies_


def _body(site: Site) -> dict[str, Any]:
    body = {name.removesuffix("_utc"): value for name, value in asdict(site).items()}
    body["tariffs"] = [bodies.of_tariff(each) for each in site.tariffs]
    for part in (*body["meters"], *body["supplies"], *body["fleet"]):
        part.pop("site_id")
    return body


def _limits(site: Site) -> str:
    """Limits of power other than the capacity, where they are registered."""
    named = [("plausible up to", site.plausible_kw), ("contracted", site.contracted_kw)]
    return "".join(f" · {name} {number(value)} kW" for name, value in named if value is not None)


def _meters(meters: tuple[Meter, ...] | list[Meter]) -> None:
    show.table(
        [
            Column("meter", [meter.id for meter in meters], right=False),
            Column("kind", [str(meter.kind) for meter in meters], right=False),
            Column("role", [str(meter.role) for meter in meters], right=False),
            Column("flow", [str(meter.flow) for meter in meters], right=False, worth=4),
            Column("behind", [meter.parent or NOTHING for meter in meters], right=False, worth=5),
            Column("interval", [number(meter.expected_interval_s) for meter in meters], "s"),
            Column("size", [number(meter.register_size_kwh) for meter in meters], "kWh", worth=4),
        ]
    )


def _supplies(supplies: tuple[Supply, ...]) -> None:
    show.table(
        [
            Column("supply", [str(each.kind) for each in supplies], right=False),
            Column("from", [each.technology or NOTHING for each in supplies], right=False, worth=5),
            Column("share", [show.percent(each.share, 0) for each in supplies], "%"),
            Column("since", [f"{each.valid_from:%F}" for each in supplies], right=False),
        ]
    )


def _fleet(fleet: tuple[FleetItem, ...]) -> None:
    show.table(
        [
            Column("machines", [each.model for each in fleet], right=False),
            Column("count", [number(each.count) for each in fleet]),
            Column("each", [number(each.hashrate_th, 1) for each in fleet], "TH/s", worth=5),
            Column("each", [number(each.power_w) for each in fleet], "W", worth=5),
            Column("since", [f"{each.valid_from:%F}" for each in fleet], right=False),
        ]
    )


def tariff_table(found: Sequence[Tariff]) -> None:
    """Tariffs in a line each."""
    show.table(
        [
            Column("tariff", [each.id for each in found], right=False),
            Column("from", [f"{each.valid_from:%F}" for each in found], right=False),
            Column(
                "until",
                [NOTHING if each.valid_to is None else f"{each.valid_to:%F}" for each in found],
                right=False,
            ),
            Column("currency", [each.currency for each in found], right=False),
            Column("holidays", [each.calendar or NOTHING for each in found], right=False, worth=5),
            Column(
                "components",
                [", ".join(part.name for part in each.components) for each in found],
                right=False,
                folds=True,
            ),
        ]
    )
