# ruff: noqa: PLC0415 -- a list of sites loads nothing that computes
"""The sites, as they are registered."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from wattbook import settings
from wattbook.cli import show
from wattbook.cli.show import NOTHING, Column, number
from wattbook.core.registry.entities import MAX_DETAIL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from pathlib import Path

    from wattbook.core.registry.entities import Site
    from wattbook.ports.registry import Registry
    from wattbook.wiring.runtime import Runtime

Document = dict[str, Any]

PAGE = 1000
"""So many sites are asked of a service at a time."""


def list_all(url: str | None, *, as_json: bool) -> None:
    """Every site in a line."""
    found = every(url)
    if as_json:
        show.json({"sites": found, "cursor": None})
    else:
        _list(found)


def every(url: str | None) -> list[Document]:
    """Every site with everything on it."""
    if url is None:
        from wattbook.answers import sites as documents
        from wattbook.cli import local
        from wattbook.wiring import reading

        return [documents.site(each) for each in local.read(reading.sites)]
    from wattbook.cli.client import Service

    found, cursor = [], None
    with Service(url) as service:
        while True:
            page = service.get("/sites", {"limit": PAGE, "cursor": cursor})
            found += page["sites"]
            cursor = page["cursor"]
            if cursor is None:
                return found


def _list(found: Sequence[Document]) -> None:
    if not found:
        show.say("no site is registered; `wattbook sites add` registers one, `wattbook demo` five")
        return
    show.table(
        [
            Column("site", [site["id"] for site in found], right=False),
            Column("name", [site["name"] for site in found], right=False, folds=True, worth=6),
            Column("operator", [site["operator"] for site in found], right=False, worth=5),
            Column("zone", [site["zone"] for site in found], right=False),
            Column("timezone", [site["timezone"] for site in found], right=False, worth=4),
            Column("capacity", [number(site["capacity_kw"]) for site in found], "kW"),
            Column("meters", [number(len(site["meters"])) for site in found]),
            Column("status", [site["status"] for site in found], right=False, worth=3),
        ]
    )


def read(site_id: str, url: str | None) -> Document:
    """One site with everything on it."""
    if url is None:
        from wattbook.answers import sites as documents
        from wattbook.cli import local
        from wattbook.wiring import reading

        return documents.site(local.read(lambda config: reading.site(config, site_id)))
    from wattbook.cli import ask

    found: Document = ask.get(url, f"/sites/{quote(site_id, safe='')}")
    return found


def show_one(site_id: str, url: str | None, *, as_json: bool) -> None:
    """One site with everything on it."""
    site = read(site_id, url)
    if as_json:
        show.json(site)
        return
    made_up = " · simulated" if site["simulated"] else ""
    made_up += " · on hold" if site["hold_reason"] else ""
    place = "" if None in (site["latitude"], site["longitude"]) else f" · {_place(site)}"
    show.say(f"{site['id']} · {site['name']} · {site['status']}{made_up}")
    show.say(
        f"operator {site['operator']} · zone {site['zone']} · {site['timezone']}{place}"
        f" · capacity {number(site['capacity_kw'])} kW"
        f"{_limits(site)}"
    )
    _details(site)
    if site["hold_reason"]:
        show.say(f"on hold since {site['hold_since'][:DAY]}: {site['hold_reason']}")
    show.say("")
    meter_table(site["meters"])
    if site["supplies"]:
        show.say("")
        _supplies(site["supplies"])
    if site["fleet"]:
        show.say("")
        _fleet(site["fleet"])
    if site["tariffs"]:
        show.say("")
        tariff_table(site["tariffs"])


DAY = len("2026-01-01")


def _place(site: Document) -> str:
    north, east = site["latitude"], site["longitude"]
    return f"{abs(north):.2f}° {'NS'[north < 0]} {abs(east):.2f}° {'EW'[east < 0]}"


def list_meters(site_id: str | None, url: str | None, *, as_json: bool) -> None:
    """The meters of all sites, or of one."""
    sites = every(url) if site_id is None else [read(site_id, url)]
    found = [meter for site in sites for meter in site["meters"]]
    if as_json:
        show.json(found)
    elif not found:
        show.say("no meter is registered")
    else:
        meter_table(found)


def list_tariffs(site_id: str, url: str | None, *, as_json: bool) -> None:
    """The tariffs of a site."""
    show_tariffs(site_id, read(site_id, url)["tariffs"], as_json=as_json)


def show_tariffs(site_id: str, found: Sequence[Document], *, as_json: bool) -> None:
    """Print the tariffs of a site."""
    if as_json:
        show.json(found)
    elif not found:
        show.say(f"{site_id} has no tariff: it pays the price of its zone")
    else:
        tariff_table(found)


def add(file: "Path | None", options: Mapping[str, object], url: str | None) -> None:
    """Register the site or the sites of a file, or the one that the options describe."""
    from wattbook.cli import json_input
    from wattbook.core.errors import InputError, Problem

    sent = _bodies(file) if file is not None else [{}]
    if options and len(sent) > 1:
        detail = f"{file} holds {len(sent)} sites: options can describe only one"
        raise InputError(detail, [Problem("bad_option", detail)])
    whole = [{**body, **options} for body in sent]
    drafts = [
        json_input.draft(body, f"[{at}]" if len(whole) > 1 else "") for at, body in enumerate(whole)
    ]
    if url is not None:
        from wattbook.cli.client import Service

        with Service(url) as service:
            for body in whole:
                _registered(service.send("POST", "/sites", body))
        return

    from wattbook.answers import sites as documents
    from wattbook.cli import local
    from wattbook.flows import sites as flow

    async def work(runtime: "Runtime") -> None:
        for draft in drafts:
            site = await flow.register(draft, registry=runtime.registry, now=runtime.clock.now())
            _registered(documents.site(site))

    local.run(work, create=True)


def _registered(site: Document) -> None:
    meters = ", ".join(f"{meter['id']} ({meter['kind']})" for meter in site["meters"])
    show.say(f"registered {site['id']}: {meters}")
    warn(site["meters"])


def warn(meters: Sequence[Document]) -> None:
    """Say what the meters of an answer warn of: one warning, as each of the meters has the same."""
    first = next((text for meter in meters for text in meter["warnings"]), None)
    if first is not None:
        show.say(f"warning: {first}", err=True)


def edit(site_id: str, texts: Mapping[str, str], url: str | None) -> None:
    """Change texts about a site; an empty one clears its field."""
    from wattbook.core.errors import InputError, Problem

    changes = {name: text.strip() or None for name, text in texts.items()}
    if changes.get("name", "") is None:
        raise InputError("--name is empty", [Problem("bad_option", "--name is empty", "name")])
    site = _described_here(site_id, changes) if url is None else _patched(site_id, changes, url)
    show.say(f"{site['id']} · {site['name']}")
    _details(site)


def _details(site: Document) -> None:
    """What the first page of a report says about who operates the site."""
    for name in MAX_DETAIL:
        if site[name]:
            show.say(f"{name.replace('_', ' ')}: {site[name]}")


def _patched(site_id: str, changes: Mapping[str, object], url: str) -> Document:
    from wattbook.cli import ask

    found: Document = ask.send(url, "PATCH", f"/sites/{quote(site_id, safe='')}", changes)
    return found


def hold(site_id: str, reason: str | None, url: str | None) -> None:
    """Put a site on hold for a reason, or release it (null)."""
    told = None if reason is None else reason.strip()
    held = {"hold_reason": told}
    site = _held_here(site_id, told) if url is None else _patched(site_id, held, url)
    if site["hold_reason"] is None:
        show.say(f"{site['id']} is not on hold")
    else:
        since = site["hold_since"][:SECOND]
        show.say(f"{site['id']} is on hold since {since}Z: {site['hold_reason']}")


SECOND = len("2026-01-01T00:00:00")


def _held_here(site_id: str, reason: str | None) -> Document:
    from wattbook.flows import sites as flow

    return _changed_here(
        lambda registry, now: flow.hold(site_id, reason, registry=registry, now=now)
    )


def _described_here(site_id: str, changes: Mapping[str, str | None]) -> Document:
    from wattbook.flows import sites as flow

    return _changed_here(
        lambda registry, now: flow.describe(site_id, changes, registry=registry, now=now)
    )


def _changed_here(change: "Callable[[Registry, datetime], Awaitable[Site]]") -> Document:
    """A site after a change in the registry alone, which may be open elsewhere."""
    import asyncio
    from datetime import UTC, datetime

    from wattbook.answers import sites as documents
    from wattbook.cli import local
    from wattbook.wiring import runtime

    async def work() -> Document:
        config = settings.load()
        await local.check_store(config)
        async with runtime.open_registry(config) as registry:
            return documents.site(await change(registry, datetime.now(UTC)))

    return asyncio.run(work())


def _bodies(file: "Path") -> list[dict[str, Any]]:
    from wattbook.cli import json_input
    from wattbook.core.errors import Problem, UndecodableError

    found = json_input.read(file)
    sent = found if isinstance(found, list) else [found]
    if not sent or not all(isinstance(body, dict) for body in sent):
        detail = f"{file}: must be a site, or a list of sites"
        raise UndecodableError(detail, [Problem("bad_file", detail)])
    return sent


def _limits(site: Document) -> str:
    """Limits of power other than the capacity, where they are registered."""
    named = [("plausible up to", site["plausible_kw"]), ("contracted", site["contracted_kw"])]
    return "".join(f" · {name} {number(value)} kW" for name, value in named if value is not None)


def meter_table(meters: Sequence[Document]) -> None:
    """Meters in a line each."""
    show.table(
        [
            Column("meter", [meter["id"] for meter in meters], right=False),
            Column("kind", [meter["kind"] for meter in meters], right=False),
            Column("role", [meter["role"] for meter in meters], right=False),
            Column("flow", [meter["flow"] for meter in meters], right=False, worth=4),
            Column(
                "behind", [meter["parent"] or NOTHING for meter in meters], right=False, worth=5
            ),
            Column("interval", [number(meter["expected_interval_s"]) for meter in meters], "s"),
            Column(
                "size", [number(meter["register_size_kwh"]) for meter in meters], "kWh", worth=4
            ),
        ]
    )


def _supplies(supplies: Sequence[Document]) -> None:
    show.table(
        [
            Column("supply", [each["kind"] for each in supplies], right=False),
            Column(
                "from", [each["technology"] or NOTHING for each in supplies], right=False, worth=5
            ),
            Column("share", [show.percent(each["share"], 0) for each in supplies], "%"),
            Column("since", [each["valid_from"][:DAY] for each in supplies], right=False),
        ]
    )


def _fleet(fleet: Sequence[Document]) -> None:
    show.table(
        [
            Column("machines", [each["model"] for each in fleet], right=False),
            Column("count", [number(each["count"]) for each in fleet]),
            Column("each", [number(each["hashrate_th"], 1) for each in fleet], "TH/s", worth=5),
            Column("each", [number(each["power_w"]) for each in fleet], "W", worth=5),
            Column("since", [each["valid_from"][:DAY] for each in fleet], right=False),
        ]
    )


def tariff_table(found: Sequence[Document]) -> None:
    """Tariffs in a line each."""
    show.table(
        [
            Column("tariff", [each["id"] for each in found], right=False),
            Column("from", [each["valid_from"] for each in found], right=False),
            Column("until", [each["valid_to"] or NOTHING for each in found], right=False),
            Column("currency", [each["currency"] for each in found], right=False),
            Column(
                "holidays", [each["calendar"] or NOTHING for each in found], right=False, worth=5
            ),
            Column(
                "components",
                [", ".join(part["name"] for part in each["components"]) for each in found],
                right=False,
                folds=True,
            ),
        ]
    )
