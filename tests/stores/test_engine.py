"""The way into PostgreSQL when it is slow, crowded, away, or when somebody else has a table."""

import asyncio
import time
from urllib.parse import urlsplit

import pytest
from polars.testing import assert_frame_equal
from tests.services.cluster import sql
from tests.stores.conftest import (
    EVER,
    OURS,
    batch,
    blocked,
    connections,
    counts,
    figures,
    opened,
    power,
    until,
    waiting,
)

from wattbook.core import frames
from wattbook.core.errors import UnavailableError
from wattbook.core.periods import Grain
from wattbook.stores.postgres.engine import READERS, Engine

MOST = READERS + 4 + 1
"""Connections that read, the four that write, and the one that holds the turn."""


# --- connections that end ----------------------------------------------------------------------


async def test_connections_that_died_while_they_stood_idle_are_replaced_unnoticed(url) -> None:
    async with opened(url) as stores:
        await stores.readings.write(batch({("a", 0): 1.0}))
        for _ in range(2):
            found = await asyncio.gather(*(power(stores, "a") for _ in range(2 * READERS)))
            assert found == [[1.0]] * 2 * READERS
            assert connections(url) <= MOST
            sql(url, f"select pg_terminate_backend(pid) {OURS}")
        assert counts(await stores.readings.write(batch({("a", 0): 2.0}))) == (0, 0, 1, 0)
    assert connections(url) == 0


async def test_an_answer_that_breaks_off_is_asked_for_again_never_cut_short(proxy, url) -> None:
    rows = {("a", minute): float(minute) for minute in range(0, 15_000, 5)}
    async with opened(url) as stores:
        await stores.readings.write(batch(rows))
    async with opened(proxy.url) as stores:
        assert await power(stores, "a") == list(rows.values())
        for after_bytes in (100, 60_000, 200_000):  # of about a quarter of a million
            proxy.cut_answers(after_bytes=after_bytes)

            assert await power(stores, "a") == list(rows.values())

        assert proxy.cuts == 3


async def test_where_there_is_no_connection_left_a_write_waits_and_a_read_is_refused(
    url, postgres
) -> None:
    name = urlsplit(url).path.removeprefix("/")
    async with opened(url, retry_s=20) as stores:
        await stores.readings.write(batch({("a", 0): 1.0}))
        sql(postgres.admin_url, f"alter database {name} connection limit 0")
        sql(postgres.admin_url, f"select pg_terminate_backend(pid) {of(name)}")

        write = asyncio.create_task(stores.readings.write(batch({("a", 15): 2.0})))
        with pytest.raises(UnavailableError, match="too many connections for database"):
            await power(stores, "a")
        await asyncio.sleep(0.5)
        assert not write.done()
        sql(postgres.admin_url, f"alter database {name} connection limit -1")

        assert counts(await write) == (1, 0, 0, 0)
        assert await power(stores, "a") == [1.0, 2.0]


def of(name: str) -> str:
    return OURS.replace("current_database()", f"'{name}'")


async def test_what_waits_for_a_server_that_stays_away_is_refused_together(proxy) -> None:
    retry_s, writes = 2, range(1, 40)
    async with opened(proxy.url, retry_s=retry_s) as stores:
        await stores.readings.write(batch({("a", 0): 1.0}))
        proxy.refuse()
        begun = time.monotonic()

        every = [stores.readings.write(batch({("a", 15 * n): 2.0})) for n in writes]
        refused = await asyncio.gather(*every, return_exceptions=True)

        # One after the other they would wait for 39 × 2 s = 78 s; together for some 2 s.
        assert time.monotonic() - begun < len(writes) * retry_s
        assert {type(each) for each in refused} == {UnavailableError}
        assert "PostgreSQL at 127.0.0.1" in str(refused[0])
        proxy.accept()
        await asyncio.sleep(1.1)
        again = [stores.readings.write(batch({("a", 15 * n): 2.0})) for n in writes]
        assert {counts(each) for each in await asyncio.gather(*again)} == {(1, 0, 0, 0)}


# --- statements that take too long -------------------------------------------------------------


async def test_a_table_that_another_holds_is_a_refusal_in_time_and_no_standstill(url) -> None:
    timeout_s = 1
    async with opened(url, timeout_s=timeout_s) as stores:
        await stores.readings.write(batch({("a", 0): 1.0}))
        with blocked(url, "readings"):
            begun = time.monotonic()
            reads = [power(stores, "a") for _ in range(READERS)]
            writes = [stores.readings.write(batch({("a", n): 2.0})) for n in range(1, 30)]

            refused = await asyncio.gather(*reads, *writes, return_exceptions=True)

            assert time.monotonic() - begun < timeout_s * len(refused)  # not one after the other
            assert {type(each) for each in refused} == {UnavailableError}
            assert "canceling statement due to statement timeout" in str(refused[-1])
            assert "readings" not in str(refused[-1]).partition(": ")[2]
        await asyncio.sleep(1.1)
        assert counts(await stores.readings.write(batch({("a", 1): 3.0}))) == (1, 0, 0, 0)
        assert await power(stores, "a") == [1.0, 3.0]


async def test_readers_that_wait_leave_all_other_work_its_threads(url) -> None:
    async with opened(url) as stores:
        await stores.readings.write(batch({("a", 0): 1.0}))
        with blocked(url, "readings"):
            reads = [asyncio.create_task(power(stores, "a")) for _ in range(20)]
            await until(lambda: waiting(url) == READERS)

            async with asyncio.timeout(2):
                assert await asyncio.to_thread(int, "7") == 7

        assert await asyncio.gather(*reads) == [[1.0]] * 20


# --- callers that go away ----------------------------------------------------------------------


async def test_callers_that_go_away_leave_no_connection_behind(url) -> None:
    async with opened(url) as stores:
        await stores.readings.write(batch({("a", 0): 1.0}))
        with blocked(url, "readings"):
            reads = [asyncio.create_task(power(stores, "a")) for _ in range(10)]
            writes = [
                asyncio.create_task(stores.readings.write(batch({("a", 15 * n): 2.0})))
                for n in range(1, 6)
            ]
            await until(lambda: waiting(url) == READERS + 1)
            for task in (*reads, *writes):
                task.cancel()
            gone = await asyncio.gather(*reads, *writes, return_exceptions=True)
        assert {type(each) for each in gone} == {asyncio.CancelledError}

        for _ in range(3):
            found = await asyncio.gather(*(power(stores, "a") for _ in range(10)))
            assert connections(url) <= MOST
        # What was handed over is written, whole, though nobody waited to hear of it.
        assert found == [[1.0, *[2.0] * 5]] * 10
    assert connections(url) == 0


async def test_who_goes_away_while_waiting_for_the_turn_leaves_nothing_behind(url) -> None:
    async with opened(url) as mine, opened(url) as other, mine.rollups.turn(["s"]):
        before = connections(url)
        for pause_s in (0, 0.01, 0.05, 0.2):
            task = asyncio.create_task(other.rollups.turn(["s"]).__aenter__())
            await asyncio.sleep(pause_s)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await until(lambda: connections(url) == before)


# --- the turn ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sites", [["s"], ["a", "s"], ["s", "t"]])
async def test_who_lost_the_turn_with_its_connection_writes_only_while_nobody_has_it(
    url, sites
) -> None:
    rows, none = figures({0: 1.0}), frames.ROLLUPS.empty()
    rest = (none.select(frames.ROLLUPS.key), frames.EVENTS.empty(), frames.DIRTY.empty())
    async with opened(url) as mine, opened(url) as other:
        await mine.readings.write(batch({("a", 0): 1.0}))
        dirty = await mine.rollups.dirty()
        async with mine.rollups.turn(["r", "s"]) as lost:
            holding = "pid in (select pid from pg_locks where locktype = 'advisory')"
            sql(url, f"select pg_terminate_backend(pid) {OURS} and {holding}")
            await mine.rollups.write(rows.filter(grain="15min"), *rest, dirty.clear(), lost)

            async with asyncio.timeout(10), other.rollups.turn(sites) as turn:
                with pytest.raises(UnavailableError, match="another process took its place"):
                    await mine.rollups.write(rows.filter(grain="day"), *rest, dirty, lost)
                await other.rollups.write(rows.filter(grain="hour"), *rest, dirty.clear(), turn)

            with pytest.raises(UnavailableError, match="another process took its place"):
                await mine.rollups.write(rows.filter(grain="week"), *rest, dirty, lost)

        kept = {grain: await other.rollups.read(["a"], grain, EVER) for grain in Grain}
        assert [str(grain) for grain, found in kept.items() if found.height] == ["15min", "hour"]
        assert_frame_equal(await other.rollups.dirty(), dirty)


async def test_who_lost_the_turn_is_not_kept_from_writing_by_those_of_other_sites(url) -> None:
    rows, none = figures({0: 1.0}), frames.ROLLUPS.empty()
    rest = (none.select(frames.ROLLUPS.key), frames.EVENTS.empty(), frames.DIRTY.empty())
    async with opened(url) as mine, opened(url) as other:
        async with mine.rollups.turn(["r", "s"]) as turn, other.rollups.turn(["t"]) as second:
            assert turn.epochs.keys().isdisjoint(second.epochs)
            await mine.rollups.write(rows.filter(grain="day"), *rest, frames.DIRTY.empty(), turn)
        async with other.rollups.turn(["t"]):
            await mine.rollups.write(rows.filter(grain="hour"), *rest, frames.DIRTY.empty(), turn)


async def test_two_processes_have_turns_of_different_sites_at_once_and_of_the_same_never(
    url,
) -> None:
    async with opened(url) as mine, opened(url) as other, mine.rollups.turn(["s"]):
        async with asyncio.timeout(5), other.rollups.turn(["t"]):
            pass
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5), other.rollups.turn(["t", "s"]):
                pass


# --- many at once ------------------------------------------------------------------------------


async def test_processes_that_meet_new_meters_and_months_at_once_number_and_make_them_once(
    url,
) -> None:
    months = [43_200 * month for month in range(6)]
    async with opened(url) as one, opened(url) as two, opened(url) as three:
        sent = {(f"m{n}", minute): 1.0 for n in range(20) for minute in months}
        written = await asyncio.gather(
            *(stores.readings.write(batch(sent)) for stores in (one, two, three))
        )

        total = [sum(each) for each in zip(*map(counts, written), strict=True)]
        assert total == [120, 240, 0, 0]
        for stores in (one, two, three):
            found = await stores.readings.read([f"m{n}" for n in range(20)])
            assert found.height == 120
    assert sql(url, "select count(*), max(meter_key) from meter_keys") == [(20, 19)]


# --- settings ----------------------------------------------------------------------------------


def test_a_connection_is_durable_and_bounded_whatever_the_database_is_set_to(url) -> None:
    name = urlsplit(url).path.removeprefix("/")
    sql(
        url,
        f"alter database {name} set synchronous_commit = off",
        f"alter database {name} set standard_conforming_strings = off",
        f"alter database {name} set default_transaction_isolation = 'serializable'",
        f"alter database {name} set idle_in_transaction_session_timeout = 0",
    )
    session = Engine(url, statement_timeout_s=1.5).connect()
    names = [
        *("synchronous_commit", "standard_conforming_strings", "statement_timeout"),
        *("transaction_isolation", "client_encoding"),
        *("idle_in_transaction_session_timeout", "tcp_keepalives_idle", "application_name"),
    ]
    shown = ", ".join(f"current_setting('{name}') as {name}" for name in names)
    told = session.fetch(f"select {shown}").row(0)
    session.close()

    assert told == (
        *("on", "on", "1500ms", "read committed", "UTF8"),
        *("1min", "30", "wattbook"),
    )


def test_what_the_address_asks_for_goes_first(url) -> None:
    session = Engine(f"{url}?application_name=ours&connect_timeout=2").connect()
    told = session.fetch("select current_setting('application_name') as name")
    session.close()

    assert told["name"].to_list() == ["ours"]
