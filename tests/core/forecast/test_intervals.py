import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wattbook.core.forecast import intervals
from wattbook.core.forecast.series import Floats


def test_nine_errors_give_the_ends_of_an_interval_of_eight_tenths() -> None:
    errors = np.arange(-4.0, 5.0)[
        :, None
    ]  # -4 … 4: (9 + 1) · 0.9 = the 9th, (9 + 1) · 0.1 = the 1st

    found = intervals.offsets(errors, 24, (0.1, 0.5, 0.9))

    assert found.tolist() == [[-4.0, 0.0, 4.0]]


def test_the_tails_are_taken_apart() -> None:
    errors = np.array([0.0] * 8 + [10.0])[:, None]

    found = intervals.offsets(errors, 24, (0.1, 0.9))

    assert found.tolist() == [[0.0, 10.0]]


def test_leads_of_one_slot_and_about_as_far_ahead_are_judged_together() -> None:
    errors = np.zeros((9, 24 * 4))
    errors[:, 24 * 2 + 5] = np.arange(9)  # at 5 o'clock of the third day …

    offset = intervals.offsets(errors, 24, (0.1, 0.9))

    at_five = offset[24 * 2 + 5].tolist()
    assert offset[24 * 3 + 5].tolist() == at_five == [0.0, 8.0]  # … tells of the fourth, too
    assert not offset[[5, 24 + 5, 24 * 2 + 6]].any()


def test_the_last_day_of_a_horizon_need_not_be_whole() -> None:
    errors = np.tile(np.arange(9.0)[:, None], 24 + 5)

    assert intervals.offsets(errors, 24, (0.1, 0.9)).tolist() == [[0.0, 8.0]] * 29


def test_where_one_part_of_the_past_says_little_of_another_the_interval_is_wider() -> None:
    steady = np.random.default_rng(1).normal(size=(360, 1))
    changing = steady + 5 * np.sin(np.arange(360) * np.pi / 90)[:, None]

    def stretch(errors: Floats) -> float:
        held = intervals.left_out(errors.reshape(1, 360, 1), 1)
        low, high = intervals.stretched((0.1, 0.9), *held)
        return high - low

    assert stretch(steady) == pytest.approx(0.8, abs=0.05)
    assert stretch(changing) > 0.85


def test_of_too_short_a_past_nothing_is_said_of_its_parts() -> None:
    central, held = intervals.left_out(np.zeros((1, 15, 1)), 1)

    assert (central, held.size) == ([], 0)
    assert intervals.stretched((0.1, 0.9), central, held) == pytest.approx([0.1, 0.9])


@given(
    arrays(np.float64, 5, elements=st.floats(-1e6, 1e6)),
    arrays(np.float64, (7, 5), elements=st.floats(-1e6, 1e6)),
    st.lists(st.floats(0.01, 0.99), min_size=1, max_size=5, unique=True).map(sorted),
)
def test_quantiles_never_cross(point, errors, levels) -> None:
    offset = intervals.offsets(errors, 24, levels)

    assert (np.diff(intervals.around(point, offset), axis=-1) >= 0).all()


@pytest.mark.parametrize("share", [0.8, 0.5])
def test_an_interval_holds_as_often_as_it_says(share) -> None:
    rng = np.random.default_rng(1)
    errors = rng.exponential(size=(4000, 1))  # nothing like a normal distribution
    low, high = (1 - share) / 2, (1 + share) / 2

    found = intervals.offsets(errors[:2000], 24, (low, high))[0]

    held = ((errors[2000:] >= found[0]) & (errors[2000:] <= found[1])).mean()
    assert held == pytest.approx(share, abs=0.03)
