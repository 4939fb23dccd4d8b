"""What every store of grid conditions does; implementations join in conftest.py."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wattbook.core import frames
from wattbook.core.periods import Period
from wattbook.core.readings.rejects import Rejects
from wattbook.ports.grid import GridStore
from wattbook.ports.readings import Batch, WriteResult

T = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVER = Period(datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
NUMBERS = count()


@pytest.fixture
def store(stores) -> GridStore:
    grid: GridStore = stores.grid
    return grid


def batch(
    loads: Mapping[tuple[str, int], float | None], *, known: datetime = T, **others: object
) -> Batch:
    """Load by zone and hour; `others` are the same in every row."""
    kept = pl.DataFrame(
        [
            dict.fromkeys(frames.GRID.columns)
            | {"row": row, "zone": zone, "start_utc": T + hour * HOUR, "interval_s": 3600}
            | {"load_mw": load, "known_utc": known, "revision": 0}
            | others
            for row, ((zone, hour), load) in enumerate(loads.items())
        ],
        schema={"row": pl.UInt32, **frames.GRID.schema},
    )
    return Batch(
        batch_id=f"g-{next(NUMBERS)}",
        source="test",
        sha256="0" * 64,
        received_utc=known,
        received=kept.height,
        kept=kept,
        rejects=Rejects.of(),
    )


def counts(written: WriteResult) -> tuple[int, int, int]:
    return written.receipt.accepted, written.receipt.duplicates, written.receipt.corrected


async def loads(store: GridStore, *zones: str, **options) -> list[float]:
    rows = await store.read(list(zones), options.pop("period", EVER), **options)
    return rows["load_mw"].to_list()


async def test_conditions_come_back_as_they_went_in(store) -> None:
    sent = batch(
        {("US-TEX-ERCO", 1): 1.5, ("CA-ON", 0): 2.5},
        gen_wind_mw=0.1,
        gen_battery_mw=-5.0,
        price_per_mwh=-30.0,
        currency="EUR",
        marginal_g_per_kwh=1e-9,
    )

    assert counts(await store.write(sent)) == (2, 0, 0)

    back = await store.read(["US-TEX-ERCO", "CA-ON"], EVER)
    assert_frame_equal(back, sent.kept.drop("row").sort("zone", "start_utc"), check_exact=True)
    assert_frame_equal(back, frames.check(back, frames.GRID))


async def test_the_same_again_is_a_duplicate_and_another_value_a_correction(store) -> None:
    rows = {("NO1", 0): 1.0, ("NO1", 1): 2.0}
    await store.write(batch(rows))

    assert counts(await store.write(batch(rows))) == (0, 2, 0)
    assert counts(await store.write(batch({("NO1", 1): 3.0, ("NO1", 2): 4.0}))) == (1, 0, 1)
    assert await loads(store, "NO1") == [1.0, 3.0, 4.0]
    assert (await store.read(["NO1"], EVER))["revision"].to_list() == [0, 1, 0]


@pytest.mark.parametrize(
    "change",
    [{"gen_gas_mw": 0.0}, {"price_per_mwh": 1.0}, {"currency": "EUR"}],
)
async def test_a_difference_in_any_value_is_a_correction(store, change: dict[str, Any]) -> None:
    await store.write(batch({("NO1", 0): 1.0}))

    assert counts(await store.write(batch({("NO1", 0): 1.0}, **change))) == (0, 0, 1)


async def test_rows_of_two_lengths_that_begin_together_are_both_kept(store) -> None:
    await store.write(batch({("NO1", 0): 1.0}))
    assert counts(await store.write(batch({("NO1", 0): 2.0}, interval_s=900))) == (1, 0, 0)
    assert counts(await store.write(batch({("NO1", 0): 3.0}, interval_s=900))) == (0, 0, 1)

    rows = (await store.read(["NO1"], EVER)).select("interval_s", "load_mw", "revision").rows()
    assert rows == [(900, 3.0, 1), (3600, 1.0, 0)]


async def test_a_row_that_reaches_into_the_period_is_read(store) -> None:
    await store.write(batch({("NO1", 0): 1.0}, interval_s=86_400))
    await store.write(batch({("NO1", 1): 2.0}))

    assert await loads(store, "NO1", period=Period(T + 2 * HOUR, T + 3 * HOUR)) == [1.0]
    assert await loads(store, "NO1", period=Period(T + 24 * HOUR, T + 25 * HOUR)) == []


async def test_prices_that_come_after_the_mix_leave_it_as_it_was(store) -> None:
    await store.write(batch({("NO1", 0): 1.0}))
    await store.write(batch({("NO1", 0): None}, price_per_mwh=50.0))

    (row,) = (await store.read(["NO1"], EVER)).rows(named=True)
    assert (row["load_mw"], row["price_per_mwh"]) == (1.0, 50.0)


async def test_a_past_state_is_read_as_it_was_believed_then(store) -> None:
    await store.write(batch({("NO1", 0): 1.0}, known=T))
    await store.write(batch({("NO1", 0): 2.0}, known=T + HOUR))

    assert await loads(store, "NO1", as_of=T - HOUR) == []
    assert await loads(store, "NO1", as_of=T) == [1.0]
    assert await loads(store, "NO1", as_of=T + HOUR) == [2.0]


async def test_a_period_holds_its_start_and_not_its_end(store) -> None:
    await store.write(batch({("NO1", hour): float(hour) for hour in range(4)}))

    assert await loads(store, "NO1", period=Period(T + HOUR, T + 3 * HOUR)) == [1.0, 2.0]


async def test_only_the_zones_asked_for_are_read(store) -> None:
    await store.write(batch({("NO1", 0): 1.0, ("NO2", 0): 2.0, ("no1", 0): 3.0}))

    assert await loads(store, "NO1", "XX") == [1.0]
    for nobody in ([], ["XX"]):
        assert_frame_equal(await store.read(nobody, EVER), frames.GRID.empty())


@pytest.mark.slow
async def test_of_many_writers_at_once_each_row_is_accepted_from_exactly_one(store) -> None:
    sent = [
        batch({(zone, hour): 1.0 for zone in ("NO1", "NO2") for hour in range(at, at + 10)})
        for at in range(20)
    ]

    written = await asyncio.gather(*(store.write(each) for each in sent))

    total = [sum(each) for each in zip(*map(counts, written), strict=True)]
    assert total == [2 * 29, 20 * 20 - 2 * 29, 0]  # hours 0 to 28 of two zones
    assert len(await loads(store, "NO1", "NO2")) == 2 * 29


async def test_conditions_are_there_when_the_store_is_opened_again(reopen) -> None:
    sent = batch({("NO1", 0): 1.0}, currency="EUR")
    async with reopen() as stores:
        await stores.grid.write(sent)

    async with reopen() as stores:
        assert_frame_equal(await stores.grid.read(["NO1"], EVER), sent.kept.drop("row"))
        again = batch({("NO1", 0): 1.0}, currency="EUR")
        assert counts(await stores.grid.write(again)) == (0, 1, 0)
