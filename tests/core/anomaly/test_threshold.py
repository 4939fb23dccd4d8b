"""How often something comes by itself, and what that is as a score."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattbook.core.anomaly import threshold
from wattbook.core.anomaly.threshold import Tail


def test_a_score_of_one_half_is_once_a_month_and_the_limit_of_a_budget_of_one() -> None:
    assert threshold.score(np.array([1.0, 3.0]))[0] == threshold.limit(1.0) == 0.5
    assert threshold.limit(3.0) == threshold.score(np.array([3.0]))[0] == 0.25


def test_the_tail_of_exponential_peaks_is_what_they_were_drawn_from() -> None:
    """Each day has one peak; a peak above the begin of the tail is exponential with the mean 2."""
    rng = np.random.default_rng(0)
    scores = np.zeros(24 * 2000)
    scores[12::24] = rng.exponential(2.0, 2000)

    tail = Tail.of(scores)

    assert tail is not None
    assert tail.begin == pytest.approx(2 * np.log(5), rel=0.05)  # of one day in five
    assert tail.scale == pytest.approx(2.0, rel=0.1)
    assert tail.per_month == pytest.approx(730 / 24 / 5, rel=0.01)
    # A thousandth of the days: e^-x/2 = 1/1000.
    rate = tail.events_per_month(np.array([2 * np.log(1000)]))[0]
    assert rate == pytest.approx(730 / 24 / 1000, rel=0.3)


def test_a_failure_of_days_in_the_history_hardly_moves_the_tail() -> None:
    rng = np.random.default_rng(0)
    scores = rng.exponential(1.0, 24 * 90)
    with_failure = scores.copy()
    with_failure[500:560] = 1000.0

    clean, spoilt = Tail.of(scores), Tail.of(with_failure)

    assert clean is not None
    assert spoilt is not None
    assert spoilt.scale < 3 * clean.scale


def test_what_never_was_is_as_rare_as_the_history_is_long() -> None:
    tail = Tail.of(np.ones(24 * 30))

    assert tail is not None
    assert tail.events_per_month(np.array([1.0, 2.0])).tolist() == [
        730,
        pytest.approx(1.0, rel=0.02),
    ]


def test_of_few_days_nothing_can_be_said() -> None:
    assert Tail.of(np.ones(24 * 9)) is None
    assert Tail.of(np.full(24 * 90, np.nan)) is None


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1000), min_size=24 * 12, max_size=24 * 12), st.floats(0, 2000))
def test_the_higher_the_rarer(scores, value) -> None:
    tail = Tail.of(np.array(scores))
    assert tail is not None

    low, high = tail.events_per_month(np.array([value, value + 1.0]))

    assert high <= low
