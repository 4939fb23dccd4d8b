"""`wattbook copy`: one house into another, and what is said of it."""

import asyncio
import io
import json
from datetime import date

import polars as pl
import pytest

from wattbook.cli import copy as door
from wattbook.core import frames
from wattbook.core.archive import tables
from wattbook.core.archive.tables import READINGS
from wattbook.flows import copy
from wattbook.flows.copy import CopyResult
from wattbook.settings import Settings
from wattbook.wiring.runtime import open_runtime

pytestmark = pytest.mark.slow

ROWS = "meter_id,timestamp,energy_kwh\n" + "".join(
    f"oslo-1.main,2026-01-{day:02}T00:00:00Z,{day}\n" for day in range(1, 32)
)


@pytest.fixture
def house(run, folder, site):
    """A store in `data` with a site, a month of readings and a refused row."""
    (folder / "r.csv").write_text(ROWS + "nobody.main,2026-01-01T00:00:00Z,1\n")
    assert run("ingest", "r.csv", "--allow-rejects").exit_code == 0
    return folder


def test_a_house_moves_and_answers_as_before(run, house):
    words = ("metrics", "oslo-1", "--from", "2026-01-01", "--to", "2026-02-01", "--csv")
    before = run(*words).stdout

    result = run("copy", "--from", "data", "--to", "new")

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "differences: none"
    table = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines()}
    assert table["readings"] == ["31", "31", "1"]
    assert table["rejects"] == ["1", "1", "1"]
    assert table["sites"] == ["1", "1", "–"]
    assert "rollups" in result.stderr
    assert run("--data-dir", "new", *words).stdout == before


def test_a_second_run_finds_everything_there(run, house):
    run("copy", "--from", "data", "--to", "new")

    result = run("copy", "--from", "data", "--to", "new", "--json")

    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert {one["table"]: one["copied"] for one in document["tables"]} == dict.fromkeys(
        ("readings", "receipts", "rejects", "rollups"), 0
    )
    assert (document["sites"], document["sites_added"], document["differences"]) == (1, 0, [])


def test_a_conflict_is_one_line_with_a_hint_and_exit_code_4(run, house):
    run("copy", "--from", "data", "--to", "new")

    async def change() -> None:
        async with open_runtime(Settings().at("new")) as runtime:
            portion = (READINGS, ["oslo-1.main"], tables.span(date(2026, 1, 1)))
            rows = await runtime.archive.take(*portion)
            await runtime.archive.put(*portion, rows.with_columns(energy_kwh=0.5))

    asyncio.run(change())

    result = run("copy", "--from", "data", "--to", "new")

    assert result.exit_code == 4
    assert result.stderr.splitlines()[0].startswith("hint: --replace")
    assert "readings of oslo-1.main in 2026-01: 31 rows" in result.stderr.splitlines()[1]
    assert run("copy", "--from", "data", "--to", "new", "--replace").exit_code == 0


def test_one_table_can_be_copied_alone(run, house):
    result = run("copy", "--from", "data", "--to", "new", "--only", "sites", "--only", "readings")

    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()[3:-1]] == ["readings", "sites"]
    rolled = run("--data-dir", "new", "rollup")
    assert rolled.stdout.startswith("rolled up 1 meters")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--from", "nowhere", "--to", "new"), 3, "there is no store in nowhere"),
        (("--from", "data", "--to", ""), 2, "an empty address names no store"),
        (
            ("--from", "data", "--to", "mysql://host/name"),
            2,
            "mysql:// is not the address of a store",
        ),
        (("--from", "data", "--to", "./data"), 2, "--from and --to name the same store"),
        (("--from", "data", "--to", "new", "--only", "meters"), 2, "'meters' is none of"),
        (("--from", "data", "--to", "r.csv"), 5, "r.csv"),
    ],
)
def test_what_cannot_be_meant_is_one_line(run, house, words, code, said):
    result = run("copy", *words)

    assert result.exit_code == code
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (house / "nowhere").exists()


def test_differences_are_listed(capsys):
    lost = pl.DataFrame(
        [("readings", "oslo-1.main", date(2026, 1, 1), 31)],
        schema=frames.CONTENTS.schema,
        orient="row",
    )
    copied = CopyResult(
        tables=[],
        sites=0,
        sites_added=0,
        staying=[],
        unfigured=0,
        unregistered=[],
        differences=lost,
    )

    door._tell(copied, as_json=False)  # noqa: SLF001  what leads to it is tested in tests/flows

    said = capsys.readouterr().out.splitlines()
    assert "differences: 1, changed at the target since they were verified" in said
    assert said[-1].split() == ["readings", "oslo-1.main", "2026-01", "31"]


def test_every_part_is_named_in_the_refusal_of_another(run, house):
    result = run("copy", "--from", "data", "--to", "new", "--only", "x")

    assert all(part in result.stderr for part in copy.PARTS)


# --- a bucket of InfluxDB ----------------------------------------------------------------------


@pytest.fixture
def place(influxdb, bucket, monkeypatch) -> str:
    """Address of an empty bucket, whose token is in the environment."""
    monkeypatch.setenv("INFLUXDB_TOKEN", influxdb.token)
    for name, value in {"URL": influxdb.url, "ORG": influxdb.org, "BUCKET": bucket}.items():
        monkeypatch.setenv(f"INFLUXDB_{name}", value)
    return f"influxdb://{influxdb.url.partition('://')[2]}/{influxdb.org}/{bucket}"


def energies(result) -> list[tuple[str, float]]:
    """Each bucket's start and energy, which do not tell when they were computed."""
    assert result.exit_code == 0, result.output
    return pl.read_csv(io.StringIO(result.stdout)).select("start", "energy_kwh").rows()


def lines(result) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines()}


def test_readings_move_into_a_bucket_and_out_of_it_and_what_stays_is_told(run, house, place):
    (house / "r.csv").write_text("meter_id,timestamp,energy_kwh\noslo-1.main,2026-01-01T00:00Z,9\n")
    assert run("ingest", "r.csv").exit_code == 0  # a correction
    words = ("metrics", "oslo-1", "--from", "2026-01-01", "--to", "2026-02-01", "--csv")
    figures = energies(run(*words))

    into = run("copy", "--from", "data", "--to", place)

    assert into.exit_code == 0, into.output
    assert lines(into)["readings"] == ["31", "31", "1"]
    assert lines(into)["reading_revisions"] == ["1", "stays", "behind", "–"]
    assert lines(into)["sites"] == ["1", "stays", "behind", "–"]
    assert into.stdout.splitlines()[-1] == "differences: none"
    told, *_, hint = into.stderr.splitlines()
    assert told.startswith(
        "the target cannot store these, so they are not copied: reading_revisions (1)"
    )
    assert "`wattbook rollup --all`" in hint

    again = run("copy", "--from", "data", "--to", place, "--json")
    assert json.loads(again.stdout)["tables"] == [
        {"table": "readings", "rows": 31, "copied": 0, "months": 1}
    ]

    out = run("copy", "--from", place, "--to", "new")
    assert out.exit_code == 0, out.output
    assert lines(out)["readings"] == ["31", "31", "1"]
    assert "meters that no site at the target has: oslo-1.main; copy the sites" in out.stderr
    assert run("copy", "--from", "data", "--to", "new", "--only", "sites").exit_code == 0
    assert run("--data-dir", "new", "rollup").stdout.startswith("rolled up 1 meters")
    assert energies(run("--data-dir", "new", *words)) == figures


def test_the_bucket_that_was_filled_keeps_the_readings_of_the_folder(
    run, house, place, monkeypatch
):
    words = ("metrics", "oslo-1", "--from", "2026-01-01", "--to", "2026-02-01", "--csv")
    figures = energies(run(*words))
    assert run("copy", "--from", "data", "--to", place).exit_code == 0

    monkeypatch.setenv("READINGS_STORE", "influxdb")

    assert run("rollup", "--all").exit_code == 0
    assert energies(run(*words)) == figures
    export = run("export", "out")
    assert "31" in export.stdout
    folder = run("copy", "--from", "data", "--to", "new")
    assert "READINGS_STORE=influxdb keeps readings in a bucket" in folder.stderr


def test_what_a_bucket_cannot_keep_or_is_not_is_one_line(run, house, place, monkeypatch):
    cases = [
        (("--from", "data", "--to", place, "--only", "rollups"), 6, "the target keeps no rollups"),
        (("--from", place, "--to", "new"), 3, "there is no store in bucket wattbook-test-"),
        (("--from", place, "--to", f"{place}/"), 2, "--from and --to name the same store"),
        (("--from", "data", "--to", f"{place}-not"), 5, "could not find bucket"),
        (("--from", "data", "--to", place.rpartition("/")[0]), 2, "no address of a bucket"),
        (("--from", "data", "--to", "influxdb://127.0.0.1:9/o/b"), 5, "does not answer"),
        (
            ("--from", "data", "--to", place.replace("://", "://s3cret@")),
            5,
            "see INFLUXDB_TOKEN",
        ),
    ]
    monkeypatch.setenv("INFLUXDB_RETRY_S", "0")
    for words, code, said in cases:
        result = run("copy", *words)
        assert result.exit_code == code, (words, result.output)
        assert said in result.stderr.splitlines()[-1]
        assert "s3cret" not in result.output
        assert "Traceback" not in result.output
    assert not (house / "new").exists()

    for name in ("URL", "TOKEN", "ORG", "BUCKET"):
        monkeypatch.delenv(f"INFLUXDB_{name}")
    result = run("copy", "--from", "data", "--to", place)
    assert (result.exit_code, "set INFLUXDB_TOKEN" in result.stderr) == (2, True)
