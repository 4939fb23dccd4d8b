"""What becomes a finding: ids, severity, outages of a whole site."""

from datetime import UTC, datetime, timedelta

import polars as pl

from wattbook.core.anomaly import detection
from wattbook.core.anomaly.detection import SCORES, Detection, Meter, Signed
from wattbook.core.anomaly.finding import (
    CATEGORIES,
    Candidate,
    Category,
    Evidence,
    Rule,
    Severity,
    severity,
)
from wattbook.core.registry.entities import MeterRole
from wattbook.core.registry.versions import Version

T = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SIGNED = Signed(version="0.1.0", now=T + 100 * HOUR)


def noticed(rule: Rule, begin: int, end: int, kwh: float | None = -100.0) -> Candidate:
    return Candidate(
        rule=rule,
        start_utc=T + begin * HOUR,
        end_utc=T + end * HOUR,
        times=3.0,
        at_stake_kwh=kwh,
        cause="because",
        evidence=Evidence(quantity="power_kw", observed=0.0, expected=100.0),
    )


def judged(*of: Candidate) -> Detection:
    return Detection(noticed=of, scores=pl.DataFrame(schema=SCORES), by_model=True, usual_kw=100.0)


def meter(name: str, role: MeterRole = MeterRole.MAIN, parent: str | None = None) -> Meter:
    parents = (Version(parent),)
    return Meter(meter_id=name, site_id="s", role=role, fingerprint="ab" * 32, parents=parents)


def test_a_finding_has_the_same_id_whenever_it_is_made() -> None:
    (one,) = detection.findings([(meter("m"), judged(noticed(Rule.GAP, 0, 3)))], SIGNED)
    later = Signed(version="0.2.0", now=T + 200 * HOUR)
    (two,) = detection.findings([(meter("m"), judged(noticed(Rule.GAP, 0, 9)))], later)

    assert one.finding_id == two.finding_id
    assert one.score == 0.75  # three times its limit: 3 / (1 + 3)
    assert one.category is Category.METER_FAULT


def test_meters_that_fall_silent_together_are_one_finding_of_the_site() -> None:
    found = detection.findings(
        [
            (meter("s.hall", MeterRole.SUB), judged(noticed(Rule.GAP, 10, 19))),
            (meter("s.main"), judged(noticed(Rule.GAP, 10, 20), noticed(Rule.SPIKE, 40, 41))),
        ],
        SIGNED,
    )

    outage, spike = found
    assert (outage.rule, outage.meter_id) == (Rule.OUTAGE, "s.main")
    assert outage.category is Category.OPERATIONAL
    assert outage.end_utc == T + 20 * HOUR
    assert outage.evidence.more["meters"] == ["s.hall", "s.main"]
    assert spike.rule is Rule.SPIKE


def test_one_silent_meter_of_two_is_no_outage() -> None:
    found = detection.findings(
        [
            (meter("s.hall", MeterRole.SUB), judged(noticed(Rule.GAP, 10, 19))),
            (meter("s.main"), judged(noticed(Rule.GAP, 30, 40))),
        ],
        SIGNED,
    )

    assert [each.rule for each in found] == [Rule.GAP, Rule.GAP]


def test_severity_is_how_long_the_meter_takes_to_count_what_is_at_stake() -> None:
    assert severity(Category.OPERATIONAL, 99.0, 100.0) is Severity.LOW
    assert severity(Category.OPERATIONAL, -100.0, 100.0) is Severity.MEDIUM
    assert severity(Category.OPERATIONAL, 1200.0, 100.0) is Severity.HIGH
    assert severity(Category.OPERATIONAL, 1e40, 1e-3) is Severity.HIGH  # of a broken meter
    assert severity(Category.POSSIBLE_MISREPORT, 1.0, 100.0) is Severity.MEDIUM
    assert severity(Category.METER_FAULT, None, 100.0) is Severity.MEDIUM


def test_every_rule_has_a_category() -> None:
    assert list(CATEGORIES) == list(Rule)


def test_a_hall_that_counts_nothing_while_the_main_meter_counts_on_has_a_fault() -> None:
    found = detection.findings(
        [
            (meter("s.hall", MeterRole.SUB, "s.main"), judged(noticed(Rule.ZERO, 10, 19))),
            (meter("s.main"), judged(noticed(Rule.SUM_CHECK, 10, 19), noticed(Rule.GAP, 50, 52))),
        ],
        SIGNED,
    )

    zero, gap = found
    assert (zero.rule, zero.category) == (Rule.ZERO, Category.METER_FAULT)
    assert zero.cause.endswith("The meter before it counted on, so the fault is this one's.")
    assert (gap.rule, gap.meter_id) == (Rule.GAP, "s.main")
