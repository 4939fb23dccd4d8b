"""Emissions by the mix of the hour, or by the next fallback level, which is named."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.core import frames
from wattbook.core.carbon import factors, location

T = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
PER_KWH = {"wind": 10.0, "gas": 500.0, "coal": 800.0}


def factor_rows(
    technologies: dict[str, float], averages: dict[str, tuple[date, float]] | None = None
) -> pl.DataFrame:
    rows = [
        ("ipcc2014", "*", technology, date(1990, 1, 1), value)
        for technology, value in technologies.items()
    ] + [
        ("published", zone, "mix", since, value)
        for zone, (since, value) in (averages or {}).items()
    ]
    names = ("factor_set", "zone", "technology", "valid_from", "g_per_kwh")
    return pl.DataFrame(rows, schema=names, orient="row").select(
        pl.col(name).cast(dtype)
        if name in names
        else pl.lit(
            {"scope": "lifecycle", "source": "a table", "licence": "free"}.get(name), dtype=dtype
        ).alias(name)
        for name, dtype in frames.FACTORS.schema.items()
    )


TABLE = factor_rows(PER_KWH)
TECHNOLOGIES = factors.of_technologies(TABLE, "ipcc2014")


def grid(rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Conditions of consecutive hours from `T` unless the row says otherwise."""
    plain = [
        {"zone": "Z", "start_utc": T + index * HOUR, "interval_s": 3600, **row}
        for index, row in enumerate(rows)
    ]
    nulls = dict.fromkeys(frames.GRID.columns)
    return pl.DataFrame([nulls | row for row in plain], schema=frames.GRID.schema)


def hours(energy_kwh: Sequence[float | None], zone: str = "Z") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "zone": [zone] * len(energy_kwh),
            "start_utc": [T + index * HOUR for index in range(len(energy_kwh))],
            "energy_kwh": energy_kwh,
        },
        schema={"zone": pl.String, "start_utc": frames.UTC, "energy_kwh": pl.Float64},
    )


def mix(rows: Sequence[Mapping[str, object]]) -> list[tuple[datetime, float]]:
    found = location.mix_intensity(grid(rows), TECHNOLOGIES)
    return found.select("start_utc", "g_per_kwh").rows()


def whole(at: datetime, g_per_kwh: float) -> list[tuple[datetime, float]]:
    """The four quarters of an hour, with one intensity."""
    return [(at + part * HOUR / 4, g_per_kwh) for part in range(4)]


def test_the_intensity_is_the_mean_of_the_factors_weighted_by_generation() -> None:
    rows = [{"gen_wind_mw": 300.0, "gen_gas_mw": 100.0}]

    assert mix(rows) == whole(T, 132.5)  # (300 × 10 + 100 × 500) / 400


WIND = {"gen_wind_mw": 400.0, "gen_gas_mw": 0.0}
GAS = {"gen_wind_mw": 0.0, "gen_gas_mw": 400.0}


def by_quarter(*rows: dict[str, float]) -> list[dict[str, object]]:
    return [
        row | {"start_utc": T + at * HOUR / 4, "interval_s": 900} for at, row in enumerate(rows)
    ]


def test_each_quarter_has_its_own_mix_where_it_is_published_by_the_quarter() -> None:
    found = mix(by_quarter(WIND, WIND, WIND, GAS))

    assert [value for _, value in found] == [10.0, 10.0, 10.0, 500.0]


def test_generation_of_five_minutes_is_added_within_its_quarter() -> None:
    rows = [
        row | {"start_utc": T + at * HOUR / 12, "interval_s": 300}
        for at, row in enumerate([WIND, WIND, GAS])
    ]

    ((at, value),) = mix(rows)
    assert at == T
    assert value == pytest.approx(520 / 3)  # (400 × 10 × 2 + 400 × 500) / 1200


def test_a_quarter_without_rows_is_unknown_and_its_neighbours_are_not() -> None:
    assert mix(by_quarter(WIND, WIND, WIND)) == whole(T, 10.0)[:3]


def test_a_row_longer_than_an_hour_says_the_mix_of_all_of_its_time() -> None:
    assert mix([WIND | {"interval_s": 7200}]) == [*whole(T, 10.0), *whole(T + HOUR, 10.0)]


def test_three_finer_rows_do_not_displace_the_mix_of_an_hour() -> None:
    # Gas for the hour, wind in three of its quarters: 500, and no mean of both.
    rows: list[Mapping[str, object]] = [
        GAS | {"start_utc": T},
        *by_quarter(GAS, WIND, WIND, WIND)[1:],
    ]

    assert mix(rows) == whole(T, 500.0)


def test_four_finer_rows_do() -> None:
    assert mix([GAS | {"start_utc": T}, *by_quarter(WIND, WIND, WIND, WIND)]) == whole(T, 10.0)


def test_a_finer_row_that_lacks_a_technology_displaces_nothing() -> None:
    rows: list[Mapping[str, object]] = [
        GAS | {"start_utc": T},
        *by_quarter(*[{"gen_wind_mw": 400.0}] * 4),
    ]

    assert mix(rows) == whole(T, 500.0)


def test_a_published_intensity_holds_for_its_time_and_the_finer_one_for_its_own() -> None:
    rows = grid(
        [
            {"carbon_g_per_kwh": 200.0, "interval_s": 7200},
            {"carbon_g_per_kwh": 100.0, "interval_s": 900, "start_utc": T + HOUR / 4},
        ]
    )

    found = location.reported_intensity(rows)["g_per_kwh"].to_list()

    assert found == [200.0, 100.0, *[200.0] * 6]


def test_a_technology_that_is_missing_for_once_makes_the_hour_unknown() -> None:
    rows = [
        {"gen_wind_mw": 300.0, "gen_gas_mw": 100.0},
        {"gen_wind_mw": 300.0},  # gas is not zero, it is not known
    ]

    assert mix(rows) == whole(T, 132.5)


def test_a_technology_that_a_zone_never_reports_is_one_it_does_not_have() -> None:
    rows = [{"gen_wind_mw": 300.0}, {"gen_wind_mw": 100.0}]

    assert mix(rows) == [*whole(T, 10.0), *whole(T + HOUR, 10.0)]


def test_a_technology_without_factor_makes_the_hour_unknown_when_it_generates() -> None:
    rows = [
        {"gen_wind_mw": 300.0, "gen_unknown_mw": 1.0},
        {"gen_wind_mw": 300.0, "gen_unknown_mw": 0.0},
    ]

    assert mix(rows) == whole(T + HOUR, 10.0)


def test_an_hour_in_which_nothing_is_generated_has_no_intensity() -> None:
    assert mix([{"gen_wind_mw": 0.0, "gen_gas_mw": 0.0}]) == []


def test_a_battery_that_discharges_generates_nothing() -> None:
    rows = [{"gen_wind_mw": 300.0, "gen_gas_mw": 100.0, "gen_battery_mw": 1000.0}]

    assert mix(rows) == whole(T, 132.5)


def test_a_battery_that_is_missing_takes_nothing_away() -> None:
    rows = [
        {"gen_wind_mw": 300.0, "gen_battery_mw": 5.0},
        {"gen_wind_mw": 300.0},
    ]

    assert mix(rows) == [*whole(T, 10.0), *whole(T + HOUR, 10.0)]


def test_negative_generation_counts_as_none() -> None:
    rows = [{"gen_wind_mw": 300.0, "gen_gas_mw": -50.0}]

    assert mix(rows) == whole(T, 10.0)


def test_the_factor_in_force_in_the_hour_is_used() -> None:
    since = date(2026, 1, 2)
    dated = pl.concat(
        [
            TECHNOLOGIES,
            TECHNOLOGIES.filter(technology="coal").with_columns(
                valid_from=pl.lit(since), g_per_kwh=pl.lit(900.0)
            ),
        ]
    )
    rows = grid([{"gen_coal_mw": 1.0}, {"gen_coal_mw": 1.0, "start_utc": T + 24 * HOUR}])

    assert location.mix_intensity(rows, dated)["g_per_kwh"].to_list() == [
        *[800.0] * 4,
        *[900.0] * 4,
    ]


def test_each_zone_has_a_mix_of_its_own() -> None:
    rows = [
        {"gen_wind_mw": 1.0, "start_utc": T},
        {"gen_coal_mw": 1.0, "start_utc": T, "zone": "Y"},
    ]

    found = location.mix_intensity(grid(rows), TECHNOLOGIES)

    assert found.filter(start_utc=T).rows() == [("Y", T, 800.0), ("Z", T, 10.0)]


@given(
    st.lists(
        st.fixed_dictionaries(
            {f"gen_{name}_mw": st.integers(0, 10_000).map(float) for name in PER_KWH}
        ),
        min_size=1,
        max_size=5,
    )
)
def test_an_intensity_lies_between_those_of_the_technologies(
    rows: list[dict[str, float]],
) -> None:
    for _, value in mix(rows):
        assert 10.0 <= value <= 800.0


def intensity(starts: pl.DataFrame, conditions: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    known = location.known_intensity(conditions, table, "ipcc2014")
    return location.intensity(starts, known, table, "ipcc2014")


LADDER = factor_rows(
    PER_KWH,
    {
        "US-TX": (date(2020, 1, 1), 350.0),
        "CA-ON": (date(2030, 1, 1), 30.0),
        "FR": (date(2020, 1, 1), 56.0),
        "WORLD": (date(2019, 1, 1), 475.0),
    },
)


@pytest.mark.parametrize(
    ("zone", "known", "value", "fallback"),
    [
        ("US-TEX-ERCO", {"gen_wind_mw": 1.0, "carbon_g_per_kwh": 99.0}, 10.0, "none"),
        ("US-TEX-ERCO", {"gen_unknown_mw": 1.0, "carbon_g_per_kwh": 99.0}, 99.0, "reported"),
        ("US-TEX-ERCO", {"price_per_mwh": 1.0}, 350.0, "region"),
        ("US-TX", {"load_mw": 1.0}, 350.0, "zone"),
        ("CA-ON", {"load_mw": 1.0}, 30.0, "zone_later"),
        ("FR", {"load_mw": 1.0}, 56.0, "country"),
        ("XK", {"load_mw": 1.0}, 475.0, "world"),
        ("ERCOT", {"load_mw": 1.0}, 350.0, "region"),
        ("XX-lab", {"load_mw": 1.0}, 475.0, "world"),
    ],
)
def test_the_first_rung_that_has_a_factor_is_used_and_named(
    zone: str, known: dict[str, object], value: float, fallback: str
) -> None:
    conditions = grid([known | {"zone": zone}])

    found = intensity(hours([1.0], zone), conditions, LADDER)

    assert found.select("g_per_kwh", "fallback").rows() == [(value, fallback)]
    assert found["source"].null_count() == 0
    # a zone does not say which scope its figure has
    assert found["scope"].to_list() == [None if fallback == "reported" else "lifecycle"]


def test_without_any_rung_the_factor_is_unknown() -> None:
    found = intensity(hours([1.0]), grid([]), TABLE)

    assert found.select("g_per_kwh", "source", "fallback").rows() == [(None, None, "unknown")]


def test_a_quarter_that_is_asked_for_twice_has_one_factor() -> None:
    twice = hours([1.0, 1.0]).with_columns(start_utc=pl.Series([T, T], dtype=frames.UTC))

    assert intensity(twice, grid([]), LADDER)["start_utc"].to_list() == [T]


def test_energy_whose_quarters_were_removed_lies_evenly_in_its_hour() -> None:
    quarters = hours([3.0, 5.0]).with_columns(
        start_utc=pl.Series([T, T + HOUR / 4], dtype=frames.UTC)
    )

    found = location.by_quarter(hours([8.0, 4.0]), quarters)

    # The first hour is known by its quarters; of the second only the sum is left.
    assert found["energy_kwh"].to_list() == [3.0, 5.0, 1.0, 1.0, 1.0, 1.0]


def test_no_hours_ask_for_no_factor() -> None:
    found = intensity(hours([]), grid([]), LADDER)

    assert found.is_empty()
    assert found.columns == ["zone", "start_utc", "g_per_kwh", "source", "scope", "fallback"]


def intensities(values: Sequence[float | None], fallback: Sequence[str]) -> pl.DataFrame:
    return hours(values).select(
        "zone",
        "start_utc",
        g_per_kwh="energy_kwh",
        source=pl.Series([f"table of {name}" for name in fallback], dtype=pl.String),
        scope=pl.lit("lifecycle"),
        fallback=pl.Series(fallback, dtype=pl.String),
    )


def test_emissions_are_energy_times_the_factor_of_the_hour() -> None:
    result = location.footprint(hours([10.0, 10.0]), intensities([400.0, 200.0], ["none", "none"]))

    assert result["emitted_kg"].to_list() == [4.0, 2.0]  # 10 kWh × 400 g, then × 200 g


def test_what_is_given_back_emits_nothing_and_takes_nothing_off() -> None:
    rows = location.footprint(hours([10.0, -4.0]), intensities([400.0, 200.0], ["none", "none"]))

    assert rows.select("energy_kwh", "emitted_kg").rows() == [(10.0, 4.0), (0.0, 0.0)]


def test_an_unknown_factor_or_energy_is_an_unknown_emission_not_a_clean_one() -> None:
    result = location.footprint(
        hours([10.0, None, 10.0]), intensities([None, 200.0], ["unknown", "none"])
    )

    assert result["emitted_kg"].to_list() == [None, None, None]


@given(st.floats(0.001, 1e6), st.floats(0.001, 1000.0))
def test_twice_the_energy_emits_twice_as_much(energy_kwh: float, g_per_kwh: float) -> None:
    result = location.footprint(
        hours([energy_kwh, 2 * energy_kwh]), intensities([g_per_kwh] * 2, ["none"] * 2)
    )

    once, twice = result["emitted_kg"]
    assert twice == 2 * once  # exact: doubling changes no digit


def test_a_sum_divides_by_the_energy_whose_factor_is_known() -> None:
    rows = location.footprint(
        hours([10.0, 30.0, 60.0]), intensities([400.0, 200.0, None], ["none", "none", "unknown"])
    ).with_columns(every=pl.lit("all"))

    (row,) = location.sum_emissions(rows, "every").rows(named=True)

    assert row["energy_kwh"] == 100.0
    assert row["emitted_kg"] == 10.0  # 4 + 6
    assert row["intensity_g_per_kwh"] == 250.0  # 10 000 g / 40 kWh; the 60 kWh are not counted
    assert row["fallback"] == "mixed"


def test_a_sum_of_unknown_emissions_is_unknown() -> None:
    rows = location.footprint(hours([10.0]), intensities([None], ["unknown"]))

    (row,) = location.sum_emissions(rows, "zone").rows(named=True)

    assert (row["emitted_kg"], row["intensity_g_per_kwh"]) == (None, None)
    assert (row["energy_kwh"], row["fallback"]) == (10.0, "unknown")


def test_a_rung_that_served_no_energy_is_not_named() -> None:
    rows = location.footprint(hours([10.0, None]), intensities([400.0, 1.0], ["none", "world"]))

    (row,) = location.sum_emissions(rows, "zone").rows(named=True)

    assert row["fallback"] == "none"


def test_the_factors_used_are_listed_with_their_share_of_the_energy() -> None:
    rows = location.footprint(
        hours([10.0, 60.0, 30.0]), intensities([400.0, 200.0, None], ["none", "world", "unknown"])
    )

    used = location.shares(rows).select("source", "fallback", "energy_share", "g_per_kwh")
    assert used.rows() == [
        ("table of world", "world", 0.6, 200.0),
        ("table of unknown", "unknown", 0.3, None),
        ("table of none", "none", 0.1, 400.0),
    ]


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=20), st.data())
def test_the_shares_add_up_to_one(energy_kwh: list[float], data: st.DataObject) -> None:
    rungs = data.draw(
        st.lists(
            st.sampled_from(["none", "world", "zone"]),
            min_size=len(energy_kwh),
            max_size=len(energy_kwh),
        )
    )

    rows = location.footprint(hours(energy_kwh), intensities([1.0] * len(rungs), rungs))

    assert location.shares(rows)["energy_share"].sum() == pytest.approx(1.0, abs=1e-12)


def test_shares_of_no_energy_are_none() -> None:
    rows = location.footprint(hours([]), intensities([], []))

    assert location.shares(rows).is_empty()
