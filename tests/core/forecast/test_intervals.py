import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wattbook.core.forecast import intervals


def test_nine_errors_give_the_ends_of_an_interval_of_eight_tenths() -> None:
    errors = np.arange(-4.0, 5.0)[
        :, None
    ]  # -4 … 4: (9 + 1) · 0.9 = the 9th, (9 + 1) · 0.1 = the 1st

    found = intervals.offsets(errors, np.zeros(1, dtype=np.int64), (0.1, 0.5, 0.9))

    assert found.tolist() == [[-4.0, 0.0, 4.0]]


def test_the_tails_are_taken_apart() -> None:
    errors = np.array([0.0] * 8 + [10.0])[:, None]

    found = intervals.offsets(errors, np.zeros(1, dtype=np.int64), (0.1, 0.9))

    assert found.tolist() == [[0.0, 10.0]]


def test_leads_of_one_slot_and_about_as_far_ahead_are_judged_together() -> None:
    group = intervals.groups(24 * 30, 24)

    assert group[24 * 2 + 5] == group[24 * 3 + 5]  # the third and the fourth day, at the same hour
    assert group[5] != group[24 + 5]
    assert group[24 * 2 + 5] != group[24 * 2 + 6]


@given(
    arrays(np.float64, 5, elements=st.floats(-1e6, 1e6)),
    arrays(np.float64, (7, 5), elements=st.floats(-1e6, 1e6)),
    st.lists(st.floats(0.01, 0.99), min_size=1, max_size=5, unique=True).map(sorted),
)
def test_quantiles_never_cross(point, errors, levels) -> None:
    offset = intervals.offsets(errors, intervals.groups(5, 24), levels)

    assert (np.diff(intervals.around(point, offset), axis=-1) >= 0).all()


@pytest.mark.parametrize("share", [0.8, 0.5])
def test_an_interval_holds_as_often_as_it_says(share) -> None:
    rng = np.random.default_rng(1)
    errors = rng.exponential(size=(4000, 1))  # nothing like a normal distribution
    low, high = (1 - share) / 2, (1 + share) / 2

    found = intervals.offsets(errors[:2000], np.zeros(1, dtype=np.int64), (low, high))[0]

    held = ((errors[2000:] >= found[0]) & (errors[2000:] <= found[1])).mean()
    assert held == pytest.approx(share, abs=0.03)
