"""The forest beside the rules: what it finds, that it finds the same again, and how often."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.core.anomaly.examples import DAY, HOUR, T, watched

from wattbook.core.anomaly.detection import Detection
from wattbook.core.anomaly.finding import Rule
from wattbook.core.periods import Period
from wattbook.models.detector import detect

pytest.importorskip("sklearn")

WEEKS = 10
SPAN = Period(T + WEEKS * 7 * DAY, T + (WEEKS + 1) * 7 * DAY)
FIRST = WEEKS * 7 * 24


def busy(seed: int = 0) -> np.ndarray:
    """A load of offices: a wave by day, less at weekends, and noise."""
    at = np.arange((WEEKS + 1) * 7 * 24)
    wave = 100 + 40 * np.sin((at % 24 - 6) * np.pi / 12)
    weekend = np.where(at // 24 % 7 >= 5, 0.7, 1.0)
    return np.asarray(wave * weekend + np.random.default_rng(seed).normal(0, 2, len(at)))


def seen(kw: np.ndarray, **more) -> Detection:
    judged = detect(watched(kw), SPAN, per_month=1.0, **more)
    assert judged is not None
    return judged


@pytest.mark.slow
def test_a_day_with_the_load_of_a_night_is_found_with_the_nearest_that_was_normal() -> None:
    kw = busy()
    kw[FIRST + 24 + 8 : FIRST + 24 + 16] = [61.0, 62.0, 63.0, 62.0, 61.5, 62.5, 63.0, 61.0]

    (strange,) = seen(kw).noticed

    assert strange.rule is Rule.FOREST
    assert strange.start_utc == SPAN.start + 32 * HOUR
    assert strange.end_utc == SPAN.start + 40 * HOUR
    assert strange.evidence.observed == 62.0
    assert strange.at_stake_kwh == pytest.approx(
        62 * 8 - sum(100 + 40 * np.sin((hour - 6) * np.pi / 12) for hour in range(8, 16)), rel=0.05
    )


def test_the_edge_of_what_a_rule_told_and_trifles_are_not_told() -> None:
    kw = busy()
    kw[FIRST + 58] /= 2  # it fell silent in the midst of this hour
    kw[FIRST + 59 : FIRST + 64] = np.nan
    kw[FIRST + 100] += 2.5  # of a level of 91

    assert [each.rule for each in seen(kw).noticed] == [Rule.GAP]


def test_scores_are_between_0_and_1_and_highest_where_it_is_strange() -> None:
    kw = busy()
    kw[FIRST + 60] = 300.0

    scores = seen(kw).scores

    assert scores.height == 7 * 24
    assert scores["score"].is_between(0, 1).all()
    assert scores["score"].arg_max() == 60
    assert scores["expected_kwh"][60] == pytest.approx(busy()[FIRST + 60], rel=0.1)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits() -> None:
    first, second = seen(busy(), seed=3), seen(busy(), seed=3)

    assert first.noticed == second.noticed
    assert_frame_equal(first.scores, second.scores, check_exact=True)


@pytest.mark.slow
def test_false_alarms_stay_about_the_budget() -> None:
    """Thirty weeks of nothing unusual are seven meter-months: some seven alarms are allowed."""
    alarms = sum(len(seen(busy(seed)).noticed) for seed in range(30))

    assert alarms <= 14


def test_a_short_history_is_judged_by_rules_alone() -> None:
    kw = busy()[: 12 * 24]
    kw[8 * 24 : 8 * 24 + 3] = 0.0
    span = Period(T + 7 * DAY, T + 12 * DAY)

    judged = detect(watched(kw), span, per_month=1.0)

    assert judged is not None
    assert not judged.by_model
    assert [each.rule for each in judged.noticed] == [Rule.ZERO]
    assert judged.scores["score"].null_count() == judged.scores.height


def test_a_failure_in_the_history_is_not_learnt() -> None:
    """Two days of nothing in the history; ten hours of little are found all the same."""
    kw = busy()
    kw[FIRST - 20 * 24 : FIRST - 18 * 24] = 0.0
    kw[FIRST + 30 : FIRST + 40] = np.arange(5.0, 15.0)

    assert {each.rule for each in seen(kw).noticed} == {Rule.FOREST}


def test_the_span_may_be_of_any_length() -> None:
    meter = watched(busy())

    judged = detect(meter, Period(SPAN.start, SPAN.start + timedelta(hours=1)), per_month=1.0)

    assert judged is not None
    assert judged.scores.select(pl.len()).item() == 1


@pytest.mark.parametrize("kw", [0.0, -5.0])
def test_a_meter_that_never_counts_anything_has_no_model(kw) -> None:
    judged = detect(watched(np.full((WEEKS + 1) * 7 * 24, kw)), SPAN, per_month=1.0)

    assert judged is not None
    assert not judged.by_model
    assert judged.scores["score"].null_count() == judged.scores.height
