"""Two services share a database: they write, roll up and answer at once, and one of them dies."""

import itertools
import json
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from adbc_driver_postgresql import dbapi
from tests.journeys.conftest import Service
from tests.services.cluster import sql
from tests.services.server import wait

pytestmark = [pytest.mark.process, pytest.mark.services]
START = datetime(2026, 1, 1, tzinfo=UTC)
SITES = ("s0", "s1", "s2")
MINUTES = 3_000
SIZE = 400
NDJSON = "application/x-ndjson"
WAITERS = (
    "select distinct pid from pg_locks"
    " where locktype = 'advisory' and classid = 7741005 and not granted"
)
"""Processes of the server that wait for turns to roll up."""
HOLDERS = (
    "select distinct pid from pg_locks where locktype = 'advisory' and classid = 7741005"
    f" and granted and pid not in ({WAITERS})"
)
"""Those that have all the turns they asked for."""
FIGURES = (
    "select to_jsonb(r) - 'computed_utc' - 'revision' - 'meter_key' || jsonb_build_object("
    "'meter', meter_id, 'energy', encode(float8send(energy_kwh), 'hex'),"
    " 'hash', encode(float8send(hashrate_th_mean), 'hex')) from rollups r"
    " join meter_keys using (meter_key) order by meter_id, grain, start_utc"
)


def rows(seed: int) -> bytes:
    """Readings of a stretch of minutes, which other seeds write too, with values of their own."""
    chance = random.Random(seed)
    site, first = chance.choice(SITES), chance.randrange(MINUTES - SIZE)
    values = (chance.choice((1.0, 2.0, 3.0)) for _ in itertools.count())
    lines = [
        {
            "meter_id": f"{site}.main",
            "timestamp": (START + timedelta(minutes=first + minute)).isoformat(),
            "power_kw": next(values),
            "hashrate_th": next(values),
        }
        for minute in range(SIZE)
    ]
    return "\n".join(map(json.dumps, lines)).encode()


def site_path(site: str, **more: str) -> str:
    asked = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-04T00:00:00Z", "grain": "hour"} | more
    return f"/metrics/site/{site}?" + "&".join(f"{name}={quote(v)}" for name, v in asked.items())


@contextmanager
def beside(*runs: Callable[[threading.Event], None]) -> Iterator[threading.Event]:
    """Runs functions in threads until the block ends; a failure of one is a failure of the test."""
    enough, faults = threading.Event(), list[Exception]()

    def guarded(run: Callable[[threading.Event], None]) -> None:
        try:
            run(enough)
        except Exception as error:  # noqa: BLE001  told below
            faults.append(error)
            enough.set()

    threads = [threading.Thread(target=guarded, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    try:
        yield enough
    finally:
        enough.set()
        for thread in threads:
            thread.join(60)
    assert faults == []


@contextmanager
def held(url: str, table: str) -> Iterator[None]:
    """Nobody else can write to a table meanwhile."""
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"lock table {table} in share mode")
        yield
        connection.rollback()


@pytest.fixture
def pair(start, database) -> tuple[Service, Service]:
    both = (
        start(DATABASE_URL=database, ROLLUP_IDLE_S="0.3"),
        start(DATABASE_URL=database, ROLLUP_IDLE_S="0.3"),
    )
    for site in SITES:
        both[0].register(site)
    return both


def writer(service: Service, seeds: Iterator[int], receipts: list[Any]):
    def run(enough: threading.Event) -> None:
        while not enough.is_set():
            body = rows(next(seeds))
            status, document = service.call("POST", "/ingest/telemetry", body, NDJSON)
            assert status == 200, document
            receipts.append(document)

    return run


def reader(service: Service, answers: list[int]):
    def run(enough: threading.Event) -> None:
        for site in itertools.cycle(SITES):
            if enough.is_set():
                return
            status, document = service.call("GET", site_path(site))
            assert status == 200, document
            answers.append(status)

    return run


def looks_back(url: str, pair: tuple[Service, Service], looks: list[int]):
    """Asks for the same past state again and again, of either service."""
    answers: dict[tuple[str, str], Any] = {}

    def look(site: str, at: str) -> None:
        for service in pair:
            status, document = service.call("GET", site_path(site, as_of=at))
            assert status == 200, document
            assert answers.setdefault((site, at), document) == document
            looks.append(1)

    def run(enough: threading.Event) -> None:
        instants: list[str] = []
        while not enough.is_set():
            ((now,),) = sql(url, "select clock_timestamp()")
            instants.append(now.isoformat())
            for site, at in itertools.product(SITES, instants):
                look(site, at)

    return run


def test_two_services_write_roll_up_and_answer_as_one_and_past_answers_stand(
    pair, run, database
) -> None:
    receipts: list[dict[str, int]] = []
    answers: list[int] = []
    looks: list[int] = []
    seeds = (iter(range(first, 1_000_000, 4)) for first in (0, 0, 2, 3))  # two send the same
    writers = [
        writer(service, each, receipts) for service, each in zip((*pair, *pair), seeds, strict=True)
    ]
    readers = [reader(each, answers) for each in pair]

    with beside(*writers, *readers, looks_back(database, pair, looks)) as enough:
        wait(lambda: enough.is_set() or (len(receipts) > 40 < len(looks) and len(answers) > 15), 90)

    everything_adds_up(database, receipts)
    settles(database)
    for service in pair:
        assert service.stop() == 0
        assert "Traceback" not in service.log.read_text()
    figures_are_those_of_the_readings(run, database)


def figures_are_those_of_the_readings(run, url: str) -> None:
    """Computed again from nothing but the readings, they are the same bit for bit."""
    before = sql(url, FIGURES)
    assert before
    code, said = run("rollup", "--all", DATABASE_URL=url)
    assert code == 0, said
    assert sql(url, FIGURES) == before


def everything_adds_up(url: str, receipts: list[dict[str, int]]) -> None:
    def total(name: str) -> int:
        return sum(receipt[name] for receipt in receipts)

    ((rows, keys, revisions),) = sql(
        url,
        "select count(*), count(distinct (meter_key, ts_utc)), sum(revision)::bigint from readings",
    )
    assert rows == keys == total("accepted")
    assert sql(url, "select count(*) from reading_revisions") == [(revisions,)]
    assert revisions == total("corrected") > 0
    assert total("received") == rows + revisions + total("duplicates")
    assert total("duplicates") > 0
    columns = "meter_key, ts_utc, revision, known_utc"
    chain = (
        f"select {columns}, superseded_utc from reading_revisions"
        f" union all select {columns}, null from readings"
    )
    broken = (
        "select count(*) from (select revision - lag(revision, 1, -1) over key as step,"
        " known_utc - lag(superseded_utc) over key as gap, superseded_utc <= known_utc as empty"
        f" from ({chain}) as c"
        " window key as (partition by meter_key, ts_utc order by revision)) as steps"
        " where step <> 1 or gap <> interval '0' or empty"
    )
    assert sql(url, broken) == [(0,)]
    kept = "select sum(accepted)::bigint, sum(corrected)::bigint, count(*) from receipts"
    assert sql(url, kept) == [(rows, revisions, len(receipts))]


def settles(url: str) -> None:
    """Wait until the services have rolled up everything, without being asked."""
    wait(lambda: sql(url, "select count(*) from dirty") == [(0,)], 30)


def ingested(service: Service, *seeds: int) -> list[Any]:
    sent = (service.call("POST", "/ingest/telemetry", rows(seed), NDJSON) for seed in seeds)
    documents = [document for status, document in sent if status == 200]
    assert len(documents) == len(seeds)
    return documents


def is_blocked(url: str) -> bool:
    """Whether somebody waits to write rollups."""
    asked = "select count(*) from pg_locks where relation = 'rollups'::regclass and not granted"
    return sql(url, asked) != [(0,)]


def test_one_loses_its_turn_in_the_middle_of_a_roll_up_and_then_its_life_and_nothing_is_lost(
    pair, run, database
) -> None:
    doomed, other = pair
    receipts = ingested(doomed, *range(4)) + ingested(other, 4)
    settles(database)
    with ThreadPoolExecutor() as threads:
        with held(database, "rollups"):
            receipts += ingested(doomed, *range(5, 8))
            asked = [threads.submit(each.call, "GET", site_path("s1")) for each in pair]
            wait(lambda: is_blocked(database) and bool(sql(database, WAITERS)), 20)
            holders = set(sql(database, HOLDERS))
            assert holders
            receipts += ingested(other, *range(8, 11))
            for (holder,) in holders:
                sql(database, f"select pg_terminate_backend({holder})")
            wait(lambda: bool(set(sql(database, HOLDERS)) - holders), 20)
        statuses = {future.result()[0] for future in asked}
        assert statuses in ({200}, {200, 503})
        settles(database)

        with held(database, "rollups"):
            receipts += ingested(doomed, *range(11, 14))
            in_vain = threads.submit(doomed.call, "GET", site_path("s1"))
            wait(lambda: bool(sql(database, HOLDERS)) and is_blocked(database), 20)
            doomed.kill()
        assert isinstance(in_vain.exception(), OSError)
    assert other.call("GET", site_path("s0"))[0] == 200
    settles(database)

    everything_adds_up(database, receipts)
    assert other.stop() == 0
    figures_are_those_of_the_readings(run, database)
