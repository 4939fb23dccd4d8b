"""A stock client of InfluxDB writes into the service and is content with it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write.point import Point
from influxdb_client.client.write_api import SYNCHRONOUS, WriteApi, WriteOptions
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from tests.journeys.conftest import Service

from wattbook import __version__

pytestmark = pytest.mark.process
START = datetime(2026, 1, 1, tzinfo=UTC)
ANY: dict[str, Any] = {"bucket": "any", "org": "any"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("influx") / "data")
    running.register("a")
    yield running
    running.stop()


@pytest.fixture(params=[False, True], ids=["plain", "gzip"])
def client(service: Service, request: pytest.FixtureRequest) -> Iterator[InfluxDBClient]:
    url = f"http://127.0.0.1:{service.port}"
    with InfluxDBClient(url, token="any", org="any", enable_gzip=request.param) as client:
        yield client


def point(minute: float, power_kw: object = 5.0, meter_id: str = "a.main") -> Point:
    at = START + timedelta(minutes=minute)
    made: Point = Point("power").tag("meter_id", meter_id).field("power_kw", power_kw).time(at)
    return made


def readings(service: Service, day: int) -> int:
    start, end = (START + timedelta(days=each) for each in (day, day + 1))
    span = f"start={start:%Y-%m-%dT%H:%M:%SZ}&end={end:%Y-%m-%dT%H:%M:%SZ}"
    status, document = service.call("GET", f"/metrics/site/a?{span}&grain=day")
    assert status == 200, document
    count: int = document["total"]["readings"]
    return count


def test_it_finds_the_service_alive(client: InfluxDBClient) -> None:
    assert client.ping()
    assert client.version() == f"wattbook-{__version__}"
    with pytest.warns(DeprecationWarning, match="ping"):  # older clients ask so
        health = client.health()
    assert (health.name, health.status) == ("wattbook", "pass")


def test_it_writes_points_one_by_one_and_in_batches(
    client: InfluxDBClient, service: Service
) -> None:
    with client.write_api(write_options=SYNCHRONOUS) as write:
        write.write(**ANY, record=point(0))
        write.write(**ANY, record=[point(1, 6), point(2, 7)])
        write.write(
            **ANY,
            record=f"power,site_id=a power_kw=8 {int(START.timestamp()) + 180}",
            write_precision=WritePrecision.S,
        )
    failures: list[object] = []
    options = WriteOptions(batch_size=100, flush_interval=100)
    with client.write_api(write_options=options, error_callback=failures.append) as write:
        for minute in range(4, 1000):
            write.write(**ANY, record=point(minute, minute % 900))

    assert failures == []
    assert readings(service, 0) == 1000


def test_it_is_told_of_lines_that_were_refused_and_the_others_are_there(
    client: InfluxDBClient, service: Service
) -> None:
    minute = 24 * 60
    with client.write_api(write_options=SYNCHRONOUS) as write:
        with pytest.raises(ApiException) as caught:
            write.write(**ANY, record=[point(minute), point(minute + 1, meter_id="z"), "broken"])
        assert caught.value.status == 400
        assert "unable to parse 'broken': missing fields" in caught.value.message
        assert "line 2: meter_id: no meter z is registered" in caught.value.message

        with pytest.raises(ApiException) as caught:
            write.write(**ANY, record=[point(minute + 1, power_kw="high"), point(minute + 2)])
        assert caught.value.status == 422
        assert 'power_kw: must be a number, but is "high"' in caught.value.message
    assert readings(service, 1) == 2


def test_what_it_could_not_write_it_may_try_again(start: Callable[..., Service]) -> None:
    full = start(largest_file=3 << 20)
    full.register("a")
    url = f"http://127.0.0.1:{full.port}"
    stamps = (1_000_000_000 + 60 * minute for minute in range(400_000))
    lines = [f"power,meter_id=a.main power_kw=5 {stamp}000000000" for stamp in stamps]
    parts = [lines[begin : begin + 5_000] for begin in range(0, len(lines), 5_000)]
    with (
        InfluxDBClient(url, token="any", org="any", retries=False) as client,
        client.write_api(write_options=SYNCHRONOUS) as write,
        pytest.raises(ApiException) as caught,
    ):
        write_all(write, parts)

    assert caught.value.status == 503
    assert caught.value.headers["Retry-After"] == "5"
    assert caught.value.headers["X-Platform-Error-Code"] == "unavailable"
    assert "the store failed" in caught.value.message


def write_all(write: WriteApi, parts: list[list[str]]) -> None:
    for part in parts:
        write.write(**ANY, record=part)
