"""Readings per second through the service, on disk before each answer, beside what is asked."""

import argparse
import io
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from service import (
    Load,
    fire,
    free_port,
    machine,
    readings,
    register,
    request,
    running,
    wait_for,
)

METERS, ROWS, CONNECTIONS = 100, 10_000, 4


def body(frame: pl.DataFrame, form: str) -> tuple[bytes, str]:
    if form == "ndjson":
        text = frame.with_columns(frame["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
        return text.write_ndjson().encode(), "application/x-ndjson"
    if form == "json":
        text = frame.with_columns(frame["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
        return text.write_json().encode(), "application/json"
    if form == "csv":
        return frame.write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ").encode(), "text/csv"
    buffer = io.BytesIO()
    aware = frame.with_columns(frame["timestamp"].dt.replace_time_zone("UTC"))
    if form == "parquet":
        aware.write_parquet(buffer)
        return buffer.getvalue(), "application/vnd.apache.parquet"
    aware.write_ipc_stream(buffer)
    return buffer.getvalue(), "application/vnd.apache.arrow.stream"


def bulk(form: str, bodies: int) -> str:
    folder = Path(tempfile.mkdtemp())
    try:
        with running(folder) as service:
            register(service, METERS)
            frames = [
                readings(n, meters=METERS, rows=ROWS, interval_s=60) for n in range(bodies + 8)
            ]
            requests = [request("/ingest/telemetry", *body(frame, form)) for frame in frames]
            fire(service.port, requests[:8], CONNECTIONS)
            before = service.cpu_s()
            load = fire(service.port, requests[8:], CONNECTIONS)
            used = service.cpu_s() - before
            assert load.statuses == {200: bodies}, load.statuses
            rate = bodies * ROWS / load.seconds / 1e6
            peak = service.peak_mb()
        size = sum(file.stat().st_size for file in folder.glob("readings.duckdb*"))
        each = size / ((bodies + 8) * ROWS)
        return (
            f"{rate:5.2f} M/s   p50 {ms(load, 50):6.1f} ms  p99 {ms(load, 99):6.1f} ms"
            f"   service {used / bodies * 1e3:5.1f} ms CPU a body   peak {peak:4.0f} MB"
            f"   {each:4.1f} bytes a reading"
        )
    finally:
        shutil.rmtree(folder)


def sketch(bodies: int) -> str:
    """The peer of `bench/sketch.py` under the same load."""
    folder, port = Path(tempfile.mkdtemp()), free_port()
    command = [sys.executable, str(Path(__file__).with_name("sketch.py")), str(port)]
    with subprocess.Popen([*command, str(folder / "sketch.duckdb")]) as process:
        try:
            wait_for(port, process)
            frames = [readings(n, meters=METERS, rows=ROWS, interval_s=60) for n in range(bodies)]
            requests = [request("/ingest/telemetry", *body(frame, "ndjson")) for frame in frames]
            load = fire(port, requests, CONNECTIONS)
        finally:
            process.terminate()
            process.wait(60)
    shutil.rmtree(folder)
    return f"{bodies * ROWS / load.seconds / 1e6:5.2f} M/s   p50 {ms(load, 50):6.1f} ms"


def single(count: int) -> str:
    folder = Path(tempfile.mkdtemp())
    try:
        with running(folder) as service:
            register(service, METERS)
            rows = readings(0, meters=METERS, rows=count // METERS * METERS, interval_s=60)
            rows = rows.with_columns(rows["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
            requests = [
                request("/ingest/realtime", json.dumps(row).encode(), "application/json")
                for row in rows.iter_rows(named=True)
            ]
            fire(service.port, requests[:500], 64)
            load = fire(service.port, requests[500:], 64)
            assert set(load.statuses) == {201}, load.statuses
            rate = len(load.latencies_s) / load.seconds
            return f"{rate:6.0f} /s   p50 {ms(load, 50):6.1f} ms  p99 {ms(load, 99):6.1f} ms"
    finally:
        shutil.rmtree(folder)


def ms(load: Load, percentile: float) -> float:
    return float(np.percentile(load.latencies_s, percentile)) * 1e3


ASKED = {"ndjson": 1.0, "json": None, "csv": 1.2, "parquet": 2.0, "arrow": None}

if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bodies", type=int, default=300, help="bodies of 10,000 rows")
    options.add_argument("--singles", type=int, default=20_000)
    options.add_argument("--only", help="one of sketch ndjson json csv parquet arrow realtime")
    chosen = options.parse_args()
    print(machine())
    print(f"{METERS} meters × 1 min, {ROWS} rows a body, {CONNECTIONS} connections, same cores")
    if chosen.only in (None, "sketch", "ndjson"):
        print(f"peer      {sketch(chosen.bodies)}   a bare sketch of the same libraries, NDJSON")
    for form, asked in ASKED.items():
        if chosen.only in (None, form):
            goal = f"asked ≥ {asked} M/s" if asked else ""
            print(f"{form:9s} {bulk(form, chosen.bodies)}   {goal}", flush=True)
    if chosen.only in (None, "realtime"):
        print(f"realtime  {single(chosen.singles)}   asked ≥ 3000 /s, p99 < 50 ms (64 connections)")
