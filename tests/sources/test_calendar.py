"""Public holidays of countries and their parts."""

from datetime import date

import pytest

from wattbook.core.errors import InputError
from wattbook.sources.calendar import PublicHolidays

CALENDAR = PublicHolidays()


@pytest.mark.parametrize("name", ["US", "US-TX", "NO", "KZ", "DE-BY", "CA-ON"])
def test_countries_and_their_parts_are_known(name: str) -> None:
    assert CALENDAR.knows(name)


@pytest.mark.parametrize(
    "name", ["", "-", "US-", "us", "USA", "US-XX", "XX", "XX-TX", "US-TX-1", "..", "a\x00b"]
)
def test_a_country_that_does_not_exist_is_unknown(name: str) -> None:
    assert not CALENDAR.knows(name)
    with pytest.raises(InputError, match="no public holidays are known") as caught:
        CALENDAR.holidays(name, date(2026, 1, 1), date(2027, 1, 1))
    assert caught.value.problems[0].field == "calendar"


def test_holidays_are_those_from_the_first_day_until_the_end() -> None:
    found = CALENDAR.holidays("NO", date(2025, 12, 26), date(2026, 4, 6))

    assert sorted(found) == [
        date(2025, 12, 26),
        date(2026, 1, 1),
        date(2026, 4, 2),
        date(2026, 4, 3),
        date(2026, 4, 5),
    ]


def test_the_day_on_which_a_holiday_is_observed_is_one_too() -> None:
    """4 July 2026 is a Saturday."""
    july = CALENDAR.holidays("US", date(2026, 7, 1), date(2026, 8, 1))

    assert sorted(july) == [date(2026, 7, 3), date(2026, 7, 4)]


def test_a_part_of_a_country_has_its_own_beside_those_of_the_country() -> None:
    march = date(2026, 3, 1), date(2026, 4, 1)

    assert CALENDAR.holidays("US", *march) == frozenset()
    assert date(2026, 3, 2) in CALENDAR.holidays("US-TX", *march)  # Texas Independence Day


def test_no_year_is_too_far() -> None:
    assert date(1776, 7, 4) not in CALENDAR.holidays("US", date(1, 1, 1), date(9999, 1, 1))


def test_nerc_has_six_days_and_moves_those_on_a_sunday() -> None:
    year = date(2026, 1, 1), date(2027, 1, 1)

    assert CALENDAR.knows("NERC")
    assert sorted(CALENDAR.holidays("NERC", *year)) == [
        date(2026, 1, 1),
        date(2026, 5, 25),  # the last Monday of May
        date(2026, 7, 4),  # a Saturday stays
        date(2026, 9, 7),  # the first Monday of September
        date(2026, 11, 26),  # the fourth Thursday of November
        date(2026, 12, 25),
    ]
    # 1 January 2023 and 25 December 2022 are Sundays.
    turn = CALENDAR.holidays("NERC", date(2022, 12, 1), date(2023, 1, 31))
    assert sorted(turn) == [date(2022, 12, 26), date(2023, 1, 2)]
