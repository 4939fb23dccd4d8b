"""The one idempotent way in: new rows, repeated rows and corrections, told apart by key."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattbook.core.frames import RECEIPTS, REJECTS
from wattbook.core.readings import merge
from wattbook.core.readings.rejects import MAX_PLAIN_ROWS
from wattbook.ports.clock import Clock
from wattbook.ports.readings import Batch, WriteResult
from wattbook.stores.duckdb.engine import Connection, fetch, insert
from wattbook.stores.duckdb.keys import Keys

Numbers = NDArray[np.integer[Any]]


class Merger:
    """Merges batches into one table, on the writing thread."""

    def __init__(
        self, table: merge.Table, keys: Keys, heads: pl.DataFrame, clock: Clock | None = None
    ) -> None:
        self._clock = clock
        self.table = table
        self.keys = keys
        self._heads = np.full(1024, np.iinfo(np.int64).min, dtype=np.int64)
        self._raise_heads(heads[table.number].to_numpy(), heads[table.instant].to_physical())
        self._latest = heads["known_utc"].max()

    def merge(
        self, con: Connection, batches: Sequence[Batch], rows: Sequence[pl.DataFrame]
    ) -> tuple[list[WriteResult], pl.DataFrame]:
        """Write all batches; what became of each, and the rows that changed the table.

        `rows` are the batches' kept rows in the columns of the table, and `merge.EXPLICIT`.
        """
        rows = [self._in_turn(frame) for frame in rows]
        every = pl.concat(rows, how="diagonal")
        if len(rows) > 1 and not self.table.distinct(every):
            pairs = [
                self.merge(con, [batch], [frame])
                for batch, frame in zip(batches, rows, strict=True)
            ]
            written = [done for one, _ in pairs for done in one]
            return written, pl.concat([changed for _, changed in pairs])
        outcomes, changed = self._merge_rows(con, every)
        ends = list(itertools.accumulate(frame.height for frame in rows))
        written = [
            WriteResult.of(batch, outcomes.slice(end - frame.height, frame.height))
            for batch, frame, end in zip(batches, rows, ends, strict=True)
        ]
        _keep_receipts(con, written)
        return written, changed

    def note(self, rows: pl.DataFrame) -> None:
        """Take note of rows that came into the table by another way, on the writing thread."""
        self._raise_heads(
            rows[self.table.number].to_numpy(), rows[self.table.instant].to_physical()
        )
        known = rows["known_utc"].max()
        if self._latest is None or (known is not None and known > self._latest):  # type: ignore[operator]  # times
            self._latest = known

    def _in_turn(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows that are not known before those already written.

        Batches are committed in the order in which they reach the writer, not in that in which they
        came in; as-of reads need the two to agree.
        """
        if self._clock is not None:  # while a batch waited for its turn it was not known
            rows = rows.with_columns(
                known_utc=pl.lit(self._clock.now().replace(tzinfo=None), dtype=pl.Datetime("us"))
            )
        known = rows["known_utc"].max()
        if known is None:
            return rows
        if self._latest is not None and known < self._latest:  # type: ignore[operator]  # times
            return rows.with_columns(known_utc=pl.lit(self._latest, dtype=pl.Datetime("us")))
        self._latest = known
        return rows

    def _merge_rows(self, con: Connection, rows: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
        table = self.table
        numbers = rows[table.number].to_numpy()
        instants = rows[table.instant].to_physical().to_numpy()
        if numbers.size and int(numbers.max()) >= self._heads.size:
            self._grow(int(numbers.max()) + 1)
        asked = np.flatnonzero(instants <= self._heads[numbers])
        stored = (
            self._stored(con, rows[asked]) if asked.size else rows.clear().select(table.columns)
        )
        merged = merge.merge(rows, stored, table)
        if merged.superseded.height:
            self._supersede(con, merged.superseded)
        if merged.current.height:
            insert(con, table.name, merged.current)
            self._raise_heads(numbers, pl.Series(instants))
        return merged.outcomes, merged.current

    def _stored(self, con: Connection, probe: pl.DataFrame) -> pl.DataFrame:
        """Rows of the table with keys of the probe."""
        table = self.table
        low, high = probe[table.instant].min(), probe[table.instant].max()
        first, last = probe[table.number].min(), probe[table.number].max()
        return fetch(
            con,
            f"select t.* from probe p join {table.name} t"
            f" on {table.same_key('t', 'p')}"
            f" where t.{table.instant} between ? and ? and t.{table.number} between ? and ?",
            [low, high, first, last],
            probe=probe.select(table.key),
        )

    def _supersede(self, con: Connection, old: pl.DataFrame) -> None:
        table = self.table
        insert(con, table.revisions, old.select(*table.columns, "superseded_utc"))
        gone = old.select(table.key).to_arrow()  # noqa: F841  found by its name
        con.execute(f"delete from {table.name} t using gone g where {table.same_key('t', 'g')}")

    def _grow(self, size: int) -> None:
        more = np.full(max(size, self._heads.size * 2) - self._heads.size, np.iinfo(np.int64).min)
        self._heads = np.concatenate([self._heads, more])

    def _raise_heads(self, numbers: Numbers, instants: pl.Series) -> None:
        if numbers.size and int(numbers.max()) >= self._heads.size:
            self._grow(int(numbers.max()) + 1)
        np.maximum.at(self._heads, numbers, instants.to_numpy())


def _keep_receipts(con: Connection, written: Sequence[WriteResult]) -> None:
    receipts = [done.receipt for done in written]
    rows = [{name: getattr(receipt, name) for name in RECEIPTS.columns} for receipt in receipts]
    insert(con, "receipts", pl.DataFrame(rows, schema=RECEIPTS.schema))
    few = []
    for receipt in receipts:
        batch_id = pl.lit(receipt.batch_id).alias("batch_id")
        for chunk in receipt.rejects.chunks():
            refused = chunk.select(batch_id, *REJECTS.columns)
            if receipt.rejects.height <= MAX_PLAIN_ROWS:
                few.append(refused)
            else:
                insert(con, "rejects", refused)
    if few:
        insert(con, "rejects", pl.concat(few))
