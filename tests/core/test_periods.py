"""Buckets are half-open, named by their start, and civil where the site stands."""

from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest

from wattbook.core import manifest, periods
from wattbook.core.errors import InvalidPeriodError
from wattbook.core.periods import Grain, Period

HOUR = timedelta(hours=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def day_of(instant: str, zone: str) -> tuple[datetime, datetime]:
    start = at(instant)
    (row,) = periods.buckets(Period(start, start + timedelta(seconds=1)), Grain.DAY, zone).rows()
    return row


@pytest.mark.parametrize(
    ("zone", "noon", "quarters"),
    [
        ("Europe/Oslo", "2026-03-29T12:00+02:00", 92),  # 02:00 is 03:00: 23 h
        ("Europe/Oslo", "2026-10-25T12:00+01:00", 100),  # 03:00 is 02:00: 25 h
        ("Europe/Oslo", "2026-07-01T12:00+02:00", 96),
        ("America/Chicago", "2026-03-08T12:00-05:00", 92),
        ("America/Chicago", "2026-11-01T12:00-06:00", 100),
        ("America/Chicago", "2026-01-01T12:00-06:00", 96),
        ("Australia/Lord_Howe", "2026-10-04T12:00+11:00", 94),  # half an hour forward: 23.5 h
        ("Australia/Lord_Howe", "2026-04-05T12:00+10:30", 98),  # half an hour back: 24.5 h
        ("Australia/Lord_Howe", "2026-07-01T12:00+10:30", 96),
        ("Asia/Kolkata", "2026-03-29T12:00+05:30", 96),
        ("UTC", "2026-03-29T12:00+00:00", 96),
    ],
)
def test_a_civil_day_has_as_many_quarters_as_pass_between_its_midnights(
    zone: str, noon: str, quarters: int
) -> None:
    start, end = day_of(noon, zone)

    assert (end - start) / periods.QUARTER == quarters
    assert periods.buckets(Period(start, end), Grain.QUARTER).height == quarters


def test_midnight_in_kolkata_is_half_past_six_in_the_evening_in_utc() -> None:
    start, end = day_of("2026-07-01T12:00+05:30", "Asia/Kolkata")

    assert (start, end) == (at("2026-06-30T18:30Z"), at("2026-07-01T18:30Z"))


def test_a_day_begins_at_the_first_instant_there_is_where_midnight_is_skipped() -> None:
    # In Santiago the clock jumps from 24:00 on 5 September 2026 to 01:00 on the 6th: 23 h.
    start, end = day_of("2026-09-06T12:00-03:00", "America/Santiago")

    assert start == at("2026-09-06T01:00-03:00")
    assert (end - start) / periods.QUARTER == 92


def test_a_day_begins_at_the_first_of_two_midnights() -> None:
    # In Havana the clock goes back from 01:00 to 00:00 on 1 November 2026: 25 h.
    start, end = day_of("2026-11-01T12:00-05:00", "America/Havana")

    assert start == at("2026-11-01T00:00-04:00")
    assert (end - start) / periods.QUARTER == 100


@pytest.mark.parametrize(
    ("grain", "start"),
    [
        (Grain.QUARTER, "2026-04-01T21:45Z"),
        (Grain.HOUR, "2026-04-01T21:00Z"),
        (Grain.DAY, "2026-03-31T22:00Z"),  # midnight of 1 April in Oslo, summer time
        (Grain.WEEK, "2026-03-29T22:00Z"),  # Monday 30 March
        (Grain.MONTH, "2026-03-31T22:00Z"),
    ],
)
def test_an_instant_lies_in_the_bucket_that_began_last(grain: Grain, start: str) -> None:
    assert periods.floor(at("2026-04-01T21:59:59Z"), grain, "Europe/Oslo") == at(start)


def test_a_bucket_that_holds_the_start_is_whole_and_one_that_begins_at_the_end_is_left_out() -> (
    None
):
    hours = periods.buckets(Period(at("2026-01-01T00:30Z"), at("2026-01-01T02:00Z")), Grain.HOUR)

    assert hours.rows() == [
        (at("2026-01-01T00:00Z"), at("2026-01-01T01:00Z")),
        (at("2026-01-01T01:00Z"), at("2026-01-01T02:00Z")),
    ]


@pytest.mark.parametrize("grain", list(Grain))
@pytest.mark.parametrize(
    "zone", ["Europe/Oslo", "America/Chicago", "Australia/Lord_Howe", "Asia/Kolkata"]
)
def test_buckets_follow_each_other_without_gap_through_a_year(grain: Grain, zone: str) -> None:
    year = Period(at("2026-01-10T05:00Z"), at("2027-01-10T05:00Z"))

    rows = periods.buckets(year, grain, zone)

    assert rows["start_utc"][0] <= year.start < rows["end_utc"][0]
    assert rows["start_utc"][-1] < year.end <= rows["end_utc"][-1]
    assert rows["end_utc"][:-1].to_list() == rows["start_utc"][1:].to_list()
    floors = rows.select(periods.bucket_start(pl.col("start_utc"), grain, zone)).to_series()
    assert floors.to_list() == rows["start_utc"].to_list()


def test_a_year_of_civil_months_has_twelve() -> None:
    year = Period(at("2026-01-01T00:00+01:00"), at("2027-01-01T00:00+01:00"))

    assert periods.buckets(year, Grain.MONTH, "Europe/Oslo").height == 12


def test_a_period_is_kept_in_utc_whatever_the_offset_it_was_given_in() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    start = datetime(2026, 1, 1, 5, 30, tzinfo=india)

    assert Period(start, start + HOUR) == Period(at("2026-01-01T00:00Z"), at("2026-01-01T01:00Z"))


@pytest.mark.parametrize("field", ["start", "end"])
def test_a_time_without_offset_is_refused(field: str) -> None:
    span = {"start": at("2026-01-01T00:00Z"), "end": at("2026-01-02T00:00Z")}
    span[field] = span[field].replace(tzinfo=None)

    with pytest.raises(InvalidPeriodError) as caught:
        Period(**span)

    assert caught.value.problems[0].field == field


@pytest.mark.parametrize("length", [timedelta(0), -HOUR])
def test_a_period_that_does_not_last_is_refused(length: timedelta) -> None:
    start = at("2026-01-01T00:00Z")

    with pytest.raises(InvalidPeriodError, match="end must be after start"):
        Period(start, start + length)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "a\x00b", "⚡"])
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidPeriodError) as caught:
        periods.zone(name)

    assert caught.value.problems[0].field == "timezone"


def test_more_buckets_than_can_be_answered_are_refused() -> None:
    start = at("2000-01-01T00:00Z")
    years = Period(start, start + timedelta(days=365 * 12))  # 420 480 quarters

    with pytest.raises(InvalidPeriodError, match="400000"):
        periods.buckets(years, Grain.QUARTER)
    assert periods.buckets(years, Grain.HOUR).height == 105_120


@pytest.mark.parametrize(
    ("grain", "zone", "parts"),
    [
        (Grain.QUARTER, "Asia/Kolkata", Grain.QUARTER),
        (Grain.HOUR, "Asia/Kolkata", Grain.HOUR),
        (Grain.DAY, "Asia/Kolkata", Grain.QUARTER),  # its day begins within an hour of UTC
        (Grain.DAY, "Europe/Oslo", Grain.HOUR),
        (Grain.MONTH, "America/Chicago", Grain.HOUR),
    ],
)
def test_a_civil_bucket_is_made_of_hours_where_its_day_begins_with_one(
    grain: Grain, zone: str, parts: Grain
) -> None:
    week = Period(at("2026-01-01T00:00Z"), at("2026-01-08T00:00Z"))

    assert periods.parts_of(grain, periods.buckets(week, grain, zone)) is parts


@pytest.mark.parametrize("grain", list(Grain))
@pytest.mark.parametrize("start", ["0001-01-01T00:00Z", "1900-01-01T00:00Z", "9999-12-30T00:00Z"])
def test_the_ends_of_the_calendar_are_answered_or_refused_but_never_a_crash(
    grain: Grain, start: str
) -> None:
    begin = datetime.fromisoformat(start)

    try:
        rows = periods.buckets(Period(begin, begin + HOUR), grain, "Europe/Oslo")
    except InvalidPeriodError as refusal:
        assert refusal.problems  # noqa: PT017  either answer will do, as long as it is one
    else:
        assert rows["start_utc"][0] <= begin < rows["end_utc"][0]


@pytest.mark.parametrize("start", ["0001-01-01T00:00+05:00", "9999-12-31T22:00-05:00"])
def test_an_instant_that_utc_cannot_name_is_refused(start: str) -> None:
    begin = datetime.fromisoformat(start)

    with pytest.raises(InvalidPeriodError):
        Period(begin, begin + HOUR)


def test_the_grain_of_15_minutes_has_its_former_word_for_one_more_version() -> None:
    assert Grain("quarter") is Grain("15min") is Grain.QUARTER
    assert manifest.line("about", Grain.QUARTER) == "about 'quarter'"  # as fingerprints have it
    assert manifest.call(Grain.QUARTER) == "<Grain.QUARTER: 'quarter'>"
    with pytest.raises(ValueError, match="'fortnight' is not a valid Grain"):
        Grain("fortnight")
