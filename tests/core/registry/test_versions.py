"""What something was, dated: what a declaration changes, and what it leaves."""

import itertools
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from wattbook.core.registry import versions
from wattbook.core.registry.versions import UNSET, Version, changed

JANUARY, MARCH, APRIL, MAY, JUNE = (datetime(2026, m, 1, tzinfo=UTC) for m in (1, 3, 4, 5, 6))
ALWAYS = (Version("a"),)
TWICE = (Version("a", None, MARCH), Version("b", MARCH, None))


def test_what_is_new_is_so_from_the_beginning_unless_it_is_dated() -> None:
    assert changed((), "a") == ALWAYS
    assert changed((), "a", since=MARCH, until=APRIL) == (Version("a", MARCH, APRIL),)


def test_a_change_without_a_date_holds_from_the_data_that_are_yet_to_come() -> None:
    assert changed(ALWAYS, "b", upcoming=MARCH) == TWICE


def test_a_change_without_a_date_is_a_correction_where_there_are_no_data() -> None:
    assert changed(ALWAYS, "b") == (Version("b"),)


def test_what_is_declared_again_changes_nothing() -> None:
    assert changed(TWICE, "b", upcoming=JUNE) == TWICE
    assert changed(TWICE, "b", since=MARCH) == TWICE
    assert changed(TWICE, "a", since=None, until=MARCH) == TWICE


def test_a_change_of_the_past_holds_until_the_next_version() -> None:
    found = changed(TWICE, "c", since=JANUARY)

    assert found == (
        Version("a", None, JANUARY),
        Version("c", JANUARY, MARCH),
        Version("b", MARCH, None),
    )


def test_a_version_is_corrected_by_its_first_instant() -> None:
    assert changed(TWICE, "c", since=MARCH) == (Version("a", None, MARCH), Version("c", MARCH))
    assert changed(TWICE, "c", since=None) == (Version("c", None, MARCH), Version("b", MARCH))


def test_what_was_otherwise_for_a_while_is_what_it_was_before_afterwards() -> None:
    assert changed(ALWAYS, "b", since=MARCH, until=APRIL) == (
        Version("a", None, MARCH),
        Version("b", MARCH, APRIL),
        Version("a", APRIL, None),
    )


def test_something_that_stays_what_it_is_ends() -> None:
    assert changed(ALWAYS, "a", until=APRIL) == (Version("a", None, APRIL),)
    assert changed(TWICE, "b", until=APRIL)[-1] == Version("b", MARCH, APRIL)


def test_something_that_stays_what_it_is_begins_later() -> None:
    assert changed(ALWAYS, "a", since=APRIL) == (Version("a", APRIL, None),)


def test_the_instant_of_a_change_moves_for_both_versions() -> None:
    assert changed(TWICE, "b", since=APRIL) == (
        Version("a", None, APRIL),
        Version("b", APRIL, None),
    )
    assert changed(TWICE, "a", since=None, until=APRIL) == (
        Version("a", None, APRIL),
        Version("b", APRIL, None),
    )


def test_something_that_ended_comes_back() -> None:
    gone = (Version("a", None, MARCH),)

    assert changed(gone, "a", since=MAY) == (Version("a", None, MARCH), Version("a", MAY, None))


def test_an_end_is_taken_back_by_null() -> None:
    assert changed((Version("a", None, MARCH),), "a", until=None) == ALWAYS


def test_what_ends_before_it_begins_is_nothing() -> None:
    assert changed((), "a", since=APRIL, until=MARCH) == ()


def test_a_date_is_its_civil_midnight_and_an_instant_itself() -> None:
    at = datetime(2026, 4, 16, 12, tzinfo=UTC)

    # Chicago is five hours behind in April.
    assert versions.instant(date(2026, 4, 16), "America/Chicago") == datetime(
        2026, 4, 16, 5, tzinfo=UTC
    )
    assert versions.instant(at, "America/Chicago") == at
    assert versions.instant(None, "America/Chicago") is None


DAYS = st.integers(0, 20).map(lambda day: JANUARY + timedelta(days=day))
EDGES = st.one_of(st.just(UNSET), st.none(), DAYS)
DECLARED = st.lists(st.tuples(st.sampled_from("abc"), EDGES, EDGES, st.none() | DAYS), max_size=8)


@given(DECLARED)
def test_versions_follow_each_other_whatever_is_declared(declared) -> None:
    found: tuple[Version[str], ...] = ALWAYS
    for what, since, until, upcoming in declared:
        found = changed(found, what, since=since, until=until, upcoming=upcoming) or found

    for one, other in itertools.pairwise(found):
        assert one.valid_to is not None
        assert other.valid_from is not None
        assert one.valid_to <= other.valid_from
        assert one.what != other.what or one.valid_to < other.valid_from
    for each in found:
        assert each.valid_from is None or each.valid_to is None or each.valid_from < each.valid_to


@given(DECLARED, DAYS, st.sampled_from("abc"))
def test_what_is_declared_of_an_instant_is_so_at_that_instant(declared, at, what) -> None:
    found: tuple[Version[str], ...] = ALWAYS
    for each, since, until, upcoming in declared:
        found = changed(found, each, since=since, until=until, upcoming=upcoming) or found

    found = changed(found, what, since=at)

    assert [each.what for each in found if each.holds(at)] == [what]
