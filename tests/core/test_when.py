"""Dates and instants as people write them."""

from datetime import UTC, date, datetime

import pytest

from wattbook.core import when
from wattbook.core.errors import InvalidPeriodError
from wattbook.core.when import Bounds


@pytest.mark.parametrize(
    "text",
    [
        "2026",
        "20260101",
        "2026-13-01",
        "2026-01-01T00:00:00",
        "1899-12-31",
        "01/02/2026",
        "now",
        "",
    ],
)
def test_anything_but_a_date_or_an_instant_with_offset_is_refused(text):
    with pytest.raises(ValueError, match=r"2026-01-01|1900"):
        when.parse(text)


def test_a_date_is_its_first_instant_on_the_clock_of_the_place():
    # 1 July 00:00 in Kolkata (UTC+05:30) is 30 June 18:30 UTC.
    at = when.instant(date(2026, 7, 1), "Asia/Kolkata")

    assert at == datetime(2026, 6, 30, 18, 30, tzinfo=UTC)


def test_a_period_without_end_ends_with_the_data():
    until = datetime(2026, 1, 2, 3, 15, tzinfo=UTC)

    period = when.period(Bounds(date(2026, 1, 1)), "UTC", until)

    assert (period.start, period.end) == (datetime(2026, 1, 1, tzinfo=UTC), until)


def test_an_end_before_the_start_is_refused():
    bounds = Bounds(date(2026, 1, 2), date(2026, 1, 1))

    with pytest.raises(InvalidPeriodError, match="must be after start"):
        when.period(bounds, "UTC", datetime(2026, 1, 3, tzinfo=UTC))
