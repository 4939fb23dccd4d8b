"""From what the rules and the model noticed to findings that a person can judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl

from wattbook.core import frames
from wattbook.core.anomaly import features, threshold
from wattbook.core.anomaly.finding import (
    CATEGORIES,
    Candidate,
    Category,
    Finding,
    Rule,
    finding_id,
    severity,
)
from wattbook.core.anomaly.hours import mask_of, runs
from wattbook.core.anomaly.rule_engine import RuleResult
from wattbook.core.anomaly.threshold import Tail
from wattbook.core.anomaly.wording import (
    compared,
    known,
    lasting,
    of_energy,
    of_power,
    power_evidence,
    stake,
)
from wattbook.core.forecast.series import Bools, Floats
from wattbook.core.formatting import number
from wattbook.core.registry.entities import MeterRole
from wattbook.core.registry.versions import Version

MIN_DAYS: Final = 14
"""With less history there is no model."""
ONE_EVENT: Final = 6
"""Strange hours with no more than so many others between them are one event."""
MATERIAL: Final = 33
"""The model tells of no hour that is off by less than this part of the level."""
RARE_MONTHS: Final = 120
"""Nothing is said to be rarer than once in so many: no history tells."""
SCORES: Final[Mapping[str, pl.DataType | type[pl.DataType]]] = {
    "start_utc": frames.UTC,
    "score": pl.Float64,
    "expected_kwh": pl.Float64,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detection:
    """What is to be said of a meter over a span."""

    noticed: tuple[Candidate, ...]
    scores: pl.DataFrame
    """`SCORES` of the hours of the span: the score is null where the model cannot judge."""
    by_model: bool
    """Whether enough was known for a model."""
    usual_kw: float | None


def learnt(ruled: RuleResult) -> Bools:
    """The hours that the model learns from: history of which no rule has said anything."""
    mask: Bools = ruled.hours.in_history() & ~ruled.claimed & ~ruled.doubted
    return mask & np.isfinite(ruled.usual.settled_kw) & np.isfinite(ruled.usual.expected_kw)


def strangeness(ruled: RuleResult, isolation: Floats | None) -> Floats | None:
    """How many events a month reach what each hour shows; null where nothing can be learnt.

    Two views are taken, each calibrated on the history by its own tail: how far the hour is from
    what the same hours had before, and how easily a forest isolates it. The rarer of the two
    counts, at twice its rate: who looks twice is alarmed twice as often.
    """
    history = learnt(ruled)
    views = []
    for each in (features.distance(ruled.usual), isolation):
        if each is None:
            continue
        tail = Tail.of(np.where(history, each, np.nan)[: ruled.hours.judged])
        if tail is not None:
            views.append(tail.events_per_month(each))
    if not views:
        return None
    found: Floats = np.fmin.reduce(views) * len(views)
    return found


def detect(ruled: RuleResult, isolation: Floats | None, per_month: float) -> Detection:
    """What the rules noticed, and what the model finds strange beside that.

    Parameters
    ----------
    ruled
        From the rules.
    isolation
        The forest's score of each hour; null where there is no forest.
    per_month
        The budget: so many false alarms a month.
    """
    rates = strangeness(ruled, isolation)
    scores = np.full(len(ruled.hours), np.nan) if rates is None else threshold.score(rates)
    noticed = list(ruled.noticed)
    if rates is not None:
        off = np.abs(features.off(ruled.usual))
        strange = (
            (scores >= threshold.limit(per_month))
            & (off >= ruled.usual.usual_kw / MATERIAL)
            & ~ruled.claimed
        )
        strange &= ~_edges(strange, ruled.claimed)
        for begin, end in runs(strange, ONE_EVENT):
            if end > ruled.hours.judged:
                noticed.append(_strange(ruled, begin, end, rates, per_month))
    span = slice(ruled.hours.judged, None)
    expected = ruled.usual.expected_kw
    table = pl.DataFrame(
        {
            "start_utc": ruled.hours.start_utc[span],
            "score": scores[span],
            "expected_kwh": expected[span],
        },
        schema=SCORES,
    ).with_columns(pl.col("score", "expected_kwh").fill_nan(None))
    return Detection(
        noticed=tuple(sorted(noticed, key=lambda each: (each.start_utc, each.rule))),
        scores=table,
        by_model=rates is not None,
        usual_kw=known(ruled.usual.usual_kw),
    )


def _edges(strange: Bools, claimed: Bools) -> Bools:
    """Single hours beside those that a rule has spoken of: the parts of hours that these left."""
    beside = [
        (begin, end)
        for begin, end in runs(strange)
        if end - begin == 1 and claimed[max(begin - 1, 0) : end + 1].any()
    ]
    return mask_of(beside, len(strange))


def _strange(ruled: RuleResult, begin: int, end: int, rates: Floats, per_month: float) -> Candidate:
    hours, usual = ruled.hours, ruled.usual
    rarest = float(np.nanmin(rates[begin:end]))
    at_stake = stake(hours, usual, begin, end)
    evidence = power_evidence(hours, usual, begin, end)
    observed, expected = evidence.observed, evidence.expected
    assert observed is not None
    assert expected is not None
    beside = f"{of_power(observed)} for {lasting(end - begin)}, where {of_power(expected)} is usual"
    if expected > 0:
        beside += f" ({compared(observed, expected)})"
    nearest = ""
    if evidence.nearest is not None:
        nearest = (
            f"; of the same hours of earlier weeks the nearest had {of_power(evidence.nearest)}"
        )
    return Candidate(
        rule=Rule.FOREST,
        start_utc=hours.at(begin),
        end_utc=hours.at(end),
        times=per_month / max(rarest, np.finfo(float).tiny),
        at_stake_kwh=at_stake,
        cause=f"{beside}{nearest}. {_often(rarest)} something so unusual happens here by itself.",
        evidence=replace(evidence, more={"events_per_month": rarest}),
    )


def _often(per_month: float) -> str:
    if per_month * RARE_MONTHS < 1:
        return "Less than once in ten years"
    if per_month < 1 / 2:
        return f"About once in {number(1 / per_month)} months"
    return f"About {number(per_month, 1)} times a month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Of whom findings are."""

    meter_id: str
    site_id: str
    role: MeterRole
    fingerprint: str
    parents: tuple[Version[str | None], ...] = ()
    """The meter behind which it stood, and stands, in the order of time."""

    def parent_at(self, at: datetime) -> str | None:
        """The meter behind which it stands at an instant."""
        return next((each.what for each in self.parents if each.holds(at)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """By whom and when findings are made."""

    version: str
    now: datetime


def findings(of_site: Sequence[tuple[Meter, Detection]], signed: Signed) -> tuple[Finding, ...]:
    """The findings of all meters of a site, sorted by start, meter and rule.

    Where all meters fell silent, or drew nothing, in the same hours, that is one finding of the
    site, at its first main meter, and none of each meter.
    """
    of_site, shared = _without_outages(of_site)
    of_site = _with_their_parents(of_site)
    found = [
        _finding(meter, judged_, each, signed)
        for meter, judged_ in of_site
        for each in judged_.noticed
    ]
    found += [_finding(meter, judged_, each, signed) for meter, judged_, each in shared]
    return tuple(sorted(found, key=lambda each: (each.start_utc, each.meter_id, each.rule)))


def _finding(meter: Meter, judged_: Detection, noticed: Candidate, signed: Signed) -> Finding:
    category = noticed.category or CATEGORIES[noticed.rule]
    return Finding(
        finding_id=finding_id(meter.meter_id, noticed.rule, noticed.start_utc),
        meter_id=meter.meter_id,
        site_id=meter.site_id,
        start_utc=noticed.start_utc,
        end_utc=noticed.end_utc,
        rule=noticed.rule,
        category=category,
        score=noticed.times / (1 + noticed.times) if np.isfinite(noticed.times) else 1.0,
        severity=severity(category, noticed.at_stake_kwh, judged_.usual_kw),
        energy_at_stake_kwh=noticed.at_stake_kwh,
        cause=noticed.cause,
        evidence=noticed.evidence,
        fingerprint=meter.fingerprint,
        version=signed.version,
        found_utc=signed.now,
        seen_utc=signed.now,
    )


AT_FAULT: Final = (Rule.GAP, Rule.STUCK, Rule.ZERO)


def _with_their_parents(
    of_site: Sequence[tuple[Meter, Detection]],
) -> list[tuple[Meter, Detection]]:
    """Meters behind others, where the sum tells that it is they who are wrong.

    A meter that is silent, stuck or counts nothing while the one before it counts on has a fault.
    Then the sum that does not add up says nothing more.
    """
    sums = {
        meter.meter_id: [each for each in theirs.noticed if each.rule is Rule.SUM_CHECK]
        for meter, theirs in of_site
    }
    told: set[int] = set()

    def with_parent(meter: Meter, each: Candidate) -> Candidate:
        parent = meter.parent_at(each.start_utc) if each.rule in AT_FAULT else None
        same = _nearly(each, sums.get(parent or "", ()))
        if same is None:
            return each
        told.add(id(same))
        cause = f"{each.cause} The meter before it counted on, so the fault is this one's."
        return replace(each, category=Category.METER_FAULT, cause=cause)

    judged_again = []
    for meter, theirs in of_site:
        noticed = tuple(with_parent(meter, each) for each in theirs.noticed)
        judged_again.append((meter, replace(theirs, noticed=noticed)))
    return [
        (meter, replace(theirs, noticed=tuple(e for e in theirs.noticed if id(e) not in told)))
        for meter, theirs in judged_again
    ]


SILENT: Final = (Rule.GAP, Rule.ZERO)


def _without_outages(
    of_site: Sequence[tuple[Meter, Detection]],
) -> tuple[list[tuple[Meter, Detection]], list[tuple[Meter, Detection, Candidate]]]:
    """The meters without what all of them share, and what they share."""
    mains = [each for each in of_site if each[0].role is MeterRole.MAIN]
    if len(of_site) == 1 or not mains:
        return list(of_site), []
    where, judged_ = mains[0]
    silent = [[each for each in theirs.noticed if each.rule in SILENT] for _, theirs in of_site]
    shared: list[Candidate] = []
    gone: set[int] = set()
    for mine in silent[[meter.meter_id for meter, _ in of_site].index(where.meter_id)]:
        same = [_nearly(mine, theirs) for theirs in silent]
        if all(each is not None for each in same):
            gone |= {id(each) for each in same}
            shared.append(_outage(mine, [each for each in same if each is not None], of_site))
    left = [
        (meter, replace(theirs, noticed=tuple(e for e in theirs.noticed if id(e) not in gone)))
        for meter, theirs in of_site
    ]
    return left, [(where, judged_, each) for each in shared]


def _nearly(one: Candidate, others: Sequence[Candidate]) -> Candidate | None:
    """The one of the others that was at nearly the same time: they share half of what both took."""
    for other in others:
        both = min(one.end_utc, other.end_utc) - max(one.start_utc, other.start_utc)
        either = max(one.end_utc, other.end_utc) - min(one.start_utc, other.start_utc)
        if both * 2 >= either:
            return other
    return None


def _outage(
    mine: Candidate, all_of_them: Sequence[Candidate], of_site: Sequence[tuple[Meter, Detection]]
) -> Candidate:
    start = min(each.start_utc for each in all_of_them)
    end = max(each.end_utc for each in all_of_them)
    names = [meter.meter_id for meter, _ in of_site]
    silent = sum(each.rule is Rule.GAP for each in all_of_them)
    what = "fell silent" if silent else "drew nothing"
    at_stake = ""
    if mine.at_stake_kwh is not None:
        at_stake = f" {of_energy(-mine.at_stake_kwh)} would have been expected of the main meter."
    return Candidate(
        rule=Rule.OUTAGE,
        start_utc=start,
        end_utc=end,
        times=mine.times * len(names),
        at_stake_kwh=mine.at_stake_kwh,
        cause=f"All {len(names)} meters of the site {what} at the same time: the site, or its"
        f" link, was down.{at_stake}",
        evidence=replace(mine.evidence, more={**mine.evidence.more, "meters": names}),
    )
