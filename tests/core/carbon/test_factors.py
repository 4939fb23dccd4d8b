"""Factors are dated rows, and a figure that stands in for another says so."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import polars as pl
import pytest

from wattbook.core import frames
from wattbook.core.carbon import factors
from wattbook.core.errors import InputError

Row = tuple[str, str, str, str, date, float]
"""Set, zone, technology, scope, valid from, g/kWh."""
Y2020, Y2021, Y2023 = date(2020, 1, 1), date(2021, 1, 1), date(2023, 1, 1)


def table(rows: Sequence[Row]) -> pl.DataFrame:
    names = ("factor_set", "zone", "technology", "scope", "valid_from", "g_per_kwh")
    given = pl.DataFrame(rows, schema=names, orient="row").with_columns(
        source=pl.format("source of {} {}", "zone", pl.col("valid_from").dt.year()),
        licence=pl.lit("public domain"),
        valid_to=pl.lit(None, dtype=pl.Date),
        low=pl.lit(None, dtype=pl.Float64),
        high=pl.lit(None, dtype=pl.Float64),
    )
    return frames.check(given, frames.FACTORS)


def averages(**zones: dict[date, float]) -> pl.DataFrame:
    return table(
        [
            ("published", zone.replace("_", "-"), "mix", "lifecycle", since, value)
            for zone, dated in zones.items()
            for since, value in dated.items()
        ]
    )


def instants(*years: int) -> pl.Series:
    return pl.Series([datetime(year, 7, 1, tzinfo=UTC) for year in years], dtype=frames.UTC)


SETS = table(
    [
        ("ours", "*", "coal", "lifecycle", Y2020, 800.0),
        ("ours", "*", "coal", "lifecycle", Y2023, 850.0),
        ("ours", "*", "coal", "direct", Y2020, 760.0),
        ("ours", "NO", "coal", "lifecycle", Y2020, 1.0),
        ("ours", "*", "peat", "lifecycle", Y2020, 1100.0),
        ("other", "*", "gas", "lifecycle", Y2020, 500.0),
        ("published", "NO", "mix", "lifecycle", Y2020, 30.0),
    ]
)


def test_a_set_is_its_lifecycle_factors_of_known_technologies_for_any_zone() -> None:
    chosen = factors.of_technologies(SETS, "ours")

    assert chosen.select("technology", "valid_from", "g_per_kwh").rows() == [
        ("coal", Y2020, 800.0),
        ("coal", Y2023, 850.0),
    ]


def test_sets_with_factors_by_technology_are_listed_and_averages_are_none() -> None:
    assert factors.technology_sets(SETS) == ["other", "ours"]


@pytest.mark.parametrize("name", ["published", "nothing", "", "OURS"])
def test_an_unknown_set_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(InputError, match="other, ours") as caught:
        factors.of_technologies(SETS, name)

    assert caught.value.problems[0].field == "factors"


def test_a_zone_lies_in_ever_larger_ones_and_at_last_in_the_world() -> None:
    assert factors.ancestors("US-TEX-ERCO") == ["US-TEX-ERCO", "US-TX", "US", "WORLD"]
    assert factors.ancestors("FR") == ["FR", "WORLD"]


@pytest.mark.parametrize(
    ("zone", "holder", "name"),
    [
        ("US-TEX-ERCO", "US-TEX-ERCO", "zone"),
        ("US-TEX-ERCO", "US-TX", "region"),
        ("US-TEX-ERCO", "US", "country"),
        ("US-TEX-ERCO", "WORLD", "world"),
        ("FR", "FR", "country"),
        ("FR", "WORLD", "world"),
    ],
)
def test_a_figure_is_called_after_how_far_it_was_fetched(zone: str, holder: str, name: str) -> None:
    assert factors.fallback_level(zone, holder) == name


def test_the_figure_in_force_at_the_instant_is_used() -> None:
    known = averages(NO={Y2020: 30.0, Y2023: 20.0})

    found = factors.published(known, "NO", instants(2022, 2024, 2020))

    assert found["g_per_kwh"].to_list() == [30.0, 20.0, 30.0]
    assert found["fallback"].to_list() == ["country"] * 3
    assert found["source"].to_list() == [
        "source of NO 2020",
        "source of NO 2023",
        "source of NO 2020",
    ]


def test_before_the_first_figure_the_oldest_is_used_and_called_later() -> None:
    known = averages(NO={Y2021: 30.0, Y2023: 20.0})

    found = factors.published(known, "NO", instants(2019, 2021))

    assert found.select("g_per_kwh", "fallback", "source").rows() == [
        (30.0, "country_later", "source of NO 2021"),
        (30.0, "country", "source of NO 2021"),
    ]


def test_the_nearest_zone_that_has_a_figure_is_used_even_when_it_is_younger() -> None:
    known = averages(US_TX={Y2023: 350.0}, US={Y2020: 370.0}, WORLD={Y2020: 475.0})

    found = factors.published(known, "US-TEX-ERCO", instants(2021))

    assert found.select("g_per_kwh", "fallback").row(0) == (350.0, "region_later")


def test_the_world_stands_in_where_nothing_nearer_is_known() -> None:
    known = averages(US={Y2020: 370.0}, WORLD={Y2020: 475.0})

    found = factors.published(known, "XK", instants(2021))

    assert found.select("g_per_kwh", "fallback").row(0) == (475.0, "world")


def test_where_no_figure_exists_at_all_it_is_unknown() -> None:
    found = factors.published(averages(US={Y2020: 370.0}), "NO", instants(2021))

    assert found.select("g_per_kwh", "source", "fallback").row(0) == (None, None, None)


def test_a_factor_that_has_run_out_no_longer_holds() -> None:
    ended = averages(NO={Y2020: 30.0}).with_columns(valid_to=pl.lit(Y2021))
    known = pl.concat([ended, averages(WORLD={Y2020: 475.0})])

    found = factors.published(known, "NO", instants(2020, 2022))

    assert found["g_per_kwh"][0] == 30.0
    assert found["fallback"].to_list() != ["country", "country"]
