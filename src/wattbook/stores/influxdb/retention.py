"""What can be removed where readings are in a bucket: all that is kept beside it."""

from datetime import datetime
from typing import Final

import polars as pl

from wattbook.core.retention.kinds import Kind
from wattbook.ports.retention import Retention

IN_THE_BUCKET: Final = frozenset({Kind.READINGS, Kind.REVISIONS, Kind.REJECTS, Kind.RECEIPTS})


class Beside:
    """`ports.retention.Retention` of a store beside a bucket.

    InfluxDB deletes without counting, and neither in a transaction nor bounded; so what is in the
    bucket stays, and with it what is computed from it.
    """

    def __init__(self, store: Retention) -> None:
        self._store = store
        self.kinds = store.kinds - IN_THE_BUCKET

    async def tally(self, kind: Kind, lines: pl.DataFrame) -> pl.DataFrame:
        """How much there is before each owner's line."""
        return await self._store.tally(kind, lines)

    async def remove(self, kind: Kind, lines: pl.DataFrame, before: datetime) -> None:
        """Remove what lies before `before` and before its owner's line."""
        await self._store.remove(kind, lines, before)
