"""CSV over HTTP: the options of `wattbook ingest` as parameters, and the guesses in the answer."""

import httpx
import pytest
from tests.api import test_write

client = test_write.client

GERMAN = """Zeit;Leistung (W);Güte
01.01.2026 00:00;999,5;ok
01.01.2026 00:01;1.234;ok
"""
SAID = [
    ("meter", "a.main"),
    ("timezone", "UTC"),
    ("map", "timestamp=Zeit"),
    ("map", "power_kw=Leistung (W)"),
    ("map", "quality=Güte"),
    ("map_values", "quality=ok:measured"),
    ("unit", "power_kw=W"),
]


async def post(client, body: str, said, kind: str = "text/csv") -> httpx.Response:
    answer: httpx.Response = await client.post(
        "/api/v1/ingest/telemetry",
        params=said,
        content=body.encode("windows-1252"),
        headers={"Content-Type": kind},
    )
    return answer


async def test_a_file_as_it_is_comes_in_over_http(client):
    answer = await post(client, GERMAN, SAID)

    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document["accepted"] == 2
    read_as = {guess["what"]: (guess["value"], guess["how"]) for guess in document["read_as"]}
    assert read_as["encoding"] == ("windows-1252", "detected")
    assert read_as["decimals"] == ("decimal comma, point between thousands", "detected")
    assert read_as["unit of power_kw"] == ("W", "given")
    span = "start=2026-01-01T00:00:00Z&end=2026-01-01T00:02:00Z"
    total = (await client.get(f"/api/v1/metrics/site/a?{span}")).json()["total"]
    assert total["power_kw_max"] == pytest.approx(1.234)  # 1,234 W


async def test_a_body_with_two_readings_is_refused_with_both(client):
    answer = await post(client, "t,v\n1/07/2026 00:00,1\n", [
        ("meter", "a.main"), ("timezone", "Australia/Sydney"), ("map", "timestamp=t"),
        ("map", "power_kw=v"),
    ])  # fmt: skip

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["reason"] == "ambiguous_file"
    assert "2026-07-01 with --date-order dmy" in answer.json()["detail"]


async def test_what_describes_a_text_is_refused_for_other_formats(client):
    answer = await post(client, "[]", [("timezone", "UTC")], kind="application/json")

    assert answer.status_code == 422
    assert "are for Content-Type: text/csv" in answer.json()["detail"]


async def test_the_parameters_are_described(client):
    paths = (await client.get("/openapi.json")).json()["paths"]
    for path in ("telemetry", "grid"):
        named = {each["name"] for each in paths[f"/api/v1/ingest/{path}"]["post"]["parameters"]}
        assert {"map", "unit", "map_values", "null", "timezone", "date_order", "decimal"} <= named
        assert {"separator", "encoding", "dst_flag", "interval", "interval_label"} <= named
