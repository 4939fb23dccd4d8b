"""Callers that send too much, too slowly, or only a half: each is answered, and the rest go on."""

import gzip
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.journeys.conftest import Service
from tests.services.server import wait

pytestmark = pytest.mark.process


@contextmanager
def connected(service: Service) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", service.port), timeout=600) as connection:
        yield connection


def answer(connection: socket.socket) -> tuple[int, dict[str, object]]:
    """Status and problem document; the service closes the connection after them."""
    received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize("end", [b"\r\n\r\n", b""])
def test_headers_beyond_the_limit_are_refused_also_before_they_end(
    start: Callable[..., Service], end: bytes
) -> None:
    with connected(start()) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 70_000 + end)
        status, document = answer(connection)

    assert status == 431
    assert "64 KiB" in str(document["detail"])


def test_many_headers_below_the_limit_are_read(start: Callable[..., Service]) -> None:
    headers = b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(50))
    with connected(start()) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n" + headers + b"\r\n")
        status, _ = answer(connection)

    assert status == 200


@pytest.mark.parametrize(
    ("setting", "sent"),
    [
        ("REQUEST_HEAD_TIMEOUT_S", b"POST /api/v1/sites HTTP/1.1\r\nHost: x\r\n"),
        (
            "REQUEST_IDLE_TIMEOUT_S",
            b"POST /api/v1/sites HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
        ),
        (
            "REQUEST_BODY_TIMEOUT_S",
            b"POST /api/v1/ingest/telemetry HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n[",
        ),
    ],
)
def test_half_a_request_is_not_waited_for_longer_than_the_setting_says(
    start: Callable[..., Service], setting: str, sent: bytes
) -> None:
    with connected(start(**{setting: "0.2"})) as connection:
        connection.sendall(sent)
        status, document = answer(connection)

    assert status == 408
    assert document["title"] == "Request Timeout"


def test_a_client_that_leaves_in_the_middle_is_one_line_of_the_log(
    start: Callable[..., Service],
) -> None:
    service = start(LOG_LEVEL="INFO")
    for path in ("/api/v1/ingest/telemetry", "/api/v1/sites", "/api/v2/write"):
        with connected(service) as connection:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n"
            connection.sendall(head.encode() + b"[")

    wait(lambda: service.log.read_text().count("client_disconnected") == 3, limit_s=600)
    service.stop()

    lines = [json.loads(line) for line in service.log.read_text().splitlines() if line[0] == "{"]
    left = [line for line in lines if line["event"] == "client_disconnected"]
    assert {line["level"] for line in left} == {"info"}
    assert sorted(line["path"] for line in left) == [
        "/api/v1/ingest/telemetry",
        "/api/v1/sites",
        "/api/v2/write",
    ]
    assert not [line for line in lines if line["level"] == "error"]


def test_documents_that_are_parsed_while_others_wait_are_small(
    start: Callable[..., Service],
) -> None:
    service = start()
    large = b" " * (3 << 20) + b"{}"

    assert service.call("POST", "/sites", large)[0] == 413
    assert service.call("POST", "/ingest/realtime", large)[0] == 413
    assert service.call("POST", "/sites", gzip.compress(large), content_encoding="gzip")[0] == 413
    assert service.call("POST", "/ingest/telemetry", b" " * (3 << 20) + b"[]")[0] == 422
    assert service.call("POST", "/jobs", b" " * (9 << 20) + b"{}")[0] == 413


SECRET = "Xk7planted"
SERVERS = {
    "postgresql": {
        "DATABASE_URL": f"postgresql://wattbook:{SECRET}@127.0.0.1:9/wattbook?connect_timeout=1"
    },
    "influxdb": {
        "INFLUXDB_URL": "http://127.0.0.1:9",
        "INFLUXDB_TOKEN": SECRET,
        "INFLUXDB_ORG": "o",
        "INFLUXDB_BUCKET": "b",
        "INFLUXDB_RETRY_S": "0",
    },
    "influxdb, with a password in the address": {
        "INFLUXDB_URL": f"http://wattbook:{SECRET}@127.0.0.1:9",
        "INFLUXDB_TOKEN": SECRET,
        "INFLUXDB_ORG": "o",
        "INFLUXDB_BUCKET": "b",
    },
    "redis": {
        "DATABASE_URL": f"postgresql://wattbook:{SECRET}@127.0.0.1:9/wattbook?connect_timeout=1",
        "REDIS_URL": f"redis://:{SECRET}@127.0.0.1:9/0",
        "CELERY_BROKER_URL": f"redis://:{SECRET}@127.0.0.1:9/1",
    },
}


@pytest.mark.parametrize("server", SERVERS)
def test_no_command_shows_a_password_or_token(
    run: Callable[..., tuple[int, str]], tmp_path: Path, server: str
) -> None:
    settings = SERVERS[server] | {"DATA_DIR": str(tmp_path / "data"), "DEBUG": "true"}

    said = [
        run(*command, **settings)[1]
        for command in (("config",), ("sites", "list"), ("pull",), ("stats",))
    ]

    assert all(said)
    assert SECRET not in "\n".join(said)


def test_a_job_that_does_not_reach_influxdb_shows_no_token(start: Callable[..., Service]) -> None:
    service = start(**SERVERS["influxdb"], LOG_LEVEL="DEBUG")
    status, job = service.call("POST", "/jobs", {"kind": "import_influxdb", "params": {}})
    assert status == 202, job
    while job["state"] in ("queued", "running"):
        _, job = service.call("GET", f"/jobs/{job['job_id']}")

    service.stop()

    assert "127.0.0.1:9" in json.dumps(job)
    assert SECRET not in json.dumps(job) + service.log.read_text()


def test_a_damaged_registry_is_an_error_without_its_folder_and_without_try_again(
    start: Callable[..., Service], tmp_path: Path
) -> None:
    service = start()
    service.register()
    service.stop()
    registry = tmp_path / "data" / "registry.sqlite"
    whole = registry.read_bytes()
    pages = range(4096, len(whole), 4096)
    registry.write_bytes(whole[:4096] + b"\xff" * 4096 * len(pages))
    (tmp_path / "data" / "registry.sqlite-wal").unlink(missing_ok=True)

    with pytest.raises(pytest.fail.Exception, match="damaged"):
        start()


def test_debug_shows_callers_nothing_of_the_service(start: Callable[..., Service]) -> None:
    service = start(DEBUG="true")
    status, document = service.call("POST", "/ingest/telemetry", b"[", "application/json")
    service.stop()

    assert (status, document["type"]) == (400, "about:blank")
    assert "Traceback" not in json.dumps(document)
    assert '"level": "debug"' in service.log.read_text()
