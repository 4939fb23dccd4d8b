"""What every store of readings does; implementations join in conftest.py."""

import asyncio
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from wattbook.core import frames
from wattbook.core.errors import UnavailableError, UnknownEntityError, UnsupportedError
from wattbook.core.periods import Period
from wattbook.core.readings.merge import ACCEPTED, BITS, CORRECTED, DUPLICATE, EXPLICIT
from wattbook.core.readings.rejects import Rejects
from wattbook.core.readings.repeats import MERGED
from wattbook.core.rollups import aggregation
from wattbook.ports.readings import Batch, ReadingStore, Receipt, WriteResult
from wattbook.stores.duckdb.engine import Engine

T = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
EVER = Period(datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
NUMBERS = count()
ON_ONE_LOOP = pytest.mark.asyncio(loop_scope="session")
"""For tests of the stores that are shared: their connections belong to the loop of the session."""
Key = tuple[str, int]
"""A meter, and minutes after `T`."""


@pytest.fixture
def store(stores) -> ReadingStore:
    readings: ReadingStore = stores.readings
    return readings


def batch(
    rows: Mapping[Key, float | None],
    *,
    known: datetime = T,
    column: str = "power_kw",
    rejects: Sequence[str] = (),
    **others: object,
) -> Batch:
    """One value for each key; `others` are the same in every row, and named in all of them."""
    named = sum(BITS[name] for name, value in others.items() if name == "quality" or value is None)
    kept = pl.DataFrame(
        [
            dict.fromkeys(frames.READINGS.columns)
            | {"row": row, "meter_id": meter, "ts_utc": T + minute * MINUTE, column: value}
            | {"quality": "measured", "known_utc": known, "revision": 0}
            | others
            for row, ((meter, minute), value) in enumerate(rows.items())
        ],
        schema={"row": pl.UInt32, **frames.READINGS.schema},
    )
    if named:
        kept = kept.with_columns(pl.lit(named, dtype=pl.UInt32).alias(EXPLICIT))
    refused = pl.DataFrame(
        [(len(rows) + row, why, f"it is {why}", "{}") for row, why in enumerate(rejects)],
        schema=frames.REJECTS.schema,
        orient="row",
    )
    return Batch(
        batch_id=f"b-{next(NUMBERS)}",
        source="test",
        sha256="0" * 64,
        received_utc=known,
        received=len(rows) + len(rejects),
        kept=kept,
        rejects=Rejects.of(refused),
    )


def counts(written: WriteResult) -> tuple[int, int, int, int]:
    return counts_of(written.receipt)


def counts_of(receipt: Receipt) -> tuple[int, int, int, int]:
    return receipt.accepted, receipt.duplicates, receipt.corrected, receipt.rejected


async def power(store: ReadingStore, *meters: str, **options) -> list[float]:
    return (await store.read(list(meters), **options))["power_kw"].to_list()


async def superseded(store: ReadingStore, *meters: str) -> pl.DataFrame | None:
    """Readings of the meters that were superseded; none where a store says that it keeps none."""
    if store.abilities.revisions:
        return pl.concat([await store.revisions(meter, EVER) for meter in meters])
    with pytest.raises(UnsupportedError, match="InfluxDB"):
        await store.revisions(meters[0], EVER)
    return None


# --- writing -----------------------------------------------------------------------------------


async def test_new_readings_are_accepted_and_come_back_as_they_went_in(store) -> None:
    sent = batch({("b", 0): 1.0, ("a", 15): 2.5, ("a", 0): 0.0}, temperature_c=-40.0)

    written = await store.write(sent)

    assert counts(written) == (3, 0, 0, 0)
    assert written.outcomes.to_list() == [ACCEPTED] * 3
    back = await store.read(["a", "b"])
    assert_frame_equal(back, sent.kept.drop("row").sort("meter_id", "ts_utc"), check_exact=True)
    assert_frame_equal(back, frames.check(back, frames.READINGS))


async def test_the_same_values_again_are_duplicates_and_change_nothing(store) -> None:
    rows = {("a", 0): 1.0, ("a", 15): 2.0}
    await store.write(batch(rows))

    again = await store.write(batch(rows, known=T + HOUR))

    assert counts(again) == (0, 2, 0, 0)
    assert again.outcomes.to_list() == [DUPLICATE] * 2
    back = await store.read(["a"])
    assert back["known_utc"].to_list() == [T, T]
    assert back["revision"].to_list() == [0, 0]


async def test_other_values_are_a_correction_and_the_old_ones_are_kept_where_they_can(
    store,
) -> None:
    await store.write(batch({("a", 0): 1.0, ("a", 15): 2.0}))

    written = await store.write(batch({("a", 15): 3.0, ("a", 30): 4.0}, known=T + HOUR))

    assert counts(written) == (1, 0, 1, 0)
    assert written.outcomes.to_list() == [CORRECTED, ACCEPTED]
    back = await store.read(["a"])
    assert back["power_kw"].to_list() == [1.0, 3.0, 4.0]
    assert back["revision"].to_list() == [0, 1, 0]
    assert back["known_utc"].to_list() == [T, T + HOUR, T + HOUR]
    past = await superseded(store, "a")
    if past is not None:
        (old,) = past.rows(named=True)
        assert (old["power_kw"], old["revision"]) == (2.0, 0)
        assert (old["known_utc"], old["superseded_utc"]) == (T, T + HOUR)


async def test_every_revision_is_counted_and_kept_in_order_where_it_can(store) -> None:
    for hour in range(4):
        await store.write(batch({("a", 0): float(hour)}, known=T + hour * HOUR))

    assert (await store.read(["a"]))["revision"].to_list() == [3]
    old = await superseded(store, "a")
    if old is not None:
        assert old.columns == list(frames.READING_REVISIONS.columns)
        assert old["power_kw"].to_list() == [0.0, 1.0, 2.0]
        assert old["revision"].to_list() == [0, 1, 2]


@pytest.mark.parametrize(
    "change",
    [
        {"power_kw": None},
        {"energy_kwh": 0.0},
        {"register_kwh": 1.0},
        {"hashrate_th": 1.0},
        {"temperature_c": 1.0},
        {"reactive_power_kvar": -0.5},
        {"quality": "estimated"},
    ],
)
async def test_a_difference_in_any_value_is_a_correction_be_it_only_known_and_unknown(
    store, change: dict[str, Any]
) -> None:
    await store.write(batch({("a", 0): 1.0}))

    corrected = batch({("a", 0): 1.0}, **change)
    written = await store.write(corrected)

    assert counts(written) == (0, 0, 1, 0)
    back = await store.read(["a"])
    sent = corrected.kept.select(*frames.READINGS.columns)
    assert_frame_equal(back.drop("revision"), sent.drop("revision"))


async def test_a_value_that_a_later_write_does_not_name_stays(store) -> None:
    await store.write(batch({("a", 0): 1.0}, hashrate_th=140.0, temperature_c=30.0))

    assert counts(await store.write(batch({("a", 0): 1.0}))) == (0, 1, 0, 0)
    assert counts(await store.write(batch({("a", 0): 2.0}, known=T + HOUR))) == (0, 0, 1, 0)

    (row,) = (await store.read(["a"])).rows(named=True)
    assert (row["power_kw"], row["hashrate_th"], row["temperature_c"]) == (2.0, 140.0, 30.0)
    if store.abilities.as_of:
        (then,) = (await store.read(["a"], as_of=T)).rows(named=True)
        assert (then["power_kw"], then["hashrate_th"]) == (1.0, 140.0)


async def test_a_null_that_was_sent_clears_a_value_for_good(store) -> None:
    await store.write(
        batch({("a", 0): 1.0}, hashrate_th=140.0, temperature_c=30.0, reactive_power_kvar=-0.5)
    )

    for known in (T + HOUR, T + 2 * HOUR):
        cleared = batch({("a", 0): 1.0}, hashrate_th=None, known=known)
        written = await store.write(cleared)

        assert counts(written) == ((0, 0, 1, 0) if known == T + HOUR else (0, 1, 0, 0))
        (row,) = (await store.read(["a"])).rows(named=True)
        assert (row["power_kw"], row["hashrate_th"], row["temperature_c"]) == (1.0, None, 30.0)
        assert row["reactive_power_kvar"] == -0.5

    assert counts(await store.write(batch({("a", 0): 1.0}, hashrate_th=150.0))) == (0, 0, 1, 0)


async def test_the_value_of_a_meter_is_cleared_too_and_what_comes_beside_it_may_come_alone(store):
    await store.write(batch({("a", 0): 140.0}, column="hashrate_th"))
    await store.write(batch({("a", 0): 1.0}))

    written = await store.write(batch({("a", 0): 140.0}, column="hashrate_th", power_kw=None))

    assert counts(written) == (0, 0, 1, 0)
    (row,) = (await store.read(["a"])).rows(named=True)
    assert (row["power_kw"], row["hashrate_th"], row["quality"]) == (None, 140.0, "measured")
    await store.write(batch({("a", 0): None}, column="power_kw", hashrate_th=None))
    (row,) = (await store.read(["a"])).rows(named=True)
    assert (row["power_kw"], row["hashrate_th"]) == (None, None)


async def test_what_went_into_another_row_became_of_what_that_row_became_of(store) -> None:
    merged = pl.DataFrame({"row": [2, 3], "into": [0, 1]}, schema=MERGED)
    one = batch({("a", 0): 1.0, ("a", 1): 2.0})
    await store.write(batch({("a", 1): 5.0}))

    written = await store.write(replace(one, received=4, merged=merged))

    assert counts(written) == (2, 0, 2, 0)
    became = dict(zip(written.rows, written.outcomes, strict=True))
    assert became == {0: ACCEPTED, 2: ACCEPTED, 1: CORRECTED, 3: CORRECTED}
    assert counts_of(await store.receipt(one.batch_id)) == (2, 0, 2, 0)


async def test_a_quality_that_is_not_named_stays_until_a_value_is_replaced(store) -> None:
    await store.write(batch({("a", 0): 1.0}, quality="estimated"))

    await store.write(batch({("a", 0): 1.0}, hashrate_th=140.0))
    assert (await store.read(["a"]))["quality"].to_list() == ["estimated"]

    await store.write(batch({("a", 0): 2.0}))
    assert (await store.read(["a"]))["quality"].to_list() == ["measured"]


async def test_of_batches_that_are_written_together_each_adds_what_it_names(store) -> None:
    together = [
        batch({("a", 0): 1.0}, hashrate_th=140.0),
        batch({("a", 0): 1.0}, temperature_c=30.0),
        batch({("a", 0): 1.0, ("b", 0): 5.0}, hashrate_th=None),
    ]

    await asyncio.gather(*(store.write(each) for each in together))

    row = (await store.read(["a"])).row(0, named=True)
    assert (row["power_kw"], row["temperature_c"]) == (1.0, 30.0)


async def test_going_back_to_an_earlier_value_is_a_correction_too(store) -> None:
    for value in (1.0, 2.0, 1.0):
        written = await store.write(batch({("a", 0): value}))

    assert counts(written) == (0, 0, 1, 0)
    assert (await store.read(["a"]))["revision"].to_list() == [2]


async def test_a_late_reading_between_others_is_new(store) -> None:
    await store.write(batch({("a", 0): 1.0, ("a", 30): 3.0}))

    assert counts(await store.write(batch({("a", 15): 2.0}))) == (1, 0, 0, 0)
    assert await power(store, "a") == [1.0, 2.0, 3.0]


async def test_a_batch_without_rows_has_a_receipt(store) -> None:
    empty = batch({})

    written = await store.write(empty)

    assert counts(written) == (0, 0, 0, 0)
    assert (await store.receipt(empty.batch_id)).received == 0


async def test_the_receipt_of_a_batch_can_be_read_with_its_rejects(store) -> None:
    sent = batch({("a", 0): 1.0}, rejects=["bad_row", "no_value"], known=T + MINUTE / 7)

    written = await store.write(sent)
    receipt = await store.receipt(sent.batch_id)

    assert (receipt.received, receipt.accepted, receipt.rejected) == (3, 1, 2)
    assert (receipt.source, receipt.sha256, receipt.received_utc) == (
        "test",
        "0" * 64,
        sent.received_utc,
    )
    assert_frame_equal(receipt.rejects.frame(), sent.rejects.frame())
    assert_frame_equal(
        frames.check(receipt.rejects.frame(), frames.REJECTS), written.receipt.rejects.frame()
    )


@pytest.mark.parametrize("name", ["", "b-nothing", "'; DROP TABLE receipts; --", "⚡"])
async def test_a_batch_that_never_came_is_unknown(store, name: str) -> None:
    with pytest.raises(UnknownEntityError):
        await store.receipt(name)


# --- properties of writing ---------------------------------------------------------------------

MINE = ("a", "b", "⚡")
keys = st.tuples(st.sampled_from(MINE), st.integers(0, 6))
values = st.integers(0, 3).map(float)
batches = st.lists(st.dictionaries(keys, values, max_size=8), min_size=1, max_size=8)


def own(rows: Mapping[Key, float], number: int) -> dict[Key, float]:
    """The same rows with ids that no other example has."""
    return {(f"{meter}.{number}", minute): value for (meter, minute), value in rows.items()}


@pytest.mark.slow
@ON_ONE_LOOP
@settings(max_examples=25)
@given(sent=batches, again=st.lists(st.integers(0, 7), max_size=3), refused=st.integers(0, 2))
async def test_accepted_duplicates_corrected_and_rejected_are_all_that_was_received(
    shared, sent: list[dict[Key, float]], again: list[int], refused: int
) -> None:
    store: ReadingStore = shared.readings
    number = next(NUMBERS)
    sent = [own(rows, number) for rows in sent]
    mine = [f"{meter}.{number}" for meter in MINE]
    believed: dict[Key, float] = {}
    revisions = 0

    for rows in [*sent, *(sent[index % len(sent)] for index in again)]:
        written = await store.write(batch(rows, rejects=["bad_row"] * refused))

        new = sum(key not in believed for key in rows)
        same = sum(believed.get(key) == value for key, value in rows.items())
        assert counts(written) == (new, same, len(rows) - new - same, refused)
        assert sum(counts(written)) == written.receipt.received
        assert written.rows.to_list() == list(range(len(rows)))
        believed |= rows
        revisions += len(rows) - new - same

    back = await store.read(mine)
    old = await superseded(store, *mine)
    found = {
        (meter, int((at - T) / MINUTE)): value
        for meter, at, value in back.select("meter_id", "ts_utc", "power_kw").rows()
    }
    assert found == believed
    assert back["revision"].sum() == revisions
    assert old is None or old.height == revisions


@pytest.mark.slow
@ON_ONE_LOOP
@settings(max_examples=25)
@given(
    rows=st.dictionaries(keys, values, min_size=1),
    cuts=st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=8), max_size=6),
)
async def test_any_split_and_repetition_of_batches_gives_the_same_rows(
    shared, rows: dict[Key, float], cuts: list[list[int]]
) -> None:
    store: ReadingStore = shared.readings
    rows = own(rows, next(NUMBERS))
    names = list(rows)
    parts = [{names[at % len(names)]: rows[names[at % len(names)]] for at in cut} for cut in cuts]

    for part in [*parts, rows]:
        await store.write(batch(part))

    whole = batch(rows).kept.drop("row").sort("meter_id", "ts_utc")
    back = await store.read(whole["meter_id"].unique().to_list())
    assert_frame_equal(back, whole, check_exact=True)


@pytest.mark.slow
async def test_of_many_writers_at_once_each_reading_is_accepted_from_exactly_one(store) -> None:
    chance = random.Random(1)
    all_keys = [(meter, minute) for meter in "abcde" for minute in range(40)]
    sent = [dict.fromkeys(chance.sample(all_keys, 60), 1.0) for _ in range(40)]

    written = await asyncio.gather(*(store.write(batch(rows)) for rows in sent))

    seen = {key for rows in sent for key in rows}
    total = [sum(each) for each in zip(*map(counts, written), strict=True)]
    assert total == [len(seen), 40 * 60 - len(seen), 0, 0]
    back = await store.read(list("abcde"))
    assert back.height == len(seen)
    assert not back.select("meter_id", "ts_utc").is_duplicated().any()


@pytest.mark.slow
async def test_of_many_writers_who_disagree_one_is_believed_and_the_others_are_kept(store) -> None:
    sent = [batch({("a", 0): float(value), ("a", 1): 7.0}) for value in range(30)]

    written = await asyncio.gather(*(store.write(each) for each in sent))

    total = [sum(each) for each in zip(*map(counts, written), strict=True)]
    assert total == [2, 29, 29, 0]  # minute 1 is the same in all, minute 0 in none
    last, old = await store.read(["a"]), await superseded(store, "a")
    assert last["revision"].to_list() == [29, 0]
    if old is not None:
        every = sorted([*old["power_kw"], last["power_kw"][0]])
        assert every == [float(value) for value in range(30)]


# --- at once, and half-way ---------------------------------------------------------------------


async def test_who_reads_during_writes_sees_a_batch_whole_or_not_at_all(store) -> None:
    keys = [("a", minute) for minute in range(500)]
    done = asyncio.Event()

    async def write() -> None:
        for value in range(8):
            await store.write(batch(dict.fromkeys(keys, float(value))))
        done.set()

    seen: list[list[float]] = []
    writing = asyncio.create_task(write())
    while not done.is_set():
        seen.append(await power(store, "a"))
        await asyncio.sleep(0)
    await writing

    assert await power(store, "a") == [7.0] * 500
    if store.abilities.atomic:
        assert all(len(values) in (0, 500) and len(set(values)) <= 1 for values in seen)
    newest = [max(values, default=-1.0) for values in seen]
    assert newest == sorted(newest)


@pytest.mark.parametrize("after_s", [0.0, 0.002, 0.01, 0.05])
async def test_a_write_whose_caller_goes_away_is_there_whole_or_not_and_can_be_repeated(
    store, after_s: float
) -> None:
    rows = {("a", minute): 1.0 for minute in range(2_000)}
    writing = asyncio.create_task(store.write(batch(rows)))
    await asyncio.sleep(after_s)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)

    if store.abilities.atomic:
        assert len(await power(store, "a")) in (0, 2_000)
    accepted, duplicates, *others = counts(await store.write(batch(rows)))

    assert (accepted + duplicates, others) == (2_000, [0, 0])
    assert await power(store, "a") == [1.0] * 2_000
    assert counts(await store.write(batch({("a", 0): 2.0}))) == (0, 0, 1, 0)


async def test_reads_whose_callers_go_away_leave_the_store_to_others(store) -> None:
    await store.write(batch({("a", minute): 1.0 for minute in range(2_000)}))

    for turn in range(12):
        reading = [asyncio.create_task(store.read(["a"])) for _ in range(6)]
        await asyncio.sleep(0.001 * turn)
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)

    async with asyncio.timeout(20):
        assert await power(store, "a") == [1.0] * 2_000
        assert counts(await store.write(batch({("a", 0): 2.0}))) == (0, 0, 1, 0)


# --- reading -----------------------------------------------------------------------------------


async def test_a_period_holds_its_start_and_not_its_end_to_the_microsecond(store) -> None:
    tick = timedelta(microseconds=1)
    stamps = [T - tick, T, T + HOUR - tick, T + HOUR]
    rows = batch({("a", index): float(index) for index in range(4)})
    kept = rows.kept.with_columns(ts_utc=pl.Series(stamps, dtype=frames.UTC))
    await store.write(Batch(**{name: getattr(rows, name) for name in _FIELDS} | {"kept": kept}))

    assert await power(store, "a", period=Period(T, T + HOUR)) == [1.0, 2.0]
    assert (await store.read(["a"]))["ts_utc"].to_list() == stamps


_FIELDS = ("batch_id", "source", "sha256", "received_utc", "received", "rejects")


@pytest.mark.parametrize(
    "year", [datetime(1990, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, 23, 59, 59, 999_999, UTC)]
)
async def test_the_oldest_and_the_latest_stamp_come_back(store, year: datetime) -> None:
    rows = batch({("a", 0): 1.0})
    kept = rows.kept.with_columns(ts_utc=pl.lit(year, dtype=frames.UTC))
    await store.write(Batch(**{name: getattr(rows, name) for name in _FIELDS} | {"kept": kept}))

    assert (await store.read(["a"], EVER))["ts_utc"].to_list() == [year]


@pytest.mark.parametrize(
    "value", [0.0, 5e-324, 1.7976931348623157e308, 0.1, 123_456_789.123_456_79]
)
async def test_a_value_comes_back_to_the_last_bit(store, value: float) -> None:
    await store.write(batch({("a", 0): value}))

    assert await power(store, "a") == [value]


NAMES = [
    *("⚡🔌", "Zürich", "秩父", "x" * 500, "A", "a", " a", "a ", "a b", "a\tb", "a\nb", "a'b"),
    *('a"b', "a%b", "a%20b", "a,b", "a=b", "a\\b", "a\\ b", "a\\", "\\", "a${b}", "a/b", "a.*"),
]


async def test_ids_are_kept_apart_whatever_they_look_like(store) -> None:
    await store.write(batch({(name, 0): float(at) for at, name in enumerate(NAMES)}))

    for at, name in enumerate(NAMES):
        assert await power(store, name) == [float(at)]
    every = await store.read(NAMES)
    assert every["meter_id"].to_list() == sorted(NAMES)


async def test_only_the_meters_asked_for_are_read_and_unknown_ones_have_no_readings(store) -> None:
    await store.write(batch({("a", 0): 1.0, ("b", 0): 2.0}))

    assert await power(store, "b", "nobody") == [2.0]
    for nobody in ([], ["nobody"]):
        nothing = await store.read(nobody)
        assert_frame_equal(nothing, frames.READINGS.empty())


async def test_a_past_state_is_read_as_it_was_believed_then_or_refused(store) -> None:
    await store.write(batch({("a", 0): 1.0}, known=T))
    await store.write(batch({("a", 0): 2.0, ("a", 15): 5.0}, known=T + HOUR))
    await store.write(batch({("a", 0): 3.0}, known=T + 2 * HOUR))

    if not store.abilities.as_of:
        with pytest.raises(UnsupportedError, match="InfluxDB"):
            await store.read(["a"], as_of=T)
        return
    tick = timedelta(microseconds=1)
    assert await power(store, "a", as_of=T - tick) == []
    assert await power(store, "a", as_of=T) == [1.0]
    assert await power(store, "a", as_of=T + HOUR - tick) == [1.0]
    assert await power(store, "a", as_of=T + HOUR) == [2.0, 5.0]
    assert await power(store, "a", as_of=T + 9 * HOUR) == [3.0, 5.0]
    past = await store.read(["a"], Period(T, T + HOUR), as_of=T + HOUR)
    assert frames.check(past, frames.READINGS)["revision"].to_list() == [1, 0]


async def test_the_extent_of_a_meter_is_its_first_and_its_last_stamp(store) -> None:
    await store.write(batch({("b", 30): 1.0, ("a", 15): 1.0, ("a", 0): 2.0, ("a", 45): 3.0}))

    found = await store.extent(["b", "a", "nobody"])

    assert found.rows() == [("a", T, T + 45 * MINUTE), ("b", T + 30 * MINUTE, T + 30 * MINUTE)]
    assert (await store.extent(["nobody"])).schema == found.schema


# --- what decides the figures of a span --------------------------------------------------------


def meter(kind: str, meter_id: str) -> pl.DataFrame:
    about = {
        "meter_id": meter_id,
        "site_id": "s",
        "operator": "alder",
        "zone": "NO1",
        "timezone": "UTC",
        "kind": kind,
        "role": "main",
        "expected_interval_s": 900,
        "max_hold_s": 2700,
        "register_size_kwh": 1000.0 if kind == "register" else None,
        "capacity_kw": None,
    }
    return pl.DataFrame([about], schema=frames.METERS.schema)


def spans(kind: str, *minutes: tuple[int, int], meter_id: str = "a") -> pl.DataFrame:
    return pl.DataFrame(
        [(meter_id, kind, 2700, T + begin * MINUTE, T + end * MINUTE) for begin, end in minutes],
        schema={
            "meter_id": pl.String,
            "kind": pl.String,
            "pad_s": pl.Int64,
            "from_utc": frames.UTC,
            "to_utc": frames.UTC,
        },
        orient="row",
    )


COLUMN = {"power": "power_kw", "interval": "energy_kwh", "register": "register_kwh"}


async def test_a_register_s_span_reaches_to_the_readings_beside_it(store) -> None:
    week = 7 * 24 * 60
    stamps = [0, 15, 30, 45, week, 2 * week, 2 * week + 15, 2 * week + 30]
    await store.write(batch({("a", at): float(at) for at in stamps}, column="register_kwh"))

    wide, rows = await store.around(spans("register", (week, week + 15)))

    (span,) = wide.rows(named=True)
    assert span["from_utc"] <= T + 45 * MINUTE  # the rise to the reading of week 1 begins there
    assert span["to_utc"] > T + 2 * week * MINUTE
    assert set(rows["ts_utc"]) >= {T + at * MINUTE for at in (30, 45, week, 2 * week)}
    assert_frame_equal(rows, frames.check(rows, frames.READINGS).sort("meter_id", "ts_utc"))


minutes = st.one_of(
    st.integers(0, 300),  # stamps that jitter
    st.integers(0, 20).map(lambda day: day * 1440),
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["power", "interval", "register"])
@ON_ONE_LOOP
@settings(max_examples=25)
@given(
    values=st.dictionaries(minutes, st.integers(0, 999).map(float), min_size=1, max_size=25),
    starts=st.lists(st.integers(0, 20) | st.integers(0, 1900), min_size=1, max_size=3, unique=True),
)
@example(values={189: 598.0, 196: 346.0}, starts=[11])
async def test_the_readings_around_a_span_decide_its_quarters(
    shared, kind: str, values: dict[int, float], starts: list[int]
) -> None:
    name = f"around.{next(NUMBERS)}"
    asked = spans(kind, *((at * 15, at * 15 + 15) for at in sorted(starts)), meter_id=name)
    rows = {(name, minute): value for minute, value in values.items()}
    await shared.readings.write(batch(rows, column=COLUMN[kind]))

    wide, near = await shared.readings.around(asked)

    every = await shared.readings.read([name])
    known = meter(kind, name)
    for begin_utc, end_utc in wide.select("from_utc", "to_utc").rows():
        inside = pl.col("start_utc").is_between(begin_utc, end_utc, closed="left")
        # to 12 digits here; to the last bit in flows/test_rollup.py
        assert_frame_equal(
            aggregation.quarters(near, known).filter(inside),
            aggregation.quarters(every, known).filter(inside),
            rel_tol=1e-12,
            abs_tol=0.0,
        )


async def test_around_nothing_there_are_no_readings(store) -> None:
    wide, rows = await store.around(spans("power", (0, 15)))

    assert set(wide["meter_id"]) <= {"a"}
    assert_frame_equal(rows, frames.READINGS.empty())


# --- opening again -----------------------------------------------------------------------------


async def test_what_was_acknowledged_is_there_when_the_store_is_opened_again(reopen) -> None:
    sent = batch({("⚡", 0): 1.0, ("b", 0): 2.0}, rejects=["bad_row"])
    async with reopen() as stores:
        await stores.readings.write(sent)
        await stores.readings.write(batch({("b", 0): 3.0}, known=T + HOUR))
        before = await stores.readings.read(["⚡", "b"])

    async with reopen() as stores:
        assert_frame_equal(await stores.readings.read(["⚡", "b"]), before)
        old = await superseded(stores.readings, "b")
        assert old is None or old["power_kw"].to_list() == [2.0]
        assert (await stores.readings.receipt(sent.batch_id)).rejected == 1
        written = await stores.readings.write(batch({("⚡", 0): 1.0, ("b", 0): 4.0, ("c", 0): 5.0}))
        assert counts(written) == (1, 1, 1, 0)
        assert await power(stores.readings, "b") == [4.0]


@pytest.mark.slow
def test_a_second_process_is_told_who_holds_the_file(tmp_path) -> None:
    path = tmp_path / "readings.duckdb"
    program = (
        "import sys; from pathlib import Path; from wattbook.stores.duckdb.engine import Engine\n"
        "Engine(Path(sys.argv[1]), memory_limit='256MB', threads=1)\n"
        "print('open', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"

        with pytest.raises(UnavailableError) as caught:
            Engine(path, memory_limit="256MB", threads=1)

        other.communicate()
    assert str(path) in str(caught.value)
    assert f"process {other.pid}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_second_engine_in_the_same_process_is_refused_too(tmp_path) -> None:
    path = tmp_path / "readings.duckdb"
    first = Engine(path, memory_limit="256MB", threads=1)
    try:
        with pytest.raises(UnavailableError, match=r"readings\.duckdb"):
            Engine(path, memory_limit="256MB", threads=1).close()
    finally:
        first.close()


# --- instants at which a row was refused ---------------------------------------------------------


def refusing(*minutes: int, known: datetime = T, meter: str = "a") -> Batch:
    """A batch of which all rows were refused."""
    instants = pl.DataFrame(
        [(meter, T + minute * MINUTE, known) for minute in minutes],
        schema=frames.REFUSED.schema,
        orient="row",
    )
    return replace(
        batch({}, rejects=["negative_energy"] * len(minutes), known=known), refused=instants
    )


async def test_instants_at_which_rows_were_refused_are_kept_once(store) -> None:
    await store.write(refusing(0, 30))
    await store.write(refusing(30, 45, known=T + HOUR))
    await store.write(refusing(0, meter="b"))

    found = await store.refused(["a"], EVER)

    assert_frame_equal(found, frames.check(found, frames.REFUSED))
    assert found["ts_utc"].to_list() == [T, T + 30 * MINUTE, T + 45 * MINUTE]
    part = await store.refused(["a"], Period(T, T + 45 * MINUTE))
    assert part["ts_utc"].to_list() == [T, T + 30 * MINUTE]
    assert (await store.refused(["nobody"], EVER)).is_empty()


async def test_what_was_refused_later_was_not_known_before(store) -> None:
    await store.write(refusing(0))
    await store.write(refusing(15, known=T + HOUR))

    if not store.abilities.as_of:
        with pytest.raises(UnsupportedError):
            await store.refused(["a"], EVER, as_of=T)
    else:
        assert (await store.refused(["a"], EVER, as_of=T))["ts_utc"].to_list() == [T]
        assert (await store.refused(["a"], EVER, as_of=T + HOUR)).height == 2


async def test_a_refused_instant_marks_its_meter_as_changed(shared) -> None:
    before = await shared.rollups.latest_mark(["a"])

    await shared.readings.write(refusing(0))

    assert await shared.rollups.latest_mark(["a"]) > before
