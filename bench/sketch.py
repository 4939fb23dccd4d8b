"""The peer: the shortest service of the same libraries, without rules, receipts or rejects.

It decodes NDJSON, drops what it has, appends the rest and commits before it answers. Only
`bench/ingest.py` starts it.
"""

import asyncio
import sys
from io import BytesIO

import duckdb
import polars as pl
import uvicorn
from fastapi import FastAPI, Request

SCHEMA = {
    "meter_id": pl.String,
    "timestamp": pl.String,
    "power_kw": pl.Float64,
    "hashrate_th": pl.Float64,
    "temperature_c": pl.Float64,
}
app = FastAPI()
store = duckdb.connect(sys.argv[2])
store.execute(
    "create table if not exists readings (meter_id varchar, ts timestamp, power_kw double,"
    " hashrate_th double, temperature_c double)"
)
turn = asyncio.Lock()


def keep(body: bytes) -> None:
    frame = pl.read_ndjson(BytesIO(body), schema=SCHEMA)
    rows = frame.with_columns(  # noqa: F841  found by its name
        pl.col("timestamp").str.to_datetime("%+", time_unit="us")
    ).to_arrow()
    store.execute(
        "insert into readings select * from rows n where not exists (select 1 from readings r"
        " where r.meter_id = n.meter_id and r.ts = n.timestamp)"
    )


@app.post("/api/v1/ingest/telemetry")
async def telemetry(request: Request) -> dict[str, str]:
    body = await request.body()
    async with turn:
        await asyncio.to_thread(keep, body)
    return {"status": "kept"}


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "alive"}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
