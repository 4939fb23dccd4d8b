"""A folder with a folder for each meter, read back as one source."""

import hashlib
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from wattbook.core import frames
from wattbook.core.errors import InputError, UndecodableError
from wattbook.sources.files import parse_mapping, tree
from wattbook.sources.files.mapping import Mapping
from wattbook.sources.files.tables import BATCH_ROWS

T = datetime(2026, 3, 1, tzinfo=UTC)


def put(root: Path, name: str, *values: float, column: str = "power_kw") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    stamps = [T + number * timedelta(minutes=1) for number in range(len(values))]
    pl.DataFrame({"timestamp": stamps, column: values}).write_parquet(path)
    return path


def rows(root: Path) -> pl.DataFrame:
    return pl.concat([chunk.frame for chunk in tree.read(root)], how="diagonal_relaxed")


def test_the_meters_are_those_of_the_folders_percent_signs_decoded(tmp_path) -> None:
    put(tmp_path, "meter_id=b/month=2026-03/readings.parquet", 3.0)
    put(tmp_path, "meter_id=a/month=2026-03/readings.parquet", 1.0, 2.0)
    put(tmp_path, "meter_id=z%C3%A4hler%2F%C3%B8/month=2026-03/readings.parquet", 4.0)

    found = rows(tmp_path)

    assert found.select("row", "meter_id", "power_kw").rows() == [
        (0, "a", 1.0),
        (1, "a", 2.0),
        (2, "b", 3.0),
        (3, "zähler/ø", 4.0),
    ]


def test_trees_of_other_programs_are_read_too(tmp_path) -> None:
    put(tmp_path, "year=2026/meter_id=a/data_0.parquet", 1.0)
    put(tmp_path, "year=2026/meter_id=a/data_1.parquet", 2.0, column="energy_kwh")
    put(tmp_path, "year=2026/meter_id=a/_metadata.parquet", 9.0)
    put(tmp_path, "year=2026/meter_id=a/.data.parquet", 9.0)

    found = rows(tmp_path)

    assert found.select("row", "power_kw", "energy_kwh").rows() == [(0, 1.0, None), (1, None, 2.0)]


@pytest.mark.slow
def test_small_files_come_together_and_large_ones_in_parts(tmp_path) -> None:
    for meter in range(10):
        put(tmp_path, f"meter_id=m{meter}/month=2026-03/readings.parquet", 1.0, 2.0)
    put(tmp_path, "meter_id=n/month=2026-03/readings.parquet", *[1.0] * (BATCH_ROWS + 10))

    chunks = list(tree.read(tmp_path))

    assert [chunk.frame.height for chunk in chunks] == [BATCH_ROWS + 20, 10]
    assert chunks[-1].frame["row"].to_list()[-1] == BATCH_ROWS + 29
    assert chunks[-1].bytes_read == tree.size(tmp_path)


def test_the_size_and_the_hash_are_those_of_all_files(tmp_path) -> None:
    one = put(tmp_path, "meter_id=a/month=2026-03/readings.parquet", 1.0)
    other = put(tmp_path, "meter_id=b/month=2026-03/readings.parquet", 2.0)
    names = [path.relative_to(tmp_path) for path in (one, other)]

    said = subprocess.run(["sha256sum", *names], cwd=tmp_path, capture_output=True, check=True)

    assert tree.sha256(tmp_path) == hashlib.sha256(said.stdout).hexdigest()
    assert tree.sha256(one) == said.stdout.split()[0].decode()
    assert tree.size(tmp_path) == one.stat().st_size + other.stat().st_size
    assert tree.size(one) == one.stat().st_size


def test_a_file_is_read_as_ever(tmp_path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("meter_id,timestamp,power_kw\na,2026-03-01T00:00:00Z,1\n")

    assert rows(path)["meter_id"].to_list() == ["a"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("month=2026-03/readings.parquet", "readings.parquet lies in no folder meter_id="),
        ("meter_id=a/meter_id=b/readings.parquet", "lies in no folder meter_id="),
        ("meter_id=a/readings.csv", "it holds no Parquet file"),
    ],
)
def test_a_folder_that_is_no_such_tree_is_refused(tmp_path, name: str, said: str) -> None:
    put(tmp_path, name, 1.0)

    with pytest.raises(InputError, match=said):
        tree.size(tmp_path)


@pytest.mark.parametrize("pair", ["meter=b", "b:power_kw=power_kw", "meter_id='b'"])
def test_a_mapping_that_names_meters_too_is_refused(tmp_path, pair: str) -> None:
    put(tmp_path, "meter_id=a/month=2026-03/readings.parquet", 1.0)
    mapping = parse_mapping([pair, "timestamp=timestamp"])

    with pytest.raises(InputError, match="its folders name the meters"):
        list(tree.read(tmp_path, mapping))


def test_conditions_of_zones_are_not_in_such_folders(tmp_path) -> None:
    put(tmp_path, "meter_id=a/month=2026-03/readings.parquet", 1.0)

    with pytest.raises(InputError, match="its folders name the meters"):
        list(tree.read(tmp_path, Mapping(), frames.RAW_GRID))


def test_units_and_columns_are_mapped_in_every_file(tmp_path) -> None:
    put(tmp_path, "meter_id=a/month=2026-03/readings.parquet", 1.0, column="MW")
    mapping = parse_mapping(
        ["timestamp=timestamp", "power_kw=MW"], base=Mapping(units={"power_kw": "MW"})
    )

    (chunk,) = tree.read(tmp_path, mapping)

    assert chunk.frame.select("meter_id", "power_kw").rows() == [("a", 1000.0)]


def test_a_damaged_file_is_named(tmp_path) -> None:
    put(tmp_path, "meter_id=a/month=2026-03/readings.parquet", 1.0)
    (tmp_path / "meter_id=b").mkdir()
    (tmp_path / "meter_id=b" / "readings.parquet").write_bytes(b"PAR1PAR1")

    with pytest.raises(UndecodableError, match=r"^meter_id=b/readings\.parquet, after 0 rows: not"):
        list(tree.read(tmp_path))


def test_months_are_not_looked_at(tmp_path) -> None:
    put(tmp_path, f"meter_id=a/month={date(1999, 1, 1):%Y-%m}/readings.parquet", 1.0)

    assert rows(tmp_path)["timestamp"].to_list() == [T]
