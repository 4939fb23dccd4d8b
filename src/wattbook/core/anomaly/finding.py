"""What a rule or a model noticed: when, at which meter, and what it may come to."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from wattbook.core.periods import Period

DETECTOR: Final = "1"
"""Raised whenever the same readings would lead to other findings."""
ID_LETTERS: Final = 32
PASSING: Final = timedelta(days=7)
"""What is no fault of a meter and lasts for longer is how things are now."""


MAX_CURTAILED: Final = 0.75
"""Less than this share of what was expected is a curtailment."""


class Rule(StrEnum):
    """What noticed it; of two that say something of the same hour the first one is told."""

    OUTAGE = "outage"
    GAP = "gap"
    REGISTER = "register"
    NEGATIVE = "negative"
    STUCK = "stuck"
    HASH_WITHOUT_ENERGY = "hash_without_energy"
    ZERO = "zero"
    ABOVE_CAPACITY = "above_capacity"
    ENERGY_WITHOUT_HASH = "energy_without_hash"
    EFFICIENCY_BOUNDS = "efficiency_bounds"
    SUM_CHECK = "sum_check"
    EFFICIENCY_SHIFT = "efficiency_shift"
    SPIKE = "spike"
    LEVEL_SHIFT = "level_shift"
    FOREST = "isolation_forest"


class Category(StrEnum):
    """What is to be done about it: mend the meter, note what happened, or look into it."""

    METER_FAULT = "meter_fault"
    OPERATIONAL = "operational"
    POSSIBLE_MISREPORT = "possible_misreport"


class Severity(StrEnum):
    """How much is at stake, beside what the meter usually counts."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class State(StrEnum):
    """What a person said of it."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"
    EXPLAINED = "explained"


CATEGORIES: Final[dict[Rule, Category]] = {
    Rule.OUTAGE: Category.OPERATIONAL,
    Rule.GAP: Category.METER_FAULT,
    Rule.REGISTER: Category.METER_FAULT,
    Rule.NEGATIVE: Category.METER_FAULT,
    Rule.STUCK: Category.METER_FAULT,
    Rule.HASH_WITHOUT_ENERGY: Category.POSSIBLE_MISREPORT,
    Rule.ZERO: Category.OPERATIONAL,
    Rule.ABOVE_CAPACITY: Category.METER_FAULT,
    Rule.ENERGY_WITHOUT_HASH: Category.OPERATIONAL,
    Rule.EFFICIENCY_BOUNDS: Category.POSSIBLE_MISREPORT,
    Rule.SUM_CHECK: Category.POSSIBLE_MISREPORT,
    Rule.EFFICIENCY_SHIFT: Category.POSSIBLE_MISREPORT,
    Rule.SPIKE: Category.OPERATIONAL,
    Rule.LEVEL_SHIFT: Category.OPERATIONAL,
    Rule.FOREST: Category.OPERATIONAL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One quantity over the time of a finding: what it was, should have been, and lately was."""

    quantity: str
    """A column with its unit: `power_kw`, `efficiency_j_per_th`, `coverage`."""
    observed: float | None
    expected: float | None
    nearest: float | None = None
    """Of the values at the same time of earlier weeks or days, the one nearest to it."""
    limit: float | None = None
    """What it had to pass to be noticed."""
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What a rule or the model found in some hours, before it is anybody's."""

    rule: Rule
    start_utc: datetime
    end_utc: datetime
    times: float
    """How many times the limit was reached: 1 is just noticed."""
    at_stake_kwh: float | None
    cause: str
    evidence: Evidence
    category: Category | None = None
    """Where it is another than that of the rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What a person said of a finding, and when."""

    state: State = State.OPEN
    note: str | None = None
    by: str | None = None
    at_utc: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something unusual that adjacent hours of one meter share."""

    finding_id: str
    meter_id: str
    site_id: str
    start_utc: datetime
    end_utc: datetime
    rule: Rule
    category: Category
    score: float
    """0 to 1: one half is just noticed, 1 is far beyond."""
    severity: Severity
    energy_at_stake_kwh: float | None
    """Observed less expected energy [kWh]; null where no expectation can be had."""
    cause: str
    """In plain words, with numbers."""
    evidence: Evidence
    detector: str = DETECTOR
    fingerprint: str
    """SHA-256 of the figures and settings that it rests on."""
    version: str
    """Of wattbook."""
    found_utc: datetime
    """When it was first noticed."""
    seen_utc: datetime
    """When it was last noticed."""
    review: Review = field(default_factory=Review)

    @property
    def period(self) -> Period:
        """Its time."""
        return Period(self.start_utc, self.end_utc)

    @property
    def misleads(self) -> bool:
        """Whether nothing is to be learnt of a load from these hours.

        A level that changed is learnt from, and so is what lasts: that is how the meter is now.
        """
        if self.review.state is State.DISMISSED or self.rule is Rule.LEVEL_SHIFT:
            return False
        if self.category is Category.METER_FAULT:
            return True
        passing = self.end_utc - self.start_utc <= PASSING
        idle = self.rule in (Rule.OUTAGE, Rule.ZERO)
        reviewed = self.review.state in (State.CONFIRMED, State.EXPLAINED)
        return passing and (idle or reviewed or self._curtailed)

    @property
    def _curtailed(self) -> bool:
        """Whether far less was drawn than expected, as by a curtailment."""
        expected, observed = self.evidence.expected, self.evidence.observed
        if self.rule not in (Rule.FOREST, Rule.SPIKE) or expected is None or observed is None:
            return False
        drawn = self.evidence.quantity == "power_kw"
        return drawn and expected > 0 and observed < MAX_CURTAILED * expected

    def overlaps(self, other: "Finding") -> bool:
        """Whether both are the same thing, noticed twice."""
        same = (self.meter_id, self.rule) == (other.meter_id, other.rule)
        return same and self.start_utc < other.end_utc and other.start_utc < self.end_utc


def finding_id(meter_id: str, rule: Rule, start_utc: datetime) -> str:
    """The same for the same thing, however often it is noticed.

    >>> from datetime import UTC
    >>> finding_id("a.main", Rule.GAP, datetime(2026, 1, 1, tzinfo=UTC))
    '21c8f9ad7efd974381a1b770baf40dd2'
    """
    said = f"{meter_id}\n{rule}\n{start_utc.isoformat()}"
    return hashlib.sha256(said.encode()).hexdigest()[:ID_LETTERS]


def another_id(taken: str) -> str:
    """The same other id for one that is taken."""
    return hashlib.sha256(taken.encode()).hexdigest()[:ID_LETTERS]


HALF_A_DAY_H: Final = 12
AN_HOUR_H: Final = 1


def severity(category: Category, at_stake_kwh: float | None, usual_kw: float | None) -> Severity:
    """By how long the meter usually takes to count what is at stake.

    Less than an hour is low, half a day or more is high; what may be a wrong report is never low,
    and what cannot be told is in the middle.

    >>> severity(Category.OPERATIONAL, -30_000, 10_000)
    <Severity.MEDIUM: 'medium'>
    """
    if at_stake_kwh is None or not usual_kw:
        return Severity.MEDIUM
    worth_h = abs(at_stake_kwh) / abs(usual_kw)
    if worth_h >= HALF_A_DAY_H:
        return Severity.HIGH
    low = worth_h < AN_HOUR_H and category is not Category.POSSIBLE_MISREPORT
    return Severity.LOW if low else Severity.MEDIUM
