"""What everything does that keeps findings; implementations: conftest.py."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wattbook.core.anomaly.detection import SCORES
from wattbook.core.anomaly.finding import (
    Category,
    Evidence,
    Finding,
    Review,
    Rule,
    Severity,
    State,
    finding_id,
)
from wattbook.core.errors import InputError, UnknownEntityError
from wattbook.core.periods import Period
from wattbook.core.retention.kinds import Kind
from wattbook.ports.anomalies import Anomalies, FindingFilter, ReplaceResult
from wattbook.stores.sql.anomalies import SqlAnomalies
from wattbook.stores.sql.retention import SqlRetention

T = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = Period(T, T + 7 * DAY)
SAID = Review(state=State.EXPLAINED, note="maintenance ⚡", by="Ada", at_utc=T + 9 * DAY)


@pytest.fixture
def anomalies(sql_engine) -> Anomalies:
    return SqlAnomalies(sql_engine)


def finding(
    begin: int, end: int, *, meter: str = "s.main", rule: Rule = Rule.GAP, **more
) -> Finding:
    made = Finding(
        finding_id=finding_id(meter, rule, T + begin * HOUR),
        meter_id=meter,
        site_id="s",
        start_utc=T + begin * HOUR,
        end_utc=T + end * HOUR,
        rule=rule,
        category=Category.METER_FAULT,
        score=0.75,
        severity=Severity.MEDIUM,
        energy_at_stake_kwh=-12.5,
        cause="no reading came ⚡ 中文",
        evidence=Evidence(
            quantity="power_kw", observed=None, expected=1.5, more={"meters": ["a", "b"]}
        ),
        fingerprint="ab" * 32,
        version="0.1.0",
        found_utc=T + 8 * DAY,
        seen_utc=T + 8 * DAY,
    )
    return replace(made, **more)


async def ids(anomalies: Anomalies, **wanted: object) -> list[str]:
    found = await anomalies.findings(FindingFilter(**wanted))  # type: ignore[arg-type]  # as asked
    return [each.finding_id for each in found.findings]


async def test_a_finding_comes_back_as_it_was(anomalies) -> None:
    one = finding(0, 3)
    bare = finding(9, 10, energy_at_stake_kwh=None)
    kept = await anomalies.replace(["s.main"], WEEK, [one, bare])

    assert kept == ReplaceResult(new=2, again=0, gone=0)
    assert await anomalies.finding(one.finding_id) == one
    assert await anomalies.finding(bare.finding_id) == bare


@pytest.mark.parametrize("unknown", ["unknown", "", "\0", "' OR 1=1 --", "中文"])
async def test_there_is_no_finding_that_was_not_kept(anomalies, unknown) -> None:
    await anomalies.replace(["s.main"], WEEK, [finding(0, 3)])

    with pytest.raises(UnknownEntityError, match="there is no finding"):
        await anomalies.finding(unknown)
    with pytest.raises(UnknownEntityError, match="there is no finding"):
        await anomalies.review(unknown, SAID)


async def test_the_same_found_again_is_no_second_one_and_keeps_its_first_time(
    anomalies,
) -> None:
    await anomalies.replace(["s.main"], WEEK, [finding(0, 3)])
    longer = finding(0, 9, found_utc=T + 20 * DAY, seen_utc=T + 20 * DAY)

    kept = await anomalies.replace(["s.main"], WEEK, [longer])

    assert kept == ReplaceResult(new=0, again=1, gone=0)
    (there,) = (await anomalies.findings(FindingFilter())).findings
    assert there == replace(longer, found_utc=T + 8 * DAY)


async def test_what_begins_an_hour_earlier_now_is_still_the_same(anomalies) -> None:
    first = finding(5, 9)
    await anomalies.replace(["s.main"], WEEK, [first])

    await anomalies.replace(["s.main"], WEEK, [finding(4, 9)])

    (there,) = (await anomalies.findings(FindingFilter())).findings
    assert there.finding_id == first.finding_id
    assert there.start_utc == T + 4 * HOUR


async def test_what_is_not_found_again_goes_within_the_span_and_of_these_meters(anomalies) -> None:
    other = finding(0, 3, meter="s.other")
    before = finding(-50, -40)
    await anomalies.replace(["s.main", "s.other"], Period(T - 9 * DAY, WEEK.end), [
        finding(0, 3), other, before
    ])  # fmt: skip

    kept = await anomalies.replace(["s.main"], WEEK, [])

    assert kept == ReplaceResult(new=0, again=0, gone=1)
    assert set(await ids(anomalies)) == {other.finding_id, before.finding_id}


async def test_what_began_before_anybody_looked_stays(anomalies) -> None:
    old = finding(-500, 3)
    await anomalies.replace(["s.main"], WEEK, [old])

    kept = await anomalies.replace(["s.main"], WEEK, [], known_from=T - DAY)

    assert kept.gone == 0
    assert await ids(anomalies) == [old.finding_id]


async def test_what_a_person_said_outlives_every_look(anomalies) -> None:
    one, two = finding(0, 3), finding(50, 60)
    await anomalies.replace(["s.main"], WEEK, [one, two])
    judged = await anomalies.review(one.finding_id, SAID)
    await anomalies.review(two.finding_id, replace(SAID, state=State.DISMISSED))
    assert judged == replace(one, review=SAID)

    kept = await anomalies.replace(["s.main"], WEEK, [finding(1, 8)])

    assert kept == ReplaceResult(new=0, again=1, gone=0)
    there = await anomalies.finding(one.finding_id)
    assert there.review == SAID
    assert there.end_utc == T + 8 * HOUR  # it went on
    assert (await anomalies.finding(two.finding_id)).review.state is State.DISMISSED


async def test_two_that_grew_together_are_one(anomalies) -> None:
    first, second = finding(0, 3), finding(10, 12)
    await anomalies.replace(["s.main"], WEEK, [first, second])

    kept = await anomalies.replace(["s.main"], WEEK, [finding(0, 12)])

    assert kept == ReplaceResult(new=0, again=1, gone=1)
    assert await ids(anomalies) == [first.finding_id]


async def test_what_fell_apart_is_all_there_and_keeps_what_was_said(anomalies) -> None:
    """Readings of its middle came late."""
    whole = finding(0, 12)
    await anomalies.replace(["s.main"], WEEK, [whole])
    await anomalies.review(whole.finding_id, SAID)
    parts = [finding(0, 3), finding(5, 12)]

    kept = await anomalies.replace(["s.main"], WEEK, parts)
    again = await anomalies.replace(["s.main"], WEEK, parts)

    assert (kept, again) == (
        ReplaceResult(new=1, again=1, gone=0),
        ReplaceResult(new=0, again=2, gone=0),
    )
    late, early = (await anomalies.findings(FindingFilter())).findings
    assert (early.start_utc, early.end_utc) == (T, T + 3 * HOUR)
    assert (late.start_utc, late.end_utc) == (T + 5 * HOUR, T + 12 * HOUR)
    assert early.finding_id == whole.finding_id  # it began as that did
    assert (early.review, late.review) == (SAID, SAID)


async def test_the_same_told_twice_is_kept_once(anomalies) -> None:
    """As of a register that was reset twice within a quarter-hour."""
    twice = [finding(0, 1, rule=Rule.REGISTER), finding(0, 1, rule=Rule.REGISTER)]

    assert await anomalies.replace(["s.main"], WEEK, twice) == ReplaceResult(new=1, again=0, gone=0)
    assert await anomalies.replace(["s.main"], WEEK, twice) == ReplaceResult(new=0, again=1, gone=0)


async def test_an_id_that_is_still_in_use_is_given_to_no_other(anomalies) -> None:
    """What began at 5 grew back to 0, and now falls apart into what began at 0 and at 8."""
    first = finding(5, 9)
    await anomalies.replace(["s.main"], WEEK, [first])
    await anomalies.review(first.finding_id, SAID)
    await anomalies.replace(["s.main"], WEEK, [finding(7, 9)])  # judged, it begins later

    kept = await anomalies.replace(["s.main"], WEEK, [finding(5, 6), finding(7, 9)])
    await anomalies.replace(["s.main"], Period(T + 5 * HOUR, T + 6 * HOUR), [finding(5, 6)])

    assert kept == ReplaceResult(new=1, again=1, gone=0)
    late, early = (await anomalies.findings(FindingFilter())).findings
    assert (late.finding_id, late.review) == (first.finding_id, SAID)
    assert (early.start_utc, early.review.state) == (T + 5 * HOUR, State.OPEN)


async def test_two_that_look_at_once_find_it_once(anomalies) -> None:
    there = [finding(0, 3), finding(10, 12)]

    looks = [anomalies.replace(["s.main"], WEEK, there) for _ in range(4)]
    kept = await asyncio.gather(*looks)

    assert sorted(each.new for each in kept) == [0, 0, 0, 2]
    assert len(await ids(anomalies)) == 2


async def test_what_is_said_during_a_look_is_not_lost(anomalies) -> None:
    one = finding(0, 3)
    await anomalies.replace(["s.main"], WEEK, [one])

    looks = [anomalies.replace(["s.main"], WEEK, [one]) for _ in range(5)]
    await asyncio.gather(*looks[:3], anomalies.review(one.finding_id, SAID), *looks[3:])

    assert (await anomalies.finding(one.finding_id)).review == SAID


async def test_scores_are_kept_by_two_at_once(anomalies) -> None:
    hours = scores(0, 0.5, 0.25)

    await asyncio.gather(*(anomalies.keep_scores("s.main", hours) for _ in range(4)))

    assert_frame_equal(await anomalies.scores("s.main", WEEK), hours)


async def test_lists_are_filtered_and_begin_with_the_latest(anomalies) -> None:
    gap, spike = finding(0, 3), finding(30, 31, meter="s.hall", rule=Rule.SPIKE)
    spike = replace(spike, category=Category.OPERATIONAL, site_id="t")
    await anomalies.replace(["s.main", "s.hall"], WEEK, [gap, spike])
    await anomalies.review(gap.finding_id, SAID)

    assert await ids(anomalies) == [spike.finding_id, gap.finding_id]
    only_gap: list[dict[str, object]] = [
        {"site_id": "s"},
        {"meter_id": "s.main"},
        {"category": Category.METER_FAULT},
        {"rule": Rule.GAP},
        {"state": State.EXPLAINED},
        {"until": T + 30 * HOUR},
    ]
    for wanted in only_gap:
        assert await ids(anomalies, **wanted) == [gap.finding_id]
    assert await ids(anomalies, since=T + 3 * HOUR) == [spike.finding_id]
    assert await ids(anomalies, since=T + 2 * HOUR, until=T + HOUR) == [gap.finding_id]


@pytest.mark.slow
async def test_lists_go_on_behind_a_cursor(anomalies) -> None:
    many = [finding(at, at + 1) for at in range(0, 14, 2)]
    await anomalies.replace(["s.main"], WEEK, many)

    first = await anomalies.findings(FindingFilter(), limit=5)
    second = await anomalies.findings(FindingFilter(), limit=5, after=first.cursor)

    together = [*first.findings, *second.findings]
    assert [each.finding_id for each in together] == [each.finding_id for each in reversed(many)]
    assert second.cursor is None
    with pytest.raises(InputError, match="this cursor was not given out"):
        await anomalies.findings(FindingFilter(), after="bm90IG91cnM=")


async def test_days_count_what_began_on_them_but_for_what_was_dismissed(anomalies) -> None:
    gone, *_ = many = [finding(0, 1), finding(2, 3), finding(23, 30), finding(24, 25)]
    await anomalies.replace(["s.main"], WEEK, many)
    await anomalies.review(gone.finding_id, Review(state=State.DISMISSED))

    daily = await anomalies.daily(WEEK)

    assert daily.rows() == [(T.date(), "meter_fault", 2), ((T + DAY).date(), "meter_fault", 1)]


def scores(begin: int, *values: float | None) -> pl.DataFrame:
    starts = [T + (begin + at) * HOUR for at in range(len(values))]
    rows = {"start_utc": starts, "score": values, "expected_kwh": [1.0] * len(values)}
    return pl.DataFrame(rows, schema=SCORES)


async def test_scores_replace_those_of_the_same_hours_and_no_others(anomalies) -> None:
    await anomalies.keep_scores("s.main", scores(20, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
    await anomalies.keep_scores("s.main", scores(23, 0.7, None))
    await anomalies.keep_scores("s.other", scores(0, 0.9))
    await anomalies.keep_scores("s.main", scores(0))

    found = await anomalies.scores("s.main", Period(T + 21 * HOUR, T + 99 * HOUR))

    assert_frame_equal(found, scores(21, 0.2, 0.3, 0.7, None, 0.6))


async def test_findings_go_that_ended_before_the_line_of_their_meter(anomalies, sql_engine) -> None:
    retention = SqlRetention(sql_engine)
    early, late, other = finding(0, 3), finding(50, 60), finding(0, 3, meter="s.other")
    await anomalies.replace(["s.main", "s.other"], WEEK, [early, late, other])
    await anomalies.review(early.finding_id, SAID)
    await anomalies.keep_scores("s.main", scores(0, *([0.5] * 72)))
    lines = pl.DataFrame(
        {"owner": ["s.main", "s.other"], "until_utc": [T + DAY, T + HOUR]},
        schema={"owner": pl.String, "until_utc": pl.Datetime("us", "UTC")},
    )

    found = await retention.tally(Kind.ANOMALIES, lines)
    await retention.remove(Kind.ANOMALIES, lines, T + 9 * DAY)

    assert found.select("owner", "day", "rows").rows() == [("s.main", T.date(), 1)]
    assert set(await ids(anomalies)) == {late.finding_id, other.finding_id}
    assert (await anomalies.scores("s.main", WEEK)).height == 48
    assert (await retention.tally(Kind.ANOMALIES, lines)).is_empty()
