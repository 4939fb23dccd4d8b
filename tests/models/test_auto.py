"""Series that a person can check, through the whole choice of models."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wattbook.core.errors import InputError
from wattbook.core.forecast.outlook import Ask, Basis, ModelName
from wattbook.core.forecast.scenario import Addition, Curtailment, Scenario
from wattbook.core.periods import Grain, Period
from wattbook.models.auto import forecast

pytest.importorskip("sklearn")
pytestmark = pytest.mark.slow

T = datetime(2025, 1, 6, tzinfo=UTC)  # a Monday
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def ask(**more) -> Ask:
    return Ask(**{"horizon": 7 * DAY, "grain": Grain.HOUR, "timezone": "UTC", **more})


def hours(values) -> pl.DataFrame:
    starts = [T + HOUR * number for number in range(len(values))]
    return pl.DataFrame(
        {"start_utc": starts, "value": list(values)},
        schema={"start_utc": pl.Datetime("us", "UTC"), "value": pl.Float64},
    )


def noisy(days: int, *, level=100.0, seed=0) -> np.ndarray:
    """A daily wave with noise that lasts a few hours."""
    rng = np.random.default_rng(seed)
    noise = np.convolve(rng.normal(size=days * 24), np.ones(6) / 6, mode="same")
    wave = np.sin(np.arange(days * 24) * 2 * np.pi / 24)
    return np.asarray(level + 10 * wave + 5 * noise)


def test_a_weekly_pattern_is_repeated_without_error_or_width() -> None:
    pattern = [float(10 + hour % 24 + 5 * (hour >= 120)) for hour in range(168)]

    outlook = forecast(hours(pattern * 12), ask())

    assert outlook.rows["p50"].to_list() == pytest.approx(pattern)
    assert (outlook.rows["p90"] - outlook.rows["p10"]).max() == pytest.approx(0.0, abs=1e-9)


def test_a_flat_series_stays_flat() -> None:
    outlook = forecast(hours([5.0] * 24 * 90), ask())

    assert outlook.rows.select(pl.exclude("start_utc").eq(5.0).all()).row(0) == (True,) * 4


def test_same_input_and_seed_give_the_same_numbers() -> None:
    history = hours(noisy(200))

    one, other = forecast(history, ask(seed=3)), forecast(history, ask(seed=3))

    assert_frame_equal(one.rows, other.rows, check_exact=True)
    assert_frame_equal(one.leaderboard, other.leaderboard, check_exact=True)


def test_what_lies_after_the_origin_changes_nothing() -> None:
    values = noisy(200)
    changed = values.copy()
    changed[180 * 24 :] *= 7
    origin = T + 180 * DAY

    one = forecast(hours(values), ask(), origin=origin)
    other = forecast(hours(changed), ask(), origin=origin)

    assert_frame_equal(one.rows, other.rows, check_exact=True)


def test_a_model_is_better_than_naive_where_there_is_something_to_learn() -> None:
    outlook = forecast(hours(noisy(300)), ask())

    assert outlook.basis is Basis.MODEL
    board = outlook.leaderboard.filter(band="24h")
    mase = dict(zip(board["model"], board["mase"], strict=True))
    assert mase[str(outlook.model)] < mase["naive"]


def test_quantiles_are_those_that_were_asked_for_and_never_cross() -> None:
    outlook = forecast(hours(noisy(120)), ask(quantiles=(0.95, 0.025, 0.5)))

    names = ["p2.5", "p50", "p95"]
    assert outlook.rows.columns == ["start_utc", "mean", *names]
    assert (np.diff(outlook.rows.select(names).to_numpy(), axis=1) >= 0).all()


def test_a_short_history_says_that_it_is_one() -> None:
    outlook = forecast(hours(noisy(4)), ask(horizon=DAY))

    assert outlook.basis is Basis.INSUFFICIENT
    assert outlook.reason
    assert outlook.rows.height == 24
    assert not outlook.rows["p50"].is_null().any()


def test_a_quarter_hourly_history_is_forecast_by_the_quarter_hour() -> None:
    starts = [T + timedelta(minutes=15 * number) for number in range(96 * 70)]
    history = pl.DataFrame(
        {"start_utc": starts, "value": np.repeat(noisy(70), 4)},
        schema={"start_utc": pl.Datetime("us", "UTC"), "value": pl.Float64},
    )

    outlook = forecast(history, ask(grain=Grain.QUARTER, horizon=2 * DAY))

    assert outlook.rows.height == 192
    assert outlook.rows["p50"].is_finite().all()


def test_gaps_and_excluded_rows_are_not_learnt_from() -> None:
    values = noisy(120)
    wild = hours(values).with_columns(
        value=pl.when(pl.int_range(pl.len()).is_between(1000, 1200))
        .then(1e6)
        .otherwise(pl.col("value")),
        excluded=pl.int_range(pl.len()).is_between(1000, 1200),
    )
    absent = hours(values).filter(~pl.int_range(pl.len()).is_between(1000, 1200))

    assert_frame_equal(forecast(wild, ask()).rows, forecast(absent, ask()).rows)


def test_a_scenario_moves_every_quantile() -> None:
    history = hours([10.0] * 24 * 60)
    at = T + 60 * DAY
    scenario = Scenario(
        additions=(Addition(start=at + HOUR, value=2.0),),
        curtailments=(Curtailment(period=Period(at + 2 * HOUR, at + 3 * HOUR), left=0.5),),
    )

    rows = forecast(history, ask(horizon=3 * HOUR), scenario=scenario).rows

    for name in ("mean", "p10", "p50", "p90"):
        assert rows[name].to_list() == [10.0, 12.0, 6.0]  # (10 + 2) · 0.5


def test_a_model_that_is_asked_for_has_to_be_better_than_naive_too() -> None:
    rng = np.random.default_rng(5)
    history = hours(100 + np.cumsum(rng.normal(size=24 * 100)))

    outlook = forecast(history, ask(model=ModelName.STATISTICAL))

    assert set(outlook.leaderboard["model"]) == {"naive", "statistical"}
    if "naive" in outlook.parameters["bands"].values():
        assert outlook.reason is not None


def test_prophet_can_be_asked_for() -> None:
    pytest.importorskip("prophet")

    outlook = forecast(hours(noisy(70)), ask(model=ModelName.PROPHET, horizon=2 * DAY))

    assert set(outlook.leaderboard["model"]) == {"naive", "prophet"}
    assert outlook.rows["p50"].is_finite().all()


def test_a_country_without_holidays_is_refused_by_name() -> None:
    with pytest.raises(InputError) as refused:
        forecast(hours([5.0] * 24 * 30), ask(country="Atlantis"))

    assert refused.value.problems[0].field == "country"


def test_racks_that_were_added_five_days_ago_are_there_in_the_forecast() -> None:
    values = noisy(200)
    values[195 * 24 :] += 80  # the wave has an amplitude of 10

    outlook = forecast(hours(values), ask())

    assert outlook.rows["p50"].mean() == pytest.approx(180, abs=3)
    assert (outlook.rows["p10"] > 150).all()
    assert list(outlook.parameters["level_shifts"]) == [(T + 195 * DAY).isoformat()]


def priced(values, prices, *, known=timedelta(0)) -> pl.DataFrame:
    starts = [T + HOUR * number for number in range(len(prices))]
    return pl.DataFrame(
        {"start_utc": starts, "price_per_mwh": prices},
        schema={"start_utc": pl.Datetime("us", "UTC"), "price_per_mwh": pl.Float64},
    ).with_columns(known_utc=pl.col("start_utc") - known)


def test_hours_above_the_strike_price_are_foreseen_and_do_not_spoil_the_rest() -> None:
    days = 120
    prices = np.where(np.random.default_rng(2).random((days + 1) * 24) < 0.1, 300.0, 40.0)
    values = np.where(prices[: days * 24] >= 300, 20.0, 100.0)
    day_ahead = priced(values, prices, known=DAY)

    outlook = forecast(hours(values), ask(horizon=DAY), covariates=day_ahead)

    expected = np.where(prices[days * 24 :] >= 300, 20.0, 100.0)
    assert outlook.rows["p50"].to_list() == pytest.approx(expected.tolist())
    assert outlook.parameters["price_response"] == {"strike": 300.0, "left": pytest.approx(0.2)}


def test_a_price_of_a_scenario_takes_the_place_of_the_one_that_is_known() -> None:
    prices = np.where(np.random.default_rng(2).random(121 * 24) < 0.1, 300.0, 40.0)
    values = np.where(prices[: 120 * 24] >= 300, 20.0, 100.0)
    at = T + 120 * DAY
    foreseen = pl.DataFrame(
        {"start_utc": [at, at + HOUR, at + 2 * HOUR], "price_per_mwh": [40.0, 500.0, 40.0]},
        schema={"start_utc": pl.Datetime("us", "UTC"), "price_per_mwh": pl.Float64},
    )

    outlook = forecast(
        hours(values),
        ask(horizon=3 * HOUR),
        covariates=priced(values, prices, known=DAY),
        scenario=Scenario(prices=foreseen),
    )

    assert outlook.rows["p50"].to_list() == pytest.approx([100.0, 20.0, 100.0])


def test_a_covariate_that_was_not_known_at_the_origin_changes_nothing() -> None:
    values = noisy(160)
    late = priced(values, np.random.default_rng(4).normal(50, 10, 167 * 24), known=-8 * DAY)
    other = late.with_columns(
        price_per_mwh=pl.when(pl.col("known_utc") > T + 160 * DAY)
        .then(9999.0)
        .otherwise(pl.col("price_per_mwh"))
    )

    one = forecast(hours(values), ask(), covariates=late)
    two = forecast(hours(values), ask(), covariates=other)

    assert_frame_equal(one.rows, two.rows, check_exact=True)


def test_a_season_of_history_is_no_year_to_learn_seasons_from() -> None:
    days = np.repeat(np.where(np.arange(100) % 7 == 6, 80.0, 100.0), 24)
    history = hours(days + noisy(100) - 100)

    outlook = forecast(history, ask())

    board = outlook.leaderboard.filter(band="24h")
    mase = dict(zip(board["model"], board["mase"], strict=True))
    assert mase["statistical"] < 1.2 * mase["naive"]  # it ran away when it was told of the year


def test_what_is_as_good_as_repeating_the_week_is_called_that() -> None:
    rng = np.random.default_rng(0)
    history = hours(np.tile(rng.normal(100, 10, 168), 20) + rng.normal(0, 1e-6, 168 * 20))

    outlook = forecast(history, ask())

    off = outlook.leaderboard.filter(band="24h").sort("mase")
    assert (
        outlook.model is ModelName.NAIVE
        or off["mase"][0] < 0.99 * off.filter(model="naive")["mase"][0]
    )
