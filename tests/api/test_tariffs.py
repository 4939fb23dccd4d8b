"""Tariffs and costs over HTTP: what is translated, what is refused, and the bill in the end."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from wattbook.api.app import create_app
from wattbook.schemas.figures import CostOut
from wattbook.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MARCH = datetime(2026, 2, 28, 23, tzinfo=UTC)  # midnight of 1 March in Oslo
OSLO = {"name": "Oslo", "operator": "fir", "timezone": "Europe/Oslo", "zone": "NO1"}
ENERGY = {"kind": "flat", "name": "energy", "price_per_kwh": 0.1}
DEMAND = {"kind": "demand", "name": "demand", "price_per_kw_month": 10}
PLAIN = {"id": "plain", "valid_from": "2026-01-01", "currency": "EUR", "components": [ENERGY]}
EVENING = {"days": ["weekday"], "start": "17:00", "end": "21:00"}
FULL: dict[str, Any] = {
    "id": "full",
    "valid_from": "2026-01-01",
    "valid_to": "2027-01-01",
    "currency": "EUR",
    "calendar": "NO",
    "holidays": ["2026-12-24"],
    "weekend": [6, 7],
    "holidays_removed": [],
    "billing_day": None,
    "netting": "none",
    "components": [
        ENERGY,
        {
            "kind": "time_of_use",
            "name": "grid",
            "bands": [
                {"name": "evening", "price_per_kwh": 0.05, "windows": [EVENING]},
                {
                    "name": "other",
                    "price_per_kwh": 0.02,
                    "windows": [
                        {"days": ["weekday"], "start": "21:00", "end": "17:00"},
                        {"days": ["weekend", "holiday"]},
                    ],
                },
            ],
        },
        {
            "kind": "tiered",
            "name": "levy",
            "blocks": [
                {"up_to_kwh": 1000, "price_per_kwh": 0.01},
                {"up_to_kwh": None, "price_per_kwh": 0},
            ],
        },
        {"kind": "indexed", "name": "market", "multiplier": 1.02, "adder_per_mwh": 3},
        {**DEMAND, "windows": [EVENING], "ratchet": {"percent": 80, "months": 11}},
        {"kind": "fixed", "name": "meter", "price": 2, "per": "day"},
        {"kind": "percentage", "name": "VAT", "percent": 25, "of": ["energy", "grid"]},
    ],
}


class StoppedClock:
    def now(self) -> datetime:
        return NOW


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A service with the site `s`, which has no tariff."""
    app = create_app(Settings(data_dir=folder, schedules_enabled=False), StoppedClock())
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://wattbook") as client:
            body = {**OSLO, "id": "s", "telemetry": "interval", "expected_interval_s": 3600}
            assert (await client.post("/api/v1/sites", json=body)).status_code == 201
            yield client


@pytest_asyncio.fixture(loop_scope="module")
async def client(tmp_path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(tmp_path) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing(tmp_path_factory) -> AsyncIterator[httpx.AsyncClient]:
    """The same, for requests that change nothing."""
    async with serving(tmp_path_factory.mktemp("standing")) as client:
        yield client


TARIFFS = "/api/v1/sites/s/tariffs"


async def drawn(client: httpx.AsyncClient, hours: int, kwh: float = 100.0) -> None:
    rows = [
        {
            "meter_id": "s.main",
            "timestamp": (MARCH + hour * timedelta(hours=1)).isoformat(),
            "energy_kwh": kwh,
        }
        for hour in range(hours)
    ]
    receipt = (await client.post("/api/v1/ingest/telemetry", json=rows)).json()
    assert receipt["accepted"] == hours


async def cost(client: httpx.AsyncClient, entity: str = "s", **params) -> httpx.Response:
    around = {"start": "2026-03-02T00:00:00Z", "end": "2026-03-02T01:00:00Z"}
    return await client.get(f"/api/v1/analytics/cost/{entity}", params={**around, **params})


def faults(response: httpx.Response) -> dict[str, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return {fault.get("field"): fault["reason"] for fault in response.json()["errors"]}


@pytest.mark.slow
async def test_a_tariff_comes_back_as_it_was_sent(client):
    created = await client.post(TARIFFS, json=FULL)

    assert created.status_code == 201
    (tariff,) = created.json()
    every = list(range(1, 13))
    assert tariff["components"][1]["bands"][0]["windows"] == [{**EVENING, "months": every}]
    assert tariff["components"][4]["ratchet"] == {
        "percent": 80.0,
        "months": 11,
        "peak_months": every,
        "basis": "measured",
    }
    plain = {name: value for name, value in FULL.items() if name != "components"}
    assert {name: tariff[name] for name in plain} == plain
    assert (await client.get(TARIFFS)).json() == [tariff]
    assert (await client.get("/api/v1/sites/s")).json()["tariffs"] == [tariff]
    # What is answered can be sent again.
    again = await client.post(TARIFFS, json=tariff)
    assert (again.status_code, again.json()) == (200, [tariff])


async def test_a_tariff_can_be_as_short_as_this(client):
    short = {name: value for name, value in PLAIN.items() if name != "id"}

    created = await client.post(TARIFFS, json=[short])

    assert created.json() == [
        {
            "id": "tariff-2026-01-01",
            "valid_from": "2026-01-01",
            "valid_to": None,
            "currency": "EUR",
            "calendar": None,
            "holidays": [],
            "weekend": [6, 7],
            "holidays_removed": [],
            "billing_day": None,
            "netting": "none",
            "components": [ENERGY],
        }
    ]


async def test_put_replaces_all_tariffs_and_post_adds(client):
    later = {**PLAIN, "id": "later", "valid_from": "2026-07-01"}

    added = [(await client.post(TARIFFS, json=each)).status_code for each in (PLAIN, later)]
    replaced = await client.put(TARIFFS, json=[later])
    emptied = await client.put(TARIFFS, json=[])

    assert added == [201, 201]
    assert (replaced.status_code, [each["id"] for each in replaced.json()]) == (200, ["later"])
    assert (emptied.status_code, emptied.json()) == (200, [])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"valid_from": 20260101}, "tariffs[0].valid_from"),
        ({"valid_from": "2026-13-01"}, "tariffs[0].valid_from"),
        ({"valid_from": "2026-01-01T00:00:00Z"}, "tariffs[0].valid_from"),
        ({"currency": None}, "tariffs[0].currency"),
        ({"currency": "EURO"}, "tariffs[0].currency"),
        ({"colour": "red"}, "tariffs[0].colour"),
        ({"components": None}, "tariffs[0].components"),
        ({"components": [{**ENERGY, "kind": "free"}]}, "tariffs[0].components[0].kind"),
        ({"components": [{"name": "energy"}]}, "tariffs[0].components[0].kind"),
        (
            {"components": [{**ENERGY, "price_per_kwh": "0.1"}]},
            "tariffs[0].components[0].price_per_kwh",
        ),
        ({"components": [{**ENERGY, "price": 1}]}, "tariffs[0].components[0].price"),
        ({"components": [ENERGY] * 51}, "tariffs[0].components"),
        ({"holidays": ["tomorrow"]}, "tariffs[0].holidays[0]"),
        ({"weekend": [6.5]}, "tariffs[0].weekend[0]"),
        (
            {"components": [{**DEMAND, "windows": [{"days": ["sunday"]}]}]},
            "tariffs[0].components[0].windows[0].days[0]",
        ),
        (
            {"components": [{**DEMAND, "ratchet": {"percent": 80}}]},
            "tariffs[0].components[0].ratchet.months",
        ),
        # What only the core can judge
        ({"id": "../etc"}, "tariffs[0].id"),
        ({"id": "a\x00"}, "tariffs[0].id"),
        ({"valid_to": "2026-01-01"}, "tariffs[0].valid_to"),
        ({"currency": "eur"}, "tariffs[0].currency"),
        ({"calendar": "US-ZZ"}, "tariffs[0].calendar"),
        ({"components": []}, "tariffs[0].components"),
        ({"components": [{**ENERGY, "name": "a\x00b"}]}, "tariffs[0].components[0].name"),
        ({"components": [ENERGY, ENERGY]}, "tariffs[0].components[1].name"),
        (
            {"components": [{**DEMAND, "windows": [{"start": "07:20"}]}]},
            "tariffs[0].components[0].windows[0].start",
        ),
        (
            {"components": [{"kind": "time_of_use", "name": "energy", "bands": []}]},
            "tariffs[0].components[0].bands",
        ),
        (
            {"components": [{**ENERGY, "price_per_kwh": 1e300}]},
            "tariffs[0].components[0].price_per_kwh",
        ),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_what_cannot_be_meant_is_named_and_nothing_is_kept(standing, method, changes, field):
    refused = await standing.request(method, TARIFFS, json=[{**PLAIN, **changes}])

    assert refused.status_code == 422, refused.text
    assert list(faults(refused)) == [field]
    assert (await standing.get(TARIFFS)).json() == []


async def test_everything_that_is_wrong_is_said_at_once(standing):
    gap = {**FULL["components"][1], "bands": FULL["components"][1]["bands"][:1]}
    sent = [
        {**PLAIN, "components": [gap, {**DEMAND, "ratchet": {"percent": 200, "months": 0}}]},
        {**PLAIN, "id": "later"},
    ]

    refused = await standing.post(TARIFFS, json=sent)

    assert faults(refused) == {
        "tariffs[0].components[0].bands": "gap",
        "tariffs[0].components[1].ratchet.percent": "bad_number",
        "tariffs[0].components[1].ratchet.months": "bad_number",
        "tariffs[0].valid_from": "overlap",
    }
    said = {fault["field"]: fault["detail"] for fault in refused.json()["errors"]}
    assert said["tariffs[0].components[0].bands"] == (
        "no band covers weekday 00:00-17:00; weekday 21:00-24:00; weekend 00:00-24:00;"
        " holiday 00:00-24:00"
    )


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"3", b'"x"', b"[[]]", b'[{"id": "\\ud800"}]']
)
async def test_a_body_that_is_no_tariff_is_refused(standing, body: bytes):
    refused = await standing.post(
        TARIFFS, content=body, headers={"content-type": "application/json"}
    )

    assert refused.status_code in {400, 422}, refused.text


async def test_tariffs_of_a_site_that_nobody_registered_are_unknown(standing):
    where = "/api/v1/sites/nowhere/tariffs"

    answers = [
        await standing.get(where),
        await standing.post(where, json=PLAIN),
        await standing.put(where, json=[PLAIN]),
        await cost(standing, "nowhere"),
    ]

    assert [answer.status_code for answer in answers] == [404] * 4


@pytest.mark.slow
async def test_a_month_is_billed_line_by_line(client):
    """743 hours of 100 kWh: 74,300 kWh at 0.10, and 100 kW at 10."""
    await client.post(TARIFFS, json={**PLAIN, "components": [ENERGY, DEMAND]})
    await drawn(client, 743)

    answer = await cost(client)

    document = answer.json()
    CostOut.model_validate(document, strict=False)
    assert document["entity_id"] == "site:s"
    assert (document["method"], document["grain"], document["spread"]) == ("tariff", "month", False)
    assert (document["start"], document["end"]) == ("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z")
    assert document["totals"] == [{"currency": "EUR", "cost": pytest.approx(8_430.0)}]
    (bill,) = document["bills"]
    (lack,) = bill.pop("missing")  # the meter has hours, the tariff bills quarter-hours
    assert (lack["lack"], lack["component"], lack["interval_s"]) == (
        "estimated_demand",
        "demand",
        3600,
    )
    assert {name: value for name, value in bill.items() if name != "lines"} == {
        "month": "2026-03",
        "first": "2026-03-01",
        "end_day": "2026-04-01",
        "start": "2026-02-28T23:00:00Z",
        "end": "2026-03-31T22:00:00Z",
        "energy_kwh": 74_300.0,
        "export_kwh": 0.0,
        "coverage": 1.0,
        "complete": True,
        "holidays": [],
        "totals": [{"currency": "EUR", "amount": 8_430.0}],
    }
    energy, demand = bill["lines"]
    assert energy == {
        "tariff_id": "plain",
        "component": "energy",
        "kind": "flat",
        "band": None,
        "first": "2026-03-01",
        "end": "2026-04-01",
        "quantity": 74_300.0,
        "unit": "kWh",
        "price": 0.1,
        "share": 1.0,
        "amount": 7_430.0,
        "currency": "EUR",
        "unpriced_kwh": 0.0,
        "peak_kw": None,
        "peak_at": None,
        "floor_kw": None,
        "floor_month": None,
        "floor_coverage": None,
        "peaks": [],
        "estimated": False,
        "demand_interval_s": None,
        "demand_kw_most": None,
        "reactive_kvarh": None,
        "reactive_kwh": None,
        "power_factor": None,
        "reactive_coverage": None,
    }
    assert (demand["estimated"], demand["demand_interval_s"]) == (True, 3600)
    assert (demand["quantity"], demand["amount"]) == (100.0, 1_000.0)
    assert demand["peak_at"] == "2026-02-28T23:00:00Z"
    assert [row["component"] for row in document["rows"]] == ["energy", "demand"]


@pytest.mark.slow
async def test_rows_come_as_csv_and_are_not_sent_twice(client):
    await client.post(TARIFFS, json=PLAIN)
    await drawn(client, 48)
    period = "start=2026-03-01T00:00:00Z&end=2026-03-02T12:00:00Z"
    url = f"/api/v1/analytics/cost/site:s?{period}&grain=day"

    rows = await client.get(url, headers={"accept": "text/csv"})
    same = await client.get(
        url, headers={"accept": "text/csv", "if-none-match": rows.headers["etag"]}
    )

    head, first, _ = rows.text.strip().split("\n")
    assert head == "start,component,kind,currency,energy_kwh,cost,cost_energy_share,coverage"
    assert first.startswith("2026-02-28T23:00:00Z,energy,flat,EUR,2400.0,2")
    assert same.status_code == 304


@pytest.mark.slow
async def test_a_month_that_has_only_begun_says_so(client):
    await client.post(TARIFFS, json=PLAIN)
    await drawn(client, 48)

    (bill,) = (await cost(client)).json()["bills"]

    assert (bill["complete"], bill["coverage"]) == (False, pytest.approx(48 / 743))
    assert bill["totals"] == [{"currency": "EUR", "amount": pytest.approx(480.0)}]


@pytest.mark.slow
async def test_metrics_show_the_cost_by_tariff(client):
    await client.post(TARIFFS, json=PLAIN)
    await drawn(client, 24)

    answer = await client.get(
        "/api/v1/metrics/site/s",
        params={"start": MARCH.isoformat(), "end": (MARCH + timedelta(hours=1)).isoformat()},
    )

    (row,) = answer.json()["rows"]
    assert (row["cost"], row["currency"]) == (pytest.approx(10.0), "EUR")


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"colour": "red"}, 422),
        ({"grain": "year"}, 422),
        ({"spread": "perhaps"}, 422),
        ({"start": "02/03/2026"}, 422),
        ({"end": "2026-03-01T00:00:00Z"}, 422),
        ({"as_of": "2027-01-01T00:00:00Z"}, 422),
    ],
)
async def test_a_question_that_cannot_be_meant_is_refused(standing, params, status):
    answer = await cost(standing, **params)

    assert answer.status_code == status
    assert faults(answer)


@pytest.mark.parametrize("entity", ["operator:fir", "fir", "zone:NO1", "planet:earth"])
async def test_a_bill_is_of_one_site(standing, entity):
    answer = await cost(standing, entity)

    assert answer.status_code == 422
    assert list(faults(answer)) == ["entity_id"]


@pytest.mark.slow
async def test_the_description_shows_every_kind_of_component(standing):
    schema = json.dumps((await standing.get("/openapi.json")).json()["components"]["schemas"])

    for kind in ("flat", "time_of_use", "tiered", "indexed", "demand", "fixed", "percentage"):
        assert f'"const": "{kind}"' in schema
