"""A process that is killed while it writes a large batch leaves nothing of that batch."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wattbook.core.errors import UnknownEntityError
from wattbook.stores.duckdb.engine import Engine
from wattbook.stores.duckdb.keys import Keys
from wattbook.stores.duckdb.marks import Marks
from wattbook.stores.duckdb.readings import DuckReadings

WRITES = """
import asyncio, os, signal, sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
import polars as pl
from wattbook.core import frames
from wattbook.core.readings.rejects import Rejects
from wattbook.ports.readings import Batch
from wattbook.stores.duckdb.engine import Engine
from wattbook.stores.duckdb.keys import Keys
from wattbook.stores.duckdb.marks import Marks
from wattbook.stores.duckdb.readings import DuckReadings

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ROWS = 300_000
bad = Rejects.of(pl.DataFrame(
    {"row": range(ROWS), "reason": "bad_row", "detail": "no JSON", "raw": "{"},
    schema_overrides=frames.REJECTS.schema,
))

def chunks_until_killed():
    yield from bad.packed[:4]
    os.kill(os.getpid(), signal.SIGKILL)

def batch(batch_id, rejects):
    return Batch(batch_id=batch_id, source="s", sha256="0", received_utc=NOW, received=ROWS,
                 kept=frames.READINGS.empty().with_row_index("row"), rejects=rejects)

async def main():
    engine = Engine(Path(sys.argv[1]), memory_limit="1GB", threads=2)
    keys = Keys(engine, "meter_keys", "meter_id")
    store = DuckReadings(engine, keys, Marks(engine, keys))
    await store.write(batch("whole", bad))
    print("acknowledged", flush=True)
    await store.write(batch("killed", replace(bad, packed=chunks_until_killed())))

asyncio.run(main())
"""


async def test_a_killed_process_leaves_no_part_of_the_batch_that_it_was_writing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "series.duckdb"
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", WRITES, str(path)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, "acknowledged\n"), killed.stderr

    engine = Engine(path, memory_limit="1GB", threads=2)
    try:
        keys = Keys(engine, "meter_keys", "meter_id")
        store = DuckReadings(engine, keys, Marks(engine, keys))
        whole = await store.receipt("whole")
        assert (whole.rejected, whole.rejects.height) == (300_000, 300_000)
        with pytest.raises(UnknownEntityError):
            await store.receipt("killed")
        counted = "select count(*) from rejects where batch_id = 'killed'"
        assert engine.on_cursor(lambda con: con.execute(counted).fetchall()) == [(0,)]
    finally:
        engine.close()
