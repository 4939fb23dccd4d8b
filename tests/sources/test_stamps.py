"""Dates as people write them: the order that is shown, the one by custom, and none in silence."""

from datetime import UTC, datetime

import polars as pl
import pytest

from wattbook.core.errors import InputError
from wattbook.sources.files import DateOrder
from wattbook.sources.files.local_time import LocalTime

SYDNEY, BERLIN, DENVER = "Australia/Sydney", "Europe/Berlin", "America/Denver"


def walls(stamps, timezone="UTC", order=None):
    """Day of the month, month, hour and minute of each stamp, as the clock showed them."""
    clock = LocalTime(timezone, order)
    found = clock.to_utc(pl.Series(stamps))["ts_utc"].dt.convert_time_zone(timezone)
    return [at and at.strftime("%d.%m.%y %H:%M") for at in found]


def order_of(stamps, timezone="UTC"):
    clock = LocalTime(timezone)
    clock.to_utc(pl.Series(stamps))
    return next((g.value, g.how, g.because) for g in clock.guesses if g.what == "dates")


def test_day_first_with_am_and_pm():
    stamps = [
        "1/07/2026 12:00:00 AM",
        "1/07/2026 12:30:00 pm",
        "1/07/2026 1:00 p.m.",
        "1/7/2026 1:15AM",
    ]
    assert walls(stamps, SYDNEY, DateOrder.DMY) == [
        "01.07.26 00:00",
        "01.07.26 12:30",
        "01.07.26 13:00",
        "01.07.26 01:15",
    ]


def test_thirteen_pm_is_no_time():
    assert walls(["1/07/2026 13:00 PM"], SYDNEY, DateOrder.DMY) == [None]


@pytest.mark.parametrize(
    ("stamp", "order"),
    [
        ("1/5/26 0:15", DateOrder.MDY),
        ("5/1/26 0:15", DateOrder.DMY),
        ("5.1.26 00:15:00", DateOrder.DMY),
        ("26-01-05 00:15", DateOrder.YMD),
        ("05-JAN-26 00:15", None),
        ("5 Jan 2026 00:15", None),
        ("Jan 5, 2026 00:15", None),
        ("20260105 0015", None),
        ("202601050015", None),
        ("2026.01.05 00:15", None),
        ("05.01.2026, 00:15", DateOrder.DMY),
    ],
)
def test_the_fifth_of_january_in_many_forms(stamp, order):
    assert walls([stamp], order=order) == ["05.01.26 00:15"]


def test_no_file_is_of_the_year_26():
    assert walls(["0026-01-05 00:15"]) == [None]


def test_a_day_beyond_12_shows_the_order_of_all():
    stamps = ["01/02/2026 00:00", "13/02/2026 00:00"]
    assert walls(stamps, BERLIN) == ["01.02.26 00:00", "13.02.26 00:00"]
    assert order_of(stamps, BERLIN) == ("day first", "detected", "as in 13/02/2026")
    assert order_of(["02/13/2026 00:00"], BERLIN)[:2] == ("month first", "detected")


def test_days_in_a_row_show_the_order():
    stamps = [f"0{d}/02/2026 {h}:00" for d in (1, 2, 3) for h in ("00", "12")]
    assert order_of(stamps, BERLIN)[:2] == ("day first", "detected")
    american = [f"02/0{d}/2026 {h}:00" for d in (1, 2, 3) for h in ("00", "12")]
    assert order_of(american, BERLIN)[:2] == ("month first", "detected")


def test_points_are_day_first_and_the_united_states_write_the_month_first():
    assert order_of(["03.02.2026 00:00"], BERLIN)[:2] == ("day first", "detected")
    value, how, because = order_of(["03/02/2026 00:00"], DENVER)
    assert (value, how) == ("month first", "default")
    assert because == "custom of America/Denver; --date-order says otherwise"


def test_a_date_with_two_readings_is_refused_with_both():
    with pytest.raises(InputError) as caught:
        walls(["1/07/2026 12:00:00 AM", "1/07/2026 12:30:00 AM"], SYDNEY)
    assert str(caught.value) == (
        "dates can be read in two ways: 1/07/2026 (row 0) is 2026-07-01 with --date-order dmy and"
        " 2026-01-07 with --date-order mdy; give one of these options"
    )


def test_years_of_two_digits_in_front_are_not_guessed():
    with pytest.raises(InputError, match="2015-01-26 with --date-order dmy and 2026-01-15 with"):
        walls(["26-01-15 00:15"])


def test_days_of_a_spreadsheet_are_read_to_the_second():
    # 46023 days after 30 December 1899 is 1 January 2026; 0.0104166667 of a day is 900 s.
    assert walls(["46023", "46023.0104166667", "46023,25"]) == [
        "01.01.26 00:00",
        "01.01.26 00:15",
        "01.01.26 06:00",
    ]


@pytest.mark.parametrize("stamp", ["1767225600", "1767225600.0", "1767225600000"])
def test_seconds_and_milliseconds_since_1970_are_utc_in_any_zone(stamp):
    for timezone in (None, BERLIN):
        found = LocalTime(timezone).to_utc(pl.Series([stamp] * 10 + ["x"]))
        assert found["ts_utc"].to_list() == [datetime(2026, 1, 1, tzinfo=UTC)] * 10 + [None]
        assert "since 1970, but is x" in found["detail"][10]


def test_a_date_alone_is_its_midnight():
    assert walls(["2026-01-01", "2026-07-01"], BERLIN) == ["01.01.26 00:00", "01.07.26 00:00"]
