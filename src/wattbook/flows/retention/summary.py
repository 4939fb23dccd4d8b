"""What the result of a clean-up job says."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from wattbook.core.retention.cutoffs import Tombstone
from wattbook.core.retention.kinds import Kind
from wattbook.flows.retention.plan import CleanUpResult, RemovedRows


def result(cleaned: CleanUpResult, *, dry_run: bool) -> dict[str, Any]:
    """What a job says of it."""

    def said(at: datetime | None) -> str | None:
        return None if at is None else f"{at:%FT%TZ}"

    return {
        "dry_run": dry_run,
        "rows": sum(gone.rows for gone in cleaned.gone),
        "removed": [
            {
                "kind": str(gone.kind),
                "site_id": gone.site_id,
                "owners": gone.owners,
                "rows": gone.rows,
                "from": said(gone.from_utc),
                "until": said(gone.until_utc),
            }
            for gone in cleaned.gone
        ],
        "refused": [
            {
                "kind": str(refusal.kind),
                "site_id": refusal.site_id,
                "owners": refusal.owners,
                "reason": refusal.reason,
                "detail": refusal.detail,
            }
            for refusal in cleaned.refused
        ],
    }


def _by_kind(stones: Sequence[Tombstone]) -> dict[Kind, list[Tombstone]]:
    found: dict[Kind, list[Tombstone]] = {}
    for kind in Kind:
        if of_kind := [stone for stone in stones if stone.kind is kind]:
            found[kind] = of_kind
    return found


def _summed(stones: Sequence[Tombstone]) -> list[RemovedRows]:
    """By kind and site."""
    found: dict[tuple[Kind, str | None], list[Tombstone]] = {}
    for stone in stones:
        found.setdefault((stone.kind, stone.site_id), []).append(stone)
    order = list(Kind)
    return [
        RemovedRows(
            kind=kind,
            site_id=site_id,
            owners=len(own),
            rows=sum(stone.rows or 0 for stone in own),
            from_utc=min((stone.from_utc for stone in own if stone.from_utc), default=None),
            until_utc=max(stone.until_utc for stone in own),
        )
        for (kind, site_id), own in sorted(
            found.items(), key=lambda each: (order.index(each[0][0]), each[0][1] or "")
        )
    ]
