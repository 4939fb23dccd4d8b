"""Dates of meters and capacities, roles, and `If-Match`, as a client sends them."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.api.test_sites import PECOS, SITES, fields, serving

METERS = f"{SITES}/pecos-1/meters"


@pytest.fixture
async def client(tmp_path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(tmp_path) as opened:
        await opened.post(SITES, json=PECOS)
        yield opened


async def test_a_meter_is_there_from_a_civil_date_until_another(client):
    sent = {
        "id": "pecos-1.two",
        "kind": "power",
        "role": "main",
        "valid_from": "2026-04-16",
        "valid_to": "2026-05-01T00:00:00Z",
    }

    answer = await client.post(METERS, json=sent)

    assert answer.status_code == 201
    (two,) = [each for each in answer.json() if each["id"] == "pecos-1.two"]
    # Chicago is five hours behind in April.
    assert (two["valid_from"], two["valid_to"]) == ("2026-04-16T05:00:00Z", "2026-05-01T00:00:00Z")


async def test_what_was_before_is_shown_beside_what_is(client):
    about = {"id": "pecos-1.main", "kind": "power", "role": "main", "expected_interval_s": 300}

    answer = await client.post(METERS, json={**about, "valid_from": "2026-04-16"})

    (main,) = answer.json()
    assert main["expected_interval_s"] == 300
    assert [(each["expected_interval_s"], each["valid_to"]) for each in main["earlier"]] == [
        (900, "2026-04-16T05:00:00Z")
    ]


async def test_a_date_that_is_none_and_an_end_before_the_beginning_are_refused_by_name(client):
    about = {"id": "pecos-1.two", "kind": "power", "role": "main"}

    no_date = await client.post(METERS, json={**about, "valid_from": "2026-04-31"})
    backwards = {**about, "valid_from": "2026-05-01", "valid_to": "2026-04-01"}
    ended = await client.post(METERS, json=backwards)

    assert (no_date.status_code, ended.status_code) == (422, 422)
    assert any("valid_from" in str(field) for field in fields(no_date))
    assert fields(ended) == {"meters[0].valid_to"}


async def test_a_second_meter_needs_a_role_and_is_told_what_they_mean(client):
    answer = await client.post(METERS, json={"id": "pecos-1.two", "kind": "power"})

    assert answer.status_code == 422
    assert fields(answer) == {"meters[0].role"}
    for word in ("'main'", "'sub'", "'generation'"):
        assert word in answer.json()["detail"]


async def test_a_site_of_two_meters_needs_the_role_of_each(client):
    meters = [{"id": "two.a", "kind": "power"}, {"id": "two.b", "kind": "power", "role": "sub"}]

    answer = await client.post(SITES, json={**PECOS, "id": "two", "meters": meters})

    assert answer.status_code == 422
    assert fields(answer) == {"meters[0].role"}


async def test_a_change_of_what_was_read_is_refused_once_somebody_changed_it(client):
    tag = (await client.get(f"{SITES}/pecos-1")).headers["etag"]
    site = f"{SITES}/pecos-1"

    first = await client.patch(site, json={"name": "One"}, headers={"If-Match": tag})
    second = await client.patch(site, json={"name": "Two"}, headers={"If-Match": tag})
    again = await client.patch(
        site, json={"name": "Two"}, headers={"If-Match": first.headers["etag"]}
    )

    assert [first.status_code, second.status_code, again.status_code] == [200, 412, 200]
    assert (await client.get(site)).json()["name"] == "Two"


async def test_another_capacity_holds_from_the_date_that_is_sent(client):
    answer = await client.patch(
        f"{SITES}/pecos-1", json={"capacity_kw": 30_000, "valid_from": "2026-04-16"}
    )

    site = answer.json()
    assert (site["capacity_kw"], site["capacity_since"]) == (30_000.0, "2026-04-16T05:00:00Z")
    assert [each["valid_to"] for each in site["earlier_capacities"]] == ["2026-04-16T05:00:00Z"]


async def test_two_main_meters_above_the_capacity_are_told_with_the_receipt(client):
    await client.patch(f"{SITES}/pecos-1", json={"capacity_kw": 5000})
    about = {"id": "pecos-1.two", "kind": "power", "role": "main"}
    assert (await client.post(METERS, json=about)).status_code == 201
    rows = [
        {"meter_id": meter_id, "timestamp": "2025-12-31T00:00:00Z", "power_kw": 3000}
        for meter_id in ("pecos-1.main", "pecos-1.two")
    ]

    receipt = (await client.post("/api/v1/ingest/telemetry", json=rows)).json()

    assert receipt["accepted"] == 2
    (said,) = receipt["warnings"]
    assert "pecos-1.main, pecos-1.two together have 6,000 kW" in said
