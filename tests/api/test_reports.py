"""Reports over HTTP: asked for as a job, listed, and handed out as files."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.api.test_jobs import ENDED, ended, serving

pytestmark = pytest.mark.slow

JOBS = "/api/v1/jobs"
REPORTS = "/api/v1/reports"
DAY = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
ORDER = {"kind": "report", "params": {"entity_id": "pecos-1", **DAY}}


@pytest.fixture
async def client(tmp_path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(tmp_path) as client:
        site = {
            "id": "pecos-1",
            "name": "Pecos <1> ⚡ 中文",
            "operator": "alder",
            "timezone": "UTC",
            "zone": "US-TEX-ERCO",
            "telemetry": "interval",
            "expected_interval_s": 3600,
        }
        await client.post("/api/v1/sites", json=site)
        rows = [
            {"site_id": "pecos-1", "timestamp": f"2026-01-01T{hour:02}:00:00Z", "energy_kwh": 10}
            for hour in range(24)
        ]
        answer = await client.post("/api/v1/ingest/telemetry", json=rows)
        assert answer.json()["accepted"] == 24
        yield client


async def made(client: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    order = {"kind": "report", "params": ORDER["params"] | params}  # type: ignore[operator]
    job = await ended(client, await client.post(JOBS, json=order))
    assert job["state"] == "succeeded", job
    result: dict[str, Any] = job["result"]
    return result


async def test_a_report_is_a_job_whose_result_says_where_it_is(client) -> None:
    job = await ended(client, await client.post(JOBS, json=ORDER))

    assert job["state"] == "succeeded", job
    assert job["progress"]["done"] == job["progress"]["total"] == 5  # a site, four formats
    result = job["result"]
    assert result["entity_id"] == "site:pecos-1"
    assert sorted(result["links"]) == ["csv", "html", "json", "pdf"]
    document = (await client.get(result["links"]["json"])).json()
    assert document["total"]["energy_kwh"] == 240.0
    assert document["fingerprint"]["sha256"] == result["fingerprint"]


@pytest.mark.parametrize(
    ("form", "media_type", "begins", "kept"),
    [
        ("pdf", "application/pdf", b"%PDF-", "inline"),
        ("html", "text/html; charset=utf-8", b"<!doctype html>", "inline"),
        ("json", "application/json", b"{", "attachment"),
        ("csv", "text/csv; charset=utf-8", b"start,end,energy_kwh", "attachment"),
        ("zip", "application/zip", b"PK", "attachment"),
    ],
)
async def test_each_format_has_its_type_and_name(client, form, media_type, begins, kept) -> None:
    result = await made(client, formats=[form])

    answer = await client.get(result["links"][form])

    assert answer.content.startswith(begins)
    assert answer.headers["content-type"] == media_type
    name = f"site-pecos-1_2026-01-01_2026-01-01.{form}"
    assert answer.headers["content-disposition"] == f'{kept}; filename="{name}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_a_report_takes_dates_as_days_of_the_site(client) -> None:
    result = await made(client, formats=["json"], start="2026-01-01", end="2026-01-02")

    document = (await client.get(result["links"]["json"])).json()

    assert document["total"]["energy_kwh"] == 240.0  # 24 hours of 10 kWh


async def test_what_a_browser_has_is_not_sent_again(client) -> None:
    link = (await made(client, formats=["csv"]))["links"]["csv"]
    tag = (await client.get(link)).headers["etag"]

    again = await client.get(link, headers={"If-None-Match": tag})
    other = await client.get(link, headers={"If-None-Match": '"other"'})

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert other.status_code == 200


async def test_reports_are_listed_newest_first_page_by_page(client) -> None:
    ids = [(await made(client, formats=["csv"]))["report_id"] for _ in range(3)]
    operator = await made(client, entity_id="operator:alder", formats=["csv", "json"])

    first = (await client.get(REPORTS, params={"entity_id": "site:pecos-1", "limit": 2})).json()
    asked = {"entity_id": "pecos-1", "cursor": first["cursor"]}  # the same in other words
    rest = (await client.get(REPORTS, params=asked)).json()
    (newest, *_) = (await client.get(REPORTS)).json()["reports"]

    assert [each["report_id"] for each in first["reports"]] == ids[:0:-1]
    assert [each["report_id"] for each in rest["reports"]] == ids[:1]
    assert rest["cursor"] is None
    assert newest["report_id"] == operator["report_id"]
    assert [each["format"] for each in newest["documents"]] == ["csv", "json"]
    document = await client.get(newest["documents"][0]["href"])
    assert len(document.content) == newest["documents"][0]["size_bytes"]
    assert document.headers["etag"] == f'"{newest["documents"][0]["sha256"]}"'


async def test_ids_of_reports_cannot_be_guessed(client) -> None:
    ids = [(await made(client, formats=["csv"]))["report_id"] for _ in range(2)]

    assert len(set(ids)) == 2
    assert all(len(each) == 32 for each in ids)


async def test_a_list_is_of_an_entity_by_either_of_its_names(client) -> None:
    made_one = await made(client, formats=["csv"])
    await made(client, entity_id="operator:alder", formats=["csv"])

    async def ids(entity_id: str) -> list[str]:
        answer = await client.get(REPORTS, params={"entity_id": entity_id})
        return [each["report_id"] for each in answer.json()["reports"]]

    assert await ids("pecos-1") == await ids("site:pecos-1") == [made_one["report_id"]]
    assert len(await ids("alder")) == len(await ids("operator:alder")) == 1
    assert await ids("operator:gone") == []
    assert (await client.get(REPORTS, params={"entity_id": "nobody"})).status_code == 404


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        (f"{REPORTS}/{'0' * 32}.pdf", 404, "report_id"),
        (f"{REPORTS}/{'0' * 32}.docx", 422, "form"),
        (f"{REPORTS}/%00.pdf", 404, "report_id"),
        (f"{REPORTS}?entity_id=planet:pecos-1", 422, "entity_id"),
        (f"{REPORTS}?cursor=xyz", 422, "cursor"),
        (f"{REPORTS}?limit=0", 422, "limit"),
        (f"{REPORTS}?sight=a", 422, "sight"),
    ],
)
async def test_what_is_not_there_or_cannot_be_meant_is_a_problem(
    client, path, status, field
) -> None:
    answer = await client.get(path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert field in {fault["field"] for fault in answer.json()["errors"]}


async def test_a_format_that_was_not_made_is_not_there(client) -> None:
    result = await made(client, formats=["csv"])

    answer = await client.get(f"{REPORTS}/{result['report_id']}.pdf")

    assert answer.status_code == 404
    assert "was made as csv, not as pdf" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"entity_id": "pecos-1"}, "params.start"),
        ({"entity_id": "", **DAY}, "params.entity_id"),
        ({"entity_id": "pecos-1", "start": DAY["end"], "end": DAY["start"]}, "params.end"),
        ({"entity_id": "pecos-1", **DAY, "formats": ["docx"]}, "params.formats[0]"),
        ({"entity_id": "pecos-1", **DAY, "formats": []}, "params.formats"),
        ({"entity_id": "pecos-1", **DAY, "start": "2026-01-01T00:00"}, "params.start"),
        ({"entity_id": "pecos-1", **DAY, "colour": "red"}, "params.colour"),
    ],
)
async def test_an_order_that_cannot_be_meant_is_refused_by_name(client, params, field) -> None:
    answer = await client.post(JOBS, json={"kind": "report", "params": params})

    assert answer.status_code == 422
    assert field in {fault["field"] for fault in answer.json()["errors"]}


@pytest.mark.parametrize(
    ("params", "field", "said"),
    [
        ({"entity_id": "nobody"}, "entity_id", "no site, operator or zone 'nobody'"),
        ({"entity_id": "planet:mars"}, "entity_id", "not a kind of entity"),
        ({"as_of": "2100-01-01T00:00:00Z"}, "as_of", "as_of is in the future"),
        ({"factor_set": "mine"}, "factor_set", "'mine' is none of"),
        ({"start": "1900-01-02T00:00:00Z"}, "end", "more than 400000 buckets"),
    ],
)
async def test_what_cannot_succeed_is_refused_at_once(client, params, field, said) -> None:
    order = {"kind": "report", "params": {"entity_id": "pecos-1", **DAY} | params}

    answer = await client.post(JOBS, json=order)

    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert fault["field"] == f"params.{field}"
    assert said in fault["detail"]
    assert (await client.get(JOBS)).json()["jobs"] == []


async def test_all_that_is_wrong_with_an_order_is_said_together(client) -> None:
    params = {"entity_id": "nobody", **DAY, "factor_set": "mine"}

    answer = await client.post(JOBS, json={"kind": "report", "params": params})

    fields = [fault["field"] for fault in answer.json()["errors"]]
    assert fields == ["params.entity_id", "params.factor_set"]


async def test_the_service_answers_while_a_report_is_made(client) -> None:
    """What computes for long is in a thread, and lets go of the interpreter."""
    answer = await client.post(JOBS, json=ORDER)
    loop, slowest = asyncio.get_running_loop(), 0.0
    while (await client.get(answer.headers["location"])).json()["state"] not in ENDED:
        before = loop.time()
        await asyncio.sleep(0.005)
        slowest = max(slowest, loop.time() - before)

    assert slowest < 2.0  # s, on a machine that others use, too


async def test_the_page_says_names_as_text(client) -> None:
    result = await made(client, formats=["html"])

    page = (await client.get(result["links"]["html"])).text

    assert "Pecos &lt;1&gt; ⚡ 中文" in page
    assert "<1>" not in page
    assert json.dumps(result)  # plain values, as a job's result must be
