"""What a finding comes to for those who learn from the hours it is about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

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

T = datetime(2026, 3, 1, tzinfo=UTC)
FOUND = Finding(
    finding_id=finding_id("s.main", Rule.STUCK, T),
    meter_id="s.main",
    site_id="s",
    start_utc=T,
    end_utc=T + timedelta(days=8),
    rule=Rule.STUCK,
    category=Category.METER_FAULT,
    score=0.75,
    severity=Severity.MEDIUM,
    energy_at_stake_kwh=-12.5,
    cause="stuck",
    evidence=Evidence(quantity="power_kw", observed=1.0, expected=1.5),
    fingerprint="ab" * 32,
    version="0.1.0",
    found_utc=T,
    seen_utc=T,
)
IDLE = {"rule": Rule.ZERO, "category": Category.OPERATIONAL}
A_DAY = {"end_utc": T + timedelta(days=1)}
A_FORTNIGHT = {"end_utc": T + timedelta(days=14)}


def drawn(power_kw: float) -> dict[str, object]:
    """Evidence of a power where 1.5 kW were expected."""
    return {"evidence": Evidence(quantity="power_kw", observed=power_kw, expected=1.5)}


SPIKE = {"rule": Rule.SPIKE, "category": Category.OPERATIONAL} | A_DAY | drawn(2.0)


@pytest.mark.parametrize(
    ("changes", "state", "misleads"),
    [
        ({}, State.OPEN, True),  # a stuck meter says nothing of the load, however long
        ({}, State.DISMISSED, False),
        (IDLE | A_DAY, State.OPEN, True),
        (IDLE, State.OPEN, False),  # for more than a week: so it is now
        (SPIKE, State.OPEN, False),  # 2.0 of 1.5 kW: more than expected
        (SPIKE | drawn(1.0), State.OPEN, True),  # 1.0 of 1.5 kW, under three quarters: curtailed
        (SPIKE | drawn(1.125), State.OPEN, False),  # three quarters of 1.5 kW
        (SPIKE | drawn(1.0) | A_FORTNIGHT, State.OPEN, False),
        (SPIKE | drawn(1.0), State.DISMISSED, False),
        (SPIKE, State.CONFIRMED, True),
        ({"rule": Rule.LEVEL_SHIFT} | A_DAY, State.CONFIRMED, False),
    ],
)
def test_what_is_no_load_misleads_and_what_lasts_does_not(changes, state, misleads) -> None:
    found = replace(FOUND, review=Review(state=state), **changes)

    assert found.misleads is misleads
