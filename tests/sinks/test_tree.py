"""An export on disk: what other programs find there, and what happens to what was there before."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wattbook.core.archive.export import COLUMNS
from wattbook.core.errors import ConflictError, UnavailableError
from wattbook.sinks.files import Tree

T = datetime(2026, 3, 1, tzinfo=UTC)
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
METERS = ["oslo-1.main", "zähler/ø 1", "100%.a=b", "秩父", "007"]


def rows(*values: float, start: datetime = T) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "timestamp": [start + number * timedelta(minutes=15) for number in range(len(values))],
            "power_kw": values,
        },
        schema={"timestamp": pl.Datetime("us", "UTC"), "power_kw": pl.Float64},
    ).select(
        *(
            pl.col(name)
            if name in ("timestamp", "power_kw")
            else pl.lit(None, pl.Float64).alias(name)
            for name in COLUMNS[:-1]
        ),
        quality=pl.lit("measured"),
    )


@pytest.fixture
async def filled(tmp_path: Path) -> Path:
    tree = Tree(tmp_path / "out")
    for number, meter in enumerate(METERS):
        await tree.put(meter, MARCH, rows(number, 0.1))
    await tree.put("007", APRIL, rows(7.5, start=T + timedelta(days=31)))
    return tmp_path / "out"


async def test_each_meter_and_month_is_a_file_whose_bytes_are_told(tmp_path) -> None:
    written = await Tree(tmp_path / "new" / "out").put("oslo-1.main", MARCH, rows(1.0, 2.0))

    path = tmp_path / "new/out/meter_id=oslo-1.main/month=2026-03/readings.parquet"
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == [path]
    assert path.stat().st_size == written
    assert_frame_equal(pl.read_parquet(path, hive_partitioning=False), rows(1.0, 2.0))


@pytest.mark.slow
async def test_the_same_rows_give_the_same_bytes(tmp_path) -> None:
    many = rows(*[number / 7 for number in range(200_000)])
    for name in ("a", "b"):
        await Tree(tmp_path / name).put("m", MARCH, many)

    one, other = (next((tmp_path / name).rglob("*.parquet")).read_bytes() for name in "ab")
    assert one == other


async def test_polars_reads_it_with_the_meters_as_they_are_called(filled) -> None:
    found = pl.scan_parquet(filled / "**/*.parquet", hive_partitioning=True).collect()

    assert sorted(found["meter_id"].unique()) == sorted(METERS)
    assert set(found["month"].cast(pl.String)) == {"2026-03", "2026-04"}
    one = found.filter(meter_id="zähler/ø 1").sort("timestamp")
    assert one["power_kw"].to_list() == [1.0, 0.1]
    assert one.schema["timestamp"] == pl.Datetime("us", "UTC")


async def test_polars_reads_the_folder_itself_too(filled) -> None:
    assert pl.read_parquet(filled, hive_partitioning=True).height == 11


async def test_duckdb_reads_it_with_the_meters_as_they_are_called(filled) -> None:
    with duckdb.connect() as connection:
        found = connection.execute(
            "select meter_id, month, count(*), sum(power_kw), max(quality)"
            f" from read_parquet('{filled}/**/*.parquet', hive_partitioning=true,"
            " hive_types={'meter_id': varchar, 'month': varchar})"
            " group by all order by all"
        ).fetchall()

    assert sorted(row[0] for row in found) == sorted([*METERS, "007"])
    assert ("007", "2026-04", 1, 7.5, "measured") in found
    assert ("秩父", "2026-03", 2, 3.1, "measured") in found


async def test_an_earlier_export_is_replaced_where_it_is_written_again_and_stays_elsewhere(
    filled,
) -> None:
    kept = filled / "meter_id=oslo-1.main/month=2026-03/readings.parquet"
    before = kept.read_bytes()

    await Tree(filled).put("007", MARCH, rows(9.0))

    assert kept.read_bytes() == before
    again = pl.read_parquet(
        filled / "meter_id=007/month=2026-03/*.parquet", hive_partitioning=False
    )
    assert_frame_equal(again, rows(9.0))


async def test_a_file_is_whole_or_not_there(filled) -> None:
    path = filled / "meter_id=007/month=2026-03/readings.parquet"
    before = path.read_bytes()
    (path.parent / ".readings.parquet.part").write_bytes(b"PAR1 and then the power failed")

    assert pl.read_parquet(filled / "**/*.parquet").height == 11
    assert path.read_bytes() == before
    await Tree(filled).put("007", MARCH, rows(1.0))
    assert [each.name for each in path.parent.iterdir()] == ["readings.parquet"]


@pytest.mark.parametrize("name", ["notes.txt", "month=2026-03", "meter_id=a-file"])
def test_a_folder_with_anything_else_in_it_is_refused(tmp_path, name: str) -> None:
    (tmp_path / name).touch()

    with pytest.raises(
        ConflictError, match=f"neither empty nor an earlier export: it holds {name}"
    ):
        Tree(tmp_path)

    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_a_place_that_is_no_folder_is_refused(tmp_path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UnavailableError, match="file cannot be written"):
        Tree(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(tmp_path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(UnavailableError, match="cannot be written"):
        Tree(tmp_path / "out")


async def test_a_name_too_long_for_the_disk_is_told(tmp_path) -> None:
    with pytest.raises(UnavailableError, match="cannot be written: File name too long"):
        await Tree(tmp_path).put("秩" * 64, MARCH, rows(1.0))
