import gzip
import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from wattbook.core import frames
from wattbook.core.errors import InputError, UndecodableError
from wattbook.sources.files import (
    DateOrder,
    Decimal,
    Mapping,
    asic_models,
    factors,
    parse_mapping,
    read,
    size,
)

PLAIN = "meter_id,timestamp,power_kw\na,2026-01-01T00:00:00Z,1\nb,2026-01-01T00:15:00Z,x\n"


def whole(path, *args, **kwargs):
    return pl.concat([chunk.frame for chunk in read(path, *args, **kwargs)], how="diagonal")


@pytest.fixture
def put(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def test_a_file_with_our_names_needs_no_mapping(put):
    frame = whole(put("a.csv", PLAIN))
    assert frame.select("row", "meter_id", "timestamp", "power_kw").rows() == [
        (0, "a", "2026-01-01T00:00:00Z", 1.0),
        (1, "b", "2026-01-01T00:15:00Z", None),
    ]
    assert frame.select("reason", "detail", "raw").rows() == [
        (None, None, None),
        ("not_a_number", 'power_kw: must be a number, but is "x"', "b,2026-01-01T00:15:00Z,x"),
    ]


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".zst", zstandard.compress)])
def test_compressed_files_are_inflated_as_they_are_read(put, suffix, pack):
    path = put("a.csv" + suffix, pack(PLAIN.encode()) + pack(b"c,2026-01-01T00:30:00Z,3\n"))
    assert whole(path)["meter_id"].to_list() == ["a", "b", "c"]
    assert [chunk.bytes_read for chunk in read(path)][-1] == size(path)


@pytest.mark.parametrize("chunk_bytes", [1, 50, 1000, 1 << 20])
def test_rows_count_on_from_part_to_part(put, monkeypatch, chunk_bytes):
    monkeypatch.setattr("wattbook.sources.files.stream.STEP", 64)
    lines = [f'm{n},2026-01-01T00:00:00Z,{n},"a\n""b"",c"\n' for n in range(100)]
    path = put("a.csv", "meter_id,timestamp,power_kw,note\n" + "".join(lines))
    frame = whole(path, chunk_bytes=chunk_bytes)
    assert frame["row"].to_list() == list(range(100))
    assert frame["power_kw"].to_list() == [float(n) for n in range(100)]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_file_that_ends_early_says_how_far_it_got(put, monkeypatch, suffix):
    monkeypatch.setattr("wattbook.sources.files.stream.STEP", 64)
    text = "meter_id,power_kw\n" + "".join(f"m{n},{n * 7919 % 1000}\n" for n in range(3000))
    pack = gzip.compress if suffix == ".gz" else zstandard.compress
    packed = pack(text.encode())
    path = put("cut.csv" + suffix, packed[: len(packed) - 9])
    seen = [0]
    with pytest.raises(UndecodableError, match=rf"cut.csv{suffix}, after \d+ rows") as caught:
        seen.extend(chunk.frame.height for chunk in read(path, chunk_bytes=1000))
    assert f"after {sum(seen)} rows" in str(caught.value)
    assert caught.value.problems


def test_json_of_both_kinds_is_read(put):
    rows = [{"device_id": "a", "power_kw": 1}, {"device_id": "b", "power_kw": "x"}]
    ndjson = put("a.ndjson", "\n".join(map(json.dumps, rows)))
    array = put("a.json", json.dumps(rows))
    for path in (ndjson, array):
        frame = whole(path)
        assert frame["meter_id"].to_list() == ["a", "b"]
        assert frame["reason"].to_list() == [None, "not_a_number"]
    mapping = parse_mapping(["meter_id=device_id", "temperature_c=power_kw"])
    for path in (ndjson, array):
        assert whole(path, mapping)["temperature_c"].to_list() == [1.0, None]


def test_parquet_is_read_with_typed_local_times(tmp_path):
    naive = [datetime(2026, 7, 1), datetime(2026, 7, 1, 1)]  # noqa: DTZ001
    table = pa.table({"zone": ["A_b", "A_b"], "at": naive, "mw": pa.array([1, None], pa.float32())})
    pq.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    mapping = parse_mapping(
        ["timestamp=at", "power_kw=mw", "meter_id=grid.{zone}"],
        base=Mapping(timezone="Europe/Oslo", units={"power_kw": "MW"}),
    )
    for name in ("a.parquet", "a.parquet.gz"):
        assert whole(tmp_path / name, mapping).rows() == [
            (0, "grid.a_b", datetime(2026, 6, 30, 22, tzinfo=UTC), 1000.0),
            (1, "grid.a_b", datetime(2026, 6, 30, 23, tzinfo=UTC), None),
        ]
    with pytest.raises(UndecodableError, match="--timezone"):
        whole(tmp_path / "a.parquet", parse_mapping(["timestamp=at", "power_kw=mw", "meter=m"]))


def test_several_meters_of_one_row_become_one_row_each(put):
    path = put("wide.csv", "at,one,two\n2026-01-01 00:00,1,x\n2026-01-01 01:00,3\n2026-x,5,6\n")
    mapping = parse_mapping(
        ["timestamp=at", "p.1:power_kw=one", "p.2:power_kw=two"],
        base=Mapping(timezone="UTC", units={"power_kw": "MW"}),
    )
    frame = whole(path, mapping)
    assert frame.select("row", "meter_id", "power_kw", "reason").rows() == [
        (0, "p.1", 1000.0, None),
        (1, "p.2", None, "not_a_number"),  # its neighbour is not to blame
        (2, "p.1", None, "bad_row"),  # one line, one reject
        (4, "p.1", 5000.0, "bad_timestamp"),
        (5, "p.2", 6000.0, "bad_timestamp"),
    ]


def test_two_columns_are_one_stamp_and_question_marks_are_no_values(put):
    text = "Date;Time;kw\n16/12/2006;17:24:00;4,5\n16/12/2006;17:25:00;?\n"
    mapping = parse_mapping(
        ["timestamp=Date+Time", "power_kw=kw", "meter=House.main"],
        base=Mapping(timezone="Europe/Paris", date_order=DateOrder.DMY, decimal=Decimal.COMMA),
    )
    frame = whole(put("a.txt", text), mapping)
    assert frame.select("meter_id", "timestamp", "power_kw").rows() == [
        ("house.main", datetime(2006, 12, 16, 16, 24, tzinfo=UTC), 4.5),
        ("house.main", datetime(2006, 12, 16, 16, 25, tzinfo=UTC), None),
    ]


@pytest.mark.parametrize(
    ("head", "cell", "column", "value"),
    [
        ("reactive_power_kvar", "1.5", "reactive_power_kvar", 1.5),
        ("Q (Mvar)", "-0.002", "reactive_power_kvar", -2.0),
        ("Q [VAr]", "2500", "reactive_power_kvar", 2.5),
        ("Blindleistung", "1.5 Mvar", "reactive_power_kvar", 1500.0),
        ("Blindarbeit (kVArh)", "0.25", "reactive_kvarh", 0.25),
        ("R1 Mvarh", "0.25", "reactive_kvarh", 250.0),
    ],
)
def test_reactive_power_and_energy_have_their_units(put, head, cell, column, value):
    path = put("q.csv", f"meter_id,timestamp,energy_kwh,{head}\na,2026-01-01T00:00Z,1,{cell}\n")
    pairs = ["meter_id=meter_id", "timestamp=timestamp", "energy_kwh=energy_kwh"]

    frame = whole(path, parse_mapping([*pairs, f"{column}={head}"]))

    assert frame[column].to_list() == [value]


def test_the_hour_that_happens_twice_is_told_apart_across_parts(put, monkeypatch):
    monkeypatch.setattr("wattbook.sources.files.stream.STEP", 16)
    text = "at,kw\n2026-11-01 01:00,1\n2026-11-01 01:00,2\n"
    mapping = parse_mapping(
        ["timestamp=at", "power_kw=kw", "meter=m"], base=Mapping(timezone="America/Chicago")
    )
    frame = whole(put("a.csv", text), mapping, chunk_bytes=1)
    assert [at.hour for at in frame["timestamp"]] == [6, 7]


def test_a_column_whose_name_has_a_plus_is_still_one_column(put):
    mapping = parse_mapping(["power_kw=A+B", "meter=m"])
    assert whole(put("a.csv", "A+B,c\n1,2\n"), mapping)["power_kw"].to_list() == [1.0]


def test_grid_files_may_name_their_zone_in_the_mapping(put):
    mapping = parse_mapping(
        ["zone='CA-ON'", "start=t", "load_mw=load"], frames.RAW_GRID, Mapping(timezone="UTC")
    )
    frame = whole(put("a.csv", "t,load\n2026-01-01 00:00,9\n"), mapping, frames.RAW_GRID)
    assert frame.select("zone", "load_mw").rows() == [("CA-ON", 9.0)]


def test_a_mapping_that_names_what_is_not_there_lists_what_is(put):
    with pytest.raises(InputError, match="no 'kw'; it has 'at', 'kW'"):
        whole(put("a.csv", "at,kW\n1,2\n"), parse_mapping(["power_kw=kw", "timestamp=at"]))


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        (["power_kw"], "must be target=source"),
        (["volts=u"], "'volts' is none of site_id, meter_id, timestamp, power_kw"),
        (["power_kw=a", "power_kw=b"], "mapped twice"),
        (["x:timestamp=a"], "cannot differ"),
        (["x:power_kw=a", "energy_kwh=b"], "name its meter too"),
        (["x:power_kw=a", "meter=b"], "names its own meter"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused(pairs, says):
    with pytest.raises(InputError, match=says):
        parse_mapping(pairs)


def test_units_and_zones_are_checked_before_anything_is_read():
    with pytest.raises(InputError, match="power_kw can be given in kW"):
        Mapping(units={"power_kw": "horses"})
    with pytest.raises(InputError, match="not an IANA time zone"):
        Mapping(timezone="Mars/Base")
    assert Mapping(label_span=timedelta(hours=1)).meters == ()


@pytest.mark.parametrize(("name", "content"), [("a.xlsx", b"x"), ("a.parquet", b"x"), ("a", b"x")])
def test_what_is_no_known_file_is_undecodable_by_name(put, name, content):
    with pytest.raises(UndecodableError, match=name):
        whole(put(name, content))


def test_an_empty_file_has_no_header_and_a_header_alone_no_rows(put):
    with pytest.raises(UndecodableError, match=r"a.csv, after 0 rows: no header line"):
        whole(put("a.csv", ""))
    assert whole(put("b.csv", "meter_id,power_kw\n")).height == 0


def test_the_factors_keep_their_contract_and_name_their_source():
    table = factors()
    assert frames.check(table, frames.FACTORS).equals(table)
    assert table["source"].null_count() == 0
    wind = table.filter(factor_set="ipcc2014", technology="wind", zone="*")
    assert wind["g_per_kwh"].to_list() == [11.0]


def test_the_machines_have_hash_rates_and_powers():
    table = asic_models()
    ratio = table["power_w"] / table["hashrate_th"] / table["efficiency_j_per_th"]
    assert ratio.is_between(0.98, 1.02).all()
