"""What is read with SQLite's own driver is what the stores read with SQLAlchemy."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from operator import methodcaller
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from wattbook.cli import json_input, template
from wattbook.core.errors import Failure, Problem, UnknownEntityError
from wattbook.core.jobs import JobKind, JobState, Outcome, Progress
from wattbook.core.registry.entities import (
    CivilInterval,
    FleetItem,
    Meter,
    MeterKind,
    MeterRole,
    Site,
    Supply,
    SupplyKind,
)
from wattbook.core.registry.tariffs import Tariff
from wattbook.ports.jobs import AttemptResult, Child, Claim, JobRequest
from wattbook.ports.registry import Edit
from wattbook.stores.sql import schema, sqlite_reader
from wattbook.stores.sql.engine import create_engine
from wattbook.stores.sql.jobs import SqlJobs
from wattbook.stores.sql.json_list import Listed
from wattbook.stores.sql.migrate import upgrade_on
from wattbook.stores.sql.registry import SqlRegistry
from wattbook.stores.sql.sqlite_reader import SqliteReader

T = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 2, 1, 12, 30, 0, 123456, tzinfo=UTC)
EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "tariffs").glob("*.json"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registry.sqlite"


@pytest.fixture
async def engine(path: Path) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(f"sqlite:///{path}")
    await upgrade_on(engine)
    yield engine
    await engine.dispose()


def a_site(site_id: str, **changes) -> Site:
    plain = Site(
        id=site_id,
        name="Pecos №1 ⚡",
        operator="alder",
        timezone="America/Chicago",
        zone="US-TEX-ERCO",
        created_utc=T,
        updated_utc=T,
    )
    return replace(plain, **changes)


def tariffs(site_id: str) -> tuple[Tariff, ...]:
    """The template, which has every kind of component, and the published examples."""
    bodies = [template.TARIFF, *(json.loads(path.read_text("utf-8")) for path in EXAMPLES)]
    (*found,) = (json_input.tariffs(body)[0] for body in bodies)
    return tuple(
        replace(each, id=f"t-{at}", site_id=site_id, valid_from=date(2026, 1, 1 + at))
        for at, each in enumerate(found)
        if each.valid_to is None or each.valid_to > date(2026, 1, 1 + at)
    )


def full_site(site_id: str) -> Site:
    """A site that has a value in every column."""
    main = Meter(
        id="main",
        site_id=site_id,
        kind=MeterKind.REGISTER,
        expected_interval_s=86_400,
        expected_interval=CivilInterval.DAY,
        register_size_kwh=1e6,
        register_resolution_kwh=0.1,
        max_hold_s=60,
    )
    inner = Meter(
        id="sub", site_id=site_id, kind=MeterKind.POWER, role=MeterRole.SUB, parent="main"
    )
    return a_site(
        site_id,
        capacity_kw=25_000.0,
        plausible_kw=30_000.0,
        contracted_kw=20_000.0,
        latitude=31.42,
        longitude=-103.49,
        legal_name="Alder Kraft AS",
        permit="P 1",
        address="Storgata 1",
        contact="drift@alder.example",
        simulated=True,
        hold_reason="dispute",
        hold_since_utc=LATER,
        meters=(main, inner),
        supplies=(
            Supply(
                id="wind",
                site_id=site_id,
                kind=SupplyKind.PPA,
                technology="wind",
                share=0.4,
                capacity_kw=9_000.0,
                g_per_kwh=0.0,
                valid_from=T,
                valid_to=LATER,
            ),
        ),
        fleet=(
            FleetItem(
                id="s21",
                site_id=site_id,
                model="Antminer S21",
                count=6_000,
                hashrate_th=200.0,
                power_w=3_500.0,
                valid_from=T,
            ),
        ),
        tariffs=tariffs(site_id),
    )


async def test_sites_are_those_of_the_registry_with_every_part_and_earlier_version(engine, path):
    registry = SqlRegistry(engine)
    await registry.add(full_site("pecos-1"))
    await registry.add(a_site("bare-1"))
    main = full_site("pecos-1").meters[0]
    changed = replace(
        main, register_size_kwh=1e5, valid_from=LATER, earlier=(replace(main, valid_to=LATER),)
    )
    await registry.edit("pecos-1", Edit(parts=(changed,)), LATER)

    expected = (await registry.sites()).sites
    assert [site.id for site in expected] == ["bare-1", "pecos-1"]
    assert len(expected[1].meters[0].earlier) == 1
    assert sqlite_reader.read(path, SqliteReader.sites) == expected
    assert sqlite_reader.read(path, lambda reader: reader.site("pecos-1")) == expected[1]


async def test_an_unknown_site_is_refused_in_the_words_of_the_registry(engine, path):
    said = []
    for site_id in ("absent", "no id!"):
        with pytest.raises(UnknownEntityError) as here:
            sqlite_reader.read(path, methodcaller("site", site_id))
        with pytest.raises(UnknownEntityError) as there:
            await SqlRegistry(engine).site(site_id)
        said.append((str(here.value), str(there.value)))

    assert all(one == other for one, other in said)


@pytest.fixture
async def jobs(engine) -> SqlJobs:
    """Three jobs: one that is divided into two, one that failed, and one that waits."""
    jobs = SqlJobs(engine)
    await jobs.submit(JobRequest(kind=JobKind.AGGREGATE, params={"a": [1]}, requested_by="test"))
    claim = await _claimed(jobs)
    parts = tuple(Child(params={"n": n}, progress=Progress(5, 10, "quarters")) for n in range(2))
    divided = AttemptResult(outcome=Outcome.DIVIDED, state=JobState.RUNNING, children=parts)
    assert await jobs.end(claim, divided)
    await jobs.submit(JobRequest(kind=JobKind.REPORT, params={}, requested_by="test", priority=9))
    failure = Failure("invalid_input", "no", (Problem("bad", "wrong", field="a", row=2),))
    failed = AttemptResult(outcome=Outcome.FAILED, state=JobState.FAILED, failure=failure)
    assert await jobs.end(await _claimed(jobs), failed)
    await jobs.submit(JobRequest(kind=JobKind.CLEANUP, params={}, requested_by="test"))
    return jobs


async def _claimed(jobs: SqlJobs) -> Claim:
    claim = await jobs.claim("w", timedelta(minutes=5))
    assert claim is not None
    return claim


async def test_jobs_are_those_of_the_store_with_attempts_failures_and_sums_of_children(jobs, path):
    expected = await jobs.jobs()

    assert len(expected.jobs) == 5
    assert sqlite_reader.read(path, SqliteReader.jobs) == expected
    for each in expected.jobs:
        assert sqlite_reader.read(path, methodcaller("job", each.job_id)) == each


@pytest.mark.parametrize(
    "filters",
    [
        {"state": JobState.FAILED},
        {"kind": JobKind.AGGREGATE},
        {"limit": 2},
        {"kind": JobKind.AGGREGATE, "limit": 1},
    ],
)
async def test_filters_and_the_cursor_behind_a_page_are_those_of_the_store(jobs, path, filters):
    found = sqlite_reader.read(path, lambda reader: reader.jobs(**filters))

    assert found == await jobs.jobs(**filters)


async def test_the_children_of_a_job_are_found(jobs, path):
    (parent,) = (each for each in (await jobs.jobs()).jobs if each.children)

    found = sqlite_reader.read(path, lambda reader: reader.jobs(parent_id=parent.job_id))

    assert found is not None
    assert found == await jobs.jobs(parent_id=parent.job_id)
    assert len(found.jobs) == 2


async def test_a_job_that_is_not_there_is_refused_in_the_words_of_the_store(jobs, path):
    with pytest.raises(UnknownEntityError) as here:
        sqlite_reader.read(path, lambda reader: reader.job("absent"))
    with pytest.raises(UnknownEntityError) as there:
        await jobs.job("absent")

    assert str(here.value) == str(there.value)


def test_a_file_that_is_absent_damaged_or_of_another_revision_is_left_to_the_registry(path):
    assert sqlite_reader.read(path, SqliteReader.sites) is None

    path.write_bytes(b"not a database" * 100)

    assert sqlite_reader.read(path, SqliteReader.sites) is None


async def test_a_file_of_an_older_revision_is_left_to_the_registry(engine, path):
    async with engine.begin() as connection:
        await connection.exec_driver_sql("update alembic_version set version_num = '0001'")

    assert sqlite_reader.read(path, SqliteReader.sites) is None


@pytest.mark.parametrize(
    "table",
    [
        schema.sites,
        schema.meters,
        schema.supplies,
        schema.fleet,
        schema.tariffs,
        schema.jobs,
        schema.attempts,
    ],
    ids=lambda table: table.name,
)
def test_every_column_of_words_or_lists_has_its_reader(table):
    read = {
        column.name
        for column, reader in zip(
            table.c, sqlite_reader.column_readers(table.name, tuple(table.c.keys())), strict=True
        )
        if reader is not None
    }

    assert read == {each.name for each in table.c if isinstance(each.type, schema.Word | Listed)}
