import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wattbook.core.forecast import intervals
from wattbook.core.forecast.series import Floats


def test_nine_errors_give_the_ends_of_an_interval_of_eight_tenths() -> None:
    # 0 -4 1 -3 2 -2 3 -1 4: (9 + 1) · 0.9 = the 9th, (9 + 1) · 0.1 = the 1st
    errors = np.array([0.0, -4, 1, -3, 2, -2, 3, -1, 4])[:, None]

    found = intervals.offsets(errors, 24, (0.1, 0.5, 0.9))

    assert found.tolist() == [[-4.0, 0.0, 4.0]]


def test_eight_errors_say_nothing_of_the_outer_tenths() -> None:
    errors = np.array([0.0, -4, 1, -3, 2, -2, 3, -1])[:, None]

    found = intervals.offsets(errors, 24, (0.1, 0.5, 0.9))  # ⌈(8 + 1) · 0.9⌉ = 9 > 8

    assert np.isnan(found[0, [0, 2]]).all()
    assert found[0, 1] == pytest.approx(-0.5 * 8 / 18)  # the median, drawn towards 0 by 10 origins


def test_the_tails_are_taken_apart() -> None:
    errors = np.array([0.0] * 8 + [10.0])[:, None]

    found = intervals.offsets(errors, 24, (0.1, 0.9))

    assert found.tolist() == [[0.0, 10.0]]


def test_leads_of_one_slot_and_about_as_far_ahead_are_judged_together() -> None:
    errors = np.zeros((9, 24 * 4))
    errors[:, 24 * 2 + 5] = [0, -8, 2, -6, 4, -4, 6, -2, 8]  # at 5 o'clock of the third day …

    offset = intervals.offsets(errors, 24, (0.1, 0.9))

    at_five = offset[24 * 2 + 5].tolist()
    assert offset[24 * 3 + 5].tolist() == at_five  # … tells of the fourth, too
    assert at_five[0] < 0 < at_five[1]
    assert not offset[[5, 24 + 5, 24 * 2 + 6]].any()


def test_the_last_day_of_a_horizon_need_not_be_whole() -> None:
    errors = np.tile(np.array([0.0, -4, 1, -3, 2, -2, 3, -1, 4])[:, None], 24 + 5)

    assert intervals.offsets(errors, 24, (0.1, 0.9)).tolist() == [[-4.0, 4.0]] * 29


def test_further_ahead_than_was_tried_an_interval_widens_like_a_random_walk() -> None:
    errors = np.full((20, 24 * 4), np.nan)
    errors[:, :24] = np.random.default_rng(2).normal(size=(20, 24))

    width = np.diff(intervals.offsets(errors, 24, (0.1, 0.9)), axis=1).reshape(4, 24).mean(axis=1)

    # middles of the leads: half a day, one and a half, three: √(1.5 / 0.5) and √(3 / 0.5)
    assert width[1] / width[0] == pytest.approx(3**0.5)
    assert width[2] / width[0] == pytest.approx(6**0.5)


def test_where_one_part_of_the_past_says_little_of_another_the_interval_is_wider() -> None:
    steady = np.random.default_rng(1).normal(size=(360, 1))
    changing = steady + 5 * np.sin(np.arange(360) * np.pi / 90)[:, None]

    def stretch(errors: Floats) -> float:
        held = intervals.left_out(errors.reshape(1, 360, 1), 1)
        assert held is not None
        return held.level(0.9) - held.level(0.1)

    assert stretch(steady) == pytest.approx(0.8, abs=0.05)
    assert stretch(changing) > 0.85


def test_each_tail_is_widened_by_what_it_did_not_hold() -> None:
    steady = np.random.default_rng(1).normal(size=(360, 1))
    jumps = steady + 5 * (np.arange(360) % 120 < 30)[:, None]  # some months are above the others

    held = intervals.left_out(jumps.reshape(1, 360, 1), 1)

    assert held is not None
    assert held.level(0.9) > 0.91
    assert held.level(0.1) > 0.05


def test_of_too_short_a_past_nothing_is_said_of_its_parts() -> None:
    assert intervals.left_out(np.zeros((1, 15, 1)), 1) is None


@given(
    arrays(np.float64, 5, elements=st.floats(-1e6, 1e6)),
    arrays(np.float64, (7, 5), elements=st.floats(-1e6, 1e6)),
    st.lists(st.floats(0.01, 0.99), min_size=1, max_size=5, unique=True).map(sorted),
)
def test_quantiles_that_are_known_never_cross(point, errors, levels) -> None:
    offset = intervals.offsets(errors, 24, levels)

    for row in intervals.around(point, offset):
        assert (np.diff(row[np.isfinite(row)]) >= 0).all()


@given(
    arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 30))),
    st.lists(st.floats(0.01, 0.99), min_size=1, max_size=5, unique=True).map(sorted),
)
def test_no_quantile_is_without_bound(errors, levels) -> None:
    errors = np.where(np.abs(errors) < 1e6, errors, np.nan)

    assert not np.isinf(intervals.offsets(errors, 24, levels)).any()


@pytest.mark.parametrize("share", [0.8, 0.5])
def test_an_interval_holds_as_often_as_it_says(share) -> None:
    rng = np.random.default_rng(1)
    errors = rng.exponential(size=(4000, 1))  # nothing like a normal distribution
    low, high = (1 - share) / 2, (1 + share) / 2

    found = intervals.offsets(errors[:2000], 24, (low, high))[0]

    held = ((errors[2000:] >= found[0]) & (errors[2000:] <= found[1])).mean()
    assert held == pytest.approx(share, abs=0.03)
