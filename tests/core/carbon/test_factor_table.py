"""The shipped emission factors: complete, dated, sourced and plausible."""

from importlib import resources
from typing import Final

import polars as pl
import pytest

KEY: Final = ["factor_set", "zone", "technology", "scope", "valid_from"]
IPCC_2014: Final = {
    "wind": 11.0,
    "solar": 41.0,
    "hydro": 24.0,
    "oil": 650.0,
    "gas": 490.0,
    "coal": 820.0,
    "nuclear": 12.0,
    "other": 230.0,
    "biomass": 230.0,
    "geothermal": 38.0,
}


@pytest.fixture(scope="module")
def factors() -> pl.DataFrame:
    table = resources.files("wattbook.core").joinpath("data", "factors.csv")
    return pl.read_csv(table.read_bytes(), infer_schema_length=None, try_parse_dates=True)


def published(factors: pl.DataFrame, zone: str, year: int) -> float:
    rows = factors.filter(
        factor_set="published", zone=zone, technology="mix", valid_from=pl.date(year, 1, 1)
    )
    return float(rows["g_per_kwh"].item())


@pytest.mark.parametrize("column", ["unit", "source", "licence"])
def test_every_row_says_its_unit_source_and_licence(factors: pl.DataFrame, column: str) -> None:
    assert factors[column].null_count() == 0
    assert (factors[column].str.strip_chars().str.len_chars() > 2).all()


def test_the_unit_is_grams_per_kilowatt_hour_throughout(factors: pl.DataFrame) -> None:
    assert factors["unit"].unique().to_list() == ["gCO2e/kWh"]
    assert factors["g_per_kwh"].is_between(10, 1400).all()  # a slip to kg or lb/MWh would show


def test_the_ten_factors_of_ipcc_2014_are_exact(factors: pl.DataFrame) -> None:
    rows = factors.filter(factor_set="ipcc2014")

    assert dict(rows.select("technology", "g_per_kwh").iter_rows()) == IPCC_2014
    assert rows.select("zone", "scope").unique().row(0) == ("*", "lifecycle")
    assert rows["valid_from"].dt.year().unique().to_list() == [1990]


def test_unverified_ranges_are_left_empty(factors: pl.DataFrame) -> None:
    assert factors["low"].null_count() == factors["high"].null_count() == factors.height


def test_no_two_rows_claim_the_same_key(factors: pl.DataFrame) -> None:
    assert not factors.select(KEY).is_duplicated().any()


@pytest.mark.parametrize(
    ("zone", "year", "expected"),
    [
        ("FR", 2023, 56.039),
        ("NO", 2023, 30.08),
        ("US", 2023, 369.473),
        ("NA", 2022, 59.259),  # Namibia, not a missing value
        ("US-TX", 2023, 349.801),  # 771.179 lb/MWh x 0.45359237
        ("US-TEX-ERCO", 2023, 349.801),
        ("WORLD", 2019, 475.0),
    ],
)
def test_published_averages_are_those_of_their_source(
    factors: pl.DataFrame, zone: str, year: int, expected: float
) -> None:
    assert published(factors, zone, year) == expected


def test_the_row_for_ercot_says_that_it_is_a_proxy(factors: pl.DataFrame) -> None:
    assert factors.filter(zone="US-TEX-ERCO")["source"].item().startswith("proxy for ERCOT")
