"""The core alone: readings in a Parquet file become rollups; no service, no store."""

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from wattbook.core import frames
from wattbook.core.readings import validation
from wattbook.core.rollups import aggregation

METER: dict[str, object] = {
    "meter_id": "mine.main",
    "site_id": "mine",
    "operator": "me",
    "zone": "US-TEX-ERCO",
}
METER |= {"timezone": "America/Chicago", "kind": "power", "role": "main"}
METER |= {"expected_interval_s": 300, "max_hold_s": 900, "capacity_kw": 5_000.0}

if len(sys.argv) > 1:
    path = Path(sys.argv[1])  # columns: meter_id, timestamp (with time zone), power_kw
else:
    path = Path(tempfile.mkdtemp()) / "readings.parquet"
    start = datetime(2026, 1, 1, 6, tzinfo=UTC)
    stamps = [start + timedelta(minutes=5 * step) for step in range(2 * 288)]
    power = [-1.0 if step == 7 else 1_000.0 + step for step in range(len(stamps))]
    raw = pl.DataFrame({"timestamp": stamps, "power_kw": power})
    raw.with_columns(meter_id=pl.lit("mine.main")).write_parquet(path)

meters = pl.DataFrame([METER], schema=frames.METERS.schema)
judged = validation.validate(pl.read_parquet(path), meters=meters, now=datetime.now(UTC))
quarters = aggregation.quarters(judged.kept, meters)
every = aggregation.every_grain(quarters, meters)

print(f"kept {judged.kept.height} rows, refused {judged.rejects.height}:")
print(judged.rejects.select("row", "reason", "detail"))
print(every.filter(grain="day").select("start_utc", "energy_kwh", "power_kw_max", "coverage"))
