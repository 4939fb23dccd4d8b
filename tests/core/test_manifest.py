"""The names in manifests are stored: fingerprints of the first release stay what they were."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from wattbook.core import manifest
from wattbook.core.forecast.scenario import Addition, Curtailment, Scenario
from wattbook.core.forecast.task import ForecastTask
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.components import (
    Band,
    Basis,
    Block,
    Demand,
    Fixed,
    Flat,
    Indexed,
    Per,
    Percentage,
    Ratchet,
    Tiered,
    TimeOfUse,
)
from wattbook.core.registry.tariffs import Tariff
from wattbook.core.registry.windows import DayKind, Window

JANUARY = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
WORK = Window(days=(DayKind.WEEKDAY,), months=(1, 12), start="07:00", end="20:00")
TARIFF = Tariff(
    id="t",
    site_id="s",
    valid_from=date(2026, 1, 1),
    valid_to=date(2027, 1, 1),
    currency="EUR",
    calendar="DE",
    holidays=(date(2026, 5, 4),),
    components=(
        Flat(name="energy", price_per_kwh=0.1),
        TimeOfUse(
            name="time",
            bands=(
                Band(name="peak", price_per_kwh=0.2, windows=(WORK,)),
                Band(name="rest", price_per_kwh=0.1, windows=(Window(),)),
            ),
        ),
        Tiered(
            name="blocks",
            blocks=(
                Block(up_to_kwh=1000.0, price_per_kwh=0.1),
                Block(up_to_kwh=None, price_per_kwh=0.2),
            ),
        ),
        Indexed(name="market", multiplier=1.02, adder_per_mwh=3.0),
        Demand(
            name="demand",
            price_per_kw_month=5.0,
            windows=(WORK,),
            ratchet=Ratchet(percent=80.0, months=11),
        ),
        Fixed(name="standing", price=12.0, per=Per.DAY),
        Percentage(name="vat", percent=19.0, of=("energy", "time")),
    ),
)
ASK = ForecastTask(
    horizon=timedelta(days=2), grain=Grain.HOUR, timezone="Europe/Oslo", country="NO"
)
SCENARIO = Scenario(
    curtailments=(Curtailment(period=JANUARY, left=0.5),),
    additions=(
        Addition(start=JANUARY.start, value=10.0),
        Addition(start=JANUARY.end, value=1.0),
    ),
)


@pytest.mark.parametrize(
    ("line", "sha256"),
    [
        (
            manifest.line("period", JANUARY),
            "7ea4ad11002b1a394a44f124ec92881547ce8c93bd50a36ae2f65e2da813f3b5",
        ),
        (
            manifest.line("tariff s", TARIFF),
            "28951c66ebe0bfc861bf5d79b4ad08dba456652963ec8c2c8f51db72abbe237f",
        ),
        (
            manifest.line("ask", ASK),
            "30f05d5b171568adb62ccb34081954073c10a0ff968d98934c6ade0914d289a9",
        ),
        (
            manifest.line("scenario", manifest.call(SCENARIO)),
            "6fac9c6122c9ee6d637ba09ba33073dd9e5b6e760d6cd1c22376a81c4b11141b",
        ),
        (
            manifest.line("scenario", manifest.call(None)),
            "9078745cfed590bf5b55960a525701a6c9c035baf22959fb366e89be25795c52",
        ),
    ],
    ids=["period", "tariff", "task", "scenario", "no scenario"],
)
def test_lines_are_those_of_the_first_release(line: str, sha256: str) -> None:
    """The sums were computed with the first release, from the same values."""
    assert hashlib.sha256(line.encode()).hexdigest() == sha256, line


def test_a_setting_added_later_is_left_out_at_its_default_and_written_otherwise() -> None:
    plain = Ratchet(percent=80.0, months=11)
    chosen = Ratchet(percent=80.0, months=11, peak_months=(6, 7), basis=Basis.BILLED)

    assert manifest.text(plain) == "(Ratchet percent=80.0 months=11)"
    assert manifest.text(chosen) == (
        "(Ratchet percent=80.0 months=11 peak_months=[6, 7] basis='billed')"
    )


def test_prices_of_a_scenario_are_written_whole() -> None:
    """Two scenarios that differ in the middle of long prices have different lines."""
    hours = pl.datetime_range(
        JANUARY.start, JANUARY.end, "1h", closed="left", time_zone="UTC", eager=True
    )
    prices = pl.DataFrame({"start_utc": hours, "price_per_mwh": 50.0})
    other = prices.with_columns(
        price_per_mwh=pl.when(pl.int_range(pl.len()) == 300).then(51.0).otherwise("price_per_mwh")
    )

    assert manifest.call(Scenario(prices=prices)) != manifest.call(Scenario(prices=other))


def test_a_type_without_names_is_refused() -> None:
    @dataclass(frozen=True)
    class Unnamed:
        value: int

    with pytest.raises(TypeError, match="Unnamed has no names for manifests"):
        manifest.line("setting", Unnamed(1))


def test_a_field_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="argument"):

        @manifest.named("Pair", "first")
        @dataclass(frozen=True)
        class Pair:
            first: int
            second: int
