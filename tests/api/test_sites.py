"""Sites over HTTP: what is translated, what is refused, and that nothing breaks the service."""

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from wattbook.api.app import create_app
from wattbook.samples.sites import sites
from wattbook.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SITES = "/api/v1/sites"
PECOS = {
    "id": "pecos-1",
    "name": "Pecos 1",
    "operator": "alder",
    "timezone": "America/Chicago",
    "zone": "US-TEX-ERCO",
}
MAIN = {"id": "pecos-1.main", "kind": "power"}
WIND = {"id": "wind", "kind": "ppa", "technology": "wind", "valid_from": "2026-01-01T00:00:00Z"}
RACKS = {"id": "s21", "model": "Antminer S21", "count": 10, "valid_from": "2026-01-01T00:00:00Z"}


class StoppedClock:
    def now(self) -> datetime:
        return NOW


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(data_dir=folder, body_limit_mb=1)
    app = create_app(settings, StoppedClock())
    async with app.router.lifespan_context(app):
        # A fault in the service is an answer here, as it is for a caller.
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://wattbook") as client:
            yield client


@pytest_asyncio.fixture(loop_scope="module")
async def client(tmp_path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(tmp_path) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing(tmp_path_factory) -> AsyncIterator[httpx.AsyncClient]:
    """A service with the site `stand-1`, for requests that change nothing."""
    async with serving(tmp_path_factory.mktemp("standing")) as client:
        await client.post(SITES, json={**PECOS, "id": "stand-1"})
        yield client


async def unchanged(client: httpx.AsyncClient) -> bool:
    (site,) = (await client.get(SITES)).json()["sites"]
    return (site["id"], site["name"], len(site["meters"])) == ("stand-1", "Pecos 1", 1)


def fields(response: httpx.Response) -> set[str]:
    """What a problem document complains of."""
    assert response.headers["content-type"] == "application/problem+json"
    return {fault.get("field") for fault in response.json()["errors"]}


async def test_a_site_is_registered_and_found(client):
    created = await client.post(SITES, json={**PECOS, "capacity_kw": 25_000})

    assert created.status_code == 201
    assert created.headers["location"] == "/api/v1/sites/pecos-1"
    assert created.json() == {
        **PECOS,
        "capacity_kw": 25_000.0,
        "plausible_kw": None,
        "contracted_kw": None,
        "capacity_since": None,
        "earlier_capacities": [],
        "latitude": None,
        "longitude": None,
        "legal_name": None,
        "permit": None,
        "address": None,
        "contact": None,
        "status": "active",
        "simulated": False,
        "hold_reason": None,
        "hold_since": None,
        "created": "2026-01-01T00:00:00Z",
        "updated": "2026-01-01T00:00:00Z",
        "meters": [
            {
                "id": "pecos-1.main",
                "kind": "power",
                "role": "main",
                "parent": None,
                "expected_interval_s": 900,
                "max_hold_s": None,
                "register_size_kwh": None,
                "flow": "consumption",
                "register_resolution_kwh": None,
                "expected_interval": None,
                "valid_from": None,
                "valid_to": None,
                "earlier": [],
                "warnings": [],
            }
        ],
        "supplies": [],
        "fleet": [],
        "tariffs": [],
    }
    found = await client.get(created.headers["location"])
    assert (found.status_code, found.json()) == (200, created.json())


@pytest.mark.parametrize("body", sites(), ids=lambda body: body["id"])
async def test_the_sample_sites_are_accepted_whole(client, body):
    created = await client.post(SITES, json=body)

    assert created.status_code == 201, created.text
    answer = created.json()
    for name, value in body.items():
        if name in {"meters", "fleet", "supplies"}:
            assert len(answer[name]) == len(value)
        elif name != "telemetry":
            assert answer[name] == value


async def test_an_id_is_made_up_when_left_out(client):
    body = {name: value for name, value in PECOS.items() if name != "id"}

    first = await client.post(SITES, json=body)
    second = await client.post(SITES, json=body)

    assert first.json()["id"].startswith("pecos-1-")
    assert first.json()["id"] != second.json()["id"]


async def test_an_id_that_is_taken_is_a_conflict(client):
    await client.post(SITES, json=PECOS)

    again = await client.post(SITES, json=PECOS)
    thief = await client.post(SITES, json={**PECOS, "id": "other", "meters": [MAIN]})

    assert (again.status_code, fields(again)) == (409, {"id"})
    assert (thief.status_code, fields(thief)) == (409, {"meters[0].id"})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "../x"}, "id"),
        ({"id": "a\x00b"}, "id"),
        ({"id": "⚡"}, "id"),
        ({"id": "x'; DROP TABLE sites; --"}, "id"),
        ({"id": ""}, "id"),
        ({"id": "x" * 65}, "id"),
        ({"id": "x" * 64}, "id"),  # x….main is too long for its meter
        ({"id": 7}, "id"),
        ({"operator": "⚡"}, "operator"),
        ({"operator": None}, "operator"),
        ({"zone": "a b"}, "zone"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"timezone": "a\x00b"}, "timezone"),
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"capacity_kw": 0}, "capacity_kw"),
        ({"capacity_kw": -1}, "capacity_kw"),
        ({"capacity_kw": "25000"}, "capacity_kw"),
        ({"capacity_kw": True}, "capacity_kw"),
        ({"capacity_kw": float("nan")}, "capacity_kw"),
        ({"capacity_kw": float("inf")}, "capacity_kw"),
        ({"capacity_kw": 10**400}, "capacity_kw"),
        ({"latitude": 90.1}, "latitude"),
        ({"longitude": -181}, "longitude"),
        ({"status": "gone"}, "status"),
        ({"simulated": "yes"}, "simulated"),
        ({"telemetry": "guess"}, "telemetry"),
        ({"expected_interval_s": 0}, "expected_interval_s"),
        ({"expected_interval_s": 10**30}, "expected_interval_s"),
        ({"expected_interval_s": 1.5}, "expected_interval_s"),
        ({"register_size_kwh": 1e6}, "register_size_kwh"),
        ({"max_hold_s": -1}, "max_hold_s"),
        ({"colour": "red"}, "colour"),
        ({"meters": [{**MAIN, "kind": "guess"}]}, "meters[0].kind"),
        ({"meters": [{**MAIN, "parent": "nowhere"}]}, "meters[0].parent"),
        ({"meters": [{**MAIN, "parent": "pecos-1.main"}]}, "meters[0].parent"),
        ({"meters": [MAIN, MAIN]}, "meters[1].id"),
        ({"meters": {"id": "x"}}, "meters"),
        ({"meters": [MAIN] * 1_001}, "meters"),
        ({"supplies": [{**WIND, "id": "a\x00b"}]}, "supplies[0].id"),
        ({"supplies": [{**WIND, "technology": "fusion"}]}, "supplies[0].technology"),
        ({"supplies": [{**WIND, "share": 1.1}]}, "supplies[0].share"),
        ({"supplies": [{**WIND, "g_per_kwh": -1}]}, "supplies[0].g_per_kwh"),
        ({"supplies": [{**WIND, "valid_from": "2026-01-01T00:00:00"}]}, "supplies[0].valid_from"),
        ({"supplies": [{**WIND, "valid_from": "2026-01-01"}]}, "supplies[0].valid_from"),
        ({"supplies": [{**WIND, "valid_from": 1767225600}]}, "supplies[0].valid_from"),
        ({"supplies": [{**WIND, "valid_from": "1767225600"}]}, "supplies[0].valid_from"),
        (
            {"supplies": [{**WIND, "valid_to": "9999-12-31T23:59:59-01:00"}]},
            "supplies[0].valid_to",
        ),
        ({"supplies": [{**WIND, "valid_to": "2025-01-01T00:00:00Z"}]}, "supplies[0].valid_to"),
        ({"fleet": [{**RACKS, "count": -1}]}, "fleet[0].count"),
        ({"fleet": [{**RACKS, "count": 10**30}]}, "fleet[0].count"),
        ({"fleet": [{**RACKS, "model": "a\x00b"}]}, "fleet[0].model"),
        ({"fleet": [{**RACKS, "model": "x" * 101}]}, "fleet[0].model"),
        ({"fleet": [RACKS, RACKS]}, "fleet[1].id"),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value)[:40],
)
async def test_what_cannot_be_meant_is_refused_by_name(standing, change, field):
    body = json.dumps({**PECOS, **change}).encode()

    refused = await standing.post(SITES, content=body, headers={"content-type": "application/json"})

    assert refused.status_code == 422, refused.text
    assert field in fields(refused)
    assert await unchanged(standing)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"null", 422),
        (b"", 422),
        (b"[]", 422),
        (b"7", 422),
        (b'"text"', 422),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"a": ' + b"9" * 5_000 + b"}", 400),
        (b"[" * 100_000, 400),
        (b'{"\\ud800": 1}', 422),
        (b" " * (1 << 20) + b"{}", 413),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", ""),
        ("PATCH", "/stand-1"),
        ("POST", "/stand-1/meters"),
        ("POST", "/stand-1/supplies"),
        ("POST", "/stand-1/fleet"),
    ],
)
async def test_a_body_that_is_none_is_refused(standing, method, path, body, status):
    refused = await standing.request(
        method, SITES + path, content=body, headers={"content-type": "application/json"}
    )

    assert refused.status_code == status, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert await unchanged(standing)


async def test_a_body_without_a_length_is_limited_too(standing):
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * (1 << 16)

    refused = await standing.post(SITES, content=endless())

    assert refused.status_code == 413


@pytest.mark.slow
async def test_a_compressed_body_is_read(client):
    body = gzip.compress(json.dumps(PECOS).encode())
    headers = {"content-type": "application/json", "content-encoding": "gzip"}

    created = await client.post(SITES, content=body, headers=headers)

    assert created.status_code == 201


@pytest.mark.parametrize(
    "site_id",
    ["nowhere", "..%2f..%2fetc", "%00", "%E2%9A%A1", "%ff", "'%20OR%201=1", "PECOS-1", "x" * 5_000],
)
@pytest.mark.parametrize("part", ["", "/meters", "/supplies", "/fleet"])
async def test_a_site_that_nobody_knows_is_not_found(standing, site_id, part):
    bodies: dict[str, Any] = {"/meters": MAIN, "/supplies": WIND, "/fleet": RACKS}

    read = await standing.get(f"{SITES}/{site_id}{part}")
    if part:
        written = await standing.post(f"{SITES}/{site_id}{part}", json=bodies[part])
    else:
        written = await standing.patch(f"{SITES}/{site_id}", json={"name": "x"})

    assert (read.status_code, written.status_code) == (404, 404)


@pytest.mark.slow
async def test_only_the_fields_that_are_sent_change(client):
    before = (
        await client.post(SITES, json={**PECOS, "capacity_kw": 5, "latitude": 1, "longitude": 2})
    ).json()

    patched = await client.patch(
        f"{SITES}/pecos-1", json={"capacity_kw": None, "latitude": None, "status": "suspended"}
    )

    assert patched.status_code == 200
    assert patched.json() == {
        **before,
        "capacity_kw": None,
        "latitude": None,
        "status": "suspended",
    }
    assert (await client.get(f"{SITES}/pecos-1")).json() == patched.json()
    assert (await client.patch(f"{SITES}/pecos-1", json={})).json() == patched.json()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        *(({name: None}, name) for name in ("name", "operator", "timezone", "zone", "status")),
        ({"simulated": None}, "simulated"),
        ({"id": "other"}, "id"),
        ({"colour": "red"}, "colour"),
        ({"meters": []}, "meters"),
        ({"capacity_kw": 0}, "capacity_kw"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
    ],
)
async def test_a_patch_that_cannot_be_meant_changes_nothing(standing, change, field):
    refused = await standing.patch(f"{SITES}/stand-1", json={"name": "new", **change})

    assert refused.status_code == 422
    assert field in fields(refused)
    assert await unchanged(standing)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "body", "change"),
    [
        ("meters", {**MAIN, "id": "pecos-1.hall", "role": "sub"}, {"expected_interval_s": 60}),
        ("supplies", WIND, {"share": 0.5}),
        ("fleet", RACKS, {"count": 20}),
    ],
)
async def test_parts_are_added_then_replaced(client, part, body, change):
    await client.post(SITES, json=PECOS)
    url = f"{SITES}/pecos-1/{part}"
    held = len((await client.get(url)).json())

    added = await client.post(url, json=body)
    replaced = await client.post(url, json=[{**body, **change}])

    assert (added.status_code, replaced.status_code) == (201, 200)
    assert len(added.json()) == len(replaced.json()) == held + 1
    (now,) = [each for each in replaced.json() if each["id"] == body["id"]]
    assert now.items() >= {**body, **change}.items()
    assert (await client.get(url)).json() == replaced.json()
    assert (await client.get(f"{SITES}/pecos-1")).json()[part] == replaced.json()


@pytest.mark.slow
async def test_no_parts_at_all_are_a_mistake(client):
    await client.post(SITES, json=PECOS)

    for part in ("meters", "supplies", "fleet"):
        assert (await client.post(f"{SITES}/pecos-1/{part}", json=[])).status_code == 422


@pytest.mark.slow
async def test_pages_show_every_site_once(client):
    for site_id in ("c", "a", "b"):
        await client.post(SITES, json={**PECOS, "id": site_id})

    first = (await client.get(SITES, params={"limit": 2})).json()
    second = (await client.get(SITES, params={"limit": 2, "cursor": first["cursor"]})).json()

    assert [site["id"] for site in first["sites"]] == ["a", "b"]
    assert [site["id"] for site in second["sites"]] == ["c"]
    assert second["cursor"] is None


@pytest.mark.slow
async def test_sites_are_filtered(client):
    await client.post(SITES, json=PECOS)
    await client.post(SITES, json={**PECOS, "id": "b", "operator": "birch", "status": "planned"})

    async def ids(**params: str) -> list[str]:
        found = await client.get(SITES, params=params)
        return [site["id"] for site in found.json()["sites"]]

    assert await ids() == ["b", "pecos-1"]
    assert await ids(operator="birch") == ["b"]
    assert await ids(zone="US-TEX-ERCO", status="active") == ["pecos-1"]
    assert await ids(operator="nobody") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "params",
    [
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "9" * 5_000},
        {"limit": "many"},
        {"cursor": "!"},
        {"cursor": "AA"},  # base64url of NUL
        {"cursor": "⚡"},
        {"cursor": ""},
        {"cursor": "Li4v"},  # base64url of ../
        {"operator": "a\x00b"},
        {"zone": "⚡"},
        {"status": "gone"},
    ],
)
async def test_a_question_that_cannot_be_meant_is_refused_by_name(standing, params):
    refused = await standing.get(SITES, params=params)

    assert refused.status_code == 422
    assert fields(refused) == set(params)
