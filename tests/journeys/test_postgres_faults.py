"""PostgreSQL is stopped, killed and filled up beneath a service: what it acknowledged stays."""

import http.client
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from adbc_driver_postgresql import dbapi
from tests.journeys.conftest import Service
from tests.services.cluster import sql
from tests.services.postgres import Postgres
from tests.services.server import wait

pytestmark = [pytest.mark.process, pytest.mark.services]
START = datetime(2026, 1, 1, tzinfo=UTC)
SIZE = 1_000
NDJSON = "application/x-ndjson"
PARTS = {"registry", "readings", "rollups"}


def row(meter: str, number: int, power_kw: float | None = None) -> dict[str, object]:
    at = START + timedelta(minutes=number)
    kw = number % 900 if power_kw is None else power_kw
    return {"meter_id": f"{meter}.main", "timestamp": at.isoformat(), "power_kw": kw}


def lines(rows: list[dict[str, object]]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def asked(
    service: Service, method: str, path: str, body: bytes | None = None, media_type: str = NDJSON
) -> tuple[int, Any, http.client.HTTPMessage]:
    """Status, document and headers of an answer; there is one, whatever happens to the database."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=600)
    try:
        connection.request(method, path, body, {"Content-Type": media_type})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), answer.headers
    finally:
        connection.close()


@dataclass
class Client:
    """Sends one thing after the other, each until it is acknowledged."""

    service: Service
    sends: Iterator[list[dict[str, object]]]
    single: bool = False
    receipts: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    faults: list[object] = field(default_factory=list)

    def run(self, enough: threading.Event) -> None:
        try:
            while not enough.is_set():
                self._send(next(self.sends))
        except Exception as error:  # noqa: BLE001  the thread that waits for this one tells it
            self.faults.append(error)

    def _send(self, rows: list[dict[str, object]]) -> None:
        path = "/api/v1/ingest/realtime" if self.single else "/api/v1/ingest/telemetry"
        body = json.dumps(rows[0]).encode() if self.single else lines(rows)
        media_type = "application/json" if self.single else NDJSON
        while True:
            status, document, headers = asked(self.service, "POST", path, body, media_type)
            if status in (200, 201):
                self.receipts.append(document)
                return
            assert status == 503, document
            assert headers["Content-Type"] == "application/problem+json"
            assert int(headers["Retry-After"]) > 0
            assert "PostgreSQL at 127.0.0.1:" in document["detail"]
            self.refusals.append(document["detail"])
            time.sleep(0.1)

    def accepted(self) -> int:
        if self.single:
            return sum(receipt["outcome"] == "accepted" for receipt in self.receipts)
        return sum(receipt["accepted"] for receipt in self.receipts)


def batches(meter: str) -> Iterator[list[dict[str, object]]]:
    for first in itertools.count(0, SIZE):
        yield [row(meter, first + number) for number in range(SIZE)]


def singles(meter: str) -> Iterator[list[dict[str, object]]]:
    return ([row(meter, number)] for number in itertools.count())


class Health:
    """What the service says of itself, all the while."""

    def __init__(self, service: Service) -> None:
        self.alive: set[int] = set()
        self.ready: list[tuple[int, dict[str, str]]] = []
        self._service = service

    def run(self, enough: threading.Event) -> None:
        while not enough.wait(0.1):
            self.alive.add(asked(self._service, "GET", "/healthz")[0])
            status, document, _ = asked(self._service, "GET", "/readyz")
            self.ready.append((status, document["parts"]))


def is_ready(service: Service) -> bool:
    return asked(service, "GET", "/readyz")[0] == 200


@pytest.fixture(scope="module")
def server(own_postgres) -> Postgres:
    server: Postgres = own_postgres()
    return server


@pytest.fixture
def together() -> Iterator[Callable[..., Callable[[], None]]]:
    """Runs functions in threads beside the test, until it ends."""
    enough = threading.Event()
    threads: list[threading.Thread] = []

    def begin(*runs: Callable[[threading.Event], None]) -> Callable[[], None]:
        threads.extend(threading.Thread(target=run, args=(enough,)) for run in runs)
        for thread in threads:
            thread.start()

        def end() -> None:
            enough.set()
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive()

        return end

    yield begin
    enough.set()
    for thread in threads:
        thread.join(60)


def test_whatever_ends_the_server_in_mid_stream_what_was_acknowledged_is_there_once(
    server, start, together
) -> None:
    with server.fresh() as url:
        service = start(DATABASE_URL=url, ROLLUP_IDLE_S="0.2")
        for site in ("s0", "s1", "both", "one"):
            service.register(site)
        clients = [
            *(Client(service, batches(meter)) for meter in ("s0", "s1", "both", "both")),
            *(Client(service, singles("one"), single=True) for _ in range(2)),
        ]
        health = Health(service)
        end = together(health.run, *(client.run for client in clients))

        for how in ("fast", "immediate", "kill"):
            all_go_on(clients)
            server.kill() if how == "kill" else server.stop(how)
            time.sleep(0.5)
            server.start()
            wait(lambda: is_ready(service), 20)
        all_go_on(clients)
        end()

        assert [client.faults for client in clients] == [[]] * 6
        everything_acknowledged_is_there_once(url, clients)
        assert health.alive == {200}
        away = [parts for status, parts in health.ready if status == 503]
        assert away
        assert all(parts.keys() == PARTS for parts in away)
        assert all("PostgreSQL at" in state for state in away[-1].values() if state != "ok")
        wait(lambda: sql(url, "select count(*) from dirty") == [(0,)], 30)  # all by itself
        assert service.process.poll() is None
        password = url.partition("@")[0].rpartition(":")[2]
        assert password not in service.log.read_text()
        assert "Traceback" not in service.log.read_text()


def all_go_on(clients: list[Client]) -> None:
    """Wait until each of them had more acknowledged."""
    before = [len(client.receipts) for client in clients]

    def grown() -> bool:
        if faults := [fault for client in clients for fault in client.faults]:
            pytest.fail(str(faults))
        pairs = zip(clients, before, strict=True)
        return all(len(client.receipts) > count + 2 for client, count in pairs)

    wait(grown, 60)


def everything_acknowledged_is_there_once(url: str, clients: list[Client]) -> None:
    ((rows, keys),) = sql(url, "select count(*), count(distinct (meter_key, ts_utc)) from readings")
    assert rows == keys == sum(client.accepted() for client in clients)
    assert sql(url, "select count(*) from reading_revisions") == [(0,)]
    batched = [receipt for client in clients if not client.single for receipt in client.receipts]
    for receipt in batched:
        total = receipt["accepted"] + receipt["duplicates"]
        assert total == receipt["received"] == SIZE
        assert receipt["corrected"] == receipt["rejected"] == 0
    kept = dict(sql(url, "select batch_id, accepted from receipts"))
    assert {each["batch_id"]: each["accepted"] for each in batched}.items() <= kept.items()
    assert sum(kept.values()) == rows
    halves = (
        "select count(*) from (select 1 from readings join meter_keys using (meter_key)"
        " where meter_id <> 'one.main'"
        f" group by meter_id, div(extract(epoch from ts_utc - '{START}'), {60 * SIZE})"
        f" having count(*) <> {SIZE}) as halves"
    )
    assert sql(url, halves) == [(0,)]


def test_on_a_full_disk_nothing_is_acknowledged_that_is_not_there(own_postgres, start) -> None:
    small = own_postgres(disk_mb=96, wal_apart=True)
    with small.fresh() as url:
        service = start(DATABASE_URL=url)
        service.register("s0")
        client = Client(service, batches("s0"))
        small.cluster.fill(leaving_mb=2)
        enough = threading.Event()
        thread = threading.Thread(target=client.run, args=(enough,))
        thread.start()
        wait(lambda: len(client.refusals) >= 3 or bool(client.faults), 60)
        assert is_ready(service)
        status, document, headers = asked(service, "GET", "/api/v1/sites/s0")
        assert (status, document["id"]) == (200, "s0")
        small.cluster.empty()
        before = len(client.receipts)
        wait(lambda: len(client.receipts) > before + 3 or bool(client.faults), 30)
        enough.set()
        thread.join(60)

        assert client.faults == []
        assert all("No space left on device" in said for said in client.refusals)
        everything_acknowledged_is_there_once(url, [client])
        assert headers["Retry-After"] is None
        assert service.stop() == 0


def test_callers_that_hang_up_leave_no_connection_behind(server, start) -> None:
    ours = "from pg_stat_activity where datname = current_database() and application_name <> ''"
    with server.fresh() as url:
        service = start(DATABASE_URL=url)
        service.register("s0")
        body = lines([row("s0", number) for number in range(SIZE)])
        path = "/api/v1/metrics/site/s0?start=2026-01-01T00:00:00Z&end=2026-02-01T00:00:00Z"
        head = f"Host: x\r\nContent-Type: {NDJSON}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        assert asked(service, "POST", "/api/v1/ingest/telemetry", body)[0] == 200
        for _ in range(15):
            for request in (
                b"POST /api/v1/ingest/telemetry HTTP/1.1\r\n" + head + body,
                b"POST /api/v1/ingest/telemetry HTTP/1.1\r\n" + head + body[:5_000],
                f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
            ):
                with socket.create_connection(("127.0.0.1", service.port)) as connection:
                    connection.sendall(request)

        for _ in range(3):
            assert asked(service, "GET", path)[0] == 200
            assert asked(service, "POST", "/api/v1/ingest/telemetry", body)[1]["duplicates"] == SIZE
        ((connections,),) = sql(url, f"select count(*) {ours}")
        assert connections <= 13
        wait(lambda: sql(url, f"select count(*) {ours} and xact_start is not null") == [(0,)], 10)
        assert service.stop() == 0
        assert sql(url, f"select count(*) {ours}") == [(0,)]


def test_a_part_that_hangs_is_named_and_the_others_answer(server, start) -> None:
    with server.fresh() as url:
        service = start(DATABASE_URL=url)
        service.register("s0")
        with dbapi.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute("lock table readings in access exclusive mode")

            status, document, _ = asked(service, "GET", "/readyz")

            assert status == 503
            assert document["parts"] == {
                "registry": "ok",
                "readings": "no answer within 5 s",
                "rollups": "ok",
            }
            assert asked(service, "GET", "/healthz")[0] == 200
            assert asked(service, "GET", "/api/v1/sites/s0")[0] == 200
            connection.rollback()
        wait(lambda: is_ready(service), 10)
