"""Reactive energy of rollups: inductive and capacitive apart, over the time where it is known."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from wattbook.core import frames
from wattbook.core.meters import presence
from wattbook.core.periods import Grain
from wattbook.core.rollups import aggregation, metrics, reactive

T = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
COLUMN = {"interval": "energy_kwh", "power": "power_kw", "register": "register_kwh"}


def meter(kind: str, meter_id: str = "m", **changes: object) -> pl.DataFrame:
    plain: dict[str, object] = {
        "meter_id": meter_id, "site_id": "s", "operator": "alder", "zone": "NO1",
        "timezone": "Europe/Oslo", "kind": kind, "role": "main", "expected_interval_s": 900,
        "max_hold_s": 2700,
    }  # fmt: skip
    return pl.DataFrame([plain | changes], schema=frames.METERS.schema)


def readings(
    kind: str, *rows: tuple[int, float, float | None], meter_id: str = "m"
) -> pl.DataFrame:
    """Minutes after `T`, the value of the kind, reactive power [kvar]."""
    plain: dict[str, object] = dict.fromkeys(frames.READINGS.columns)
    plain |= {"meter_id": meter_id, "quality": "measured", "known_utc": T, "revision": 0}
    return pl.DataFrame(
        [
            plain | {"ts_utc": T + at * MINUTE, COLUMN[kind]: value, "reactive_power_kvar": kvar}
            for at, value, kvar in rows
        ],
        schema=frames.READINGS.schema,
    )


def figures(rows: pl.DataFrame) -> list[tuple[float | None, ...]]:
    return rows.select(reactive.COLUMNS).rows()


def test_the_mean_of_an_interval_times_its_length_is_its_reactive_energy() -> None:
    # 40 kvar for a quarter of an hour are 10 kvarh drawn; -8 kvar are 2 kvarh given
    rows = readings("interval", (0, 25.0, 40.0), (15, 30.0, -8.0), (30, 5.0, None))

    found = aggregation.quarters(rows, meter("interval"))

    assert figures(found) == [
        (10.0, 0.0, 25.0, 900.0),
        (0.0, 2.0, 30.0, 900.0),
        (None, None, None, None),
    ]


def test_what_is_drawn_and_what_is_given_are_added_apart() -> None:
    # 10 kvarh drawn and 2 given of the first two quarters, with 25 + 30 kWh; the third knows none
    rows = readings("interval", (0, 25.0, 40.0), (15, 30.0, -8.0), (30, 5.0, None))
    about = meter("interval")
    quarters = aggregation.quarters(rows, about)

    for grain in (Grain.HOUR, Grain.DAY, Grain.MONTH):
        (row,) = figures(aggregation.coarsen(quarters, about, grain))
        assert row == (10.0, 2.0, 55.0, 1800.0)


def test_an_interval_of_an_hour_has_a_quarter_of_it_in_each_quarter() -> None:
    # 12 kvar for an hour: 3 kvarh in each quarter
    rows = readings("interval", (0, 100.0, 12.0))

    found = aggregation.quarters(rows, meter("interval", expected_interval_s=3600))

    assert found["inductive_kvarh"].to_list() == [3.0] * 4
    assert found["reactive_kwh"].to_list() == [25.0] * 4


def test_the_reactive_power_of_an_instant_is_held_as_the_power_is() -> None:
    # 60 kvar for 10 minutes (10 kvarh), then 30 for 5 (2.5): 12.5 kvarh in the first quarter
    rows = readings("power", (0, 100.0, 60.0), (10, 100.0, 30.0), (15, 100.0, 30.0))

    found = aggregation.quarters(rows, meter("power", max_hold_s=600))

    assert found["inductive_kvarh"][0] == pytest.approx(12.5, abs=1e-6)
    assert found["reactive_s"][0] == 900.0


def test_the_reactive_power_of_a_register_is_held_until_its_next_reading() -> None:
    # 20 kvar from 00:00 to 00:15 are 5 kvarh
    rows = readings("register", (0, 1000.0, 20.0), (15, 1025.0, None))

    found = aggregation.quarters(rows, meter("register"))

    assert figures(found)[0] == (5.0, 0.0, 25.0, 900.0)


def test_time_without_readings_has_no_reactive_energy() -> None:
    # the value at 00:00 is believed for 5 minutes: 60 kvar are 5 kvarh then
    rows = readings("power", (0, 100.0, 60.0), (30, 100.0, 60.0))

    found = aggregation.quarters(rows, meter("power", max_hold_s=300))

    drawn, given, kwh, seconds = figures(found)[0]
    assert (drawn, given, seconds) == (5.0, 0.0, 300.0)
    assert kwh == pytest.approx(100 / 12)


@given(
    st.lists(
        st.tuples(st.floats(0, 1e4), st.none() | st.floats(-1e4, 1e4)), min_size=1, max_size=30
    )
)
def test_parts_add_up_in_any_order_and_grain_without_error(
    values: Sequence[tuple[float, float | None]],
) -> None:
    rows = readings("interval", *((15 * at, kwh, kvar) for at, (kwh, kvar) in enumerate(values)))
    about = meter("interval", capacity_kw=1e5)
    quarters = aggregation.quarters(rows, about)

    assert_frame_equal(quarters, aggregation.quarters(rows.reverse(), about), check_exact=True)
    days = aggregation.coarsen(quarters, about, Grain.DAY)
    by_hours = aggregation.coarsen(
        aggregation.coarsen(quarters, about, Grain.HOUR), about, Grain.DAY
    )
    assert figures(days) == figures(by_hours)
    for name in reactive.COLUMNS:
        assert days[name].sum() == quarters[name].sum()


def test_rollups_of_before_stay_as_they_are_where_no_reactive_power_is_known() -> None:
    found = aggregation.quarters(readings("interval", (0, 25.0, None)), meter("interval"))
    old = aggregation.with_revisions(found, T)

    assert aggregation.with_revisions(found, T + MINUTE, old).is_empty()


def test_several_meters_have_the_sum_and_the_power_factor_of_the_sum() -> None:
    # 30 + 10 kWh, 25 + 5 kvarh: 40 kWh of 50 kVAh, a power factor of 0.8
    about = pl.concat([meter("interval", each) for each in ("a", "b")])
    rows = pl.concat(
        [
            readings("interval", (0, 30.0, 100.0), meter_id="a"),
            readings("interval", (0, 10.0, 20.0), meter_id="b"),
        ]
    )
    quarters = aggregation.with_revisions(aggregation.quarters(rows, about), T)
    buckets = pl.DataFrame(
        {"start_utc": [T], "end_utc": [T + 15 * MINUTE]},
        schema={"start_utc": frames.UTC, "end_utc": frames.UTC},
    )

    (row,) = metrics.total(quarters, buckets, presence.spans(about)).rows(named=True)

    assert [row[name] for name in reactive.COLUMNS] == [30.0, 0.0, 40.0, 1800.0]
    assert row["power_factor"] == 0.8


@pytest.mark.parametrize(
    ("kwh", "kvarh", "factor"),
    [
        *((4.0, 3.0, 0.8), (5.0, 0.0, 1.0), (0.0, 3.0, 0.0)),
        *((0.0, 0.0, None), (-1.0, 3.0, None), (1.0, None, None)),
    ],
)
def test_a_power_factor_is_active_over_apparent_energy(
    kwh: float, kvarh: float | None, factor: float | None
) -> None:
    rows = pl.DataFrame({"p": [kwh], "q": [kvarh]}, schema={"p": pl.Float64, "q": pl.Float64})

    assert rows.select(reactive.power_factor(pl.col("p"), pl.col("q"))).item() == factor
