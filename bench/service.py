"""What the benchmarks share: a service as a process of its own, and a client that costs little."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl


@dataclass(frozen=True)
class Service:
    """A running service."""

    port: int
    pid: int

    def call(self, method: str, path: str, body: object = None) -> dict:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
            return json.loads(answer.read())

    def resident_mb(self) -> float:
        """Resident memory now."""
        return self._status("VmRSS")

    def peak_mb(self) -> float:
        """Highest resident memory so far."""
        return self._status("VmHWM")

    def cpu_s(self) -> float:
        """Processor time used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _status(self, name: str) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
        raise LookupError(name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(data_dir: Path, **settings: str) -> Iterator[Service]:
    """`wattbook serve` on a free port until the block ends."""
    port = free_port()
    environment = os.environ | {"DATA_DIR": str(data_dir), "API_PORT": str(port)} | settings
    with subprocess.Popen(
        [sys.executable, "-m", "wattbook", "serve"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_for(port, process)
            yield Service(port, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def wait_for(port: int, process: subprocess.Popen) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the service ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz"):
                return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError("the service did not start")


def register(service: Service, count: int, *, interval_s: int = 60, kind: str = "power") -> None:
    """So many sites, each with its main meter."""
    for number in range(count):
        service.call(
            "POST",
            "/sites",
            {
                "id": f"site-{number:03d}",
                "name": f"Site {number}",
                "operator": f"operator-{number % 5}",
                "timezone": "America/Chicago",
                "zone": "US-TEX-ERCO",
                "capacity_kw": 100_000,
                "telemetry": kind,
                "expected_interval_s": interval_s,
            },
        )


def readings(
    number: int, *, meters: int, rows: int, interval_s: int, seed: int = 1
) -> pl.DataFrame:
    """One body's rows: all meters, consecutive instants, the next body follows on."""
    rng = np.random.default_rng(seed + number)
    each = rows // meters
    start = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=number * each * interval_s)
    stamps = pl.datetime_range(
        start,
        start + timedelta(seconds=(each - 1) * interval_s),
        f"{interval_s}s",
        time_unit="us",
        eager=True,
    )
    return pl.DataFrame(
        {
            "meter_id": [f"site-{meter:03d}.main" for meter in range(meters)] * each,
            "timestamp": stamps.gather(np.repeat(np.arange(each), meters)),
            "power_kw": np.round(rng.random(rows) * 1000, 3),
            "hashrate_th": np.round(rng.random(rows) * 1e5, 1),
            "temperature_c": np.round(20 + rng.random(rows) * 10, 1),
        }
    )


def request(path: str, body: bytes, media_type: str) -> bytes:
    """The bytes of one HTTP request."""
    head = (
        f"POST /api/v1{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {media_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass
class Load:
    """What came back, and when."""

    statuses: dict[int, int] = field(default_factory=dict)
    latencies_s: list[float] = field(default_factory=list)
    seconds: float = 0.0


async def _one_connection(port: int, requests: Iterator[bytes], load: Load) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    for each in requests:
        begin = time.perf_counter()
        writer.write(each)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        load.latencies_s.append(time.perf_counter() - begin)
        load.statuses[status] = load.statuses.get(status, 0) + 1
    writer.close()


def fire(port: int, requests: Sequence[bytes], connections: int) -> Load:
    """Send all requests, in their order, over so many connections."""
    load = Load()
    pending = iter(requests)

    async def all_of_them() -> None:
        await asyncio.gather(*(_one_connection(port, pending, load) for _ in range(connections)))

    begin = time.perf_counter()
    asyncio.run(all_of_them())
    load.seconds = time.perf_counter() - begin
    return load


def machine() -> str:
    """What this ran on, for the line above a table."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{os.cpu_count()} × {model}, Python {sys.version.split()[0]}, polars {pl.__version__}"
