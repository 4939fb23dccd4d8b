"""Clean-ups, legal holds, tombstones and figures of the service, over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.api.test_jobs import JOBS, SITE, ended

from wattbook.api.app import create_app
from wattbook.settings import Settings

pytestmark = pytest.mark.slow

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
DAY = timedelta(days=1)


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings(data_dir=folder, rollup_idle_s=3600, **settings))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://wattbook") as client:
            yield client


async def filled(client: httpx.AsyncClient) -> None:
    await client.post("/api/v1/sites", json=SITE)
    rows = [
        {"meter_id": "pecos-1.main", "energy_kwh": 1}
        | {"timestamp": (TODAY - 40 * DAY + at * timedelta(hours=6)).isoformat()}
        for at in range(160)
    ]
    answer = await client.post("/api/v1/ingest/telemetry", json=rows)
    assert answer.json()["accepted"] == 160
    await ended(client, await client.post(JOBS, json={"kind": "aggregate"}))


@pytest.fixture
async def client(tmp_path, monkeypatch) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr("wattbook.flows.retention.clean_up.QUIET_S", 1.1)
    days = {"retention_readings_days": 30, "retention_receipts_days": 400}
    async with serving(
        tmp_path, schedules_enabled=False, retention_rejects_days=400, **days
    ) as client:
        await filled(client)
        yield client


async def clean_up(client: httpx.AsyncClient, **params: object) -> dict[str, Any]:
    job = await ended(client, await client.post(JOBS, json={"kind": "cleanup", "params": params}))
    assert job["state"] == "succeeded", job
    result: dict[str, Any] = job["result"] | {"job_id": job["job_id"]}
    return result


async def test_a_dry_run_then_a_clean_up_and_its_tombstone(client) -> None:
    looked = await clean_up(client, dry_run=True)
    nothing = (await client.get("/api/v1/tombstones")).json()
    done = await clean_up(client)
    found = (await client.get("/api/v1/tombstones", params={"kind": "readings"})).json()

    assert nothing == {"tombstones": [], "cursor": None}
    assert looked["removed"] == done["removed"]
    (gone,) = done["removed"]
    # ten days of four readings are older than 30 days
    assert (gone["kind"], gone["site_id"], gone["rows"], gone["owners"]) == (
        "readings", "pecos-1", 40, 1,
    )  # fmt: skip
    (stone,) = found["tombstones"]
    assert (stone["owner"], stone["rows"], stone["job_id"]) == ("pecos-1.main", 40, done["job_id"])
    assert stone["until"] == f"{TODAY - 30 * DAY:%FT%TZ}"
    assert stone["from"] == f"{TODAY - 40 * DAY:%FT%TZ}"


async def test_a_hold_is_put_on_shown_and_released(client) -> None:
    held = (await client.patch("/api/v1/sites/pecos-1", json={"hold_reason": "case 7"})).json()
    again = (await client.patch("/api/v1/sites/pecos-1", json={"hold_reason": "case 8"})).json()

    refused = (await clean_up(client))["refused"]
    released = (await client.patch("/api/v1/sites/pecos-1", json={"hold_reason": None})).json()
    done = await clean_up(client)

    assert held["hold_since"] == again["hold_since"] is not None
    assert again["hold_reason"] == "case 8"
    assert [(each["kind"], each["reason"]) for each in refused] == [("readings", "hold")]
    assert "case 8" in refused[0]["detail"]
    assert (released["hold_reason"], released["hold_since"]) == (None, None)
    assert done["rows"] == 40


@pytest.mark.parametrize("reason", ["", " ", "a\nb", "x" * 1001, 7])
async def test_a_hold_needs_a_reason(client, reason) -> None:
    answer = await client.patch("/api/v1/sites/pecos-1", json={"hold_reason": reason})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "hold_reason"


async def test_a_past_state_of_what_is_gone_is_gone(client) -> None:
    known = datetime.now(UTC).isoformat()
    await clean_up(client)
    span = {"start": (TODAY - 35 * DAY).isoformat(), "end": TODAY.isoformat(), "grain": "day"}

    past = await client.get("/api/v1/metrics/site/pecos-1", params=span | {"as_of": known})
    now = await client.get("/api/v1/metrics/site/pecos-1", params=span)

    assert past.status_code == 410
    assert past.json()["errors"][0]["field"] == "start"
    assert now.json()["total"]["energy_kwh"] == 35 * 4


async def test_what_is_made_of_quarters_that_are_gone_is_gone(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("wattbook.flows.retention.clean_up.QUIET_S", 1.1)
    line = TODAY - 30 * DAY
    span = {"start": (line - DAY).isoformat(), "end": TODAY.isoformat()}
    order = {"kind": "report", "params": {"entity_id": "pecos-1", **span}}
    days = {"retention_readings_days": 30, "retention_rollups_quarter_days": 30}
    async with serving(tmp_path, schedules_enabled=False, **days) as other:
        await filled(other)
        await clean_up(other)

        bill = await other.get("/api/v1/analytics/cost/pecos-1", params=span)
        report = await ended(other, await other.post(JOBS, json=order))
        figures = await other.get("/api/v1/metrics/site/pecos-1", params=span | {"grain": "day"})

    assert bill.status_code == 410
    assert [each["field"] for each in bill.json()["errors"]] == ["start"]
    assert "pecos-1.main" in bill.json()["detail"]
    assert report["state"] == "failed"
    assert f"{line:%FT%TZ}" in report["error"]
    assert figures.json()["total"]["energy_kwh"] == 31 * 4


async def test_what_comes_late_is_rejected_with_its_reason(client) -> None:
    await clean_up(client)
    row = {"meter_id": "pecos-1.main", "energy_kwh": 9}

    answer = await client.post(
        "/api/v1/ingest/telemetry", json=[row | {"timestamp": (TODAY - 33 * DAY).isoformat()}]
    )

    assert answer.json()["rejected"] == 1
    assert answer.json()["rejects"][0]["reason"] == "removed_period"


async def test_unknown_parameters_are_refused(client) -> None:
    job = await client.post(JOBS, json={"kind": "cleanup", "params": {"days": 3}})
    nowhere = await ended(
        client, await client.post(JOBS, json={"kind": "cleanup", "params": {"site_id": "x"}})
    )

    assert job.status_code == 422
    assert nowhere["state"] == "failed"
    assert (await client.get("/api/v1/tombstones", params={"cursor": "x"})).status_code == 422
    assert (await client.get("/api/v1/tombstones", params={"site": "x"})).status_code == 422
    assert (await client.get("/api/v1/stats", params={"days": 7})).status_code == 422


@pytest.mark.parametrize(
    ("days", "names"),
    [
        ({}, ["aggregate", "retrain", "detect_anomalies"]),
        ({"retention_jobs_days": 90}, ["aggregate", "retrain", "detect_anomalies", "cleanup"]),
    ],
)
async def test_there_is_a_schedule_where_there_is_something_to_do(tmp_path, days, names) -> None:
    async with serving(tmp_path, **days) as client:
        found = (await client.get("/api/v1/schedules")).json()["schedules"]

    assert [each["name"] for each in found] == names
    if days:
        due = datetime.fromisoformat(found[-1]["next"])
        assert (found[-1]["every_s"], due.isoweekday(), due.hour) == (7 * 86_400, 7, 3)


async def test_stats_say_what_came_in_what_waits_and_what_there_is(client) -> None:
    row = {"meter_id": "pecos-1.main", "energy_kwh": 2, "timestamp": TODAY.isoformat()}
    await client.post("/api/v1/ingest/telemetry", json=[row, {"meter_id": "x"}])

    found = (await client.get("/api/v1/stats")).json()

    assert found["start"] == f"{TODAY - 6 * DAY:%F}"
    counts = {"batches": 2, "received": 162, "accepted": 161, "duplicates": 0}
    counts |= {"corrected": 0, "rejected": 1}
    assert found["ingestion"]["total"] == counts
    assert sum(day["received"] for day in found["ingestion"]["days"]) == 162
    assert found["ingestion"]["silence_s"] >= 0
    assert found["rollups"]["meters_waiting"] == 1
    assert found["rollups"]["waiting_from"] == f"{TODAY:%FT%TZ}"
    assert found["jobs"]["states"] == [{"kind": "aggregate", "succeeded": 1}]
    (took,) = found["jobs"]["durations"]
    assert (took["kind"], took["jobs"]) == ("aggregate", 1)
    assert found["jobs"]["days"][0]["jobs"] == 1
    assert found["anomalies"] == {"register_events": [], "findings": []}
    duck, sqlite = found["storage"]
    assert (duck["store"], duck["rows"]["readings"]) == ("duckdb", 161)
    assert duck["bytes"] > 0
    assert (sqlite["store"], sqlite["rows"]["sites"]) == ("sqlite", 1)


async def test_stats_of_other_days_and_of_none(client) -> None:
    before = {"start": "2020-01-01", "end": "2020-01-03"}

    found = (await client.get("/api/v1/stats", params=before)).json()

    assert found["ingestion"]["total"]["received"] == 0
    assert found["ingestion"]["days"] == []
    for wrong in ({"start": "2026-01-03", "end": "2026-01-03"}, {"start": "2020-01-01"}):
        assert (await client.get("/api/v1/stats", params=wrong)).status_code == 422
