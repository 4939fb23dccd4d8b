"""`wattbook anomalies`: looks, lists, refuses."""

import json
from datetime import UTC, datetime, timedelta

import pytest

T = datetime(2026, 1, 1, tzinfo=UTC)
SPAN = ("--from", "2026-01-29T00:00:00Z", "--to", "2026-02-05T00:00:00Z")


@pytest.fixture
def readings(run, folder, site) -> str:
    """Five weeks of about 100 kW, and a day of which no reading came."""
    rows = [
        f"{site}.main,{(T + timedelta(hours=at)).isoformat()},{100 + at * 37 % 11 / 10}"
        for at in range(35 * 24)
        if at // 24 != 30
    ]
    (folder / "r.csv").write_text("\n".join(["meter_id,timestamp,energy_kwh", *rows]) + "\n")
    assert run("ingest", "r.csv").exit_code == 0
    return str(site)


@pytest.mark.slow
def test_it_looks_and_lists_what_it_found_with_the_cause(run, readings) -> None:
    looked = run("anomalies", "--run", "--site", readings, *SPAN)
    listed = run("anomalies", "--site", readings)

    assert looked.exit_code == 0, looked.output
    assert "1 meter(s) from" in looked.stderr
    assert "to 2026-02-05 00:00 UTC" in looked.stderr
    assert "1 new, 0 found again, 0 gone" in looked.stderr
    assert listed.exit_code == 0, listed.output
    assert "2026-01-31 00:00" in listed.stdout
    assert "No reading came for 24 hours." in listed.stdout
    assert "gap" in listed.stdout


@pytest.mark.slow
def test_as_json_it_has_the_names_of_the_api(run, readings) -> None:
    assert run("anomalies", "--run", *SPAN).exit_code == 0

    (found,) = json.loads(run("anomalies", "--json", "--category", "meter_fault").stdout)[
        "findings"
    ]

    assert found["start"] == "2026-01-31T00:00:00Z"
    assert found["review"] == {"state": "open", "note": None, "by": None, "at": None}
    assert found["evidence"]["quantity"] == "coverage"


def test_where_nothing_was_found_it_says_so(run, site) -> None:
    result = run("anomalies", "--site", site)

    assert result.exit_code == 0
    assert "no findings; --run detects new ones" in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--site", "nowhere"), 3, "nowhere"),
        (("--from", "yesterday"), 2, "--from yesterday"),
        (("--category", "odd"), 2, "category"),
        (("--run", "--meter", "nothing"), 3, "nothing"),
    ],
)
def test_what_cannot_be_meant_is_refused(run, site, words, code, said) -> None:
    result = run("anomalies", *words)

    assert result.exit_code == code, result.output
    assert said in result.output
