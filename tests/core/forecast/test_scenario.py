from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from wattbook.core.errors import InputError
from wattbook.core.forecast.scenario import Addition, Curtailment, Scenario, check, under
from wattbook.core.periods import Period

T = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_what_is_added_is_curtailed_with_the_rest() -> None:
    rows = pl.DataFrame({"start_utc": [T, T + HOUR, T + 2 * HOUR], "mean": [10.0] * 3})
    scenario = Scenario(
        additions=(Addition(start=T + HOUR, value=2.0),),
        curtailments=(Curtailment(period=Period(T + 2 * HOUR, T + 3 * HOUR), left=0.25),),
    )

    # 10; 10 + 2; (10 + 2) · 0.25
    assert under(rows, scenario, ["mean"])["mean"].to_list() == [10.0, 12.0, 3.0]


def test_a_share_that_is_none_is_refused_by_its_row() -> None:
    span = Period(T, T + HOUR)
    scenario = Scenario(
        curtailments=(Curtailment(period=span, left=0.5), Curtailment(period=span, left=1.5))
    )

    with pytest.raises(InputError) as refused:
        check(scenario)

    assert (refused.value.problems[0].field, refused.value.problems[0].row) == ("left", 1)
