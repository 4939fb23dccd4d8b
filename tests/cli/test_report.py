"""`wattbook report` writes files and says where they are."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

pytestmark = pytest.mark.slow

T = datetime(2026, 1, 1, tzinfo=UTC)
JANUARY = ("--from", "2026-01-01", "--to", "2026-02-01")


@pytest.fixture
def readings(run, folder, site) -> str:
    rows = [f"{site}.main,{(T + timedelta(hours=at)).isoformat()},10" for at in range(31 * 24)]
    (folder / "r.csv").write_text("\n".join(["meter_id,timestamp,energy_kwh", *rows]) + "\n")
    assert run("ingest", "r.csv").exit_code == 0
    return str(site)


def test_a_pdf_is_written_here_under_a_name_made_of_site_and_days(run, folder, readings) -> None:
    result = run("report", readings, *JANUARY)

    assert result.exit_code == 0, result.output
    name = "site-oslo-1_2026-01-01_2026-01-31.pdf"
    assert (folder / name).read_bytes().startswith(b"%PDF")
    assert re.search(
        rf"^{re.escape(name)}  .* kB  fingerprint [0-9a-f]{{16}}$", result.stdout, re.MULTILINE
    )


def test_several_formats_are_several_files_of_one_fingerprint(run, folder, readings) -> None:
    forms = ("json", "csv", "html", "zip")
    options = [word for form in forms for word in ("--format", form)]

    result = run("report", "operator:fir", *JANUARY, *options)

    assert result.exit_code == 0, result.output
    stem = "operator-fir_2026-01-01_2026-01-31"
    assert {path.name for path in folder.glob(f"{stem}.*")} == {f"{stem}.{form}" for form in forms}
    assert len(set(re.findall(r"fingerprint (\w+)", result.stdout))) == 1
    document = json.loads((folder / f"{stem}.json").read_text("utf-8"))
    assert document["total"]["energy_kwh"] == 10 * (31 * 24 - 1)  # Oslo's January ends at 23 UTC


def test_a_file_is_named_and_its_ending_is_the_format(run, folder, readings) -> None:
    result = run("report", readings, *JANUARY, "--out", folder / "January.CSV")

    assert result.exit_code == 0, result.output
    assert (folder / "January.CSV").read_text("utf-8").startswith("start,end,energy_kwh")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nobody", *JANUARY), 3, "no site, operator or zone 'nobody'"),
        (("oslo-1", "--from", "2026-02-01", "--to", "2026-01-01"), 2, "must be after --from"),
        (("oslo-1", "--from", "yesterday"), 2, "--from yesterday: must be a date"),
        (("oslo-1", *JANUARY, "--format", "docx"), 2, "--format: unknown format 'docx'"),
        (
            ("oslo-1", *JANUARY, "--out", "report.docx"),
            2,
            "--out: unknown format 'docx'; must be one of pdf",
        ),
        (("oslo-1", *JANUARY, "--out", "no/such/r.csv"), 5, "no/such/r.csv: No such file"),
        (
            ("oslo-1", *JANUARY, "--out", "r", "--format", "csv", "--format", "pdf"),
            2,
            "--out names one file",
        ),
        (("oslo-1", *JANUARY, "--factors", "mine"), 2, "mine"),
        (("oslo-1", *JANUARY, "--as-of", "2100-01-01"), 2, "as_of is in the future"),
    ],
)
def test_what_cannot_be_done_is_a_line_and_a_code(run, site, words, code, said) -> None:
    result = run("report", *words)

    assert result.exit_code == code
    assert said in result.output


def test_a_job_makes_one_here_too(run, readings) -> None:
    result = run(
        "jobs", "run", "report", "--param", f"entity_id={readings}",
        "--param", "start=2026-01-01T00:00:00Z", "--param", "end=2026-02-01T00:00:00Z",
        "--param", "formats=json,csv",
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    job = json.loads(result.stdout)
    assert sorted(job["result"]["links"]) == ["csv", "json"]
