"""Rollups in the store are those that the core would compute from all readings at once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from wattbook.core import frames, rollup
from wattbook.core.periods import Grain, Period
from wattbook.flows import rollup as rolling
from wattbook.ports.readings import Batch
from wattbook.stores.duckdb.engine import Engine
from wattbook.stores.duckdb.keys import Keys
from wattbook.stores.duckdb.marks import Marks
from wattbook.stores.duckdb.readings import DuckReadings
from wattbook.stores.duckdb.rollups import DuckRollups

T = datetime(2026, 3, 1, tzinfo=UTC)  # a Sunday: ISO week 9 ends here, and February has ended
MINUTE = timedelta(minutes=1)
EVER = Period(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
NUMBERS = count()
COLUMN = {"power": "power_kw", "interval": "energy_kwh", "register": "register_kwh"}


class Stopped:
    """A clock that stands still."""

    def now(self) -> datetime:
        return T


class Meters:
    """A registry that knows meters and nothing else."""

    def __init__(self, known: pl.DataFrame) -> None:
        self.known = known

    async def meters(self) -> pl.DataFrame:
        return self.known


@dataclass(frozen=True, slots=True)
class Stores:
    """The embedded stores in memory."""

    readings: DuckReadings
    rollups: DuckRollups

    async def write(self, kept: pl.DataFrame) -> None:
        batch = Batch(
            batch_id=f"b-{next(NUMBERS)}",
            source="test",
            sha256="0" * 64,
            received_utc=T,
            received=kept.height,
            kept=kept.with_row_index("row"),
            rejects=frames.REJECTS.empty(),
        )
        await self.readings.write(batch)

    async def catch_up(self, meters: pl.DataFrame, ids: list[str] | None = None) -> int:
        registry: Any = Meters(meters)
        rolled = await rolling.catch_up(
            ids, registry=registry, readings=self.readings, rollups=self.rollups, clock=Stopped()
        )
        return rolled.rows_written

    async def figures(self, ids: list[str]) -> pl.DataFrame:
        every = [await self.rollups.read(ids, grain, EVER) for grain in Grain]
        return pl.concat(every).select(rollup.FIGURES).sort(*frames.ROLLUPS.key)


@contextmanager
def opened() -> Iterator[Stores]:
    engine = Engine(None, memory_limit="256MB", threads=2)
    try:
        keys = Keys(engine, "meter_keys", "meter_id")
        marks = Marks(engine, keys)
        yield Stores(DuckReadings(engine, keys, marks), DuckRollups(engine, keys, marks))
    finally:
        engine.close()


def meter(kind: str, **changes: object) -> pl.DataFrame:
    plain = {
        "meter_id": "m",
        "site_id": "s",
        "operator": "alder",
        "zone": "NO-NO1",
        "timezone": "Europe/Oslo",
        "kind": kind,
        "role": "main",
        "expected_interval_s": 900,
        "max_hold_s": 2700,
        "register_size_kwh": 1000.0 if kind == "register" else None,
        "capacity_kw": None,
    }
    return pl.DataFrame([plain | changes], schema=frames.METERS.schema)


def readings(kind: str, rows: Sequence[tuple[int, float]], meter_id: str = "m") -> pl.DataFrame:
    """Readings so many minutes after `T`."""
    values = {
        "meter_id": [meter_id] * len(rows),
        "ts_utc": [T + minute * MINUTE for minute, _ in rows],
        COLUMN[kind]: [value for _, value in rows],
        "hashrate_th": [100.0 + value / 3 for _, value in rows],
        "temperature_c": [value / 7 - 5 for _, value in rows],
        "quality": ["measured"] * len(rows),
        "known_utc": [T] * len(rows),
        "revision": [0] * len(rows),
    }
    schema = frames.READINGS.schema
    nulls = {name: [None] * len(rows) for name in schema if name not in values}
    return pl.DataFrame(values | nulls, schema_overrides=schema).select(
        pl.col(name).cast(dtype) for name, dtype in schema.items()
    )


async def expected(stores: Stores, meters: pl.DataFrame) -> pl.DataFrame:
    rows = await stores.readings.read(meters["meter_id"].to_list())
    every = rollup.every_grain(rollup.quarters(rows, meters), meters)
    return every.select(rollup.FIGURES).sort(*frames.ROLLUPS.key)


async def assert_as_from_scratch(stores: Stores, meters: pl.DataFrame) -> None:
    await stores.catch_up(meters)
    ids = meters["meter_id"].to_list()
    assert_frame_equal(
        await stores.figures(ids), await expected(stores, meters), check_exact=True
    )
    rows = await stores.readings.read(ids)
    assert_frame_equal(
        await stores.rollups.events(ids, EVER), rollup.register_events(rows, meters)
    )


@st.composite
def histories(draw: st.DrawFn, kind: str) -> tuple[pl.DataFrame, list[list[tuple[int, float]]]]:
    """A meter and the batches in which its readings come."""
    minutes = draw(
        st.one_of(
            st.just(st.integers(-3 * 96, 3 * 96).map(lambda quarter: quarter * 15)),
            st.just(st.integers(-40, 200)),
            st.just(st.integers(-40 * 24, 40 * 24).map(lambda hour: hour * 60 + 7)),
        )
    )
    values = st.integers(0, 999).map(float) | st.floats(0, 999, width=32)
    batches = draw(
        st.lists(
            st.lists(st.tuples(minutes, values), min_size=1, max_size=8, unique_by=lambda r: r[0]),
            min_size=1,
            max_size=5,
        )
    )
    again = draw(st.lists(st.sampled_from(batches), max_size=2))
    known = meter(
        kind,
        timezone=draw(
            st.sampled_from(
                ["Europe/Oslo", "America/Chicago", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]
            )
        ),
        expected_interval_s=draw(st.sampled_from([60, 900, 3600])),
        max_hold_s=draw(st.sampled_from([180, 2700, 10_800])),
        capacity_kw=draw(st.sampled_from([None, 400.0])),
    )
    return known, draw(st.permutations(batches + again))


@pytest.mark.parametrize("kind", ["power", "interval", "register"])
@settings(max_examples=60)
@given(data=st.data())
async def test_rolled_up_bit_by_bit_is_rolled_up_at_once(kind, data):
    known, batches = data.draw(histories(kind))
    rests = data.draw(st.lists(st.booleans(), min_size=len(batches), max_size=len(batches)))

    with opened() as stores:
        for batch, rest in zip(batches, rests, strict=True):
            await stores.write(readings(kind, batch))
            if rest:
                await stores.catch_up(known)

        await assert_as_from_scratch(stores, known)
