"""Deleting sites and meters over HTTP."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.api.test_sites import PECOS, SITES, serving

from wattbook.flows import deletion

SITE = f"{SITES}/pecos-1"
MAIN = f"{SITE}/meters/pecos-1.main"
ROWS = [
    {"meter_id": "pecos-1.main", "timestamp": f"2025-12-31T{hour:02}:00:00Z", "power_kw": 10}
    for hour in range(3)
]


@pytest.fixture
async def client(tmp_path, monkeypatch) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr(deletion, "QUIET_S", 0.0)
    async with serving(tmp_path) as opened:
        assert (await opened.post(SITES, json=PECOS)).status_code == 201
        yield opened


async def test_a_mistaken_site_is_deleted_and_may_be_registered_again(client):
    answer = await client.delete(SITE, params={"reason": "typed twice"})
    gone = await client.get(SITE)
    stones = (await client.get("/api/v1/tombstones", params={"kind": "site"})).json()
    again = await client.post(SITES, json=PECOS)

    assert answer.status_code == 200, answer.text
    assert (gone.status_code, again.status_code) == (404, 201)
    (stone,) = stones["tombstones"]
    assert stone == answer.json()[0]
    about = {name: stone[name] for name in ("kind", "owner", "requested_by", "reason", "rows")}
    assert about == {
        "kind": "site",
        "owner": "pecos-1",
        "requested_by": "http",
        "reason": "typed twice",
        "rows": 0,
    }
    assert stone["removed"] is not None
    assert stone["entity"]["timezone"] == "America/Chicago"


async def test_readings_refuse_it_with_409_until_it_is_forced(client):
    assert (await client.post("/api/v1/ingest/telemetry", json=ROWS)).json()["accepted"] == 3

    refused = await client.delete(MAIN)
    forced = await client.delete(MAIN, params={"force": "true"})
    late = await client.post("/api/v1/ingest/telemetry", json=ROWS)

    assert refused.status_code == 409
    assert "has 3 readings" in refused.json()["detail"]
    assert refused.json()["errors"][0]["field"] == "force"
    (stone,) = forced.json()
    assert (forced.status_code, stone["rows"], stone["from"]) == (200, 3, "2025-12-31T00:00:00Z")
    assert len(stone["sha256"]) == 64
    assert late.json()["accepted"] == 0
    assert (await client.get(SITE)).json()["meters"] == []


async def test_a_legal_hold_refuses_it_with_409_also_when_forced(client):
    assert (await client.patch(SITE, json={"hold_reason": "case 12/26"})).status_code == 200

    answers = [await client.delete(each, params={"force": "true"}) for each in (SITE, MAIN)]

    assert [each.status_code for each in answers] == [409, 409]
    assert all("legal hold (case 12/26)" in each.json()["detail"] for each in answers)
    assert (await client.get(SITE)).status_code == 200


async def test_what_is_not_there_is_404_and_a_wrong_parameter_or_tag_is_refused(client):
    nowhere = await client.delete(f"{SITES}/nowhere")
    no_meter = await client.delete(f"{SITE}/meters/none")
    misspelt = await client.delete(SITE, params={"forced": "true"})
    stale = await client.delete(SITE, headers={"If-Match": '"0"'})
    long = await client.delete(SITE, params={"reason": "x" * 1001})

    found = [each.status_code for each in (nowhere, no_meter, misspelt, stale, long)]
    assert found == [404, 404, 422, 412, 422]
    assert (await client.get(SITE)).status_code == 200
