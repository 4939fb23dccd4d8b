"""Cases that a site or a tariff has to state, from a file to the figure: `tests/data/cases`."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

CASES = Path(__file__).parents[1] / "data" / "cases"
QUARTER, HOUR = timedelta(minutes=15), timedelta(hours=1)


@pytest.fixture
def do(run):
    """Runs a command that has to succeed."""

    def done(*words: object) -> str:
        answer = run(*words)
        assert answer.exit_code == 0, answer.output
        return str(answer.stdout)

    return done


def write(folder: Path, rows: Iterable[tuple[str, datetime, float]]) -> Path:
    path = folder / "readings.csv"
    lines = [f"{who},{at:%Y-%m-%dT%H:%MZ},{energy}" for who, at, energy in rows]
    path.write_text("\n".join(["meter_id,timestamp,energy_kwh", *lines]))
    return path


def add(do, name: str, timezone: str, zone: str, interval: str, *options: str) -> None:
    do("sites", "add", "--id", name, "--name", name, "--operator", "test", "--timezone", timezone,
       "--zone", zone, "--telemetry", "interval", "--expected-interval", interval,
       *options)  # fmt: skip


def test_a_meter_that_is_replaced_goes_on_with_the_load_of_its_site(do, folder: Path) -> None:
    """25 kWh each quarter-hour of April, from the 16th on by another meter."""
    case = CASES / "replaced-meter"
    do("sites", "add", case / "site.json")
    begin = datetime(2026, 4, 1, tzinfo=UTC)
    times = [begin + at * QUARTER for at in range(30 * 96)]
    rows = [("w.old" if each.day < 16 else "w.new", each, 25) for each in times]
    do("ingest", write(folder, rows))
    do("sites", "tariffs", "w", case / "tariff.json")
    april = ("--from", "2026-04-01", "--to", "2026-05-01")

    total = json.loads(do("metrics", "w", *april, "--grain", "month", "--json"))["total"]
    cost = json.loads(do("cost", "w", *april, "--json"))
    do("report", "w", *april, "--format", "json", "--out", folder / "r.json")
    report = json.loads((folder / "r.json").read_text())

    assert total["energy_kwh"] == pytest.approx(72_000)  # 2,880 × 25
    assert total["power_kw_mean"] == pytest.approx(100)
    assert total["coverage"] == pytest.approx(1)
    assert cost["totals"][0]["cost"] == pytest.approx(8_200)  # 72,000 × 0.10 + 100 kW × 10
    assert cost["bills"][0]["complete"] is True
    assert report["total"]["load_factor"] == pytest.approx(1)
    assert report["total"]["load_factor_time_share"] == pytest.approx(1)


def test_a_ratchet_looks_at_the_peaks_of_summer_alone(do, folder: Path) -> None:
    """July 1,000 kW, January 2,000 kW, February 500 kW: max(500, 0.8 × 1,000) = 800 kW × 10."""
    add(do, "a", "America/Phoenix", "XX", "1h")
    do("sites", "tariffs", "a", CASES / "summer-ratchet" / "tariff.json")
    peaks = {1: 2000, 2: 500, 7: 1000}
    begin = datetime(2025, 3, 1, 7, tzinfo=UTC)  # midnight in Phoenix
    rows = []
    for at in range(365 * 24):
        local = begin + at * HOUR - 7 * HOUR
        peak = (local.day, local.hour) == (15, 15)
        rows.append(("a.main", begin + at * HOUR, peaks.get(local.month, 400) if peak else 300))
    do("ingest", write(folder, rows))

    cost = json.loads(do("cost", "a", "--from", "2026-02-01", "--to", "2026-03-01", "--json"))

    assert cost["totals"][0]["cost"] == pytest.approx(8_000)
    (line,) = cost["bills"][0]["lines"]
    assert (line["peak_kw"], line["floor_kw"], line["floor_month"]) == (500, 800, "2025-07-01")
    assert cost["bills"][0]["missing"] == []


def test_a_day_of_the_calendar_that_the_tariff_does_not_know_is_a_working_day(
    do, folder: Path
) -> None:
    """Good Friday in Spain, 1 kWh an hour: 8 × 0.30 + 8 × 0.20 + 8 × 0.10 = 4.80 EUR."""
    add(do, "es", "Europe/Madrid", "ES", "PT1H")
    do("sites", "tariffs", "es", CASES / "struck-out-holiday" / "tariff.json")
    begin = datetime(2026, 4, 2, 22, tzinfo=UTC)  # midnight of 3 April in Madrid
    do("ingest", write(folder, [("es.main", begin + at * HOUR, 1) for at in range(24)]))

    cost = json.loads(do("cost", "es", "--from", "2026-04-01", "--to", "2026-05-01", "--json"))

    assert cost["totals"][0]["cost"] == pytest.approx(4.80)


def test_a_meter_that_counts_both_ways_nets_and_is_paid_for_what_it_gives_back(
    do, folder: Path
) -> None:
    """10 kWh drawn, then 4 given back: net 6 kWh; 10 × 0.30 − 4 × 0.08 = 2.68 EUR."""
    add(do, "a", "UTC", "XX", "15min", "--flow", "net")
    do("sites", "tariffs", "a", CASES / "net-meter" / "tariff.json")
    begin = datetime(2026, 3, 2, 12, tzinfo=UTC)
    do("ingest", write(folder, [("a.main", begin, 10), ("a.main", begin + QUARTER, -4)]))

    day = ("--from", "2026-03-02", "--to", "2026-03-03", "--json")
    total = json.loads(do("metrics", "a", *day))["total"]
    cost = json.loads(do("cost", "a", *day))

    assert total["energy_kwh"] == pytest.approx(6)
    assert cost["totals"][0]["cost"] == pytest.approx(2.68)


@pytest.mark.parametrize(
    ("text", "length_s"),
    [("900", 900), ("15min", 900), ("15 min", 900), ("15m", 900), ("30s", 30), ("1h", 3600),
     ("1d", 86_400), ("PT15M", 900), ("pt1h", 3600), ("PT1H30M", 5400), ("P1D", 86_400)],
)  # fmt: skip
def test_an_interval_is_a_length_of_time_or_seconds(do, text: str, length_s: int) -> None:
    add(do, "a", "UTC", "XX", text)

    site = json.loads(do("sites", "show", "a", "--json"))

    assert site["meters"][0]["expected_interval_s"] == length_s


@pytest.mark.parametrize("text", ["soon", "0", "PT", "P", "15 weeks", "-900", "1.5h", ""])
def test_another_interval_is_refused_with_what_it_may_be(run, text: str) -> None:
    answer = run(
        "sites", "add", "--id", "a", "--name", "a", "--operator", "t", "--timezone", "UTC",
        "--zone", "XX", "--telemetry", "interval", f"--expected-interval={text}",
    )  # fmt: skip

    assert answer.exit_code == 2
    words = " ".join(answer.output.replace("│", " ").split())
    assert "use 15min, 1h, PT15M, or a number of seconds" in words
