"""Moving house: a copy is killed in the middle, again and again, and is whole in the end."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.services.cluster import sql

from wattbook.core import frames
from wattbook.core.archive import checksums, tables
from wattbook.core.archive.tables import READINGS, TABLES
from wattbook.core.periods import Period
from wattbook.core.registry.entities import Meter, MeterKind, Site
from wattbook.flows import rollup
from wattbook.settings import Settings
from wattbook.wiring.runtime import open_runtime

pytestmark = pytest.mark.process
T = datetime(2026, 1, 1, tzinfo=UTC)
EVER = Period(datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
METERS = [f"s{number}.main" for number in range(8)]
MINUTES = 120 * 24 * 60
MB = 1 << 20


def readings() -> pl.DataFrame:
    """A reading every minute for 120 days: eight portions of a copy."""
    keys = pl.DataFrame({"meter_id": METERS}).join(
        pl.DataFrame({"minute": range(MINUTES)}), how="cross"
    )
    rows = keys.select(
        "meter_id",
        ts_utc=pl.lit(T) + pl.duration(minutes="minute"),
        power_kw=(pl.col("minute") * 7919 % 9973) / 10,
        quality=pl.lit("measured"),
        known_utc=pl.lit(T),
        revision=pl.lit(0, dtype=pl.UInt16),
    )
    absent = [pl.lit(None, pl.Float64).alias(name) for name in frames.READING_VALUES[1:]]
    return rows.with_columns(absent).select(*frames.READINGS.columns)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a house is, how many bytes it has, and after how many more a copy is killed."""

    address: str
    size: Callable[[], int]
    deaths: tuple[int, ...]


def folder(path: Path) -> Place:
    def size() -> int:
        return sum(each.stat().st_size for each in path.glob("readings.duckdb*"))

    return Place(str(path), size, deaths=(1 * MB, 5 * MB, 1 * MB, 1 * MB))


def database(url: str) -> Place:
    def size() -> int:
        ((found,),) = sql(url, "SELECT pg_database_size(current_database())")
        return int(found)

    return Place(url, size, deaths=(1 * MB, 60 * MB, 20 * MB))


@pytest.fixture(params=["a folder", pytest.param("PostgreSQL", marks=pytest.mark.services)])
def target(request, tmp_path: Path) -> Iterator[Place]:
    if request.param == "a folder":
        yield folder(tmp_path / "new")
        return
    with request.getfixturevalue("fresh_database")() as url:
        yield database(url)


async def furnish(place: Place) -> None:
    async with open_runtime(Settings().at(place.address)) as house:
        for meter_id in METERS:
            site_id = meter_id.removesuffix(".main")
            meter = Meter(
                id=meter_id, site_id=site_id, kind=MeterKind.POWER, expected_interval_s=60
            )
            await house.registry.add(
                Site(
                    id=site_id,
                    name=site_id,
                    operator="fir",
                    timezone="Europe/Oslo",
                    zone="NO1",
                    created_utc=T,
                    updated_utc=T,
                    meters=(meter,),
                )
            )
        rows = readings()
        await house.archive.put(READINGS, METERS, EVER, rows)
        spans = tables.spans(tables.counted(rows, READINGS))
        await house.rollups.mark(spans)
        await rollup.catch_up(
            registry=house.registry,
            readings=house.readings,
            rollups=house.rollups,
            clock=house.clock,
        )


async def inside(place: Place) -> tuple[int, pl.DataFrame, list[pl.DataFrame]]:
    """Sites, contents and checksums of a house."""
    async with open_runtime(Settings().at(place.address)) as house:
        contents = await house.archive.contents()
        sums = [
            checksums.of_rows(await house.archive.take(table, METERS, EVER), table)
            for table in TABLES
            if table.owner == "meter_id"
        ]
        sites = (await house.registry.sites()).sites
    return len(sites), contents, sums


def start(source: Place, target: Place) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "wattbook",
            "copy",
            "--from",
            source.address,
            "--to",
            target.address,
        ],
        env={name: value for name, value in os.environ.items() if not name.startswith("COV_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def killed_after(more: int, source: Place, target: Place) -> bool:
    """Whether a copy was killed when it had written so many bytes more; else it has ended."""
    process, before = start(source, target), target.size()
    while process.poll() is None:
        if target.size() > before + more:
            process.kill()
            break
        time.sleep(0.002)
    process.communicate(timeout=600)
    return process.returncode != 0


def test_after_kill_9_a_copy_is_finished_by_running_it_again(tmp_path: Path, target: Place) -> None:
    source = folder(tmp_path / "old")
    asyncio.run(furnish(source))
    _, wanted, sums = asyncio.run(inside(source))

    total, reached = int(wanted["rows"].sum()), [0]
    for more in target.deaths:
        if not killed_after(more, source, target):
            break
        sites, contents, _ = asyncio.run(inside(target))
        assert sites == 0 or contents.equals(wanted)  # nothing looks complete before it is
        reached.append(int(contents["rows"].sum()))
    assert reached == sorted(reached)  # what was verified is kept
    assert any(0 < rows < total for rows in reached)  # it was killed in the middle

    done = start(source, target)
    said, error = done.communicate(timeout=600)
    assert done.returncode == 0, error
    assert b"differences: none" in said
    sites, contents, found = asyncio.run(inside(target))
    assert sites == len(METERS)
    assert_frame_equal(contents, wanted)
    for one, other in zip(found, sums, strict=True):
        assert_frame_equal(one, other)
