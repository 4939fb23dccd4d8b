"""The connection is lost while a transaction is committed: what came of it is found out."""

import asyncio
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.services.cluster import sql
from tests.stores.conftest import (
    EVER,
    MINUTE,
    T,
    batch,
    blocked,
    counts,
    figures,
    grid_batch,
    opened,
    power,
)

from wattbook.core import frames
from wattbook.core.archive.tables import BY_NAME
from wattbook.core.periods import Grain
from wattbook.core.readings.merge import ACCEPTED, CORRECTED, DUPLICATE
from wattbook.ports.readings import Batch

pytestmark = pytest.mark.parametrize("when", ["before", "after", "meanwhile"])


async def test_a_new_batch_is_accepted_and_there_once(proxy, url, when) -> None:
    sent = batch({("a", 0): 1.0, ("a", 15): 2.0, ("b", 0): 3.0}, rejects=["negative_energy"])
    async with opened(proxy.url) as stores:
        proxy.cut_commit(when, of="receipts")

        written = await stores.readings.write(sent)

        assert proxy.cuts == 1
        assert counts(written) == (3, 0, 0, 1)
        assert written.outcomes.to_list() == [ACCEPTED] * 3
        assert await power(stores, "a", "b") == [1.0, 2.0, 3.0]
        kept = await stores.readings.receipt(sent.batch_id)
        assert (kept.accepted, kept.rejects.height) == (3, 1)
        assert await stores.rollups.latest_mark() == 2  # a meter and day each
    assert sql(url, "select count(*) from reading_revisions") == [(0,)]


async def test_new_known_and_corrected_rows_are_told_apart(proxy, url, when) -> None:
    sent = {("a", 0): 1.0, ("a", 15): 9.0, ("a", 30): 3.0, ("a", 45): 4.0, ("b", 0): 9.0}
    async with opened(proxy.url) as stores:
        await stores.readings.write(batch({("a", 0): 1.0, ("a", 15): 2.0, ("b", 0): 5.0}))
        marks = await stores.rollups.latest_mark()
        proxy.cut_commit(when, of="asked_readings")

        written = await stores.readings.write(batch(sent, rejects=["too_old"]))

        assert proxy.cuts == 1
        assert written.outcomes.to_list() == [DUPLICATE, CORRECTED, ACCEPTED, ACCEPTED, CORRECTED]
        assert counts(written) == (2, 1, 2, 1)
        assert await power(stores, "a", "b") == [1.0, 9.0, 3.0, 4.0, 9.0]
        assert await stores.rollups.latest_mark() == marks + 2
    assert sql(url, "select power_kw from reading_revisions order by 1") == [(2.0,), (5.0,)]


async def test_rows_that_were_all_known_are_duplicates(proxy, when) -> None:
    async with opened(proxy.url) as stores:
        await stores.readings.write(batch({("a", 0): 1.0, ("a", 15): 2.0}))
        proxy.cut_commit(when, of="asked_readings")

        written = await stores.readings.write(batch({("a", 0): 1.0, ("a", 15): 2.0}))

        assert proxy.cuts == 1
        assert counts(written) == (0, 2, 0, 0)
        assert await stores.rollups.latest_mark() == 1


async def test_a_batch_of_rejects_alone_is_received_once(proxy, url, when) -> None:
    sent = batch({}, rejects=["too_old", "too_old"])
    async with opened(proxy.url) as stores:
        proxy.cut_commit(when, of="receipts")

        assert counts(await stores.readings.write(sent)) == (0, 0, 0, 2)

    assert proxy.cuts == 1
    assert sql(url, "select count(*) from rejects") == [(2,)]


async def test_batches_that_share_a_transaction_are_told_apart(proxy, url, when) -> None:
    values = [1.0, 2.0, 2.0, 3.0]  # of one reading: new, corrected, known, corrected
    async with opened(proxy.url) as stores:
        await stores.readings.write(batch({("a", 600): 7.0, ("first", 600): 7.0}))
        proxy.cut_commit(when, of="asked_readings")
        sent = [batch({("a", 0): value, ("a", 60 + at): 0.5}) for at, value in enumerate(values)]

        written = await together(stores, url, sent)

        assert proxy.cuts == 1
        assert [each.outcomes.to_list() for each in written] == [
            [ACCEPTED, ACCEPTED],
            [CORRECTED, ACCEPTED],
            [DUPLICATE, ACCEPTED],
            [CORRECTED, ACCEPTED],
        ]
        assert await power(stores, "a") == [3.0, 0.5, 0.5, 0.5, 0.5, 7.0]
        old = await stores.readings.revisions("a", EVER)
        assert old["power_kw"].to_list() == [1.0, 2.0]


async def together(stores, url: str, sent: list[Batch]):
    """Has batches wait for each other, so that one transaction writes them all."""
    with blocked(url, "readings"):
        first = asyncio.create_task(stores.readings.write(batch({("first", 0): 1.0})))
        await asyncio.sleep(0.1)
        rest = [asyncio.create_task(stores.readings.write(each)) for each in sent]
        await asyncio.sleep(0.1)
    await first
    return await asyncio.gather(*rest)


async def test_a_row_that_is_known_later_than_the_clock_says_is_corrected_after_it(
    proxy, url, when
) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    async with opened(proxy.url) as stores:
        await stores.readings.write(batch({("a", 0): 1.0, ("a", 15): 2.0}))
        sql(url, f"update readings set known_utc = '{later.isoformat()}'")  # the clock was set back
        proxy.cut_commit(when, of="asked_readings")

        written = await stores.readings.write(batch({("a", 0): 9.0, ("a", 15): 2.0}))

        assert proxy.cuts == 1
        assert written.outcomes.to_list() == [CORRECTED, DUPLICATE]
        assert (await stores.readings.read(["a"]))["known_utc"].min() == later
        (old,) = (await stores.readings.revisions("a", EVER)).rows(named=True)
        assert old["known_utc"] < old["superseded_utc"]


async def test_conditions_of_a_zone_are_written_once(proxy, url, when) -> None:
    async with opened(proxy.url) as stores:
        await stores.grid.write(grid_batch({("NO1", 0): 1.0, ("NO1", 1): 2.0}))
        proxy.cut_commit(when, of="asked_grid")

        sent = {("NO1", 0): 1.0, ("NO1", 1): 9.0, ("NO1", 2): 3.0}
        written = await stores.grid.write(grid_batch(sent))

        assert proxy.cuts == 1
        assert written.outcomes.to_list() == [DUPLICATE, CORRECTED, ACCEPTED]
        assert (await stores.grid.read(["NO1"], EVER))["load_mw"].to_list() == [1.0, 9.0, 3.0]
    assert sql(url, "select load_mw from grid_revisions") == [(2.0,)]


async def test_figures_and_events_are_written_once_and_exactly_their_marks_are_settled(
    proxy, url, when
) -> None:
    values = {0: 1.0, 15: 2.0}
    event = pl.DataFrame([("a", T + MINUTE, "reset", "9 to 0")], frames.EVENTS.schema, orient="row")
    async with opened(proxy.url) as stores:
        await stores.readings.write(batch({("a", minute): kw for minute, kw in values.items()}))
        dirty, marks = await stores.rollups.dirty(), await stores.rollups.latest_mark()
        await stores.readings.write(batch({("a", 60): 3.0}))
        span = pl.DataFrame([("a", T, T + 60 * MINUTE, 0)], frames.DIRTY.schema, orient="row")
        rows, none = figures(values), frames.ROLLUPS.empty()
        gone = none.select(frames.ROLLUPS.key)

        async with stores.rollups.turn(["s"]) as turn:
            for written in (rows, none):  # the second time there is nothing that a key could hold
                proxy.cut_commit(when, of="spans_of_events")
                await stores.rollups.write(written, gone, event, span, dirty, turn)

        assert proxy.cuts == 2
        for grain in Grain:
            there = await stores.rollups.read(["a"], grain, EVER)
            assert_frame_equal(there, rows.filter(grain=str(grain)), check_exact=True)
        assert_frame_equal(await stores.rollups.events(["a"], EVER), event)
        assert await stores.rollups.latest_mark() == marks + 1
        left = await stores.rollups.dirty()
        assert left["from_utc"].to_list() == [T + 60 * MINUTE]
        assert set(left["mark"]).isdisjoint(dirty["mark"])
    assert sql(url, "select marks from settled") == [(marks,)]


async def test_a_mark_counts_and_is_settled_as_often_as_it_is_there(proxy, url, when) -> None:
    span = pl.DataFrame([("a", T, T, 0)], frames.DIRTY.schema, orient="row")
    none = frames.ROLLUPS.empty()
    async with opened(proxy.url) as stores:
        await stores.rollups.mark(span)
        proxy.cut_commit(when, of="dirty")

        await stores.rollups.mark(span)

        assert proxy.cuts == 1
        dirty, marks = await stores.rollups.dirty(), await stores.rollups.latest_mark()
        assert dirty.height == marks == (2 if when == "before" else 3)
        await stores.rollups.write(
            none, none.select(frames.ROLLUPS.key), frames.EVENTS.empty(), span.clear(), dirty
        )
        assert (await stores.rollups.dirty()).is_empty()
        assert await stores.rollups.latest_mark() == marks
    assert sql(url, "select marks from settled") == [(marks,)]


async def test_rows_taken_over_are_there_once(proxy, url, when) -> None:
    revisions = BY_NAME["reading_revisions"]
    async with opened(proxy.url) as stores:
        for value in (1.0, 2.0, 3.0):
            await stores.readings.write(batch({("a", 0): value}))
        rows = await stores.archive.take(revisions, ["a"], EVER)
        sql(url, "delete from reading_revisions")  # so that no row of them makes others wait
        proxy.cut_commit(when, of="reading_revisions")

        await stores.archive.put(revisions, ["a"], EVER, rows)

        assert proxy.cuts == 1
        there = await stores.archive.take(revisions, ["a"], EVER)
        assert_frame_equal(there.sort("revision"), rows.sort("revision"))
