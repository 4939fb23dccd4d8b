"""Tariff files that can be copied are right: the template, and those in examples/tariffs."""

import json
from pathlib import Path

import numpy as np
import pytest

from wattbook.cli import json_input, template
from wattbook.core.registry.components import ComponentKind, Reactive
from wattbook.core.registry.tariff_validation import problems_with
from wattbook.core.registry.windows import DAY_KINDS, DayKind, slots
from wattbook.schemas.tariffs import TariffIn, uncommented

FOLDER = Path(__file__).parents[2] / "examples" / "tariffs"
FILES = sorted(FOLDER.glob("*.json"))
SOURCES = 2
"""Sentences that a file has at least: what it is, and who published it where."""


def test_the_template_has_every_kind_of_component_once() -> None:
    kinds = [each["kind"] for each in template.TARIFF["components"]]

    assert sorted(kinds) == sorted(ComponentKind)


def test_the_template_has_every_field_of_every_component() -> None:
    """The schema of the HTTP API lists them; windows and bounds may be left out."""
    told = TariffIn.model_validate(uncommented(template.TARIFF))

    assert set(TariffIn.model_fields) == set(template.TARIFF) - {"$comment"}
    left_out = {
        (each.kind.value, name)
        for each, sent in zip(told.components, template.TARIFF["components"], strict=True)
        for name in type(each).model_fields
        if name not in sent
    }
    assert left_out == {
        ("coincident_demand", "per_month"),  # or count
        ("export", "multiplier"),
        ("export", "adder_per_mwh"),
        ("demand_steps", "windows"),
        ("demand_steps", "sliding_minutes"),
    }


@pytest.mark.parametrize("body", [template.TARIFF, *(json.loads(p.read_text()) for p in FILES)])
def test_the_command_line_and_the_http_api_read_the_same_tariff(body: dict[str, object]) -> None:
    (by_file,) = json_input.tariffs(body)

    assert by_file == TariffIn.model_validate(uncommented(body)).entity()
    assert problems_with([by_file]) == []


def test_there_are_real_tariffs_of_many_kinds() -> None:
    kinds = {
        str(each["kind"])
        for path in FILES
        for each in json.loads(path.read_text("utf-8"))["components"]
    }

    assert len(FILES) >= 6
    assert {"coincident_demand", "demand_steps", "export", "indexed", "time_of_use"} <= kinds
    assert "reactive" in kinds


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_real_tariff_says_where_its_figures_are_from(path: Path) -> None:
    said = json.loads(path.read_text("utf-8"))["$comment"]

    assert len(said) >= SOURCES
    assert any(".net" in each or ".no" in each or ".de" in each or "/" in each for each in said)


def test_reactive_energy_of_spain_is_charged_in_each_period_but_the_sixth() -> None:
    (spain,) = json_input.tariffs(json.loads((FOLDER / "spain-reactive.json").read_text("utf-8")))
    periods = [each for each in spain.components if isinstance(each, Reactive)]
    counted = np.sum([slots(each.windows) for each in periods], axis=0)

    # of weekdays the quarter-hours from 8 on, each in one period; of weekends and holidays none
    weekday = DAY_KINDS.index(DayKind.WEEKDAY)
    assert len(periods) == 5
    assert counted[:, weekday, 32:].tolist() == [[1] * 64] * 12
    assert counted.sum() == 12 * 64


def test_the_template_is_printed_as_a_tariff(run) -> None:
    done = run("sites", "tariffs", "--template")

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == template.TARIFF


def test_without_a_site_the_command_says_what_to_name(run) -> None:
    done = run("sites", "tariffs")

    assert done.exit_code != 0
    assert "--template" in done.output
