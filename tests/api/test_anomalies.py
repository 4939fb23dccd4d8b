"""Anomalies over HTTP: found by a job, listed, judged, counted; every bad input refused."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.api.test_forecast import ended
from tests.api.test_jobs import JOBS, serving

A = "/api/v1/anomalies"
T = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEEKS = 5
DEAD = range(4 * 168 + 30, 4 * 168 + 36)
SITE = {
    "id": "pecos-1",
    "name": "Pecos 1",
    "operator": "alder",
    "timezone": "America/Chicago",
    "zone": "US-TEX-ERCO",
    "telemetry": "interval",
    "expected_interval_s": 3600,
}
SPAN = {"start": (T + 28 * 24 * HOUR).isoformat(), "end": (T + 35 * 24 * HOUR).isoformat()}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory) -> AsyncIterator[httpx.AsyncClient]:
    """One service for all, in which a meter counted nothing for six hours."""
    async with serving(tmp_path_factory.mktemp("data")) as client:
        assert (await client.post("/api/v1/sites", json=SITE)).status_code == 201
        sent = [
            {
                "meter_id": "pecos-1.main",
                "timestamp": (T + at * HOUR).isoformat(),
                "energy_kwh": 0.0 if at in DEAD else 100 + at * 37 % 11 / 10,
            }
            for at in range(WEEKS * 168)
        ]
        answer = await client.post("/api/v1/ingest/telemetry", json=sent)
        assert answer.json()["accepted"] == len(sent)
        answer = await client.post(JOBS, json={"kind": "detect_anomalies", "params": SPAN})
        job = await ended(client, answer)
        assert job["state"] == "succeeded", job
        assert job["result"]["new"] == 1
        assert job["progress"]["unit"] == "meters"
        yield client


async def only(client: httpx.AsyncClient, **asked: Any) -> dict[str, Any]:
    found = (await client.get(A, params=asked)).json()["findings"]
    assert len(found) == 1, found
    first: dict[str, Any] = found[0]
    return first


@pytest.mark.slow
async def test_a_finding_says_when_what_and_why(client) -> None:
    found = await only(client)

    assert (found["rule"], found["category"]) == ("zero", "operational")
    assert found["start"] == "2026-01-30T06:00:00Z"  # 28 days and 30 hours after the first
    assert found["end"] == "2026-01-30T12:00:00Z"
    assert found["energy_at_stake_kwh"] == pytest.approx(-600, rel=0.01)
    assert found["cause"].startswith("Nothing flowed for 6 hours.")
    assert found["evidence"]["observed"] == 0.0
    assert found["evidence"]["expected"] == pytest.approx(100.5, rel=0.01)
    assert found["review"] == {"state": "open", "note": None, "by": None, "at": None}
    assert len(found["fingerprint"]) == 64
    same = await client.get(f"{A}/{found['finding_id']}")
    assert same.json() == found


async def test_lists_are_filtered(client) -> None:
    for asked in (
        {"site_id": "pecos-1"},
        {"meter_id": "pecos-1.main"},
        {"category": "operational"},
        {"rule": "zero"},
        {"since": "2026-01-30T11:00:00Z"},
        {"until": "2026-01-30T07:00:00Z"},
    ):
        await only(client, **asked)
    for asked in (
        {"site_id": "other"},
        {"category": "meter_fault"},
        {"since": "2026-01-30T12:00:00Z"},
        {"until": "2026-01-30T06:00:00Z"},
    ):
        assert (await client.get(A, params=asked)).json() == {"findings": [], "cursor": None}


async def test_what_is_said_of_a_finding_stays_when_it_is_looked_for_again(client) -> None:
    found = await only(client)
    said = {"state": "explained", "note": "transformer replaced", "by": "Ada"}

    answer = await client.patch(f"{A}/{found['finding_id']}", json=said)
    job = await ended(
        client, await client.post(JOBS, json={"kind": "detect_anomalies", "params": SPAN})
    )

    assert answer.status_code == 200
    assert job["result"]["again"] == 1
    review = (await only(client, state="explained"))["review"]
    assert review.pop("at") is not None
    assert review == said
    back = await client.patch(f"{A}/{found['finding_id']}", json={"state": "open"})
    assert back.json()["review"]["note"] is None


@pytest.mark.slow
async def test_hours_have_scores(client) -> None:
    answer = await client.get(f"{A}/scores", params={"meter_id": "pecos-1.main", **SPAN})

    rows = answer.json()["rows"]
    assert len(rows) == 168
    assert rows[0]["start"] == "2026-01-29T00:00:00Z"
    assert all(row["score"] is None or 0 <= row["score"] <= 1 for row in rows)
    assert rows[100]["expected_kwh"] == pytest.approx(100.5, rel=0.01)


async def test_findings_are_counted_in_the_statistics(client) -> None:
    asked = {"start": "2026-01-29", "end": "2026-02-05"}
    found = (await client.get("/api/v1/stats", params=asked)).json()

    assert found["anomalies"]["findings"] == [
        {"day": "2026-01-30", "category": "operational", "findings": 1}
    ]


@pytest.mark.parametrize(
    ("path", "asked", "field"),
    [
        ("", {"category": "x"}, "category"),
        ("", {"rule": "x"}, "rule"),
        ("", {"state": "x"}, "state"),
        ("", {"site_id": "No Slug"}, "site_id"),
        ("", {"meter_id": "\0"}, "meter_id"),
        ("", {"since": "yesterday"}, "since"),
        ("", {"until": "2026-01-01T00:00:00"}, "until"),
        ("", {"limit": 0}, "limit"),
        ("", {"cursor": "x"}, "cursor"),
        ("", {"from": "2026-01-01T00:00:00Z"}, "from"),
        ("/scores", {"meter_id": "m"}, "start"),
        ("/scores", {"meter_id": "M!", **SPAN}, "meter_id"),
        ("/scores", {"meter_id": "m", "start": SPAN["end"], "end": SPAN["start"]}, "end"),
    ],
)
async def test_a_question_that_cannot_be_meant_names_the_field(client, path, asked, field) -> None:
    answer = await client.get(f"{A}{path}", params=asked)

    assert answer.status_code == 422, answer.text
    assert field in [each.get("field") for each in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "state"),
        ({"state": "maybe"}, "state"),
        ({"state": "open", "note": ""}, "note"),
        ({"state": "open", "note": "x" * 1001}, "note"),
        ({"state": "open", "note": "a\0b"}, "note"),
        ({"state": "open", "by": "x" * 201}, "by"),
        ({"state": "open", "who": "me"}, "who"),
    ],
)
async def test_a_judgement_that_cannot_be_meant_names_the_field(client, body, field) -> None:
    found = await only(client)

    answer = await client.patch(f"{A}/{found['finding_id']}", json=body)

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.slow
async def test_what_is_not_there_is_not_found(client) -> None:
    for answer in (
        await client.get(f"{A}/nothing"),
        await client.patch(f"{A}/nothing", json={"state": "open"}),
        await client.get(f"{A}/scores", params={"meter_id": "nothing", **SPAN}),
    ):
        assert answer.status_code == 404, answer.text
