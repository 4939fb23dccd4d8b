import numpy as np
import pytest

from wattbook.core.forecast import samples


def test_of_nineteen_independent_errors_the_outermost_are_the_fifth_and_the_ninety_fifth() -> None:
    errors = np.arange(19.0).reshape(1, 19, 1)
    errors[0, ::2] -= 18.0  # the order in which they came shows no dependence

    # 0.95 · (19 + 1) = 19, the largest; 0.05 · (19 + 1) = 1, the smallest
    assert samples.dependence(errors, 1) == 1.0
    assert samples.quantile(errors, 0.95) == errors.max()
    assert samples.quantile(errors, 0.05) == errors.min()


def test_a_rank_beyond_the_errors_there_are_is_no_error_but_unknown() -> None:
    errors = np.where(np.arange(18) % 2, 1.0, -1.0).reshape(1, 18, 1)

    # ⌈0.95 · (18 + 1)⌉ = 19 > 18
    assert np.isnan(samples.quantile(errors, 0.95)).all()
    assert np.isnan(samples.quantile(errors, 0.05)).all()


def test_errors_of_a_day_that_are_all_alike_count_as_one() -> None:
    errors = np.full((24, 1, 1), 3.0)

    assert samples.dependence(errors, 0) == pytest.approx(24.0)
    assert np.isnan(samples.quantile(errors, 0.9)).all()


def test_slots_with_too_few_errors_share_those_of_the_whole_day_by_their_size() -> None:
    rng = np.random.default_rng(1)
    size = np.where(np.arange(24) < 12, 1.0, 10.0)
    errors = (rng.normal(size=(24, 12)) * size[:, None])[:, :, None]

    found = samples.quantile(errors, 0.95)  # a slot has 12 errors of the 19 that it needs

    assert np.isfinite(found).all()
    assert found[12:].mean() > 2 * found[:12].mean()


def test_where_nothing_went_wrong_the_quantile_is_zero() -> None:
    assert samples.quantile(np.zeros((24, 2, 1)), 0.95).tolist() == [0.0] * 24


def test_without_errors_nothing_is_known() -> None:
    assert np.isnan(samples.quantile(np.full((24, 1, 1), np.nan), 0.9)).all()
