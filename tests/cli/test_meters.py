"""`wattbook sites meter`."""

import json
from pathlib import Path

from typer.testing import CliRunner

from wattbook.cli.main import app

MAIN = {"id": "oslo-1.main", "kind": "interval", "role": "main"}


def test_a_meter_is_changed_from_a_civil_date_on(run, site: str, folder: Path) -> None:
    changed = MAIN | {"expected_interval_s": 900, "valid_from": "2026-04-16"}
    (folder / "m.json").write_text(json.dumps(changed))

    answer = run("sites", "meter", site, "m.json", "--json")

    assert answer.exit_code == 0, answer.output
    (main,) = json.loads(answer.output)
    # Oslo is two hours ahead in April.
    assert (main["expected_interval_s"], main["valid_from"]) == (900, "2026-04-15T22:00:00Z")
    assert [each["expected_interval_s"] for each in main["earlier"]] == [3600]


def test_a_meter_is_added_from_the_standard_input(run, site: str) -> None:
    sub = {"id": "oslo-1.hall", "kind": "power", "role": "sub", "parent": "oslo-1.main"}

    answer = CliRunner().invoke(app, ["sites", "meter", site, "-"], input=json.dumps([sub]))

    assert answer.exit_code == 0, answer.output
    assert "oslo-1.hall" in run("sites", "meters", site).output


def test_what_is_wrong_with_a_meter_is_named_with_its_field(run, site: str, folder: Path) -> None:
    (folder / "m.json").write_text(json.dumps(MAIN | {"kind": "steam"}))
    (folder / "no.json").write_text("{")

    wrong = run("sites", "meter", site, "m.json")
    no_json = run("sites", "meter", site, "no.json")
    no_file = run("sites", "meter", site, "none.json")

    assert (wrong.exit_code, no_json.exit_code, no_file.exit_code) == (2, 2, 2)
    assert "none.json cannot be read" in no_file.output
    assert "meters[0].kind" in wrong.output
    assert "is not JSON" in no_json.output
