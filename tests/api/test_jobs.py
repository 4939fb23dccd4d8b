"""Jobs over HTTP, worked on by the service itself."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from wattbook.api.app import create_app
from wattbook.settings import Settings

pytestmark = pytest.mark.slow

JOBS = "/api/v1/jobs"
SITE = {
    "id": "pecos-1",
    "name": "Pecos 1",
    "operator": "alder",
    "timezone": "UTC",
    "zone": "US-TEX-ERCO",
    "capacity_kw": 1000,
    "telemetry": "interval",
    "expected_interval_s": 900,
}
ENDED = ("succeeded", "failed", "cancelled")


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(
        Settings(data_dir=folder, rollup_idle_s=3600, schedules_enabled=False, **settings)
    )
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://wattbook") as client:
            yield client


@pytest.fixture
async def client(tmp_path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(tmp_path) as client:
        yield client


async def ended(client: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    for _ in range(400):
        job: dict[str, Any] = (await client.get(answer.headers["location"])).json()
        if job["state"] in ENDED:
            return job
        await asyncio.sleep(0.02)
    raise AssertionError(f"the job did not end: {job}")


async def take_in(client: httpx.AsyncClient, *energies: float) -> None:
    await client.post("/api/v1/sites", json=SITE)
    rows = [
        {
            "meter_id": "pecos-1.main",
            "timestamp": f"2026-01-01T{at // 4:02}:{at % 4 * 15:02}:00Z",
            "energy_kwh": energy,
        }
        for at, energy in enumerate(energies)
    ]
    answer = await client.post("/api/v1/ingest/telemetry", json=rows)
    assert answer.json()["accepted"] == len(energies)


async def test_a_job_is_accepted_worked_on_and_has_a_result(client) -> None:
    await take_in(client, 10, 20, 30, 40)

    answer = await client.post(JOBS, json={"kind": "aggregate"})

    assert (answer.status_code, answer.headers["retry-after"]) == (202, "1")
    assert answer.json()["state"] == "queued"
    job = await ended(client, answer)
    # four quarters, an hour, a day, a week and a month
    assert job["result"] == {"meters": 1, "rows_written": 8}
    # Four intervals, two more for which the last could be held, and the one begun then.
    assert job["progress"] == {"done": 7, "total": 7, "unit": "quarters", "eta_s": None}
    (attempt,) = job["attempts"]
    assert (attempt["number"], attempt["outcome"], attempt["error"]) == (1, "succeeded", None)
    assert job["created"] <= job["started"] <= job["finished"]


async def test_aggregate_has_a_shorthand(client) -> None:
    await take_in(client, 10)

    job = await ended(client, await client.post("/api/v1/aggregate"))
    again = await ended(client, await client.post("/api/v1/aggregate", json={"site_id": "pecos-1"}))

    assert job["kind"] == "aggregate"
    assert job["result"]["rows_written"] == 5
    assert again["result"]["rows_written"] == 0


async def test_a_device_is_judged_again_by_what_is_known_today(client) -> None:
    await take_in(client, 100, 200)
    # 200 kWh in a quarter-hour are 800 kW: more than twice the 300 kW that the site always had.
    # 100 kWh are 400 kW: above its capacity, and plausible.
    change = {"capacity_kw": 300, "valid_from": None}
    assert (await client.patch("/api/v1/sites/pecos-1", json=change)).status_code == 200
    params = {
        "meter_id": "pecos-1.main",
        "start": "2026-01-01T00:00:00Z",
        "end": "2026-01-02T00:00:00Z",
    }

    job = await ended(
        client, await client.post(JOBS, json={"kind": "process_device", "params": params})
    )

    assert job["result"]["readings"] == 2
    assert job["result"]["refused_today"] == {"implausible": 1}
    assert job["result"]["days_changed"] == []  # a verdict changes no figure


async def test_the_same_key_is_the_same_job_and_another_body_a_conflict(client) -> None:
    order = {"kind": "aggregate", "params": {}, "idempotency_key": "nightly"}

    first = await client.post(JOBS, json=order)
    second = await client.post(JOBS, json=order)
    others = ({"params": {"everything": True}}, {"priority": 1})
    refused = [await client.post(JOBS, json=order | other) for other in others]

    assert first.json()["job_id"] == second.json()["job_id"]
    for answer in refused:
        assert answer.status_code == 409
        assert answer.json()["errors"][0]["field"] == "idempotency_key"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "mine_bitcoin"}, "kind"),
        ({"kind": "aggregate", "params": {"sight_id": "x"}}, "params.sight_id"),
        ({"kind": "aggregate", "params": {"everything": "perhaps"}}, "params.everything"),
        ({"kind": "process_device", "params": {}}, "params.meter_id"),
        ({"kind": "process_device", "params": {"meter_id": "m", "start": 0}}, "params.end"),
        ({"kind": "aggregate", "priority": 1000}, "priority"),
        ({"kind": "aggregate", "colour": "red"}, "colour"),
        ({}, "kind"),
    ],
)
async def test_what_cannot_be_meant_is_refused_by_name(client, body, field) -> None:
    answer = await client.post(JOBS, json=body)

    assert answer.status_code == 422
    assert field in {fault["field"] for fault in answer.json()["errors"]}
    if body.get("kind") == "mine_bitcoin":
        assert "aggregate" in answer.json()["detail"]


async def test_a_job_about_nothing_fails_once_and_says_why(client) -> None:
    answer = await client.post(JOBS, json={"kind": "aggregate", "params": {"site_id": "nowhere"}})

    job = await ended(client, answer)

    assert job["state"] == "failed"
    assert len(job["attempts"]) == 1  # to try again would not help
    assert "nowhere" in job["error"]
    assert job["attempts"][0]["traceback_id"]


async def test_a_job_that_failed_can_be_tried_again(client) -> None:
    answer = await client.post(JOBS, json={"kind": "aggregate", "params": {"site_id": "pecos-1"}})
    failed = await ended(client, answer)
    await take_in(client, 10)

    again = await client.post(f"{JOBS}/{failed['job_id']}/retry")
    job = await ended(client, answer)

    assert again.status_code == 200
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["failed", "succeeded"]
    assert (await client.post(f"{JOBS}/{job['job_id']}/retry")).status_code == 409
    assert (await client.post(f"{JOBS}/{job['job_id']}/cancel")).status_code == 409


async def test_jobs_are_listed_and_filtered(client) -> None:
    for _ in range(3):
        await ended(client, await client.post(JOBS, json={"kind": "aggregate"}))

    page = (await client.get(JOBS, params={"limit": 2})).json()
    rest = (await client.get(JOBS, params={"cursor": page["cursor"]})).json()
    done = (await client.get(JOBS, params={"state": "succeeded", "kind": "aggregate"})).json()

    assert (len(page["jobs"]), len(rest["jobs"]), rest["cursor"]) == (2, 1, None)
    assert len(done["jobs"]) == 3
    assert (await client.get(JOBS, params={"state": "asleep"})).status_code == 422
    assert (await client.get(JOBS, params={"cursor": "⚡"})).status_code == 422
    assert (await client.get(JOBS, params={"stat": "queued"})).status_code == 422


@pytest.mark.parametrize("path", ["", "/cancel", "/retry", "/events"])
async def test_a_job_that_never_was_is_unknown(client, path) -> None:
    method = "GET" if path in ("", "/events") else "POST"

    answer = await client.request(method, f"{JOBS}/nothing{path}")

    assert answer.status_code == 404


async def test_a_job_can_be_watched_until_it_ends(client) -> None:
    await take_in(client, 10)
    answer = await client.post(JOBS, json={"kind": "aggregate"})

    events = await client.get(f"{answer.headers['location']}/events")

    assert events.headers["content-type"].startswith("text/event-stream")
    told = [json.loads(line[6:]) for line in events.text.splitlines() if line.startswith("data: ")]
    assert told[-1]["state"] == "succeeded"
    assert all(job["job_id"] == answer.json()["job_id"] for job in told)


async def hour_sums(client: httpx.AsyncClient) -> list[float]:
    """Energy of each meter and hour from 00:00 to 02:00, where there is any."""
    query = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T02:00:00Z", "grain": "hour"}
    rows = (await client.get("/api/v1/metrics", params=query)).json()["rows"]
    return [row["energy_kwh"] for row in rows]


async def test_the_figures_of_a_period_are_computed_again_and_no_others(client) -> None:
    await take_in(client, 10, 20, 30, 40, 1, 2, 3, 4)
    await ended(client, await client.post("/api/v1/aggregate"))
    period = {"start": "2026-01-01T01:00:00Z", "end": "2026-01-01T01:15:00Z"}

    answer = await client.post("/api/v1/aggregate", json={"site_id": "pecos-1", **period})
    job = await ended(client, answer)

    assert (job["params"]["start"], job["params"]["end"]) == tuple(period.values())
    # Marked is 01:00 to 01:15; a reading is held for three intervals, so until 02:15 at most.
    assert job["progress"]["done"] == job["progress"]["total"] == 5
    assert job["result"] == {"meters": 1, "rows_written": 0}  # they were right
    assert await hour_sums(client) == [100.0, 10.0]  # 10 + 20 + 30 + 40, 1 + 2 + 3 + 4


async def test_a_period_in_which_nothing_was_read_is_nothing_to_do(client) -> None:
    await take_in(client, 10)
    await ended(client, await client.post("/api/v1/aggregate"))
    period = {"start": "2025-01-01T00:00:00Z", "end": "2025-02-01T00:00:00Z"}

    job = await ended(client, await client.post("/api/v1/aggregate", json=period))

    assert job["result"] == {"meters": 0, "rows_written": 0}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"start": "2026-01-01T00:00:00Z"}, "belong together"),
        ({"end": "2026-01-01T00:00:00Z"}, "belong together"),
        ({"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}, "after"),
        ({"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}, "after"),
        ({"start": "2026-01-01T00:00:00", "end": "2026-01-02T00:00:00Z"}, "instant with offset"),
        (
            {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z", "everything": True},
            "everything",
        ),
        ({"site_id": "a", "site_ids": ["b"]}, "not both"),
        ({"site_ids": []}, "at least 1"),
    ],
)
async def test_a_period_that_cannot_be_meant_is_refused(client, params, said) -> None:
    answer = await client.post("/api/v1/aggregate", json=params)

    assert answer.status_code == 422
    assert said in answer.json()["detail"]


async def test_several_sites_can_be_named_and_one_that_is_unknown_is_said(client) -> None:
    await take_in(client, 10)
    known = await client.post("/api/v1/aggregate", json={"site_ids": ["pecos-1"]})
    unknown = await client.post("/api/v1/aggregate", json={"site_ids": ["pecos-1", "nowhere"]})

    assert (await ended(client, known))["result"]["meters"] == 1
    assert "nowhere" in (await ended(client, unknown))["error"]


async def take_in_much(client: httpx.AsyncClient, *site_ids: str) -> None:
    """60 kWh in the first second of 2026 and 1 kWh a week later, at each of these sites.

    With a reading expected every second a week is more than is worth a job of its own.
    """
    often = {"expected_interval_s": 1, "capacity_kw": 1e6}
    for site_id in site_ids:
        await client.post("/api/v1/sites", json=SITE | often | {"id": site_id})
        rows = [
            {"meter_id": f"{site_id}.main", "timestamp": f"{day}T00:00:00Z", "energy_kwh": energy}
            for day, energy in (("2026-01-01", 60), ("2026-01-08", 1))
        ]
        answer = await client.post("/api/v1/ingest/telemetry", json=rows)
        assert answer.json()["accepted"] == 2


async def test_much_work_is_divided_by_site_and_its_progress_is_that_of_its_parts(client) -> None:
    await take_in_much(client, "a", "b")

    answer = await client.post("/api/v1/aggregate", json={"everything": True})
    job = await ended(client, answer)

    parts = (await client.get(JOBS, params={"parent_id": job["job_id"]})).json()["jobs"]
    assert job["children"] == {"succeeded": 2}
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["divided", "succeeded"]
    assert {part["parent_id"] for part in parts} == {job["job_id"]}
    assert sorted(part["params"]["site_ids"] for part in parts) == [["a"], ["b"]]
    assert job["result"] == {
        name: sum(part["result"][name] for part in parts) for name in ("meters", "rows_written")
    }
    assert job["result"]["meters"] == 2
    # a week of quarters and the one that the last reading is in, at each site
    assert job["progress"]["done"] == job["progress"]["total"] == 2 * (7 * 96 + 1)
    assert await hour_sums(client) == [60.0, 60.0]


async def test_jobs_outlive_the_service(tmp_path) -> None:
    async with serving(tmp_path) as client:
        await take_in(client, 10)
        job = await ended(client, await client.post(JOBS, json={"kind": "aggregate"}))

    async with serving(tmp_path) as client:
        assert (await client.get(f"{JOBS}/{job['job_id']}")).json() == job
