"""How the service fares while callers send too much, too slowly, or nothing but bad rows.

While each of them is at work, another client asks for `/healthz` every 20 ms, and a third sends
small good batches. Printed are the longest of these answers, and the highest resident memory as a
multiple of the idle service's. Targets: `/healthz` below 1 s, memory below twice the idle figure.
"""

import gzip
import json
import os
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from service import Service, readings, register, running

MIB = 1 << 20
SLOW_CONNECTIONS = 200


@dataclass
class Prober:
    """Asks for `/healthz` and sends small batches until it is stopped; keeps the longest waits."""

    service: Service
    health_s: float = 0.0
    batch_s: float = 0.0

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask_health),
            threading.Thread(target=self._send_batches),
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask_health(self) -> None:
        url = f"http://127.0.0.1:{self.service.port}/healthz"
        while not self._stop.wait(0.02):
            begun = time.perf_counter()
            with urllib.request.urlopen(url, timeout=300) as answer:
                answer.read()
            self.health_s = max(self.health_s, time.perf_counter() - begun)

    def _send_batches(self) -> None:
        number = 0
        while not self._stop.wait(0.05):
            body = readings(number, meters=1, rows=10, interval_s=60).write_ndjson().encode()
            begun = time.perf_counter()
            post(self.service, "/api/v1/ingest/telemetry", body, "application/x-ndjson")
            self.batch_s = max(self.batch_s, time.perf_counter() - begun)
            number += 1


def post(
    service: Service, path: str, body: bytes, media_type: str = "application/json", **headers: str
) -> int:
    """Status of the answer."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{service.port}{path}",
        data=body,
        headers={"content-type": media_type} | headers,
    )
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code
    except OSError:  # the service closed the connection while the body was sent
        return 0


def incompressible_gzip(service: Service) -> None:
    body = gzip.compress(os.urandom(60 * MIB), compresslevel=1)
    post(service, "/api/v1/ingest/telemetry", body, **{"content-encoding": "gzip"})


def gzip_that_unpacks_beyond_the_limit(service: Service) -> None:
    body = gzip.compress(b" " * (512 * MIB))
    post(service, "/api/v1/ingest/telemetry", body, **{"content-encoding": "gzip"})


def large_documents(service: Service) -> None:
    for _ in range(5):
        post(service, "/api/v1/sites", b" " * (60 * MIB) + b"{}")
        post(service, "/api/v1/jobs", json.dumps({"kind": "x", "params": ["a"] * MIB}).encode())


def long_headers(service: Service) -> None:
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", service.port)) as connection:
            try:
                connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * (4 * MIB))
                connection.recv(1000)
            except OSError:
                continue


def slow_requests(service: Service) -> None:
    """Connections that send one byte after the other, for five seconds."""
    every = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(SLOW_CONNECTIONS)]
    for byte in b"POST /ingest/telemetry HTTP/1.1\r\nContent-Length: 9\r\n\r\n["[:50]:
        for connection in every:
            connection.sendall(bytes([byte]))
        time.sleep(0.1)
    for connection in every:
        connection.close()


def clients_that_leave(service: Service) -> None:
    head = b"POST /api/v1/ingest/telemetry HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n"
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", service.port)) as connection:
            connection.sendall(head + b" " * 100_000)


def bad_rows(service: Service) -> None:
    """As many rows of unknown meters as one body may have."""
    row = b'{"meter_id":"x","timestamp":"t"}\n'
    post(service, "/api/v1/ingest/telemetry", row * 1_900_000, "application/x-ndjson")


def bad_rows_that_differ(service: Service) -> None:
    """The same, each row with another meter: nothing of the evidence repeats."""
    body = b"".join(b'{"meter_id":"x%d","timestamp":"t"}\n' % number for number in range(1_600_000))
    post(service, "/api/v1/ingest/telemetry", body, "application/x-ndjson")


def bad_rows_of_zones(service: Service) -> None:
    row = b'{"zone":"x","start":"t"}\n'
    post(service, "/api/v1/ingest/grid", row * 1_900_000, "application/x-ndjson")


CALLERS: tuple[Callable[[Service], None], ...] = (
    incompressible_gzip,
    gzip_that_unpacks_beyond_the_limit,
    large_documents,
    long_headers,
    slow_requests,
    clients_that_leave,
    bad_rows,
    bad_rows_that_differ,
    bad_rows_of_zones,
)


def main() -> None:
    print(f"{'caller':<38}{'took s':>8}{'healthz max s':>15}{'batch max s':>13}{'peak / idle':>13}")
    for caller in CALLERS:
        with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as service:
            register(service, 1)
            post(service, "/api/v1/ingest/telemetry", b"[]")
            idle_mb = service.resident_mb()
            begun = time.perf_counter()
            with Prober(service) as prober:
                caller(service)
            took_s = time.perf_counter() - begun
            print(
                f"{caller.__name__:<38}{took_s:>8.1f}{prober.health_s:>15.3f}"
                f"{prober.batch_s:>13.3f}{service.peak_mb() / idle_mb:>13.2f}"
            )


if __name__ == "__main__":
    main()
