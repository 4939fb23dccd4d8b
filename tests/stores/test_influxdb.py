"""Readings in InfluxDB: how they lie there, and that nothing that was acknowledged is lost."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.services.influxdb import InfluxDB

from wattbook.clients.influxdb import answers, flux, server
from wattbook.clients.influxdb.server import Influx, Place
from wattbook.core import frames
from wattbook.core.archive.tables import READINGS, ROLLUPS
from wattbook.core.errors import InputError, UnavailableError, UnknownEntityError, UnsupportedError
from wattbook.core.periods import EPOCH, Grain, Period
from wattbook.core.readings.rejects import Rejects
from wattbook.core.registry.entities import Meter, MeterKind, Site
from wattbook.core.rollups import affected, aggregation
from wattbook.flows import rollup as flows
from wattbook.ports.readings import Batch, ReadingStore, WriteResult
from wattbook.ports.registry import Registry
from wattbook.stores.duckdb import marks as duckdb
from wattbook.stores.duckdb.engine import Engine
from wattbook.stores.duckdb.keys import Keys
from wattbook.stores.duckdb.readings import DuckReadings
from wattbook.stores.duckdb.rollups import DuckRollups
from wattbook.stores.influxdb import journal, points, readings, receipts
from wattbook.stores.influxdb.archive import InfluxArchive
from wattbook.stores.influxdb.parts import METERS_PER_QUERY, QUESTIONS, parts
from wattbook.stores.influxdb.reader import Reader
from wattbook.stores.influxdb.readings import InfluxReadings
from wattbook.stores.sql.engine import create_engine
from wattbook.stores.sql.migrate import upgrade_on
from wattbook.stores.sql.registry import SqlRegistry

T = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
EVER = Period(datetime(1990, 1, 1, tzinfo=UTC), datetime(2190, 1, 1, tzinfo=UTC))
NUMBERS = count()


class Marks:
    """What was marked, and what marking is to fail with."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, datetime, datetime]] = []
        self.failures: list[Exception] = []

    async def __call__(self, spans: pl.DataFrame) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.spans += spans.sort(pl.all()).rows()


@pytest.fixture
def marks() -> Marks:
    return Marks()


@pytest.fixture
def where(influxdb, bucket) -> Place:
    return place(influxdb, bucket)


def place(influx: InfluxDB, bucket: str) -> Place:
    return Place(url=influx.url, token=influx.token, org=influx.org, bucket=bucket)


@asynccontextmanager
async def opened(
    where: Place, marks: Marks, *, alone: bool = True, patience_s: float = 10
) -> AsyncIterator[InfluxReadings]:
    async with (
        server.opened(where, patience_s=patience_s) as influx,
        readings.opened(influx, marks, alone=alone) as store,
    ):
        yield store


@pytest.fixture
async def store(where, marks) -> AsyncIterator[InfluxReadings]:
    async with opened(where, marks) as store:
        yield store


def rows(values: dict[tuple[str, int], float], **others: object) -> pl.DataFrame:
    """Power of a meter so many minutes after `T`."""
    return pl.DataFrame(
        [
            dict.fromkeys(frames.READINGS.columns)
            | {"meter_id": meter, "ts_utc": T + minute * MINUTE, "power_kw": value}
            | {"quality": "measured", "known_utc": T, "revision": 0}
            | others
            for (meter, minute), value in values.items()
        ],
        schema=frames.READINGS.schema,
    )


def batch(kept: pl.DataFrame, rejects: pl.DataFrame | None = None, **others: Any) -> Batch:
    refused = frames.REJECTS.empty() if rejects is None else rejects
    about: dict[str, Any] = {"batch_id": f"b-{next(NUMBERS)}", "source": "test", "sha256": "0" * 64}
    about |= others
    return Batch(
        **about,
        received_utc=T,
        received=kept.height + refused.height,
        kept=kept.with_row_index("row"),
        rejects=Rejects.of(refused),
    )


def counts(written: WriteResult) -> tuple[int, int, int]:
    return written.receipt.accepted, written.receipt.duplicates, written.receipt.corrected


async def asked(where: Place, conditions: str, *columns: str) -> list[tuple[str, ...]]:
    """What somebody else reads in the bucket."""
    names = columns or ("_time", "_field", "_value", "meter_id")
    async with server.opened(where) as influx:
        query = flux.select(where.bucket, points.EVER, [conditions], keep=names)
        return answers.decode(await influx.query(query), names).sort(pl.all()).rows()


# --- how they lie there ------------------------------------------------------------------------


async def test_an_ordinary_reading_is_a_point_that_anybody_can_plot(store, where) -> None:
    await store.write(batch(rows({("plant.1", 0): 1.5}, temperature_c=-2.0)))

    stamp = "2026-03-01T00:00:00Z"
    assert await asked(where, 'r._measurement == "readings"') == [
        (stamp, "known_us", str((T - EPOCH) // timedelta(microseconds=1)), "plant.1"),
        (stamp, "power_kw", "1.5", "plant.1"),
        (stamp, "temperature_c", "-2", "plant.1"),
    ]


async def test_what_is_unusual_is_said(store, where) -> None:
    await store.write(batch(rows({("a", 0): 1.5}, quality="estimated")))
    await store.write(batch(rows({("a", 0): 2.5})))

    found = await asked(where, 'r._measurement == "readings"', "_field", "_value")
    assert ("quality", "measured") in found  # it was estimated before
    assert ("revision", "1") in found
    assert ("present", "1") in found  # of the values, the first


@pytest.mark.parametrize(("present", "kvar"), [(1, None), (1 | 1 << 5, -2.5), (None, -2.5)])
def test_reactive_power_counts_by_a_bit_that_follows_those_of_the_releases_before(
    present: int | None, kvar: float | None
) -> None:
    fields = {"known_us": "0", "power_kw": "1.5", "reactive_power_kvar": "-2.5"}
    if present is not None:
        fields |= {"revision": "1", "present": str(present)}
    found = pl.DataFrame(
        [("2026-03-01T00:00:00Z", name, value, "a") for name, value in fields.items()],
        schema=list(points.FOUND),
        orient="row",
    )

    (row,) = points.rows(found).rows(named=True)

    assert (row["power_kw"], row["reactive_power_kvar"]) == (1.5, kvar)


def test_a_point_has_reactive_power_where_it_is_known() -> None:
    sent = rows({("a", 0): 1.5}, reactive_power_kvar=-2.5)

    assert b",power_kw=1.5,reactive_power_kvar=-2.5 " in points.lines(sent)
    assert b"reactive" not in points.lines(rows({("a", 0): 1.5}))


async def test_an_id_that_no_tag_can_hold_is_coded_and_no_other(store, where) -> None:
    await store.write(batch(rows({("a\\", 0): 1.0, ("50 %", 0): 2.0, ("ä b,c=d", 0): 3.0})))

    found = await asked(where, 'r._field == "power_kw"', "meter_id", "_value")
    assert found == [("50 %25", "2"), ("a%5C", "1"), ("ä b,c=d", "3")]
    assert (await store.read(["a\\"]))["power_kw"].to_list() == [1.0]


async def test_points_of_others_in_the_bucket_are_none_of_ours(store, where) -> None:
    await store.write(batch(rows({("a", 0): 1.5})))
    async with server.opened(where) as influx:
        await influx.write(b"power,meter_id=a power_kw=9,known_us=1i 1772323200000000")

    assert (await store.read(["a"]))["power_kw"].to_list() == [1.5]


async def test_many_meters_are_asked_for_in_parts(store) -> None:
    names = [f"m{number}" for number in range(2 * METERS_PER_QUERY + 1)]
    sent = rows({(name, at): float(at) for at, name in enumerate(names)})

    await store.write(batch(sent))

    assert_frame_equal(await store.read(names), sent.sort("meter_id", "ts_utc"))
    assert (await store.extent(names)).height == len(names)
    assert counts(await store.write(batch(sent))) == (0, len(names), 0)


async def test_a_read_of_many_years_finds_what_lies_far_apart(store) -> None:
    far = rows({("a", minute): float(minute) for minute in (-9_000_000, 0, 1, 500_000)})
    await store.write(batch(far))

    ever = Period(datetime(1990, 1, 1, tzinfo=UTC), datetime(2190, 1, 1, tzinfo=UTC))
    assert_frame_equal(await store.read(["a"], ever), far)
    assert_frame_equal(await store.read(["a"]), far)
    assert (await store.read(["b"], ever)).is_empty()


# --- receipts and rejects ----------------------------------------------------------------------


async def test_rejects_larger_than_a_field_come_back_as_they_were(store) -> None:
    text = 'ö"\\\n\r\t{}' * 10_000
    refused = pl.DataFrame(
        [(row, "bad_row", f"row {row}", f"{row}{text}") for row in range(20)],
        schema=frames.REJECTS.schema,
        orient="row",
    )
    sent = batch(rows({("a", 0): 1.0}), refused, source='file:ä\n\\".csv')

    await store.write(sent)

    receipt = await store.receipt(sent.batch_id)
    assert_frame_equal(receipt.rejects.frame(), refused)
    assert (receipt.source, receipt.received, receipt.rejected) == (sent.source, 21, 20)


async def test_batches_of_one_second_keep_a_receipt_each(store, where) -> None:
    sent = [batch(rows({})) for _ in range(300)]
    for each in sent:
        await store.write(each)

    for each in sent[::37]:
        assert (await store.receipt(each.batch_id)).batch_id == each.batch_id
    kept = await asked(where, 'r._measurement == "receipts" and r._field == "batch_id"', "_value")
    assert {name for (name,) in kept} == {each.batch_id for each in sent}


async def test_a_batch_that_was_not_received_has_no_receipt(store) -> None:
    with pytest.raises(UnknownEntityError, match="nothing"):
        await store.receipt("nothing")


def test_a_receipt_has_its_place_from_the_batch_alone_and_stays_within_its_second() -> None:
    written = WriteResult.of(batch(rows({})), pl.Series([], dtype=pl.UInt8))

    assert receipts.lines(written.receipt) == receipts.lines(written.receipt)
    (stamp,) = (int(line.rsplit(b" ", 1)[1]) for line in receipts.lines(written.receipt))
    assert stamp // 10**9 == (T - EPOCH) // timedelta(seconds=1)


# --- who else writes ---------------------------------------------------------------------------


async def test_a_writer_who_is_not_alone_sees_what_others_have_written(where, marks) -> None:
    async with opened(where, marks, alone=False) as one, opened(where, marks, alone=False) as other:
        assert counts(await one.write(batch(rows({("a", 0): 1.0})))) == (1, 0, 0)
        assert counts(await other.write(batch(rows({("a", 0): 1.0, ("a", 1): 2.0})))) == (1, 1, 0)
        assert counts(await one.write(batch(rows({("a", 0): 1.0, ("a", 1): 3.0})))) == (0, 1, 1)
        assert (await other.read(["a"]))["revision"].to_list() == [0, 1]


async def test_who_writes_alone_asks_once_how_far_a_meter_has_come(where, marks) -> None:
    async with opened(where, marks) as before:
        await before.write(batch(rows({("a", 30): 1.0})))
    asked: list[str] = []

    class Listening(Influx):
        async def query(self, flux: str, **options: Any) -> bytes:
            asked.append(flux)
            return await super().query(flux, **options)

    influx = Listening(where)
    async with readings.opened(influx, marks, alone=True) as store:
        asked.clear()
        assert counts(await store.write(batch(rows({("a", 30): 1.0, ("a", 45): 1.0})))) == (1, 1, 0)
        assert len(asked) == 2  # the newest stamp, and what is known from minute 30 on
        assert counts(await store.write(batch(rows({("a", 60): 1.0})))) == (1, 0, 0)
        assert len(asked) == 2  # later than all that is known
        assert counts(await store.write(batch(rows({("a", 60): 1.0})))) == (0, 1, 0)
        assert len(asked) == 3
    await influx.close()


async def test_a_caller_that_goes_away_leaves_a_whole_write_behind(store, marks) -> None:
    sent = batch(rows({("a", minute): 1.0 for minute in range(100)}))
    writing = asyncio.create_task(store.write(sent))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing

    await store.settle()

    assert (await store.read(["a"])).height == 100
    assert (await store.receipt(sent.batch_id)).accepted == 100
    assert marks.spans == [("a", T, T + 99 * MINUTE)]


# --- what a crash leaves -----------------------------------------------------------------------

DIES = """
import asyncio, os, sys
from datetime import datetime
import polars as pl
from wattbook.clients.influxdb import server
from wattbook.ports.readings import Batch
from wattbook.core.rejects import Rejects
from wattbook.stores.influxdb import readings

async def main():
    url, token, org, bucket, path = sys.argv[1:]
    place = server.Place(url=url, token=token, org=org, bucket=bucket)
    kept = pl.read_parquet(path)
    received = datetime.fromisoformat("2026-03-01T00:00:00Z")
    batch = Batch(batch_id="lost", source="s", sha256="0", received_utc=received,
                  received=kept.height, kept=kept.with_row_index("row"), rejects=Rejects.of())

    async def die(spans):
        os._exit(9)

    async with server.opened(place) as influx, readings.opened(influx, die, alone=True) as store:
        await store.write(batch)

asyncio.run(main())
"""


async def test_what_a_killed_process_did_not_mark_is_marked_at_the_next_start(
    where, marks, tmp_path
) -> None:
    async with opened(where, Marks()) as store:
        await store.write(batch(rows({("a", 5): 1.0, ("b", 0): 1.0})))
    sent = rows({("a", 0): 1.0, ("a", 9): 2.0, ("c", 2000): 3.0}, known_utc=T + DAY)
    sent.write_parquet(tmp_path / "sent.parquet")
    arguments = [where.url, where.token, where.org, where.bucket, str(tmp_path / "sent.parquet")]
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", DIES, *arguments], env=os.environ, timeout=600
    )
    assert killed.returncode == 9

    async with opened(where, marks) as store:
        assert marks.spans == [
            ("a", T, T + 9 * MINUTE),
            ("c", T + 2000 * MINUTE, T + 2000 * MINUTE),
        ]
        again = await store.write(batch(sent))  # it was never acknowledged
        assert counts(again) == (0, 3, 0)

    async with opened(where, marks):
        assert len(marks.spans) == 2  # once is enough


async def test_what_another_process_is_writing_now_is_marked_and_stays_open(where, marks) -> None:
    async with server.opened(where) as influx:
        now = (datetime.now(UTC) - EPOCH) // timedelta(microseconds=1)
        theirs = journal.Journal()
        await influx.write(theirs.begun(0, now, 0, now), precision="ns")
        await influx.write(points.lines(rows({("a", 0): 1.0})))

        for _ in range(2):
            async with opened(where, marks, alone=False):
                assert [span[0] for span in marks.spans] == ["a"]
            marks.spans.clear()
        await influx.write(theirs.done(), precision="ns")
        async with opened(where, marks, alone=False):
            assert marks.spans == []
        await influx.write(theirs.begun(0, now, 0, now - 2 * 3_600_000_000), precision="ns")
        for found in (1, 0):  # so old, its process has ended
            async with opened(where, marks, alone=False):
                assert len(marks.spans) == found
            marks.spans.clear()


async def test_marks_that_failed_are_made_with_the_next_write(store, marks) -> None:
    sent = batch(rows({("a", 0): 1.0}))
    marks.failures.append(UnavailableError("the rollups are away"))
    with pytest.raises(UnavailableError, match="away"):
        await store.write(sent)

    assert counts(await store.write(sent)) == (0, 1, 0)

    assert marks.spans == [("a", T, T)]
    assert counts(await store.write(sent)) == (0, 1, 0)
    assert len(marks.spans) == 1


async def test_marks_that_failed_are_made_at_the_next_start_where_no_write_follows(
    where, marks
) -> None:
    marks.failures.append(UnavailableError("the rollups are away"))
    with pytest.raises(UnavailableError, match="away"):
        async with opened(where, marks) as store:
            await store.write(batch(rows({("a", 0): 1.0})))

    async with opened(where, marks):
        assert marks.spans == [("a", T, T)]


# --- a server that goes ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own(own_influxdb) -> InfluxDB:
    server: InfluxDB = own_influxdb()
    return server


@pytest.fixture
def fragile(own) -> Iterator[Callable[..., AbstractAsyncContextManager[InfluxReadings]]]:
    """Opens a store on a server that may be stopped and killed."""
    with own.fresh() as bucket:
        yield lambda marks, **options: opened(place(own, bucket), marks, **options)
        if own.server.process is None:
            own.server.start()


async def test_a_server_that_is_away_for_a_moment_is_waited_for(own, fragile, marks) -> None:
    async with fragile(marks, patience_s=30) as store:
        await store.write(batch(rows({("a", 0): 1.0})))
        own.server.stop()
        writing = asyncio.create_task(store.write(batch(rows({("a", 1): 2.0}))))
        reading = asyncio.create_task(store.read(["a"]))
        await asyncio.sleep(0.3)
        assert not writing.done()
        await asyncio.to_thread(own.server.start)

        assert counts(await writing) == (1, 0, 0)
        assert (await reading)["power_kw"].to_list()[:1] == [1.0]
        assert (await store.read(["a"]))["power_kw"].to_list() == [1.0, 2.0]


async def test_a_server_that_stays_away_is_told_and_nothing_is_doubled(own, fragile, marks) -> None:
    async with fragile(marks, patience_s=0.2) as store:
        await store.write(batch(rows({("a", 0): 1.0})))
        own.server.kill()
        sent = batch(rows({("a", 1): 2.0}))
        with pytest.raises(UnavailableError, match=r"does not answer .* see INFLUXDB_URL"):
            await store.write(sent)
        with pytest.raises(UnavailableError, match="does not answer"):
            await store.read(["a"])
        await asyncio.to_thread(own.server.start)

        assert counts(await store.write(sent)) == (1, 0, 0)
        assert (await store.read(["a"]))["power_kw"].to_list() == [1.0, 2.0]


async def test_what_was_acknowledged_outlives_a_server_that_is_killed_under_load(
    own, fragile, marks
) -> None:
    sent = {
        number: rows({(f"m{number % 4}", 100 * number + at): float(at) for at in range(100)})
        for number in range(400)
    }
    acknowledged: set[int] = set()
    some = asyncio.Event()

    async def load(store: InfluxReadings, numbers: range) -> None:
        for number in numbers:
            try:
                await store.write(batch(sent[number]))
            except UnavailableError:
                continue
            acknowledged.add(number)
            if len(acknowledged) == 40:
                some.set()

    async with fragile(marks, patience_s=0.1) as store:
        loading = [asyncio.create_task(load(store, range(at, 400, 4))) for at in range(4)]
        await some.wait()
        await asyncio.to_thread(own.server.kill)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(own.server.start)
        await asyncio.gather(*loading)
        assert 40 <= len(acknowledged) < 400

        names = [f"m{number}" for number in range(4)]
        found = await store.read(names)
        sure = pl.concat([sent[number] for number in sorted(acknowledged)])
        kept = found.join(sure, on=["meter_id", "ts_utc", "power_kw"], how="semi")
        assert kept.height == sure.height
        marked = pl.DataFrame(marks.spans, schema=["meter_id", "from_utc", "to_utc"], orient="row")
        covered = found.join_where(
            marked.rename({"meter_id": "meter"}),
            pl.col("meter_id") == pl.col("meter"),
            pl.col("ts_utc") >= pl.col("from_utc"),
            pl.col("ts_utc") <= pl.col("to_utc"),
        )
        unmarked = found.join(covered, on=["meter_id", "ts_utc"], how="anti")
        assert unmarked.is_empty()

        for number in set(sent) - acknowledged:  # they are sent again, as they were
            written = await store.write(batch(sent[number]))
            assert written.receipt.corrected == 0
        every = pl.concat(list(sent.values())).sort("meter_id", "ts_utc")
        assert_frame_equal(await store.read(names), every)


async def test_a_bucket_that_forgets_refuses_what_is_too_old_in_its_own_words(
    influxdb, where, marks
) -> None:
    rule = {"type": "expire", "everySeconds": 3600, "shardGroupDurationSeconds": 3600}
    body = {"orgID": influxdb.org_id, "name": f"{where.bucket}-hour", "retentionRules": [rule]}
    influxdb.call("POST", "/api/v2/buckets", body)
    short = place(influxdb, f"{where.bucket}-hour")

    with pytest.raises(UnavailableError, match="outside retention policy"):
        async with opened(short, marks) as store:
            await store.write(batch(rows({("a", 0): 1.0})))


async def test_a_field_of_another_type_is_told(store, where) -> None:
    async with server.opened(where) as influx:
        await influx.write(b'readings,meter_id=x power_kw="text" 1772323200000000')

    with pytest.raises(UnavailableError, match="field type conflict"):
        await store.write(batch(rows({("a", 0): 1.0})))


async def test_a_bucket_that_is_not_there_or_may_not_be_written_is_told_at_the_start(
    where, marks, influxdb
) -> None:
    for wrong, setting in (({"bucket": "nothing"}, "BUCKET"), ({"token": "wrong"}, "TOKEN")):
        about = {name: getattr(where, name) for name in ("url", "token", "org", "bucket")}
        with pytest.raises(UnavailableError, match=f"see INFLUXDB_{setting}"):
            async with opened(Place(**(about | wrong)), marks):
                pass


# --- rolled up ---------------------------------------------------------------------------------


async def test_rollups_of_it_are_to_the_last_bit_those_of_the_embedded_store(
    where, registry
) -> None:
    chance = random.Random(7)
    column = {"p": "power_kw", "i": "energy_kwh", "r": "register_kwh"}
    every = []
    for name, value in column.items():
        at, counted = 0, 0.0
        while at < 6 * 24 * 60:
            at += chance.choice([14, 15, 15, 15, 16, 200, 1500])
            counted += chance.random() * 100
            told = {"power_kw": None, value: counted if name == "r" else chance.random() * 100}
            every.append(
                rows({(name, at): 0.0}).with_columns(
                    **{each: pl.lit(number, dtype=pl.Float64) for each, number in told.items()}
                )
            )
    chance.shuffle(every)
    batches = [pl.concat(every[at : at + 40]) for at in range(0, len(every), 40)]

    found = []
    for kind in ("embedded", "influxdb"):
        async with embedded() as (own, rollups), server.opened(where) as influx:
            async with readings.opened(influx, rollups.mark, alone=True) as theirs:
                store: ReadingStore = own if kind == "embedded" else theirs
                for kept in batches:
                    await store.write(batch(kept))
                    if chance.random() < 0.5 or kept is batches[-1]:
                        await flows.catch_up(
                            registry=registry, readings=store, rollups=rollups, clock=Then()
                        )
            assert (await rollups.dirty()).is_empty()
            ever = Period(T - DAY, T + 30 * DAY)
            grains = [await rollups.read(list(column), grain, ever) for grain in Grain]
            found.append(pl.concat(grains).select(aggregation.FIGURES))

    assert found[0].height > 500
    assert_frame_equal(*found, check_exact=True)


async def test_marks_of_meters_that_have_no_readings_are_settled(where, registry) -> None:
    names = ["p", "i", "r"]
    spans = pl.DataFrame(
        {"meter_id": names, "from_utc": [T] * 3, "to_utc": [T + DAY] * 3},
        schema=readings.NO_SPANS.schema,
    )
    async with embedded() as (_, rollups), server.opened(where) as influx:
        async with readings.opened(influx, rollups.mark, alone=True) as store:
            await rollups.mark(spans)
            await flows.catch_up(registry=registry, readings=store, rollups=rollups, clock=Then())
        assert (await rollups.dirty()).is_empty()
        assert (await rollups.read(names, Grain.DAY, Period(T - DAY, T + DAY))).is_empty()


@asynccontextmanager
async def embedded() -> AsyncIterator[tuple[DuckReadings, DuckRollups]]:
    engine = Engine(None, memory_limit="256MB", threads=2)
    keys = Keys(engine, "meter_keys", "meter_id")
    marks = duckdb.Marks(engine, keys)
    yield DuckReadings(engine, keys, marks), DuckRollups(engine, keys, marks)
    engine.close()


class Then:
    """A clock that has stopped."""

    def now(self) -> datetime:
        return T + 30 * DAY


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    """A meter of each kind: `p`, `i` and `r`."""
    engine = create_engine("sqlite://")
    await upgrade_on(engine)
    kinds = {"p": MeterKind.POWER, "i": MeterKind.INTERVAL, "r": MeterKind.REGISTER}
    site = Site(
        id="s",
        name="s",
        operator="o",
        timezone="Europe/Oslo",
        zone="NO1",
        created_utc=T,
        updated_utc=T,
        meters=tuple(
            Meter(id=name, site_id="s", kind=kind, expected_interval_s=900, max_hold_s=2700)
            for name, kind in kinds.items()
        ),
    )
    known = SqlRegistry(engine)
    await known.add(site)
    yield known
    await engine.dispose()


# --- what it asks ------------------------------------------------------------------------------


class Silent(Influx):
    """Notes what is asked and written, and answers with nothing."""

    def __init__(self) -> None:
        super().__init__(Place(url="http://127.0.0.1:9", token="t", org="o", bucket='a "${b}"'))
        self.asked: list[str] = []
        self.written: list[bytes] = []

    async def query(self, flux: str, **options: Any) -> bytes:
        self.asked.append(flux)
        return b""

    async def write(self, lines: bytes, *, precision: str = "us") -> None:
        self.written.append(lines)


async def test_every_question_is_valid_flux(flux_is_valid, marks) -> None:
    silent = Silent()
    names = ["a", 'b"${c}', "d\\", "e f,g=h", "i/j"]
    async with readings.opened(silent, marks, alone=True) as store:
        await store.write(batch(rows({(name, 0): 1.0 for name in names})))
        await store.write(batch(rows({(name, 0): 1.0 for name in names})))
        await store.read(names)
        await store.read(names[:1], Period(T, T + HOUR))
        await store.extent(names)
        spans = affected.affected_spans(
            rows({("a", 0): 1.0}).select("meter_id", from_utc="ts_utc", to_utc="ts_utc"), METERS
        )
        await store.around(spans)
        with pytest.raises(UnknownEntityError):
            await store.receipt('"; ${x}')
    await Reader(silent).learned(0, 1, 2)
    await silent.close()

    assert len(silent.asked) > 10
    for query in silent.asked:
        assert flux_is_valid(query)


ABOUT = {
    "meter_id": "a", "site_id": "s", "operator": "o", "zone": "NO1", "timezone": "UTC",
    "kind": "register", "role": "main", "expected_interval_s": 900, "max_hold_s": 2700,
}  # fmt: skip
METERS = pl.DataFrame([ABOUT], schema=frames.METERS.schema)


def test_spans_of_one_day_are_asked_for_together_and_far_ones_apart() -> None:
    spans = pl.DataFrame(
        {"meter_id": ["a", "b", "c"], "ts": [T, T + HOUR, T + 400 * DAY]},
        schema={"meter_id": pl.String, "ts": frames.UTC},
    )
    at = pl.col("ts").to_physical()

    found = parts(spans.select("meter_id", from_us=at, to_us=at))

    assert [(part.meter_ids, part.until_us - part.from_us) for part in found] == [
        (["a", "b"], 3_600_000_001),
        (["c"], 1),
    ]


def test_spans_of_very_many_days_are_put_together() -> None:
    days = [T + 3 * at * DAY for at in range(1000)]
    spans = pl.DataFrame(
        {"meter_id": ["a"] * 1000, "ts": days}, schema_overrides={"ts": frames.UTC}
    )
    at = pl.col("ts").to_physical()

    found = parts(spans.select("meter_id", from_us=at, to_us=at))

    assert len(found) <= QUESTIONS
    for day in days:
        us = (day - EPOCH) // timedelta(microseconds=1)
        assert any(part.from_us <= us < part.until_us for part in found)


# --- every row, and rows taken over ------------------------------------------------------------


async def put(archive: InfluxArchive, kept: pl.DataFrame, *owners: str) -> None:
    await archive.put(READINGS, owners or kept["meter_id"].unique().to_list(), EVER, kept)


async def test_what_takes_the_place_of_another_leaves_nothing_of_it(where) -> None:
    old = rows(
        {("a", 0): 1.0, ("a", 1): 2.0, ("a", 9): 3.0}, temperature_c=20.0, quality="estimated"
    )
    new = rows({("a", 0): 1.5, ("a", 1): 2.0})
    async with server.opened(where) as influx:
        archive = InfluxArchive(influx)
        await put(archive, old)
        await put(archive, new)

        assert_frame_equal((await archive.take(READINGS, ["a"], EVER)).sort("ts_utc"), new)
    assert len(await asked(where, 'r._measurement == "readings"')) == 4  # two of each


async def test_a_correction_is_written_over_what_it_corrects_and_nothing_is_dropped(
    where, monkeypatch
) -> None:
    async with server.opened(where) as influx:
        archive = InfluxArchive(influx)
        await put(archive, rows({("a", 0): 1.0, ("a", 1): 2.0}, temperature_c=20.0))
        later = rows({("a", 0): 1.5}, revision=1, quality="estimated")
        now = pl.concat([later, rows({("a", 1): 2.0}, temperature_c=20.0)])
        monkeypatch.delattr(server.Influx, "delete")

        await put(archive, now)

        assert_frame_equal((await archive.take(READINGS, ["a"], EVER)).sort("ts_utc"), now)


@pytest.mark.parametrize("name", ["a b,c=d", 'say "a"', "it's", "a\\b", "ü/⚡=%41", "$(x)"])
async def test_a_meter_of_any_name_is_taken_over_and_dropped_again(where, name: str) -> None:
    async with server.opened(where) as influx:
        archive = InfluxArchive(influx)
        await put(archive, rows({(name, 0): 1.0, ("other", 0): 2.0}))

        assert (await archive.contents())["owner"].to_list() == sorted([name, "other"])
        await put(archive, rows({}), name)

        assert (await archive.contents())["owner"].to_list() == ["other"]


async def test_points_of_others_in_the_bucket_are_not_counted_and_not_dropped(where) -> None:
    async with server.opened(where) as influx:
        await influx.write(b"power,meter_id=a power_kw=9,known_us=1i 1772323200000000")
        archive = InfluxArchive(influx)
        await put(archive, rows({("a", 0): 1.0}))
        await put(archive, rows({}), "a")

        assert (await archive.contents()).is_empty()
    assert len(await asked(where, 'r._measurement == "power"')) == 2


async def test_only_readings_are_kept_and_a_row_that_says_too_little_is_refused(where) -> None:
    async with server.opened(where) as influx:
        archive = InfluxArchive(influx)
        with pytest.raises(UnsupportedError, match="keeps readings alone, no rollups"):
            await archive.take(ROLLUPS, ["a"], EVER)
        with pytest.raises(InputError, match="a reading needs quality"):
            await put(archive, rows({("a", 0): 1.0}, quality=None))
        assert (await archive.contents()).is_empty()
