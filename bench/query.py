"""Rollups and reads over a year of 15-minute data from 100 sites, beside what is asked."""

import argparse
import shutil
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from service import Service, fire, machine, readings, register, request, running

METERS, BODIES, QUARTER_S = 100, 351, 900
ROWS = 10_000


def fill(service: Service) -> int:
    """A year of 15-minute readings; how many."""
    bodies = []
    for number in range(BODIES):
        frame = readings(number, meters=METERS, rows=ROWS, interval_s=QUARTER_S)
        text = frame.write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ").encode()
        bodies.append(request("/ingest/telemetry", text, "text/csv"))
    load = fire(service.port, bodies, 4)
    assert load.statuses == {200: BODIES}, load.statuses
    return BODIES * ROWS


def rolled_up(service: Service) -> float:
    """Seconds until a network total, which needs every meter, is answered."""
    begin = time.perf_counter()
    service.call("GET", f"/metrics/aggregate?grain=month&{span(1, 2)}")
    return time.perf_counter() - begin


def span(first_month: int, last_month: int) -> str:
    start = datetime(2025, first_month, 1, tzinfo=UTC)
    end = datetime(2025, last_month, 1, tzinfo=UTC)
    return f"start={start:%Y-%m-%dT%H:%M:%SZ}&end={end:%Y-%m-%dT%H:%M:%SZ}"


def timed(count: int, work: Callable[[int], object]) -> list[float]:
    """Milliseconds of each call."""
    taken = []
    for number in range(count):
        begin = time.perf_counter()
        work(number)
        taken.append((time.perf_counter() - begin) * 1e3)
    return sorted(taken)


def show(name: str, taken: list[float], asked: str) -> None:
    p50, p99 = statistics.median(taken), taken[int(len(taken) * 0.99)]
    print(f"{name:44s} p50 {p50:7.1f} ms  p99 {p99:7.1f} ms   {asked}", flush=True)


def get(service: Service, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/api/v1{path}") as answer:
        return answer.read()


def late(service: Service, number: int) -> None:
    at = datetime(2025, 6, 1, 0, 7, number, tzinfo=UTC)
    service.call(
        "POST",
        "/ingest/realtime",
        {
            "meter_id": f"site-{number:03d}.main",
            "timestamp": at.isoformat(),
            "power_kw": 1.0,
        },
    )


def sizes(folder: Path) -> None:
    """Bytes on disk by table, from the blocks that each uses."""
    import duckdb  # noqa: PLC0415  the service holds the file until now

    with duckdb.connect(str(folder / "readings.duckdb"), read_only=True) as connection:
        (block,) = connection.execute("select block_size from pragma_database_size()").fetchone()
        for table in ("readings", "rollups"):
            (rows,) = connection.execute(f"select count(*) from {table}").fetchone()
            (blocks,) = connection.execute(
                f"select count(distinct block_id) from pragma_storage_info('{table}')"
                " where block_id >= 0"
            ).fetchone()
            goal = "asked ≤ 12" if table == "readings" else ""
            print(f"{table:10s} {rows:10d} rows  {blocks * block / rows:6.1f} bytes a row   {goal}")


def main(calls: int) -> None:
    print(machine(), f"polars threads {pl.thread_pool_size()}")
    folder = Path(tempfile.mkdtemp())
    try:
        with running(folder, ROLLUP_IDLE_S="3600") as service:
            register(service, METERS, interval_s=QUARTER_S)
            count = fill(service)
            taken = rolled_up(service)
            print(f"full rollup of {count:,} readings, all grains  {taken:5.2f} s   asked < 5 s")
            month = f"/metrics/site/site-042?grain=hour&{span(3, 4)}"
            time.sleep(5)  # the log of the roll-up is folded into the file meanwhile
            for _ in range(20):
                get(service, month)
            show(
                "metrics/site, hourly, a month",
                timed(calls, lambda _: get(service, month)),
                "asked p99 < 15 ms",
            )

            def after_late(number: int) -> None:
                get(service, f"/metrics/site/site-{number:03d}?grain=hour&{span(6, 7)}")

            written = []
            for number in range(50):
                late(service, number)
                written += timed(1, lambda _, number=number: after_late(number))
            show("the same after one late reading", sorted(written), "asked: rollup < 50 ms")
            for name, path in {
                "metrics/site, daily, a year": f"/metrics/site/site-042?grain=day&{span(1, 12)}",
                "network by operator, daily, a month": (
                    f"/metrics/aggregate?by=operator&{span(3, 4)}"
                ),
                "analytics/carbon, hourly, a month": f"/analytics/carbon/site-042?{span(3, 4)}",
                "metrics, 1000 rows": f"/metrics?limit=1000&{span(3, 4)}",
            }.items():
                show(name, timed(40, lambda _, path=path: get(service, path)), "")
        sizes(folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls", type=int, default=300)
    main(options.parse_args().calls)
