"""What shows every row of a store as it is, and takes such rows over from another store."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from wattbook.core.archive.tables import TABLES, Table
from wattbook.core.periods import Period


class Archive(Protocol):
    """Every row of a store, with what it says of itself: when it was known, which revision it is.

    A row has an owner (the meter, the zone, or for receipts and rejects the source of the batch)
    and a time, both named by its table.
    """

    holds: frozenset[str]
    """Names of the tables that this store can keep."""

    async def contents(self, tables: Sequence[Table] = TABLES) -> pl.DataFrame:
        """`frames.CONTENTS` of these tables, sorted by key; nothing of those it cannot keep."""
        ...

    async def cut(self, table: Table, owner: str, period: Period, rows: int) -> list[Period]:
        """The period in parts that follow each other, each with about so many rows of the owner.

        Rows of one instant stay together.
        """
        ...

    async def take(self, table: Table, owners: Sequence[str], period: Period) -> pl.DataFrame:
        """Rows of the owners in the period, in the contract of the table, in any order."""
        ...

    async def put(
        self, table: Table, owners: Sequence[str], period: Period, rows: pl.DataFrame
    ) -> None:
        """Make `rows` all that the table holds of these owners in the period.

        One transaction, on disk before this returns. Ids that are new are added, nothing is marked
        as dirty, and rejects go when their receipt does. Receipts come before their rejects.
        """
        ...
