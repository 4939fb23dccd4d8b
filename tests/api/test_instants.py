"""An instant is a date and a time with offset, wherever it is asked for."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.api.test_jobs import JOBS, SITE

from wattbook.api.app import create_app
from wattbook.settings import Settings

pytestmark = pytest.mark.slow

PERIOD = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
SERIES = "/api/v1/metrics/site/pecos-1"


@pytest.fixture
async def client(tmp_path) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings(data_dir=tmp_path, schedules_enabled=False))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://wattbook") as client:
            await client.post("/api/v1/sites", json=SITE)
            yield client


@pytest.mark.parametrize(
    "value",
    [
        "2026",  # seconds since 1970 to others
        "20260101",
        "1767225600.5",
        "2026-01-01T00:00:00",
        "0001-01-01T00:00:00+14:00",  # not in UTC
        "9999-12-31T23:59:59-14:00",
        "1899-12-31T00:00:00Z",
    ],
)
@pytest.mark.parametrize(
    ("path", "field"),
    [
        (SERIES, "start"),
        (SERIES, "as_of"),
        ("/api/v1/analytics/carbon/pecos-1", "as_of"),
        ("/api/v1/analytics/cost/pecos-1", "end"),
        ("/api/v1/jobs", "since"),
        ("/api/v1/reports", "until"),
        ("/api/v1/tombstones", "until"),
    ],
)
async def test_what_is_no_instant_is_refused_by_name(client, path, field, value) -> None:
    asked = {} if field in {"since", "until"} else PERIOD
    answer = await client.get(path, params=asked | {field: value})

    assert answer.status_code == 422, answer.text
    assert [problem["field"] for problem in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("value", [2026, "2026", "0001-01-01T00:00:00Z", True])
@pytest.mark.parametrize(
    ("kind", "field", "others"),
    [
        ("aggregate", "start", {}),
        ("report", "start", {"entity_id": "pecos-1"}),
        ("report", "as_of", {"entity_id": "pecos-1"}),
        ("process_device", "end", {"meter_id": "pecos-1.main"}),
    ],
)
async def test_a_job_is_told_instants_too(client, kind, field, others, value) -> None:
    params = PERIOD | others | {field: value}

    answer = await client.post(JOBS, json={"kind": kind, "params": params})

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == f"params.{field}"


@pytest.mark.parametrize("asked", [{"end": "0001-01-01"}, {"start": "9999-12-31"}])
async def test_days_of_another_age_are_refused(client, asked) -> None:
    answer = await client.get("/api/v1/stats", params=asked)

    assert answer.status_code == 422, answer.text
    assert [problem["field"] for problem in answer.json()["errors"]] == list(asked)


async def test_an_id_is_readable(client) -> None:
    answer = await client.post(JOBS, json={"kind": "aggregate", "params": {"site_id": "a\u0000"}})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "params.site_id"


@pytest.mark.parametrize("value", ["2026-01-01T00:00:00", "2026-01-01T01:00:00 01:00"])
async def test_who_gives_no_offset_is_told_how(client, value) -> None:
    answer = await client.get(SERIES, params=PERIOD | {"start": value})

    assert "instant with offset (2026-01-01T00:00:00Z)" in answer.text
    assert "in an address, + is written %2B" in answer.text


@pytest.mark.parametrize(
    ("path", "field"),
    [("/api/v1/jobs", "since"), ("/api/v1/reports", "until"), ("/api/v1/tombstones", "until")],
)
async def test_a_date_has_no_meaning_where_there_is_no_place(client, path, field) -> None:
    answer = await client.get(path, params={field: "2026-01-01"})

    assert answer.status_code == 422, answer.text


async def test_a_date_begins_at_midnight_where_the_site_stands(client) -> None:
    # Midnight of 1 and 2 January is 06:00 UTC in Chicago.
    await client.patch("/api/v1/sites/pecos-1", json={"timezone": "America/Chicago"})
    dates = {"start": "2026-01-01", "end": "2026-01-02", "grain": "hour"}
    instants = {"start": "2026-01-01T06:00:00Z", "end": "2026-01-02T06:00:00Z", "grain": "hour"}

    by_date = (await client.get(SERIES, params=dates)).json()

    assert by_date == (await client.get(SERIES, params=instants)).json()
    assert by_date["start"] == "2026-01-01T06:00:00Z"
    assert len(by_date["rows"]) == 24


async def test_a_period_without_end_and_without_data_is_its_first_bucket(client) -> None:
    answer = await client.get(SERIES, params={"start": "2026-01-01", "grain": "day"})

    assert [row["energy_kwh"] for row in answer.json()["rows"]] == [None]
