"""What counts and removes rows whose time is over."""

from datetime import datetime
from typing import Protocol

import polars as pl

from wattbook.core.retention.kinds import Kind


class Retention(Protocol):
    """Counts and removes rows of some kinds; who asks knows what may go."""

    kinds: frozenset[Kind]
    """What this store keeps and can remove."""

    async def tally(self, kind: Kind, lines: pl.DataFrame) -> pl.DataFrame:
        """How much there is before each owner's line: `core.retention.cutoffs.TALLY`, in any order.

        `lines` has `owner` and `until_utc`, and with `since_utc` (null: ever) what lies before that
        is not counted. One line whose owner is null is everybody's: where rows are neither of
        meters nor of entities there is no other.
        """
        ...

    async def remove(self, kind: Kind, lines: pl.DataFrame, before: datetime) -> None:
        """Remove what lies before `before` and before its owner's line; on disk when this returns.

        One transaction. Marks nothing as dirty.
        """
        ...
