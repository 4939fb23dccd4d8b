"""What remembers that something was removed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from wattbook.core.retention.cutoffs import Tombstone
from wattbook.core.retention.kinds import Kind


@dataclass(frozen=True, slots=True)
class StonePage:
    """Some tombstones, the latest first, and the cursor for those that follow; null at the end."""

    tombstones: tuple[Tombstone, ...]
    cursor: str | None


class Tombstones(Protocol):
    """Keeps tombstones; one is identified by its job, kind and owner.

    Where a meter has one, nothing before its `until_utc` is taken in or computed any more: the
    registry's meters say so.
    """

    async def put(self, stones: Sequence[Tombstone]) -> None:
        """Keep all of these, in place of those with the same key; one transaction."""
        ...

    async def drop(self, stones: Sequence[Tombstone]) -> None:
        """Take back tombstones under which nothing was removed."""
        ...

    async def unfinished(self) -> list[Tombstone]:
        """Those of clean-ups under which removing is, or was, under way."""
        ...

    async def deletion(self, kind: Kind, owner: str, site_id: str) -> list[Tombstone]:
        """Those of the deletion of a site or meter whose data is not all removed; or none."""
        ...

    async def of_job(self, job_id: str) -> list[Tombstone]:
        """Those of one job, by kind and owner."""
        ...

    async def page(
        self,
        *,
        job_id: str | None = None,
        kind: Kind | None = None,
        owner: str | None = None,
        site_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> StonePage:
        """Tombstones by `until_utc`, the latest first; of removed rows between `since` and `until`.

        Raises
        ------
        InputError
            The cursor `after` was not given out here.
        """
        ...
