"""`wattbook export`, and `wattbook ingest` of what it wrote: the same readings, the same bytes."""

import asyncio
import filecmp
import json
import subprocess
from datetime import UTC, datetime

import polars as pl
import pytest

from wattbook.cli import export
from wattbook.core.registry.entities import Meter, MeterKind, Site
from wattbook.settings import Settings
from wattbook.wiring.runtime import open_runtime

pytestmark = pytest.mark.slow

T = datetime(2026, 1, 1, tzinfo=UTC)
METERS = ["oslo-2.main", "zähler-ø", "秩父.main", "50%"]


@pytest.fixture
def house(run, folder, site):
    """A store in `data`: an ordinary site, and one whose meters have names of all kinds."""
    register(folder / "data")
    rows = [
        f"{meter},2026-0{month}-{day:02}T00:00:00Z,{day / 7},{quality}"
        for meter in ("oslo-1.main", *METERS)
        for month in (1, 2)
        for day, quality in ((1, "measured"), (2, "estimated"), (28, ""))
    ]
    text = "\n".join(["meter_id,timestamp,energy_kwh,quality", *rows])
    (folder / "r.csv").write_text(text + "\n", encoding="utf-8")
    result = run("ingest", "r.csv")
    assert result.exit_code == 0, result.output
    return folder


def register(data) -> None:
    """Register meters with names that only other programs would give."""
    made = Site(
        id="oslo-2",
        name="Oslo 2",
        operator="fir",
        timezone="Europe/Oslo",
        zone="NO1",
        created_utc=T,
        updated_utc=T,
        meters=tuple(
            Meter(id=meter, site_id="oslo-2", kind=MeterKind.INTERVAL) for meter in METERS
        ),
    )

    async def add() -> None:
        async with open_runtime(Settings().at(str(data))) as runtime:
            await runtime.registry.add(made)

    asyncio.run(add())


def files(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_was_exported_is_taken_in_elsewhere_and_exported_again_to_the_same_bytes(run, house):
    exported = run("export", "out")
    assert run("copy", "--from", "data", "--to", "new", "--only", "sites").exit_code == 0
    taken = run("--data-dir", "new", "ingest", "out", "--json")
    again = run("--data-dir", "new", "export", "out-2")

    assert exported.exit_code == again.exit_code == 0
    assert exported.stdout == again.stdout
    assert exported.stdout.splitlines()[-1].split()[:3] == ["5", "10", "30"]
    (received,) = json.loads(taken.stdout)["files"]
    assert (received["file"], received["accepted"], received["rejected"]) == ("out/", 30, 0)
    assert files(house / "out")[-1].startswith("meter_id=zähler".replace("ä", "%C3%A4"))
    assert subprocess.run(["diff", "-r", "out", "out-2"], check=False).returncode == 0
    assert files(house / "out") == files(house / "out-2")


def test_an_export_may_be_repeated_and_then_is_the_same(run, house):
    run("export", "out")
    run("export", "once")
    again = run("export", "out")

    assert again.exit_code == 0
    assert filecmp.cmpfiles("out", "once", files(house / "out"), shallow=False)[1:] == ([], [])


def test_sites_and_a_period_can_be_chosen_on_the_clock_of_the_site(run, house):
    result = run(
        "export", "out", "--site", "oslo-1", "--from", "2026-01-02", "--to", "2026-02-01T00:00:00Z"
    )

    assert result.exit_code == 0, result.output
    found = pl.read_parquet("out/**/*.parquet")
    assert files(house / "out") == ["meter_id=oslo-1.main/month=2026-01/readings.parquet"]
    assert found["timestamp"].dt.day().to_list() == [2, 28]


def test_until_alone_takes_all_before_it(run, house):
    run("export", "out", "--site", "oslo-1", "--to", "2026-01-28T00:00:00Z")

    assert pl.read_parquet("out/**/*.parquet")["timestamp"].dt.day().to_list() == [1, 2]


def test_the_progress_is_told(run, house):
    assert "exporting: " in run("export", "out").stderr


def test_a_house_without_readings_exports_none(run, site):
    result = run("export", "out")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].split() == ["0", "0", "0", "0.0"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("out", "--site", "nobody"), 3, "nobody"),
        ((".",), 4, "neither empty nor an earlier export"),
        (("out", "--from", "yesterday"), 2, "--from yesterday"),
        (("out", "--from", "2026-02-01", "--to", "2026-01-01"), 2, "end must be after start"),
        (("r.csv",), 2, "is a file"),
    ],
)
def test_what_cannot_be_meant_is_refused(run, house, words, code, said):
    result = run("export", *words)

    assert result.exit_code == code
    assert said in result.stderr


def test_a_folder_is_taken_in_whole_or_not_at_all_where_that_is_asked_for(run, house):
    run("export", "out")
    run("--data-dir", "new", "sites", "add", "--id", "oslo-1", "--name", "Oslo 1", "--operator",
        "fir", "--timezone", "Europe/Oslo", "--zone", "NO", "--telemetry", "interval")  # fmt: skip

    mixed = run("--data-dir", "new", "ingest", "out", "--atomic", "--json")

    total = json.loads(mixed.stdout)["total"]
    assert (total["received"], total["accepted"], total["rejected"]) == (30, 0, 30)
    assert json.loads(mixed.stdout)["files"][0]["reasons"] == {
        "unknown_meter": 24, "batch_refused": 6,
    }  # fmt: skip


def test_a_folder_that_is_no_export_is_one_line(run, house):
    result = run("ingest", "data")

    assert result.exit_code == 2
    assert "it must hold meter_id=…/month=…/*.parquet" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_meters_are_not_named_twice(run, house):
    run("export", "out")

    result = run("ingest", "out", "--meter", "oslo-1.main")

    assert result.exit_code == 2
    assert "its folders name the meters" in result.stderr


def test_reactive_energy_of_a_file_comes_out_as_reactive_power(run, folder, site):
    # 12 kvarh in an hour are 12 kvar; without one it is not known
    rows = ["oslo-1.main,2026-01-01T00:00Z,30,0.012", "oslo-1.main,2026-01-01T01:00Z,30,"]
    (folder / "q.csv").write_text("\n".join(["meter,time,kWh,Q (Mvarh)", *rows]) + "\n")
    pairs = ("meter_id=meter", "timestamp=time", "energy_kwh=kWh", "reactive_kvarh=Q (Mvarh)")

    taken = run("ingest", "q.csv", *(word for pair in pairs for word in ("--map", pair)))
    out = run("export", "out")

    assert (taken.exit_code, out.exit_code) == (0, 0), taken.output + out.output
    (path,) = (folder / "out").rglob("*.parquet")
    assert pl.read_parquet(path)["reactive_power_kvar"].to_list() == [12.0, None]


@pytest.mark.process
def test_a_service_gives_the_same_files_byte_for_byte(run, house, start, monkeypatch):
    monkeypatch.setattr(export, "PAGE_ROWS", 4)  # a month goes on in the next page
    assert run("export", "here").exit_code == 0
    assert run("export", "here-1", "--site", "oslo-2", "--from", "2026-01-02").exit_code == 0
    _, line = start("serve", "--port", "0")
    url = next(word for word in line.split() if word.startswith("http://"))

    done = run("export", "there", "--url", url)
    some = run("export", "there-1", "--site", "oslo-2", "--from", "2026-01-02", "--url", url)

    assert (done.exit_code, some.exit_code) == (0, 0), (done.output, some.output)
    for mine, theirs in (("here", "there"), ("here-1", "there-1")):
        names = [str(each.relative_to(house / mine)) for each in (house / mine).rglob("*.parquet")]
        assert names
        found = [str(e.relative_to(house / theirs)) for e in (house / theirs).rglob("*.parquet")]
        assert sorted(names) == sorted(found)
        same, other, missing = filecmp.cmpfiles(house / mine, house / theirs, names, shallow=False)
        assert (sorted(same), other, missing) == (sorted(names), [], [])
