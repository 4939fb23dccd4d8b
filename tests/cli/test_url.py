"""A service answers a command as the stores here would."""

import json
from pathlib import Path

import pytest

from wattbook.schemas.findings import FindingsOut
from wattbook.schemas.jobs import JobPageOut
from wattbook.schemas.site_answers import SiteOut, SitePage

PERIOD = ("--from", "2026-01-01", "--to", "2026-01-02")


@pytest.fixture
def read(run, site: str, folder: Path) -> str:
    """A day of 10 kWh every hour at the site."""
    rows = (f"oslo-1.main,2026-01-01T{hour:02}:00:00+01:00,10" for hour in range(24))
    (folder / "r.csv").write_text("\n".join(["meter_id,timestamp,energy_kwh", *rows]) + "\n")
    assert run("ingest", "r.csv").exit_code == 0
    return site


READS = [
    ("sites", "list"),
    ("sites", "list", "--json"),
    ("sites", "show", "oslo-1"),
    ("sites", "show", "oslo-1", "--json"),
    ("sites", "meters"),
    ("sites", "tariffs", "oslo-1"),
    ("metrics", "oslo-1", *PERIOD, "--grain", "hour"),
    ("metrics", "oslo-1", *PERIOD, "--json"),
    ("metrics", "oslo-1", "--from", "2026-01-01", "--csv"),
    ("metrics", "--network", "--by", "site", *PERIOD, "--grain", "hour"),
    ("cost", "oslo-1", *PERIOD),
    ("cost", "oslo-1", *PERIOD, "--json"),
    ("carbon", "network", *PERIOD),
    ("carbon", "oslo-1", *PERIOD, "--csv"),
    ("anomalies", "--site", "oslo-1"),
    ("metrics", "nowhere", *PERIOD),
    ("sites", "show", "nowhere"),
]


@pytest.mark.slow
@pytest.mark.process
def test_a_service_gives_the_same_output_byte_for_byte(run, read, start, folder, monkeypatch):
    here = [run(*words) for words in READS]
    report = run("report", read, *PERIOD, "--format", "csv", "--out", "here.csv")
    _, line = start("serve", "--port", "0")
    url = next(word for word in line.split() if word.startswith("http://"))

    held = run("metrics", read, *PERIOD)
    there = [run(*words, "--url", url) for words in READS]
    sent = run("ingest", "r.csv", "--url", url, "--json")
    monkeypatch.setenv("WATTBOOK_URL", url)
    by_name = run("sites", "list")
    both = run("--data-dir", "elsewhere", "sites", "list")
    report_there = run("report", read, *PERIOD, "--format", "csv", "--out", "there.csv")

    for words, one, other in zip(READS, here, there, strict=True):
        assert (one.exit_code, one.stdout) == (other.exit_code, other.stdout), words
    # The data folder is open in the service, which is named.
    assert (held.exit_code, url in held.stderr) == (5, True)
    # Sent again, every row is known already.
    assert json.loads(sent.stdout)["total"] == {
        "received": 24, "accepted": 0, "duplicates": 24, "corrected": 0, "rejected": 0,
    }  # fmt: skip
    assert by_name.stdout == here[0].stdout
    assert both.exit_code == 3  # a folder that is named goes before WATTBOOK_URL
    assert report.exit_code == report_there.exit_code == 0, report_there.output
    assert (folder / "here.csv").read_bytes() == (folder / "there.csv").read_bytes()


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("127.0.0.1:8000", 2, "invalid --url"),
        ("http://127.0.0.1:9", 5, "no service answers at http://127.0.0.1:9"),
    ],
)
def test_an_address_without_a_service_is_an_error_that_names_it(run, url, code, said):
    result = run("sites", "list", "--url", url)

    assert (result.exit_code, said in result.stderr) == (code, True), result.stderr


def test_a_folder_and_a_service_are_not_both_asked(run):
    result = run("--data-dir", "x", "sites", "list", "--url", "http://127.0.0.1:9")

    assert result.exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("sites", "list"),
        ("sites", "list", "--json"),
        ("sites", "hold", "x", "--release"),
        ("metrics", "--network", "--from", "2026-01-01"),
        ("cost", "x", "--from", "2026-01-01"),
        ("carbon", "x", "--from", "2026-01-01"),
        ("report", "x", "--from", "2026-01-01"),
        ("forecast", "x"),
        ("anomalies",),
        ("export", "out"),
        ("jobs", "list"),
        ("stats",),
        ("rollup",),
    ],
)
def test_a_command_that_reads_creates_no_store(run, folder, words):
    result = run("--data-dir", "typo", *words)

    assert result.exit_code == 3
    assert "there is no wattbook store in typo" in result.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_a_store_without_sites_answers_with_nothing(run):
    assert run("migrate").exit_code == 0

    result = run("metrics", "--network", "--from", "2021-06-01", "--json")

    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["total"]["energy_kwh"], found["total"]["readings"]) == (None, 0)


@pytest.mark.slow
def test_a_period_without_end_reaches_to_the_end_of_the_data(run, read):
    found = json.loads(run("metrics", read, "--from", "2026-01-01", "--json").stdout)

    # The last hour begins at 23:00 and ends at midnight in Oslo, 23:00 UTC.
    assert (found["end"], len(found["rows"])) == ("2026-01-01T23:00:00Z", 1)
    assert found["total"]["coverage"] == 1.0


@pytest.mark.slow
def test_months_of_each_operator_are_on_the_screen(run, read):
    words = ("--network", "--by", "operator", "--grain", "month", "--from", "2025-12-01")
    lines = run("metrics", *words, "--to", "2026-02-01").stdout.splitlines()

    # In UTC the first of Oslo's 24 hours, at 23:00, is still December's: 10 and 230 kWh.
    assert ["fir", "2025-12", "10.0"] in [line.split()[:3] for line in lines]
    assert ["fir", "2026-01", "230.0"] in [line.split()[:3] for line in lines]


@pytest.mark.slow
def test_json_is_the_document_of_the_http_api(run, read):
    documents = {
        model: json.loads(run(*words).stdout)
        for model, words in (
            (SitePage, ("sites", "list", "--json")),
            (SiteOut, ("sites", "show", read, "--json")),
            (FindingsOut, ("anomalies", "--json")),
            (JobPageOut, ("jobs", "list", "--json")),
        )
    }

    for model, document in documents.items():
        names = {field.removesuffix("_utc") for field in model.model_fields}
        assert set(document) == names, model


@pytest.mark.slow
def test_a_job_takes_the_dates_that_from_takes_and_writes_the_files_of_a_report(run, read, folder):
    result = run(
        "jobs", "run", "report",
        "--param", f"entity_id={read}", "--param", "start=2026-01-01", "--param", "formats=csv",
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    assert "wrote site-oslo-1_2026-01-01_2026-01-01.csv" in result.stderr
    assert (folder / "site-oslo-1_2026-01-01_2026-01-01.csv").stat().st_size > 0
