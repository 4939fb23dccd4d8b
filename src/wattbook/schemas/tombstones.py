"""Answers about what was removed or deleted."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from wattbook.core.retention.cutoffs import Tombstone
from wattbook.core.retention.kinds import Kind


class TombstoneOut(BaseModel):
    """What one job removed of one owner, or the site or meter that one request deleted."""

    kind: Kind
    owner: str = Field(
        description="the meter, the source of the batches, the kind of the jobs, or of reports and"
        " forecasts the entity (`brought`: series that callers brought); the id that was deleted"
    )
    site_id: str | None = Field(description="null for what belongs to no one site")
    from_: datetime | None = Field(
        serialization_alias="from", description="time of the oldest row that was removed"
    )
    until: datetime = Field(
        description="readings before it are rejected and their rollups are not recomputed;"
        " of kinds `site` and `meter`: when they were deleted"
    )
    rows: int | None = Field(
        description="null until they are counted; of kinds `site` and `meter`: their readings"
    )
    removed: datetime | None = Field(description="when the last row was gone; null: under way")
    job_id: str = Field(description="the job; for kinds `site` and `meter` the deletion")
    version: str = Field(description="that of wattbook")
    requested_by: str | None = Field(description="who deleted it; null for clean-ups")
    reason: str | None = Field(description="why it was deleted, where that was said")
    counts: dict[str, int] | None = Field(description="rows that were deleted with it, by table")
    sha256: str | None = Field(
        description="of a meter that was deleted: SHA-256 over the lines `2026-01 SHA256` of the"
        " checksums of its readings by UTC month, as `wattbook copy` computes them"
    )
    entity: dict[str, Any] | None = Field(description="the site or meter as it was registered")

    @classmethod
    def of(cls, stone: Tombstone) -> "TombstoneOut":
        """The answer about a tombstone."""
        return cls(
            kind=stone.kind,
            owner=stone.owner,
            site_id=stone.site_id,
            from_=stone.from_utc,
            until=stone.until_utc,
            rows=stone.rows,
            removed=stone.removed_utc,
            job_id=stone.job_id,
            version=stone.version,
            requested_by=stone.requested_by,
            reason=stone.reason,
            counts=None if stone.counts is None else dict(stone.counts),
            sha256=stone.sha256,
            entity=None if stone.entity is None else dict(stone.entity),
        )


def documents(stones: Iterable[Tombstone]) -> list[dict[str, Any]]:
    """Tombstones as the API sends them."""
    return [TombstoneOut.of(each).model_dump(mode="json", by_alias=True) for each in stones]
