"""Bills and tariffs on the command line."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

FLAT = {"kind": "flat", "name": "energy", "price_per_kwh": 0.1}
DEMAND = {"kind": "demand", "name": "demand", "price_per_kw_month": 10}
WORK = {"days": ["weekday"], "start": "07:00", "end": "19:00"}
BY_TIME = {
    "kind": "time_of_use",
    "name": "by time",
    "bands": [
        {"name": "work", "price_per_kwh": 0.2, "windows": [WORK]},
        {
            "name": "rest",
            "price_per_kwh": 0.1,
            "windows": [
                {"days": ["weekday"], "start": "19:00", "end": "07:00"},
                {"days": ["weekend", "holiday"]},
            ],
        },
    ],
}
TARIFF = {"valid_from": "2026-01-01", "currency": "EUR", "components": [FLAT, DEMAND]}


def given(folder: Path, *bodies: dict[str, Any], name: str = "tariffs.json") -> str:
    (folder / name).write_text(json.dumps(bodies[0] if len(bodies) == 1 else bodies))
    return name


@pytest.fixture
def drawn(run, folder: Path, site: str) -> str:
    """A site of which the first 48 hours of 2026 are known: 100 kWh in each."""
    rows = [
        f"oslo-1.main,2026-01-0{day}T{hour:02}:00:00+01:00,100"
        for day in (1, 2)
        for hour in range(24)
    ]
    (folder / "readings.csv").write_text("meter_id,timestamp,energy_kwh\n" + "\n".join(rows))
    assert run("ingest", "readings.csv").exit_code == 0
    return site


def test_a_bill_is_a_table(run, folder, drawn):
    added = run("sites", "tariffs", drawn, given(folder, TARIFF))
    bill = run("cost", drawn, "--from", "2026-01-01", "--to", "2026-02-01")

    assert added.exit_code == 0, added.output
    assert "tariff-2026-01-01" in added.stdout
    assert bill.exit_code == 0, bill.output
    lines = [" ".join(line.split()) for line in bill.stdout.replace("\u202f", "").splitlines()]
    head = "2026-01 energy 4800.0 kWh coverage 6.5 %"
    hourly = "demand: a meter has one value for 1 hour; the demand may have been up to 1000.0 kW"
    missing = f"energy is missing for 93.5 % of the time; {hourly}"
    assert lines[0] == f"{head} incomplete: {missing}"
    assert "energy 2026-01-01 4800.0 kWh 0.10000 100.0 480.00 EUR" in lines
    assert "demand 2026-01-01 100.0 kW 10.00000 100.0 1000.00 EUR" in lines
    assert "total 1480.00 EUR" in lines


def test_a_bill_for_every_month(run, folder, drawn):
    run("sites", "tariffs", drawn, given(folder, TARIFF))

    bills = run("cost", drawn, "--from", "2026-01-01", "--to", "2026-03-01")

    months = [line.split()[0] for line in bills.stdout.splitlines() if "coverage" in line]
    assert months == ["2026-01", "2026-02"]


def test_a_bill_says_which_prices_are_missing(run, folder, drawn):
    bill = run("cost", drawn, "--from", "2026-01-01", "--to", "2026-02-01")

    said = " ".join(bill.stdout.replace("\u202f", "").split())
    assert "energy is missing for 93.5 % of the time; energy: 4800.0 kWh have no price" in said


def test_a_bill_says_what_a_ratchet_made_of_the_demand(run, folder, drawn):
    (folder / "february.csv").write_text(
        "meter_id,timestamp,energy_kwh\noslo-1.main,2026-02-03T00:00:00+01:00,40\n"
    )
    assert run("ingest", "february.csv").exit_code == 0
    ratchet = {**DEMAND, "ratchet": {"percent": 80, "months": 11}}
    run("sites", "tariffs", drawn, given(folder, {**TARIFF, "components": [ratchet]}))

    bill = run("cost", drawn, "--from", "2026-02-01", "--to", "2026-03-01")

    said = " ".join(bill.stdout.split())
    assert "demand 2026-02-01 80.0 kW 10.00000 100.0 800.00 EUR" in said  # 80 % of 100 kW
    assert "demand: 40.0 kW over 15 minutes from 2026-02-03 00:00" in said
    assert "the ratchet's floor of 80.0 kW, set in 2026-01, is billed" in said
    assert "a month that the ratchet looks back at has gaps" in said


def test_a_bill_is_the_document_of_the_http_api_and_its_rows_are_csv(run, folder, drawn):
    run("sites", "tariffs", drawn, given(folder, TARIFF))
    words = ("cost", drawn, "--from", "2026-01-01", "--to", "2026-01-03", "--grain", "day")

    document = json.loads(run(*words, "--json").stdout)
    rows = run(*words, "--csv").stdout.splitlines()

    assert document["entity_id"] == "site:oslo-1"
    assert document["bills"][0]["totals"] == [{"currency": "EUR", "amount": 1480.0}]
    assert [row["cost"] for row in document["rows"]] == pytest.approx([240.0, 240.0])
    assert rows[0] == "start,component,kind,currency,energy_kwh,cost,cost_energy_share,coverage"
    assert rows[1].startswith("2025-12-31T23:00:00Z,energy,flat,EUR,2400.0,")


def test_standing_charges_are_spread_with_an_option(run, folder, drawn):
    run("sites", "tariffs", drawn, given(folder, TARIFF))
    words = ("cost", drawn, "--from", "2026-01-01", "--to", "2026-01-02", "--grain", "day")

    rows = json.loads(run(*words, "--spread", "--json").stdout)["rows"]

    assert {row["component"]: row["cost"] for row in rows} == pytest.approx(
        {"energy": 240.0, "demand": 1000.0 / 31}
    )


def test_tariffs_are_listed_replaced_and_shown_with_their_site(run, folder, site):
    later = {**TARIFF, "id": "later", "valid_from": "2026-07-01", "components": [BY_TIME]}
    nothing = run("sites", "tariffs", site)
    both = run("sites", "tariffs", site, given(folder, TARIFF, later), "--json")
    shown = run("sites", "show", site)
    listed = json.loads(run("sites", "show", site, "--json").stdout)["tariffs"]
    one = run("sites", "tariffs", site, given(folder, later), "--replace", "--json")

    assert "it pays the price of its zone" in nothing.stdout
    assert [each["id"] for each in json.loads(both.stdout)] == ["tariff-2026-01-01", "later"]
    assert listed == json.loads(both.stdout)
    assert "by time" in shown.stdout
    (only,) = json.loads(one.stdout)
    assert only["components"][0]["bands"][0]["windows"] == [{**WORK, "months": list(range(1, 13))}]
    # What is shown can be given again.
    assert run("sites", "tariffs", site, given(folder, only)).exit_code == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colour": "red"}, "tariffs[0].colour: unknown field"),
        ({"currency": None}, "tariffs[0].currency"),
        ({"valid_from": "soon"}, "tariffs[0].valid_from"),
        ({"components": "all"}, "tariffs[0].components: must be a list"),
        (
            {"components": [{"kind": "free"}]},
            "tariffs[0].components[0].kind: must be one of flat, time_of_use",
        ),
        (
            {"components": [{"kind": "flat", "name": "x", "price": 1}]},
            "tariffs[0].components[0].price: unknown field; did you mean price_per_kwh?",
        ),
        (
            {"components": [{"kind": "flat", "name": "x"}]},
            "tariffs[0].components[0].price_per_kwh: is required",
        ),
        (
            {"components": [{**FLAT, "price_per_kwh": "0.1"}]},
            "tariffs[0].components[0].price_per_kwh: must be a number",
        ),
        ({"valid_from": 1767225600}, "tariffs[0].valid_from"),
        ({"site_id": "other"}, "tariffs[0].site_id: unknown field"),
        ({"holidays": ["2026-02-30"]}, "tariffs[0].holidays[0]"),
        (
            {"components": [{**DEMAND, "windows": [{**WORK, "hours": 3}]}]},
            "tariffs[0].components[0].windows[0].hours: unknown field",
        ),
        ({"components": [BY_TIME, BY_TIME]}, "tariffs[0].components[1].name: duplicate 'by time'"),
        ({"calendar": "XX"}, "tariffs[0].calendar: no public holidays are known"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(run, folder, site, changes, said):
    result = run("sites", "tariffs", site, given(folder, {**TARIFF, **changes}))

    assert result.exit_code == 2
    assert said in result.stderr.replace("\n", " ")


@pytest.mark.parametrize("text", ["", "{", "3", "[3]"])
def test_a_file_that_holds_no_tariff_is_refused(run, folder, site, text):
    (folder / "bad.json").write_text(text)

    assert run("sites", "tariffs", site, "bad.json").exit_code == 2


def test_what_nobody_registered_has_an_exit_code_of_its_own(run, folder, site):
    assert run("cost", "nowhere", "--from", "2026-01-01", "--to", "2026-02-01").exit_code == 3
    assert run("sites", "tariffs", "nowhere").exit_code == 3
    assert run("sites", "tariffs", site, "--replace").exit_code == 2
    assert run("cost", site, "--from", "x").exit_code == 2


def test_reactive_energy_of_a_file_is_billed_beyond_its_free_share(run, folder, site):
    # January in Oslo has 744 hours: 74,400 kWh and 44,640 kvarh. 40 % of 74,400 are 29,760 free:
    # 14,880 kvarh x 0.011 = 163.68; the power factor is 100 / sqrt(100² + 60²) = 0.857.
    start = datetime(2025, 12, 31, 23, tzinfo=UTC)
    rows = [f"{start + timedelta(hours=at):%Y-%m-%dT%H:%MZ},100,60" for at in range(744)]
    (folder / "q.csv").write_text("\n".join(["time,kWh,Blindarbeit (kvarh)", *rows]) + "\n")
    pairs = ("timestamp=time", "energy_kwh=kWh", "reactive_kvarh=Blindarbeit (kvarh)")
    flags = [word for pair in (*pairs, f"meter={site}.main") for word in ("--map", pair)]
    reactive = {"kind": "reactive", "name": "Blindarbeit", "price_per_kvarh": 0.011}
    body = TARIFF | {"components": [FLAT, reactive | {"free_percent": 40}]}

    taken = run("ingest", "q.csv", *flags)
    run("sites", "tariffs", site, given(folder, body))
    bill = run("cost", site, "--from", "2026-01-01", "--to", "2026-02-01")
    figures = run("metrics", site, "--from", "2026-01-01", "--to", "2026-02-01", "--json")

    assert (taken.exit_code, bill.exit_code) == (0, 0), taken.output + bill.output
    lines = [" ".join(line.split()) for line in bill.stdout.replace("\u202f", "").splitlines()]
    assert lines[0] == "2026-01 energy 74400.0 kWh coverage 100.0 % complete"
    assert "Blindarbeit 2026-01-01 14880.0 kvarh 0.01100 100.0 163.68 EUR" in lines
    said = "Blindarbeit: 44640.0 kvarh with 74400.0 kWh, a power factor of 0.857"
    assert said in lines
    total = json.loads(figures.stdout)["total"]
    assert (total["inductive_kvarh"], total["reactive_kwh"]) == (44_640.0, 74_400.0)


def test_a_bill_of_reactive_energy_says_for_what_time_it_has_none(run, folder, drawn):
    reactive = {"kind": "reactive", "name": "Blindarbeit", "price_per_kvarh": 0.011}
    run("sites", "tariffs", drawn, given(folder, TARIFF | {"components": [FLAT, reactive]}))

    bill = run("cost", drawn, "--from", "2026-01-01", "--to", "2026-02-01")

    said = " ".join(bill.stdout.replace("\u202f", "").split())
    assert "Blindarbeit: reactive power is missing for 100.0 % of the time" in said
    assert "total 480.00 EUR" in said
