from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from wattbook.core.errors import InputError
from wattbook.core.readings.checks import IntervalLabel
from wattbook.sources.files import DateOrder
from wattbook.sources.files.local_time import LocalTime

HOUR = timedelta(hours=1)


def utc(clock, stamps, meters=None):
    told = clock.to_utc(pl.Series(stamps), None if meters is None else pl.Series("meter", meters))
    return [at and at.strftime("%d %H:%M") for at in told["ts_utc"]]


@pytest.mark.parametrize(
    "stamp",
    ["2026-07-04T12:30:00", "2026-07-04 12:30", "2026-07-04T12:30:00.000", "2026/07/04 12:30"],
)
def test_iso_stamps_are_read_with_or_without_t_and_seconds(stamp):
    # Oslo is two hours ahead in July.
    assert utc(LocalTime("Europe/Oslo"), [stamp]) == ["04 10:30"]


def test_slashes_are_month_first_unless_day_first_is_said():
    assert utc(LocalTime("UTC"), ["7/4/2026 1:05", "07/14/2026 01:05 PM"]) == [
        "04 01:05",
        "14 13:05",
    ]
    day_first = LocalTime("UTC", date_order=DateOrder.DMY)
    assert utc(day_first, ["16/12/2006 17:24:00", "1/12/2006 00:15"]) == ["16 17:24", "01 00:15"]


def test_dates_that_only_fit_the_other_order_are_not_half_believed():
    with pytest.raises(InputError, match="have the day first"):
        utc(LocalTime("UTC", DateOrder.MDY), ["12/01/2018 00:15", "13/01/2018 00:15"])
    with pytest.raises(InputError, match="have the month first"):
        utc(LocalTime("UTC", date_order=DateOrder.DMY), ["01/12/2018 00:15", "01/13/2018 00:15"])


def test_the_hour_that_happens_twice_is_first_the_earlier_then_the_later_one():
    # Chicago, 1 November 2026: 01:30 CDT is 06:30 UTC, 01:30 CST is 07:30 UTC.
    clock = LocalTime("America/Chicago")
    stamps = ["2026-11-01 00:30", "2026-11-01 01:30", "2026-11-01 01:30", "2026-11-01 02:30"]
    assert utc(clock, stamps) == ["01 05:30", "01 06:30", "01 07:30", "01 08:30"]


def test_the_second_time_may_come_in_a_later_part_and_belongs_to_its_meter():
    clock = LocalTime("America/Chicago")
    twice = "2026-11-01 01:30"
    assert utc(clock, [twice, twice], ["a", "b"]) == ["01 06:30", "01 06:30"]
    assert utc(clock, [twice, twice], ["b", "a"]) == ["01 07:30", "01 07:30"]


def test_a_shift_of_half_an_hour_is_known():
    # Lord Howe, 5 April 2026: 01:45 is first +11:00, then +10:30.
    clock = LocalTime("Australia/Lord_Howe")
    assert utc(clock, ["2026-04-05 01:45"] * 2) == ["04 14:45", "04 15:15"]


def test_an_hour_that_does_not_exist_is_refused_with_the_zone():
    told = LocalTime("Europe/Oslo").to_utc(pl.Series(["2026-03-29 02:30", "2026-03-29 03:30"]))
    assert told["ts_utc"].to_list() == [None, datetime(2026, 3, 29, 1, 30, tzinfo=UTC)]
    assert told["detail"].to_list() == [
        "2026-03-29 02:30 does not exist in Europe/Oslo: clocks go forward",
        None,
    ]


def test_a_label_at_the_end_of_the_hour_follows_the_hour_it_names():
    # New York, hour ending 02:00 on 2 November 2014 happens twice; 03:00 is missing in spring.
    clock = LocalTime("America/New_York", label=IntervalLabel.END, label_span=HOUR)
    autumn = ["2014-11-02 01:00", "2014-11-02 02:00", "2014-11-02 02:00", "2014-11-02 03:00"]
    assert utc(clock, autumn) == ["02 05:00", "02 06:00", "02 07:00", "02 08:00"]
    assert utc(clock, ["2014-03-09 02:00", "2014-03-09 04:00"]) == ["09 07:00", "09 08:00"]


def test_midnight_may_close_the_day_beside_it():
    clock = LocalTime("Asia/Seoul", date_order=DateOrder.DMY, midnight_closes_day=True)
    stamps = ["01/01/2018 23:45", "01/01/2018 00:00", "02/01/2018 00:15"]
    assert utc(clock, stamps) == ["01 14:45", "01 15:00", "01 15:15"]


def test_24_00_is_the_next_midnight():
    assert utc(LocalTime("UTC"), ["2026-02-28 23:00", "2026-02-28 24:00"]) == [
        "28 23:00",
        "01 00:00",
    ]


def test_an_offset_in_the_stamp_goes_before_the_zone():
    clock = LocalTime("America/Chicago")
    stamps = ["2026-07-01T00:00:00Z", "2026-07-01 02:00+02:00", "2026-07-01T00:00:00"]
    assert utc(clock, stamps) == ["01 00:00", "01 00:00", "01 05:00"]
    assert utc(clock, stamps[::-1]) == ["01 05:00", "01 00:00", "01 00:00"]


def test_times_of_a_typed_column_are_local_too():
    naive = pl.Series([datetime(2026, 7, 1)], dtype=pl.Datetime("ns"))  # noqa: DTZ001
    assert LocalTime("Europe/Oslo").to_utc(naive)["ts_utc"].to_list() == [
        datetime(2026, 6, 30, 22, tzinfo=UTC)
    ]


def test_what_is_no_time_says_what_was_wanted():
    told = LocalTime("UTC").to_utc(pl.Series(["yesterday", None, "2026-01-01 00:00"]))
    assert told["detail"].to_list() == [
        "must be a date and time (ISO, or month first), but is yesterday",
        "must be a date and time (ISO, or month first), but is nothing",
        None,
    ]
