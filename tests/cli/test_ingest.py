"""`wattbook ingest`: files in, a receipt out, and the exit code says whether rows were refused."""

import csv
import json
from pathlib import Path

import pytest

GOOD = ["oslo-1.main,2026-01-01T00:00:00Z,10", "oslo-1.main,2026-01-01T01:00:00Z,20"]
BAD = ["oslo-1.main,2026-01-01T02:00:00Z,abc", "nobody.main,2026-01-01T00:00:00Z,1"]


def readings(folder: Path, *rows: str, name: str = "r.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(["meter_id,timestamp,energy_kwh", *rows]) + "\n")
    return path


def receipt(output: str) -> dict[str, int]:
    total = json.loads(output)["total"]
    assert isinstance(total, dict)
    return total


@pytest.mark.slow
def test_what_is_good_is_taken_in_and_again_it_is_a_duplicate(run, folder, site):
    path = readings(folder, *GOOD)

    first, second = (run("ingest", path, "--json") for _ in range(2))

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert receipt(first.stdout)["accepted"] == 2
    assert receipt(second.stdout)["duplicates"] == 2


@pytest.mark.slow
def test_refused_rows_are_counted_with_reasons_and_make_the_exit_code_1(run, folder, site):
    path = readings(folder, *GOOD, *BAD)

    result = run("ingest", path)

    assert result.exit_code == 1
    assert "not_a_number" in result.stdout
    assert "row 3: meter_id: no meter nobody.main is registered" in result.stdout
    assert "wattbook sites add" in result.stderr


@pytest.mark.slow
def test_refused_rows_are_no_failure_when_they_are_allowed(run, folder, site):
    result = run("ingest", readings(folder, *GOOD, *BAD), "--allow-rejects", "--json")

    assert result.exit_code == 0
    total = receipt(result.stdout)
    assert (total["received"], total["accepted"], total["rejected"]) == (4, 2, 2)


@pytest.mark.slow
def test_refused_rows_are_written_out_as_they_came(run, folder, site):
    run("ingest", readings(folder, *GOOD, *BAD), "--rejects", folder / "refused.csv")

    rows = list(csv.DictReader((folder / "refused.csv").read_text().splitlines()))
    assert [(row["row"], row["reason"]) for row in rows] == [
        ("2", "not_a_number"),
        ("3", "unknown_meter"),
    ]
    assert rows[0]["raw"] == BAD[0]


@pytest.mark.slow
def test_atomic_takes_in_all_of_a_file_or_nothing(run, folder, site):
    mixed = run("ingest", readings(folder, *GOOD, *BAD), "--atomic", "--json")
    clean = run("ingest", readings(folder, *GOOD, name="c.csv"), "--atomic", "--json")

    assert mixed.exit_code == 1
    total = receipt(mixed.stdout)
    assert (total["received"], total["accepted"], total["rejected"]) == (4, 0, 4)
    assert json.loads(mixed.stdout)["files"][0]["reasons"]["batch_refused"] == 2
    assert receipt(clean.stdout)["accepted"] == 2  # none of them was there before


@pytest.mark.slow
def test_columns_units_and_the_clock_on_the_wall_are_mapped(run, folder, site):
    path = folder / "wall.csv"
    path.write_text("Date;Time;MWh\n02/01/2026;01:00:00;0.01\n02/01/2026;02:00:00;0.02\n")

    taken = run(
        "ingest", path, "--map", "timestamp=Date+Time", "--map", "energy_kwh=MWh",
        "--unit", "energy_kwh=MWh", "--timezone", "Europe/Oslo", "--day-first",
        "--interval-label", "end", "--meter", "oslo-1.main",
    )  # fmt: skip
    asked = run(
        "metrics", site, "--from", "2026-01-02", "--to", "2026-01-03", "--grain", "hour", "--json"
    )

    assert taken.exit_code == 0, taken.output
    rows = json.loads(asked.stdout)["rows"]
    assert [row["energy_kwh"] for row in rows[:3]] == [10.0, 20.0, None]  # 00:00 and 01:00 in Oslo
    assert rows[0]["start"] == "2026-01-01T23:00:00Z"


@pytest.mark.slow
def test_zone_conditions_stamped_at_the_end_begin_an_hour_before(run, folder, site):
    path = folder / "g.csv"
    path.write_text("end,co2\n2026-01-01T01:00:00Z,100\n")
    run("ingest", readings(folder, *GOOD))

    taken = run(
        "ingest", path, "--grid", "--map", "zone='NO'", "--map", "start=end",
        "--map", "carbon_g_per_kwh=co2", "--interval-label", "end",
    )  # fmt: skip
    asked = run(
        "carbon", site, "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T01:00:00Z",
        "--grain", "hour", "--json",
    )  # fmt: skip

    assert taken.exit_code == 0, taken.output
    assert json.loads(asked.stdout)["total"]["emitted_kg"] == pytest.approx(1.0)  # 10 kWh × 100 g


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--map", "foo=energy_kwh"), "'foo' is none of"),
        (("--map", "energy_kwh=nothing"), "the file has no 'nothing'"),
        (("--unit", "energy_kwh=hp"), "unknown unit 'hp'"),
        (("--unit", "energy_kwh"), "must be COLUMN=UNIT"),
        (("--timezone", "Mars/Olympus"), "is not an IANA time zone"),
        (("--map-values", "quality=x"), "must be COLUMN=WORD:OURS"),
        (("--separator", "ab"), "invalid separator 'ab'"),
        (("--dst-flag", "nothing"), "the file has no 'nothing'"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_exit_code_2(run, folder, site, words, said):
    result = run("ingest", readings(folder, *GOOD), *words)

    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_damaged_file_is_told_in_one_line(run, folder, site):
    path = folder / "broken.csv.gz"
    path.write_bytes(b"\x1f\x8b\x08\x00 not gzip at all")

    result = run("ingest", path)

    assert result.exit_code == 2
    assert "broken.csv.gz" in result.stderr


GERMAN = "Zeitstempel;Verbrauch (kWh);Güte\n" + "".join(
    f"03.01.2026 0{hour}:00;{kwh};{word}\n"
    for hour, kwh, word in ((0, "199,5", "gemessen"), (1, "1.234", "gemessen"), (2, "3", "Ersatz"))
)
GERMAN_SAID = (
    *("--meter", "oslo-1.main", "--timezone", "Europe/Oslo", "--map", "timestamp=Zeitstempel"),
    *("--map", "energy_kwh=Verbrauch (kWh)", "--map", "quality=Güte"),
    *("--map-values", "quality=gemessen:measured,Ersatz:substituted"),
)


def test_a_preview_shows_rows_and_guesses_and_stores_nothing(run, folder):
    (folder / "g.csv").write_bytes(GERMAN.encode("windows-1252"))

    shown = run("ingest", folder / "g.csv", *GERMAN_SAID, "--preview")
    document = json.loads(
        run("ingest", folder / "g.csv", *GERMAN_SAID, "--preview", "--json").stdout
    )

    assert shown.exit_code == 0, shown.output
    assert "2026-01-03 00:00:00Z" in shown.stdout  # 01:00 in Oslo
    assert "decimal comma, point between thousands" in shown.stdout
    (file,) = document["files"]
    assert [row["energy_kwh"] for row in file["rows"]] == [199.5, 1234.0, 3.0]
    assert [row["quality"] for row in file["rows"]] == ["measured", "measured", "substituted"]
    assert file["rows"][0]["ts_utc"] == "2026-01-02T23:00:00Z"
    read_as = {guess["what"]: guess["value"] for guess in file["read_as"]}
    assert read_as["encoding"] == "windows-1252"
    assert read_as["separator"] == "semicolon"
    assert read_as["dates"] == "day first"
    assert not (folder / "data").exists()


def test_a_preview_names_rows_that_would_be_rejected(run, folder):
    (folder / "g.csv").write_text(GERMAN.replace("00;3;", "00;3x;"), encoding="utf-8")

    shown = run("ingest", folder / "g.csv", *GERMAN_SAID, "--preview")

    assert shown.exit_code == 1
    assert "1 rows would be rejected" in shown.stdout
    assert 'energy_kwh: must be a number, but is "3x"' in shown.stdout


@pytest.mark.slow
def test_the_receipt_says_how_the_file_was_read(run, folder, site):
    (folder / "g.csv").write_text(GERMAN, encoding="utf-8")

    document = json.loads(
        run("ingest", folder / "g.csv", *GERMAN_SAID, "--json", "--allow-rejects").stdout
    )

    (file,) = document["files"]
    decimals = next(guess for guess in file["read_as"] if guess["what"] == "decimals")
    assert decimals == {
        "what": "decimals",
        "value": "decimal comma, point between thousands",
        "how": "detected",
        "because": "as in '199,5'",
    }


def test_a_file_with_two_readings_is_refused_with_both(run, folder, site):
    (folder / "a.csv").write_text("t,kWh\n1/07/2026 12:00:00 AM,1\n")

    result = run(
        "ingest", folder / "a.csv", "--meter", "oslo-1.main", "--timezone", "Europe/Oslo",
        "--map", "timestamp=t", "--map", "energy_kwh=kWh",
    )  # fmt: skip

    assert result.exit_code == 2
    assert "2026-07-01 with --date-order dmy and 2026-01-07 with --date-order mdy" in result.stderr


@pytest.mark.slow
def test_watts_sent_as_kilowatt_hours_are_doubted_beside_the_receipt(run, folder, site):
    rows = ["oslo-1.main,2026-01-01T00:00:00Z,410000"]

    result = run("ingest", readings(folder, *rows), "--allow-rejects")

    assert "820 times the capacity of its site" in result.stderr  # of 500 kW
    assert "--unit energy_kwh=Wh" in result.stderr
