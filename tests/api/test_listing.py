"""What came in can be listed: batches, and readings that changed since one last asked."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.api.test_jobs import SITE

from wattbook.api.app import create_app
from wattbook.settings import Settings

pytestmark = pytest.mark.slow
READINGS = "/api/v1/readings"


@pytest.fixture
async def client(tmp_path) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings(data_dir=tmp_path, schedules_enabled=False))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://wattbook") as client:
            await client.post("/api/v1/sites", json=SITE)
            yield client


async def send(client: httpx.AsyncClient, *rows: tuple[str, float]) -> str:
    body = [{"site_id": "pecos-1", "timestamp": at, "energy_kwh": kw} for at, kw in rows]
    answer = await client.post("/api/v1/ingest/telemetry", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["batch_id"])


async def test_batches_are_listed_page_by_page_the_newest_first(client) -> None:
    sent = [await send(client, (f"2026-01-01T0{hour}:00:00Z", 100.0)) for hour in range(3)]

    first = (await client.get("/api/v1/ingest/batches", params={"limit": 2})).json()
    rest = {"limit": 2, "cursor": first["cursor"]}
    second = (await client.get("/api/v1/ingest/batches", params=rest)).json()

    found = [each["batch_id"] for each in first["batches"] + second["batches"]]
    assert (found, second["cursor"]) == (sent[::-1], None)
    assert first["batches"][0]["source"] == "http:anonymous"
    other = await client.get("/api/v1/ingest/batches", params={"source": "file:x.csv"})
    assert other.json()["batches"] == []


async def test_readings_are_listed_by_meter_and_time(client) -> None:
    await send(client, ("2026-01-31T23:00:00Z", 1.0), ("2026-02-01T00:00:00Z", 2.0))

    first = (await client.get(READINGS, params={"limit": 1})).json()
    second = (await client.get(READINGS, params={"limit": 1, "cursor": first["cursor"]})).json()

    powers = [row["energy_kwh"] for row in first["rows"] + second["rows"]]
    assert (powers, second["cursor"]) == ([1.0, 2.0], None)


async def test_a_reading_says_whether_it_is_above_the_capacity(client) -> None:
    await send(client, ("2026-01-31T23:00:00Z", 250.0), ("2026-02-01T00:00:00Z", 251.0))

    rows = (await client.get(READINGS)).json()["rows"]
    csv = await client.get(READINGS, headers={"Accept": "text/csv"})

    assert [row["above_capacity"] for row in rows] == [False, True]  # 1 000 and 1 004 kW
    assert "above_capacity" in csv.text.splitlines()[0].split(",")


async def test_what_changed_since_one_asked_is_what_is_new_or_corrected(client) -> None:
    await send(client, ("2026-01-01T00:00:00Z", 1.0), ("2026-01-01T01:00:00Z", 2.0))
    rows = (await client.get(READINGS)).json()["rows"]
    since = max(row["known"] for row in rows)
    await send(client, ("2026-01-01T00:00:00Z", 1.0), ("2026-01-01T01:00:00Z", 3.0))

    changed = (await client.get(READINGS, params={"changed_since": since})).json()

    assert [(row["energy_kwh"], row["revision"]) for row in changed["rows"]] == [(3.0, 1)]


async def test_a_dry_run_stores_nothing(client) -> None:
    row = {"site_id": "pecos-1", "timestamp": "2026-01-01T00:00:00Z", "energy_kwh": 1.0}
    bad = {**row, "timestamp": "yesterday"}
    dry = {"dry_run": "true", "evidence": "true"}

    answer = await client.post("/api/v1/ingest/telemetry", params=dry, json=[row, bad])

    found = answer.json()
    assert (found["batch_id"], found["accepted"], found["rejected"]) == ("", 1, 1)
    assert "yesterday" in found["rejects"][0]["raw"]
    assert (await client.get(READINGS)).json()["rows"] == []


async def test_earlier_values_of_a_corrected_reading_are_listed_page_by_page(client) -> None:
    at = "2026-01-01T00:00:00Z"
    for kwh in (1.0, 2.0, 3.0):
        await send(client, (at, kwh))
    await send(client, ("2026-01-01T01:00:00Z", 9.0))
    asked = {"meter_id": "pecos-1.main", "limit": 1}

    first = (await client.get(f"{READINGS}/revisions", params=asked)).json()
    rest = {**asked, "cursor": first["cursor"]}
    second = (await client.get(f"{READINGS}/revisions", params=rest)).json()

    # 1 kWh was corrected to 2 kWh, that to 3 kWh, which holds; 9 kWh was never corrected.
    rows = first["rows"] + second["rows"]
    assert [(row["ts"], row["revision"], row["energy_kwh"]) for row in rows] == [
        ("2026-01-01T00:00:00Z", 0, 1.0),
        ("2026-01-01T00:00:00Z", 1, 2.0),
    ]
    assert rows[0]["known"] < rows[0]["superseded"] == rows[1]["known"] < rows[1]["superseded"]
    assert second["cursor"] is None


async def test_earlier_values_are_those_of_one_meter_and_a_period(client) -> None:
    for kwh in (1.0, 2.0):
        await send(client, ("2026-01-01T00:00:00Z", kwh), ("2026-01-02T00:00:00Z", kwh))
    asked = {"meter_id": "pecos-1.main", "start": "2026-01-02T00:00:00Z"}

    found = await client.get(f"{READINGS}/revisions", params=asked)
    absent = await client.get(f"{READINGS}/revisions", params={"meter_id": "nowhere.main"})
    foreign = await client.get(f"{READINGS}/revisions", params={**asked, "cursor": "x"})

    assert [row["ts"][:10] for row in found.json()["rows"]] == ["2026-01-02"]
    assert (absent.status_code, foreign.status_code) == (404, 422)
