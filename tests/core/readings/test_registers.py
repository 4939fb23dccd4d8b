"""What registers counted, through dips, swaps, roll-overs and coarse digits."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wattbook.core import frames
from wattbook.core.periods import Grain
from wattbook.core.readings import register_states, registers, segments
from wattbook.core.rollups import aggregation

T = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def meter(**changes: object) -> pl.DataFrame:
    plain = {
        "meter_id": "m",
        "site_id": "s",
        "operator": "alder",
        "zone": "NO-NO1",
        "timezone": "UTC",
        "kind": "register",
        "role": "main",
        "expected_interval_s": 900,
        "max_hold_s": 2700,
    }
    return pl.DataFrame([plain | changes], schema=frames.METERS.schema)


def sent(values: Mapping[int, float]) -> pl.DataFrame:
    rows = [
        dict.fromkeys(frames.READINGS.columns)
        | {"meter_id": "m", "ts_utc": T + minute * MINUTE, "register_kwh": value}
        | {"quality": "measured", "known_utc": T, "revision": 0}
        for minute, value in values.items()
    ]
    return pl.DataFrame(rows, schema=frames.READINGS.schema)


def every_15(values: Sequence[float]) -> dict[int, float]:
    return {15 * place: value for place, value in enumerate(values)}


def total_kwh(values: Mapping[int, float], **about: object) -> float:
    quarters = aggregation.quarters(sent(values), meter(**about))
    return float(quarters["energy_kwh"].sum())


def kinds(values: Mapping[int, float], **about: object) -> list[str]:
    return segments.register_events(sent(values), meter(**about))["kind"].to_list()


# --- dips and spikes -----------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, 3, 40, 1000])
@pytest.mark.parametrize("low", [0.0, 7.0, 12_000.0])
@pytest.mark.parametrize("about", [{}, {"capacity_kw": 50.0}, {"register_size_kwh": 1e6}])
def test_a_dip_of_any_length_is_left_out_and_what_flowed_meanwhile_counted(
    length: int, low: float, about: dict[str, float]
) -> None:
    # 1 kWh each quarter-hour; during the dip as well, so the register comes back length + 1 higher
    back = 12_346.0 + length + 1
    values = every_15([12_345, 12_346, *[low] * length, back, back + 1])

    assert total_kwh(values, **about) == pytest.approx(1 + length + 1 + 1)
    assert kinds(values, **about) == ["retrograde"]


def test_a_dip_that_counts_a_little_before_it_ends_is_no_reset() -> None:
    values = every_15([12_345, 12_346, 0, 0.5, 1.0, 12_350, 12_351])

    assert total_kwh(values) == pytest.approx(12_351 - 12_345)
    assert kinds(values) == ["retrograde"]


def test_a_new_meter_that_counts_past_the_state_of_the_old_one_did_not_come_back() -> None:
    # old: 5, 10; new: 0, 4, 8, 12, 16 (16 kWh by the new one, 5 by the old one)
    values = every_15([5, 10, 0, 4, 8, 12, 16])

    assert total_kwh(values) == pytest.approx(5 + 16)
    assert kinds(values) == ["reset"]


def test_after_a_dip_that_lasted_too_long_to_be_sure_the_smaller_amount_is_counted() -> None:
    # 5 MW site, 11 days at 0: from 0 to 1 100 000 is possible within 10 MW, but 99 000 happened
    day = 24 * 60
    values = {0: 1e6, 15: 1.001e6, 30: 0.0, 5 * day: 0.0, 11 * day: 1.1e6, 11 * day + 15: 1.101e6}

    assert total_kwh(values, capacity_kw=5000.0) == pytest.approx(101_000)


@pytest.mark.parametrize("length", [1, 3])
def test_a_state_that_cannot_have_been_reached_and_is_gone_again_is_left_out(length: int) -> None:
    values = every_15([5000, 5010, *[812_345.0] * length, 5030, 5040])

    assert total_kwh(values) == pytest.approx(40)
    assert kinds(values) == ["implausible"]


def test_a_last_digit_that_comes_too_early_is_no_event() -> None:
    values = {
        5 * place: value
        for place, value in enumerate([215.6, 215.6, 215.7, 215.6, 215.6, 215.6, 215.7, 215.8])
    }

    assert total_kwh(values, capacity_kw=20.0) == pytest.approx(0.2)
    assert kinds(values, capacity_kw=20.0) == []


def test_a_last_digit_that_is_not_back_yet_is_no_event() -> None:
    assert kinds(every_15([215.6, 215.7, 215.6])) == []


# --- other meters under the same id -------------------------------------------------------------


@pytest.mark.parametrize("about", [{}, {"register_size_kwh": 1e6}, {"capacity_kw": 100.0}])
def test_a_swap_to_a_higher_register_is_a_gap(about: dict[str, float]) -> None:
    values = every_15([5000, 5010, 812_345, 812_355])

    assert total_kwh(values, **about) == pytest.approx(20)
    assert kinds(values, **about) == ["implausible" if "capacity_kw" in about else "undetermined"]


@pytest.mark.parametrize("about", [{}, {"register_size_kwh": 1e6}, {"capacity_kw": 100.0}])
@pytest.mark.parametrize("state", [0.0, 3.0, 4000.0])
def test_a_swap_to_a_lower_register_is_a_gap(about: dict[str, float], state: float) -> None:
    # with a size of 1 000 000, 812 345 to 4 000 would be 191 655 kWh in a quarter-hour
    values = every_15([812_335, 812_345, state, state + 10, state + 20])

    assert total_kwh(values, **about) == pytest.approx(10 + 20)
    assert kinds(values, **about) == ["reset"]


def test_while_a_register_stands_at_0_after_a_fall_nothing_is_known() -> None:
    quarters = aggregation.quarters(sent(every_15([1000, 1010, 0, 0, 0])), meter())

    assert quarters["energy_kwh"].to_list() == [10.0, None, None, None, None]


# --- roll-overs ----------------------------------------------------------------------------------


def test_a_register_of_known_size_is_counted_through_it() -> None:
    values = every_15([99_980, 99_990, 0, 10])

    assert total_kwh(values, register_size_kwh=1e5) == pytest.approx(30)
    assert kinds(values, register_size_kwh=1e5) == ["rollover"]


def test_what_looks_like_a_rollover_of_an_unknown_size_is_not_billed() -> None:
    values = every_15([99_980, 99_990, 0, 10])

    assert total_kwh(values) == pytest.approx(20)
    assert kinds(values) == ["undetermined"]


# --- resolution ----------------------------------------------------------------------------------


def coarse(days: int, kw: float, step: float) -> dict[int, float]:
    """A steady load, read every 15 minutes by a register that shows multiples of `step`."""
    return {15 * n: (n * kw / 4 // step) * step for n in range(days * 96)}


@pytest.mark.parametrize("declared", [None, 1000.0])
@pytest.mark.parametrize("kw", [100.0, 1000.0, 1700.0])
def test_a_register_of_whole_megawatt_hours_has_no_measured_quarter_hour(
    kw: float, declared: float | None
) -> None:
    values = coarse(10, kw, 1000.0)
    known = meter(capacity_kw=5000.0, register_resolution_kwh=declared)

    quarters = aggregation.quarters(sent(values), known).drop_nulls("energy_kwh")

    # from change to change: within a quarter-hour of the reading, 1 000 kWh at 1 000 kW
    assert max(quarters["power_kw_mean"]) <= kw * 4 / 3 + 1e-6
    assert set(quarters["quality"]) == {"estimated"}
    states_kwh = list(values.values())
    # the first state stood there for an unknown time, the last one may have a part to come
    assert quarters["energy_kwh"].sum() >= states_kwh[-1] - states_kwh[0] - 1000


def test_days_of_a_coarse_register_are_right_within_one_of_its_steps() -> None:
    quarters = aggregation.quarters(sent(coarse(10, 1000.0, 1000.0)), meter(capacity_kw=5000.0))

    days = aggregation.coarsen(quarters, meter(), Grain.DAY)["energy_kwh"].to_list()

    assert days[1:-1] == [24_000.0] * 8


def test_a_step_of_a_coarse_register_is_no_impossible_rise() -> None:
    # 100 kW: 1 000 kWh within a quarter-hour would be 4 000
    assert kinds(coarse(20, 100.0, 1000.0), capacity_kw=150.0) == []


def test_a_load_that_stops_and_goes_is_measured_by_a_register_with_fine_digits() -> None:
    level, values = 1017.03, []
    for place in range(200):
        level += 12.51 if place % 4 == 0 else 0.0
        values.append(round(level, 2))

    quarters = aggregation.quarters(sent(every_15(values)), meter())

    assert quarters["power_kw_mean"].max() == pytest.approx(50.04)
    assert set(quarters.drop_nulls("energy_kwh")["quality"]) == {"measured"}


def test_a_declared_resolution_marks_steps_that_it_knows_to_no_better_than_a_tenth() -> None:
    values = every_15([0, 4, 7, 11, 40])

    quarters = aggregation.quarters(sent(values), meter(register_resolution_kwh=1.0))

    assert quarters["quality"].to_list()[:4] == ["estimated", "estimated", "estimated", "measured"]


def test_what_a_change_can_reach_is_bounded_by_the_rules() -> None:
    reach = registers.MAX_RETURN + 1 + register_states.COMPARED
    assert 2 * reach - register_states.COMPARED <= registers.NEIGHBOURS


@pytest.mark.parametrize("about", [{}, {"capacity_kw": 60.0}])
def test_a_register_that_only_rises_is_counted_alike_with_and_without_its_states(
    about: dict[str, float],
) -> None:
    values = every_15([100 + 7.3 * place + place % 3 for place in range(50)])
    rows = segments.ordered(sent(values), meter(**about)).valued

    quick, slow = registers.counted(rows), registers.counted_by_state(rows)

    columns = ["ts", "end", "step_kwh", "last_rank", "estimated"]
    assert_frame_equal(quick.steps.select(columns), slow.steps.select(columns), check_exact=True)
    assert quick.events.is_empty()
    assert slow.events.is_empty()


def test_states_in_watt_hours_are_counted_to_the_watt_hour() -> None:
    """amshan 2.1.1 cuts 1024.003 kWh to 1024002 Wh: findings/amshan-p1-truncation.sh."""
    rise = {15 * quarter: float(f"1024.{quarter:03d}") for quarter in range(25)}

    # 24 quarter-hours of 1 Wh.
    assert total_kwh(rise) == pytest.approx(0.024, abs=1e-6)
    quarters = aggregation.quarters(sent(rise), meter())["energy_kwh"].drop_nulls()
    assert quarters.to_list() == pytest.approx([0.001] * 24, abs=1e-6)
