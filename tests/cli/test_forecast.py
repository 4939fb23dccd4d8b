"""`wattbook forecast` and `wattbook backtest`: tables, pictures, refusals."""

import json
from datetime import UTC, datetime, timedelta

import pytest

pytestmark = pytest.mark.slow

T = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def readings(run, folder, site) -> str:
    """Four weeks of 10 kW, and 20 kW at noon."""
    rows = [
        f"{site}.main,{(T + timedelta(hours=at)).isoformat()},{20 if at % 24 == 12 else 10}"
        for at in range(28 * 24)
    ]
    (folder / "r.csv").write_text("\n".join(["meter_id,timestamp,energy_kwh", *rows]) + "\n")
    assert run("ingest", "r.csv").exit_code == 0
    return str(site)


def test_a_forecast_is_a_table_with_its_chart_and_is_made_once(run, readings) -> None:
    first = run("forecast", readings, "--days", "24h", "--model", "naive")
    again = run("forecast", readings, "--days", "2d", "--model", "naive", "--json")
    fresh = run("forecast", readings, "--days", "2", "--model", "naive", "--json", "--fresh")

    assert first.exit_code == 0, first.output
    assert first.stderr.endswith("forecast: succeeded, 8 of 8 steps\n")
    assert all(line.startswith("forecast: ") for line in first.stderr.splitlines())  # no log
    assert "site:oslo-1 load   basis: naive   known until" in first.stdout
    assert "●" in first.stdout
    assert "2026-01-29 01:00" in first.stdout  # where the site stands
    document = json.loads(again.stdout)
    assert len(document["rows"]) == 48
    assert document["rows"][12]["mean"] == pytest.approx(20.0)
    assert json.loads(fresh.stdout)["run_id"] != document["run_id"]


def test_a_longer_one_is_by_days_and_csv_is_the_rows(run, readings) -> None:
    result = run("forecast", "operator:fir", "--model", "naive", "--csv")

    lines = result.stdout.splitlines()
    assert lines[0] == "start,mean,p10,p50,p90"
    assert len(lines) == 1 + 7


@pytest.mark.parametrize(("name", "begins"), [("f.svg", b"<svg"), ("f.PNG", b"\x89PNG")])
def test_a_picture_is_drawn(run, folder, readings, name, begins) -> None:
    result = run("forecast", readings, "--days", "1", "--model", "naive", "--plot", folder / name)

    assert result.exit_code == 0, result.output
    assert (folder / name).read_bytes().startswith(begins)


def test_a_backtest_shows_each_model_and_lead(run, readings) -> None:
    result = run("backtest", readings, "--model", "naive")

    assert result.exit_code == 0, result.output
    assert "site:oslo-1 load by hour: naive\n" in result.stdout
    for word in ("MASE", "rMAE", "pinball", "held", "24h", "7d"):
        assert word in result.stdout
    everything = run("backtest")
    assert everything.exit_code == 0, everything.output
    assert everything.stdout.count("site:oslo-1 load by hour") == 2  # auto, and naive as above


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("forecast", "nobody"), 3, "no site, operator or zone 'nobody'"),
        (("forecast", "oslo-1"), 4, "no load of site:oslo-1 is known yet"),
        (("forecast", "oslo-1", "--days", "31"), 2, "longer than 30 days (FORECAST_DAYS)"),
        (("forecast", "oslo-1", "--days", "soon"), 2, "'soon' is not a horizon"),
        (("forecast", "oslo-1", "--plot", "f.gif"), 2, "--plot: unsupported image format 'f.gif'"),
        (("forecast", "oslo-1", "--model", "lstm"), 2, "lstm"),
        (("forecast", "network:bitcoin", "--hashrate"), 3, "register a meter 'network.bitcoin'"),
        (("backtest", "nobody"), 3, "no site, operator or zone 'nobody'"),
        (("backtest", "oslo-1"), 4, "no load of site:oslo-1 is known yet"),
    ],
)
def test_what_cannot_be_done_is_a_line_and_a_code(run, site, words, code, said) -> None:
    result = run(*words)

    assert result.exit_code == code, result.output
    assert said in result.output


def test_where_a_picture_cannot_be_written_it_is_said(run, readings) -> None:
    result = run("forecast", readings, "--model", "naive", "--plot", "no/such/f.svg")

    assert result.exit_code == 5
    assert "no/such/f.svg: No such file" in result.output
