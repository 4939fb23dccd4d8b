"""Every bad input is named, loses nothing that was good, and leaves the service answering."""

import gzip
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.journeys.conftest import Service

pytestmark = pytest.mark.process
GOOD = {"site_id": "a", "timestamp": "2026-01-01T00:00:00Z", "power_kw": 100}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("bad") / "data", BODY_LIMIT_MB="8")
    running.register("a")
    running.register("i", telemetry="interval", expected_interval_s=900)
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def _still_answering(service: Service) -> Iterator[None]:
    yield
    status, _ = service.call("GET", "/sites")
    assert status == 200


def telemetry(service: Service, *rows: dict[str, object]) -> tuple[int, dict[str, Any]]:
    return service.call("POST", "/ingest/telemetry", list(rows))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"power_kw": "many"}, "not_a_number"),
        ({"power_kw": True}, "not_a_number"),
        ({"power_kw": [1]}, "not_a_number"),
        ({"power_kw": float("nan")}, "not_finite"),
        ({"power_kw": float("inf")}, "not_finite"),
        ({"power_kw": -1}, "negative_energy"),
        ({"power_kw": 2001}, "implausible"),
        ({"timestamp": "2026-01-01T00:00:00"}, "bad_timestamp"),
        ({"timestamp": "yesterday"}, "bad_timestamp"),
        ({"timestamp": "1900-01-01T00:00:00Z"}, "too_old"),
        ({"timestamp": "9999-01-01T00:00:00Z"}, "future_timestamp"),
        ({"timestamp": "2127-01-01T00:00:00Z"}, "future_timestamp"),
        ({"site_id": "nowhere"}, "unknown_site"),
        ({"site_id": None, "meter_id": "nothing"}, "unknown_meter"),
        ({"site_id": None, "device_id": "nothing"}, "unknown_meter"),
        ({"site_id": None}, "unknown_meter"),
        ({"quality": "perfect"}, "bad_quality"),
        ({"meter_id": "../../etc/passwd", "site_id": None}, "unknown_meter"),
        ({"meter_id": "a\u0000b", "site_id": None}, "unknown_meter"),
        ({"meter_id": "⚡", "site_id": None}, "unknown_meter"),
        ({"meter_id": "'; drop table readings; --", "site_id": None}, "unknown_meter"),
        ({"site_id": "i"}, "no_value"),
        ({"site_id": "i", "energy_kwh": 501.0, "power_kw": None}, "implausible"),
    ],
)
def test_a_bad_row_is_refused_with_its_reason_and_the_good_one_beside_it_is_kept(
    service: Service, change: dict[str, object], reason: str
) -> None:
    status, receipt = telemetry(service, GOOD | change, GOOD | {"power_kw": 7})

    assert status == 200, receipt
    assert receipt["rejected"] == 1
    assert [(each["row"], each["reason"]) for each in receipt["rejects"]] == [(0, reason)]
    assert receipt["rejects"][0]["detail"]
    assert receipt["accepted"] + receipt["duplicates"] + receipt["corrected"] == 1


def test_fields_of_one_instant_that_come_in_two_lines_or_bodies_are_one_reading(
    service: Service,
) -> None:
    at = "2026-01-03T00:00:00Z"
    plain = {"site_id": "a", "timestamp": at}

    status, receipt = telemetry(
        service, plain | {"hashrate_th": 140.0}, plain | {"power_kw": 7.0}, plain | {"power_kw": 8}
    )
    assert (status, receipt["accepted"], receipt["rejected"]) == (200, 1, 2)  # power_kw twice

    status, receipt = telemetry(
        service, plain | {"hashrate_th": 140.0}, plain | {"temperature_c": 30.0}
    )
    assert (status, receipt["received"], receipt["corrected"]) == (200, 2, 2)

    status, receipt = telemetry(service, plain | {"power_kw": None})
    assert (status, receipt["corrected"]) == (200, 1)
    _, found = service.call("GET", f"/readings?meter_id=a.main&start={at}&end=2026-01-03T00:01:00Z")
    (reading,) = found["rows"]
    assert (reading["power_kw"], reading["hashrate_th"]) == (None, 140.0)


def test_when_every_row_is_refused_the_answer_is_a_problem_with_the_receipt(
    service: Service,
) -> None:
    status, document = telemetry(service, GOOD | {"power_kw": -1})

    assert status == 422
    assert document["errors"][0] == {
        "row": 0,
        "reason": "negative_energy",
        "detail": "power_kw is -1.0, below zero; if the meter counts both ways and this was given"
        " back, set the meter's flow to 'net'",
    }
    assert (document["received"], document["rejected"]) == (1, 1)


def test_a_second_row_for_the_same_instant_is_refused_and_names_the_first(
    service: Service,
) -> None:
    status, receipt = telemetry(
        service, GOOD, GOOD, GOOD | {"timestamp": "2026-01-01T01:00:00+01:00"}
    )

    assert status == 200
    assert [each["reason"] for each in receipt["rejects"]] == ["duplicate_in_batch"] * 2
    assert receipt["rejects"][0]["detail"] == "row 0 has the same meter_id and ts_utc"


def test_an_atomic_batch_is_refused_whole(service: Service) -> None:
    fresh = GOOD | {"timestamp": "2026-02-01T00:00:00Z"}
    status, document = service.call(
        "POST", "/ingest/telemetry?atomic=true", [fresh, GOOD | {"power_kw": -1}]
    )

    assert status == 422
    assert [each["reason"] for each in document["rejects"]] == ["batch_refused", "negative_energy"]
    status, receipt = telemetry(service, fresh)
    assert receipt["accepted"] == 1


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b'[{"site_id": "a",', "application/json", 400),
        (b"", "application/json", 400),
        (b"null", "application/json", 400),
        (b"5", "application/json", 400),
        (b"[1, 2]", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"", "application/x-ndjson", 422),
        (b"site_id,timestamp,power_kw\n", "text/csv", 422),
        (b"colour,taste\nred,sweet\n", "text/csv", 400),
        (b"PAR1 not really", "application/vnd.apache.parquet", 400),
        (b"\xff\xff\xff\xff nonsense", "application/vnd.apache.arrow.stream", 400),
        (b"<xml/>", "application/xml", 415),
        (b"[" * 100_000, "application/json", 400),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem_document(
    service: Service, body: bytes, media_type: str, status: int
) -> None:
    have, document = service.call("POST", "/ingest/telemetry", body, media_type)

    assert have == status, document
    assert document["status"] == status
    assert document["detail"]
    assert document["errors"]


def test_a_broken_line_of_ndjson_is_a_reject_and_the_others_are_kept(service: Service) -> None:
    lines = [json.dumps(GOOD | {"timestamp": f"2026-03-01T00:0{n}:00Z"}) for n in range(3)]
    lines[1] = lines[1][:20]

    status, receipt = service.call(
        "POST", "/ingest/telemetry", "\n".join(lines).encode(), "application/x-ndjson"
    )

    assert status == 200
    assert (receipt["accepted"], receipt["rejected"]) == (2, 1)
    assert (receipt["rejects"][0]["row"], receipt["rejects"][0]["reason"]) == (1, "bad_row")


def test_truncated_gzip_is_a_problem(service: Service) -> None:
    body = gzip.compress(json.dumps([GOOD] * 100).encode())[:-20]

    status, document = service.call("POST", "/ingest/telemetry", body, content_encoding="gzip")

    assert status == 400
    assert document["errors"][0]["field"] == "Content-Encoding"


def test_an_unknown_encoding_is_a_problem(service: Service) -> None:
    status, _ = service.call("POST", "/ingest/telemetry", b"[]", content_encoding="br")

    assert status == 415


def test_a_gzip_bomb_stops_at_the_limit(service: Service) -> None:
    bomb = gzip.compress(b" " * (512 << 20), compresslevel=9)  # 512 MiB in half a MiB
    before = service.resident_mb()

    status, document = service.call("POST", "/ingest/telemetry", bomb, content_encoding="gzip")

    assert status == 413, document
    assert service.resident_mb() < before + 100


def test_a_body_of_1_gb_is_refused_before_it_is_read(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=600) as connection:
        connection.sendall(
            b"POST /api/v1/ingest/telemetry HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n" + b" " * 65536
        )
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_body_without_a_length_is_refused_where_it_grows_too_large(service: Service) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * (1 << 20)

    with socket.create_connection(("127.0.0.1", service.port), timeout=600) as connection:
        connection.sendall(
            b"POST /api/v1/ingest/telemetry HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        try:
            for part in endless():
                connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        except OSError:
            pass  # the service has hung up on us: its answer is still to be read
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413")


def test_ten_million_rows_at_once_are_refused(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "many.parquet"
    pl.DataFrame({"site_id": ["a"]}).lazy().select(
        pl.col("site_id").repeat_by(10_000_000).explode()
    ).collect().write_parquet(path)

    status, document = service.call(
        "POST", "/ingest/telemetry", path.read_bytes(), "application/vnd.apache.parquet"
    )

    assert status == 413, document
    assert "rows" in document["detail"]


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_a_long_text_that_stands_once_in_a_dictionary_is_not_written_out(
    service: Service, form: str
) -> None:
    once = pa.array(["x" * 100_000])
    ids = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), once)
    table = pa.table({"meter_id": ids, "power_kw": [1.0] * 20_000})
    sink = pa.BufferOutputStream()
    if form == "parquet":
        pq.write_table(table, sink, compression="zstd")
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    media_type = {"parquet": "parquet", "arrow": "arrow.stream"}[form]
    before = service.resident_mb()

    status, document = service.call(
        "POST",
        "/ingest/telemetry",
        sink.getvalue().to_pybytes(),
        f"application/vnd.apache.{media_type}",
    )

    assert status == 413, document
    assert document["errors"][0]["field"] == "meter_id"
    assert service.resident_mb() < before + 300  # written out it would be 2 GB


def test_a_header_of_two_million_columns_is_refused_at_once(service: Service) -> None:
    body = gzip.compress(b"meter_id,timestamp,power_kw" + b"," * 2_000_000 + b"\n")

    status, document = service.call(
        "POST", "/ingest/telemetry", body, "text/csv", content_encoding="gzip"
    )

    assert status == 400
    assert document["errors"][0]["reason"] == "bad_header"


@pytest.mark.parametrize(
    "site_id", ["..%2F..%2Fetc", "%00", "%E2%9A%A1", "'%3B%20drop%20table%20sites", "A" * 500]
)
def test_strange_ids_in_a_path_are_unknown(service: Service, site_id: str) -> None:
    span = "start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z"
    for path in (
        f"/sites/{site_id}",
        f"/metrics/site/{site_id}?{span}",
        f"/analytics/carbon/{site_id}?{span}",
    ):
        status, document = service.call("GET", path)
        assert status == 404, (path, document)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("start=2026-01-01T00:00:00&end=2026-01-02T00:00:00Z", "start"),
        ("start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z", "end"),
        ("start=1950-01-01T00:00:00Z&end=2150-12-31T00:00:00Z&grain=15min", "end"),
        ("start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z&grain=fortnight", "grain"),
        ("end=2026-01-02T00:00:00Z", "start"),
        ("start=9999-12-31T00:00:00Z&end=9999-12-31T23:00:00Z&grain=month", "start"),
        ("start=0001-01-01T00:00:00Z&end=0001-01-01T23:00:00Z&grain=week", "start"),
    ],
)
def test_a_period_that_cannot_be_meant_names_the_field(
    service: Service, query: str, field: str
) -> None:
    status, document = service.call("GET", f"/metrics/site/a?{query}")

    assert status == 422, document
    assert document["errors"][0]["field"] == field


@pytest.mark.parametrize(
    "path",
    [
        "/metrics/aggregate?timezone=Mars/Olympus",
        "/metrics/aggregate?by=colour",
        "/metrics?cursor=%F0%9F%92%A5",
        "/metrics?limit=0",
        "/metrics/site/a?asof=2026-01-01T00:00:00Z",
        "/metrics/site/a?as_of=2199-01-01T00:00:00Z",
        "/analytics/carbon/a?factors=astrology",
        "/analytics/carbon/planet:mars?x=1",
    ],
)
def test_a_parameter_that_cannot_be_meant_is_a_problem(service: Service, path: str) -> None:
    span = "start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z"
    status, document = service.call("GET", f"{path}&{span}" if "?" in path else f"{path}?{span}")

    assert status == 422, document
    assert document["errors"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"site_id": "a", "timestamp": "2026-01-01T00:00:00Z", "power_kw": NaN}', 400),
        (b'{"site_id": "a", "timestamp": "2026-01-01T00:00:00Z", "power_kw": "x"}', 422),
        (b'{"site_id": "a", "timestamp": "2026-01-01T00:00:00Z", "power_kw": -1}', 422),
        (b'{"site_id": "a", "timestamp": 5, "power_kw": 1}', 422),
        (b'{"site_id": "a\\u0000", "timestamp": "2026-01-01T00:00:00Z", "power_kw": 1}', 422),
        (b"{}", 422),
    ],
)
def test_a_bad_single_reading_is_a_problem(service: Service, body: bytes, status: int) -> None:
    have, document = service.call("POST", "/ingest/realtime", body)

    assert have == status, document
    assert document["errors"][0]["reason"]


def test_a_single_reading_is_new_once(service: Service) -> None:
    reading = GOOD | {"timestamp": "2026-05-01T00:00:00Z"}

    assert service.call("POST", "/ingest/realtime", reading)[0] == 201
    assert service.call("POST", "/ingest/realtime", reading)[0] == 200
    status, document = service.call("POST", "/ingest/realtime", reading | {"power_kw": 5})
    assert (status, document["outcome"]) == (201, "corrected")


def test_a_bad_grid_row_is_named(service: Service) -> None:
    rows = [
        {"zone": "NO", "start": "2026-01-01T00:00:00Z", "gen_hydro_mw": 10.0},
        {"zone": "N/O", "start": "2026-01-01T00:00:00Z", "gen_hydro_mw": 10.0},
        {"zone": "NO", "start": "2026-01-01T01:00:00Z"},
        {"zone": "NO", "start": "2026-01-01T02:00:00Z", "load_mw": -5.0},
        {"zone": "NO", "start": "2026-01-01T03:00:00Z", "load_mw": 5.0, "interval_s": 0},
    ]

    status, receipt = service.call("POST", "/ingest/grid", rows)

    assert status == 200
    assert [each["reason"] for each in receipt["rejects"]] == [
        "bad_zone",
        "no_value",
        "negative_energy",
        "bad_interval",
    ]


def test_a_receipt_can_be_read_again(service: Service) -> None:
    _, receipt = telemetry(service, GOOD | {"power_kw": -1}, GOOD)

    status, again = service.call("GET", f"/ingest/batches/{receipt['batch_id']}")

    assert status == 200
    assert again["rejects"] == receipt["rejects"]
    assert again["sha256"] == receipt["sha256"]
    assert service.call("GET", "/ingest/batches/none")[0] == 404


def test_a_setting_that_is_wrong_stops_the_start_and_is_named(
    tmp_path: Path, run: Callable[..., tuple[int, str]]
) -> None:
    for name, value in (
        ("API_PORT", "many"),
        ("LOG_LEVEL", "loud"),
        ("API_HOST", "0.0.0.0"),  # noqa: S104  refused, which is the point
        ("BODY_LIMIT_MB", "-1"),
    ):
        code, said = run("serve", DATA_DIR=str(tmp_path), **{name: value})
        assert code == 2, said
        assert name in said
        assert "Traceback" not in said
