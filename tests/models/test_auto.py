"""Series that a person can check, through the whole choice of models."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wattbook.core.errors import InputError, UnsupportedError
from wattbook.core.forecast import series
from wattbook.core.forecast.scenario import Addition, Curtailment, Scenario
from wattbook.core.forecast.task import Basis, ForecastTask, ModelName
from wattbook.core.periods import Grain, Period
from wattbook.models import prophet
from wattbook.models.auto import forecast

pytest.importorskip("sklearn")
pytestmark = pytest.mark.slow

T = datetime(2025, 1, 6, tzinfo=UTC)  # a Monday
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def ask(**more) -> ForecastTask:
    return ForecastTask(**{"horizon": 7 * DAY, "grain": Grain.HOUR, "timezone": "UTC", **more})


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


def walk(days: int, seed: int = 5) -> pl.DataFrame:
    """A random walk, of which nothing is known but where it is."""
    rng = np.random.default_rng(seed)
    return hours(100 + np.cumsum(rng.normal(size=24 * days)))


def test_a_model_that_is_asked_for_answers_also_where_the_naive_one_was_better() -> None:
    outlook = forecast(walk(100), ask(model=ModelName.STATISTICAL))

    assert outlook.model is ModelName.STATISTICAL
    assert outlook.basis is Basis.MODEL
    assert set(outlook.parameters["bands"].values()) == {"statistical"}
    assert set(outlook.leaderboard["model"]) == {"naive", "statistical"}


def test_prophet_that_is_asked_for_answers_with_its_own_figures() -> None:
    pytest.importorskip("prophet")
    history = hours(100 + np.cumsum(np.random.default_rng(5).normal(size=24 * 70)))

    outlook = forecast(history, ask(model=ModelName.PROPHET, horizon=2 * DAY, quantiles=(0.1, 0.9)))

    known = series.series(history, ask(horizon=2 * DAY))
    own = prophet.predicted(known, known.origin)
    assert outlook.model is ModelName.PROPHET
    assert outlook.reason is not None  # it says where the naive forecast was as good
    assert "naive forecast was at least as good as prophet" in outlook.reason
    board = outlook.leaderboard.filter(model="prophet")
    mean = outlook.rows["mean"].to_numpy()
    assert np.corrcoef(mean, own)[0, 1] > 0.9
    assert board.height


def test_a_model_without_its_package_is_refused_by_both_names(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)

    with pytest.raises(UnsupportedError, match=r"gbm needs the package scikit-learn"):
        forecast(hours(noisy(60)), ask(model=ModelName.GBM))


def test_an_answer_says_which_models_were_not_tried_for_want_of_a_package(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)

    outlook = forecast(hours(noisy(60)), ask(horizon=DAY))

    assert outlook.parameters["unavailable"] == ["gbm"]
    assert outlook.reason is not None
    assert "gbm was not tried: scikit-learn is not installed" in outlook.reason


def test_a_curtailment_that_happened_once_is_not_forecast_again() -> None:
    values = noisy(91, level=4590.0)
    values[44 * 24 : 46 * 24] *= 0.2  # Wednesday and Thursday of the seventh week

    rows = forecast(hours(values), ask(horizon=30 * DAY)).rows

    # the wave is 4580 to 4600; it was 13 weeks: a mean with that week in it is 280 lower
    assert (rows["p10"] > 4550).all()
    assert (rows["mean"] > 4570).all()


def test_the_day_after_a_curtailment_of_the_same_weekday_is_not_curtailed_either() -> None:
    values = noisy(91, level=4590.0)
    values[-7 * 24 : -6 * 24] *= 0.2  # the weekday that comes next

    rows = forecast(hours(values), ask(horizon=DAY)).rows

    assert (rows["p10"] > 4550).all()


def test_no_figure_is_above_what_can_be_drawn_or_below_what_can_be() -> None:
    values = np.clip(noisy(60, level=20.0), 12, 25)

    rows = forecast(hours(values), ask(maximum=25.0, minimum=12.0)).rows

    figures = rows.select("mean", "p10", "p50", "p90").to_numpy()
    assert figures.max() <= 25.0
    assert figures.min() >= 12.0


def test_mean_median_and_outer_quantiles_are_four_figures() -> None:
    rows = forecast(hours(noisy(120)), ask()).rows

    assert (rows["p10"] < rows["p50"]).all()
    assert (rows["p50"] < rows["p90"]).all()
    assert (rows["p10"] < rows["mean"]).all()
    assert (rows["mean"] < rows["p90"]).all()
    assert (rows["mean"] != rows["p50"]).all()


NOISE: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda rng, count: rng.normal(100, 10, count),
    "skewed": lambda rng, count: 50 * np.exp(rng.normal(0, 0.8, count)),
    "lasting": lambda rng, count: (
        100 + np.convolve(rng.normal(0, 10, count + 23), np.ones(24) / 24**0.5, mode="valid")
    ),
}


@pytest.mark.parametrize("kind", NOISE)
@pytest.mark.parametrize("days", [2, 5, 20])
def test_an_interval_of_nine_tenths_from_a_short_history_holds_or_is_not_given(kind, days) -> None:
    held, given = 0, 0
    for seed in range(8):
        values = NOISE[kind](np.random.default_rng(seed), (days + 1) * 24)
        outlook = forecast(hours(values[: days * 24]), ask(horizon=DAY, quantiles=(0.05, 0.95)))
        low, high = (outlook.rows[name].to_numpy() for name in ("p5", "p95"))
        actual = values[days * 24 :]
        known = np.isfinite(low) & np.isfinite(high)
        given += int(known.sum())
        held += int(((actual >= low) & (actual <= high))[known].sum())
        if not known.all():
            assert outlook.basis is Basis.INSUFFICIENT
            assert outlook.reason

    assert held >= 0.8 * given


@pytest.mark.parametrize(
    ("days", "lacking"),
    [(2, "Wednesday, Thursday, Friday, Saturday, Sunday"), (5, "Saturday, Sunday")],
)
def test_a_forecast_from_less_than_a_week_says_that_the_weekly_pattern_is_unknown(
    days: int, lacking: str
) -> None:
    """From a Monday on: a weekend that was never seen is forecast as working days are."""
    outlook = forecast(hours(noisy(days)), ask())

    assert outlook.basis is Basis.INSUFFICIENT
    assert outlook.reason is not None
    assert f"the weekly pattern is not known: the history has no {lacking}" in outlook.reason


def test_days_of_the_week_that_are_always_missing_are_named() -> None:
    """Ten weeks of which every Sunday is missing."""
    values = [None if at // 24 % 7 == 6 else float(each) for at, each in enumerate(noisy(70))]
    known = hours(values).drop_nulls("value")

    outlook = forecast(known, ask())

    assert outlook.reason is not None
    assert "the weekly pattern is not known: the history has no Sunday" in outlook.reason


def test_a_whole_week_knows_its_pattern() -> None:
    assert "weekly pattern" not in (forecast(hours(noisy(7)), ask()).reason or "")


def test_quantiles_that_two_days_cannot_tell_are_null_with_the_reason() -> None:
    outlook = forecast(hours(noisy(2)), ask(horizon=DAY, quantiles=(0.001, 0.5, 0.999)))

    assert outlook.basis is Basis.INSUFFICIENT
    assert outlook.rows["p0.1"].null_count() == outlook.rows["p99.9"].null_count() == 24
    assert outlook.rows["p50"].null_count() == outlook.rows["mean"].null_count() == 0
    assert outlook.reason is not None
    assert "too few past errors to know p0.1, p99.9" in outlook.reason


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
