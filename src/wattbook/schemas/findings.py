"""Answers about findings of anomaly detection."""

from datetime import datetime
from typing import Any

from pydantic import Field

from wattbook.core.anomaly.finding import Category, Finding, Rule, Severity, State
from wattbook.schemas.fields import Answer


class EvidenceOut(Answer):
    """One quantity over the time of a finding."""

    quantity: str = Field(description="a column with its unit, as power_kw")
    observed: float | None
    expected: float | None
    nearest: float | None = Field(
        description="of the values of the same hour of earlier weeks, the one nearest to it"
    )
    limit: float | None = Field(description="what it had to pass to be noticed")
    more: dict[str, Any]


class ReviewOut(Answer):
    """What a person said of a finding."""

    state: State
    note: str | None
    by: str | None
    at: datetime | None = Field(validation_alias="at_utc")


class FindingOut(Answer):
    """Something unusual that adjacent hours of one meter share."""

    finding_id: str
    meter_id: str
    site_id: str
    start: datetime = Field(validation_alias="start_utc")
    end: datetime = Field(validation_alias="end_utc")
    rule: Rule
    category: Category
    severity: Severity
    score: float = Field(description="0 to 1: one half is just noticed")
    energy_at_stake_kwh: float | None = Field(description="observed less expected energy")
    cause: str
    evidence: EvidenceOut
    review: ReviewOut
    detector: str = Field(description="version of the rules and the model")
    fingerprint: str = Field(description="SHA-256 of the figures and settings it rests on")
    version: str = Field(description="of wattbook")
    found: datetime = Field(validation_alias="found_utc", description="when first noticed")
    seen: datetime = Field(validation_alias="seen_utc", description="when last noticed")

    @classmethod
    def of(cls, finding: Finding) -> "FindingOut":
        """The answer about a finding."""
        return cls.model_validate(finding)


class FindingsOut(Answer):
    """Some findings, the latest start first, and the cursor for those that follow."""

    findings: list[FindingOut]
    cursor: str | None
