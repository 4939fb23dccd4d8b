"""Lines of InfluxDB's protocol over HTTP: what is kept, and that refusals read as InfluxDB's."""

import gzip
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio

from wattbook import __version__
from wattbook.api.app import create_app
from wattbook.settings import Settings

NOW = datetime(2026, 1, 2, tzinfo=UTC)
FIRST = 1_767_225_600  # 2026-01-01T00:00:00Z
SITE = {
    "id": "a",
    "name": "A",
    "operator": "o",
    "timezone": "UTC",
    "zone": "NO",
    "telemetry": "power",
    "expected_interval_s": 60,
    "capacity_kw": 1000,
}
V1 = "/write"
V2 = "/api/v2/write?bucket=any&org=any&precision=s"


class StoppedClock:
    def now(self) -> datetime:
        return NOW


@pytest_asyncio.fixture
async def client(request, tmp_path) -> AsyncIterator[httpx.AsyncClient]:
    """A service with the site `a`, and the settings that the test asks for."""
    more = getattr(request, "param", {})
    settings = Settings(data_dir=tmp_path, body_limit_mb=1, body_limit_rows=10, **more)
    app = create_app(settings, StoppedClock())
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://wattbook") as client:
            assert (await client.post("/api/v1/sites", json=SITE)).status_code == 201
            yield client


def set_to(**settings: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("client", [settings], indirect=True)


def line(power_kw: object, minute: int = 0, tags: str = "meter_id=a.main") -> str:
    return f"power,{tags} power_kw={power_kw} {FIRST + 60 * minute}\n"


async def energy(client: httpx.AsyncClient) -> tuple[int, float]:
    span = "start=2026-01-01T00:00:00Z&end=2026-01-01T01:00:00Z"
    total = (await client.get(f"/api/v1/metrics/site/a?{span}")).json()["total"]
    return total["readings"], total["power_kw_max"]


async def receipt(client: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    batch_id = answer.headers["x-wattbook-batch"]
    document: dict[str, Any] = (await client.get(f"/api/v1/ingest/batches/{batch_id}")).json()
    return document


@pytest.mark.slow
@pytest.mark.parametrize("path", [V2, "/write?db=any&rp=any&consistency=all&precision=s"])
async def test_lines_are_kept_and_the_answer_is_empty(client, path):
    body = line(5) + line(7, minute=1, tags="site_id=a")
    answer = await client.post(path, content=body, headers={"Authorization": "Token any"})

    assert (answer.status_code, answer.content) == (204, b"")
    assert await energy(client) == (2, 7.0)
    assert (await receipt(client, answer))["accepted"] == 2


@pytest.mark.slow
async def test_lines_that_come_again_or_correct_what_is_known_are_no_fault(client):
    for power_kw, outcome in ((5, "accepted"), (5, "duplicates"), (6, "corrected")):
        answer = await client.post(V2, content=line(power_kw))
        assert answer.status_code == 204
        assert (await receipt(client, answer))[outcome] == 1


@pytest.mark.slow
async def test_where_some_lines_cannot_be_read_the_others_are_kept(client):
    body = line(5) + "power\n" + line("NaN", 1) + line(7, 2) + line(8, 3, "meter_id=z")
    answer = await client.post(V2, content=body)

    assert answer.status_code == 400
    assert answer.headers["x-platform-error-code"] == "invalid"
    assert answer.json() == {
        "code": "invalid",
        "message": "partial write: unable to parse 'power': missing fields\n"
        f"unable to parse '{line('NaN', 1).strip()}': invalid number\n"
        "line 5: meter_id: no meter z is registered dropped=3",
    }
    assert await energy(client) == (2, 7.0)


async def test_where_no_line_can_be_read_the_answer_is_influxdbs_own(client):
    answer = await client.post(V2, content="invalid")

    assert (answer.status_code, answer.json()) == (
        400,
        {"code": "invalid", "message": "unable to parse 'invalid': missing fields"},
    )
    (reject,) = (await receipt(client, answer))["rejects"]
    assert reject == {"row": 0, "reason": "bad_row", "detail": "missing fields"}


@pytest.mark.slow
async def test_lines_that_can_be_read_and_not_meant_are_unprocessable(client):
    answer = await client.post(V2, content=line(5) + line(2001, 1) + line(6))

    assert answer.status_code == 422
    assert answer.json() == {
        "code": "unprocessable entity",
        "message": "failure writing points to database: partial write: "
        "line 2: power_kw is 2001.0, above the plausible 2000.0 kW of the site (plausible_kw, by"
        " default 2 × capacity_kw)\n"
        "line 3: row 0 has the same meter_id and ts_utc dropped=2",
    }
    assert await energy(client) == (1, 5.0)


@pytest.mark.slow
async def test_version_1_says_the_same_in_its_own_form(client):
    unread = await client.post(V1, content="invalid")
    assert (unread.status_code, unread.json()) == (
        400,
        {"error": "unable to parse 'invalid': missing fields"},
    )
    refused = await client.post(f"{V1}?precision=s", content=line(5) + line(6, 1, "meter_id=z"))
    assert (refused.status_code, refused.json()) == (
        400,
        {"error": "partial write: line 2: meter_id: no meter z is registered dropped=1"},
    )


async def test_of_many_faults_the_first_hundred_are_named(tmp_path):
    app = create_app(Settings(data_dir=tmp_path), StoppedClock())
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://wattbook") as client,
    ):
        answer = await client.post(V2, content="x\n" * 150)
    first, *_, last = answer.json()["message"].split("\n")
    assert first == "unable to parse 'x': missing fields"
    assert last == "and 50 more"


@pytest.mark.slow
@pytest.mark.parametrize("body", ["", "\n", "# only a comment\n"])
async def test_a_body_without_points_is_fine(client, body):
    answer = await client.post(V2, content=body)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("path", "status", "document"),
    [
        (
            "/api/v2/write?precision=h",
            400,
            {
                "code": "invalid",
                "message": "invalid precision; valid precision units are ns, us, ms, and s",
            },
        ),
        (
            "/write?precision=y",
            400,
            {"error": 'invalid precision "y" (use n, u, ms, s, m or h)'},
        ),
    ],
)
async def test_a_unit_that_is_none_is_named(client, path, status, document):
    answer = await client.post(path, content=line(5))
    assert (answer.status_code, answer.json()) == (status, document)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("unit", "ticks_per_minute"),
    [("", 60 * 10**9), ("n", 60 * 10**9), ("u", 60 * 10**6), ("ms", 60_000), ("m", 1)],
)
async def test_version_1_has_units_of_its_own(client, unit, ticks_per_minute):
    body = f"power,meter_id=a.main power_kw=9 {FIRST // 60 * ticks_per_minute}\n"
    assert (await client.post(f"{V1}?precision={unit}", content=body)).status_code == 204
    assert await energy(client) == (1, 9.0)


async def test_a_body_may_be_compressed(client):
    packed = gzip.compress(line(5).encode())
    answer = await client.post(V2, content=packed, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 204

    answer = await client.post(V2, content=packed[:-9], headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize("body", [b" " * (2 << 20), b"m v=1\n" * 11])
async def test_a_body_that_is_too_large_says_so(client, body):
    answer = await client.post(V2, content=body)
    assert (answer.status_code, answer.json()["code"]) == (413, "request too large")

    answer = await client.post(V1, content=body)
    assert (answer.status_code, list(answer.json())) == (413, ["error"])


@pytest.mark.slow
async def test_a_line_without_a_stamp_is_of_now(client):
    assert (await client.post(V2, content="power,meter_id=a.main power_kw=5")).status_code == 204
    span = "start=2026-01-02T00:00:00Z&end=2026-01-02T01:00:00Z"
    total = (await client.get(f"/api/v1/metrics/site/a?{span}")).json()["total"]
    assert total["readings"] == 1


@pytest.mark.slow
@set_to(
    influxdb_measurement="miner",
    influxdb_meter_tag="host",
    influxdb_fields="power_kw=kw,hashrate_th=th",
)
async def test_names_are_those_of_the_settings(client):
    body = f"miner,host=a.main kw=5,th=2,fan=3 {FIRST}\ncpu,host=a.main usage=1 {FIRST}\n"
    answer = await client.post(V2, content=body)

    assert answer.status_code == 422
    said = "partial write: line 2: measurement: must be miner, but is cpu dropped=1"
    assert answer.json()["message"].endswith(said)
    assert await energy(client) == (1, 5.0)
    (reject,) = (await receipt(client, answer))["rejects"]
    assert reject["reason"] == "other_measurement"


async def test_clients_that_ask_whether_it_is_there_are_told(client):
    for method in ("GET", "HEAD"):
        ping = await client.request(method, "/ping")
        assert (ping.status_code, ping.content) == (204, b"")
        assert ping.headers["x-influxdb-version"] == f"wattbook-{__version__}"

    health = await client.get("/health")
    document = health.json()
    assert health.status_code == 200
    assert (document["name"], document["status"]) == ("wattbook", "pass")
    assert {each["name"] for each in document["checks"]} == {"registry", "readings", "rollups"}


@pytest.mark.slow
async def test_reactive_power_of_a_line_is_a_reading_and_a_figure(client):
    # 4 kW and 3 kvar are 5 kVA: a power factor of 0.8
    fields = "power_kw=4,reactive_power_kvar=3"
    sent = await client.post(V2, content=f"power,meter_id=a.main {fields} {FIRST}\n")
    alone = await client.post(V2, content=f"power,meter_id=a.main reactive_kvarh=3 {FIRST + 60}\n")

    assert (sent.status_code, alone.status_code) == (204, 422)
    assert "reactive_kvarh: a meter of kind power has no interval" in alone.text
    (row,) = (await client.get("/api/v1/readings?meter_id=a.main")).json()["rows"]
    assert row["reactive_power_kvar"] == 3.0
    span = "start=2026-01-01T00:00:00Z&end=2026-01-01T01:00:00Z"
    total = (await client.get(f"/api/v1/metrics/site/a?{span}")).json()["total"]
    assert total["power_factor"] == pytest.approx(0.8)
    assert total["capacitive_kvarh"] == 0.0
