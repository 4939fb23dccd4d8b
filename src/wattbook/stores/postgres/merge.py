"""The one idempotent way in: new rows, repeated rows and corrections, told apart by key."""

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta

import adbc_driver_manager as adbc
import polars as pl

from wattbook.core import frames
from wattbook.core.readings import merge
from wattbook.core.readings.merge import ACCEPTED, CORRECTED, DUPLICATE, Table
from wattbook.core.readings.rejects import MAX_PLAIN_ROWS, Rejects
from wattbook.ports.readings import Batch, Receipt, WriteResult
from wattbook.stores.postgres.engine import UNIQUE, WRITES, Session, TryAgainError, instant

MERGES = 7_741_004
"""Advisory lock, with the table beside it: one at a time looks for rows that are there already."""
NUL = "\x00"
"""The one character that PostgreSQL does not keep; a picture of it takes its place in evidence."""
PICTURE_OF_NUL = "\u2400"
TICK = timedelta(microseconds=1)


class Merger:
    """Merges batches into one table.

    While rows are new they are copied into the table without asking; the key of the table says
    where one is not. Then, and until a batch is new again, rows are compared with those they meet.
    """

    def __init__(self, table: Table, *, stamped: bool) -> None:
        self.table = table
        self._stamped = stamped
        """Whether rows are known when they are written, by the database's clock."""
        self._all_new = True

    def merge(
        self,
        session: Session,
        batches: Sequence[Batch],
        rows: Sequence[pl.DataFrame],
        *,
        in_doubt: bool,
    ) -> tuple[list[WriteResult], pl.DataFrame]:
        """Write all batches; what became of each, and the rows that changed the table.

        `rows` are the batches' kept rows in the columns of the table. `in_doubt`: some of the
        batches may have been written before without anybody having heard of it.
        """
        session.fetch(f"select pg_advisory_xact_lock_shared({WRITES})")
        heard = self._written_before(session, batches, rows) if in_doubt else {}
        todo = [index for index in range(len(batches)) if index not in heard]
        some = [rows[index] for index in todo] or [rows[0].clear()]
        every = pl.concat(some, how="diagonal")
        if self.table.distinct(every):
            outcomes, changed, known = self._write(session, every, None)
            knowns = [known] * len(todo)
            ends = list(itertools.accumulate(rows[index].height for index in todo))
            fresh = [
                WriteResult.of(
                    batches[index], outcomes.slice(end - rows[index].height, rows[index].height)
                )
                for index, end in zip(todo, ends, strict=True)
            ]
        else:
            fresh, parts, knowns, known = [], [], [], None
            for index in todo:
                self._all_new = False  # a row may be that of the batch before
                outcomes, part, known = self._write(session, rows[index], known)
                fresh.append(WriteResult.of(batches[index], outcomes))
                parts.append(part)
                knowns.append(known)
            changed = pl.concat(parts)
        self._keep_receipts(session, fresh, knowns)
        written = heard | dict(zip(todo, fresh, strict=True))
        return [written[index] for index in range(len(batches))], changed

    def _write(
        self, session: Session, rows: pl.DataFrame, before: datetime | None
    ) -> tuple[pl.Series, pl.DataFrame, datetime | None]:
        """Outcomes, the rows that changed the table, and when they were known: after `before`."""
        if self._all_new:
            rows = self._known_now(session, rows.select(self.table.columns), None)
            outcomes = pl.Series("outcome", [ACCEPTED], dtype=pl.UInt8).new_from_index(
                0, rows.height
            )
            self._insert(session, rows)
            return outcomes, rows, _latest(rows)
        session.fetch(f"select pg_advisory_xact_lock({MERGES}, hashtext('{self.table.name}'))")
        stored = self._stored(session, rows.select(self.table.columns))
        met = [at for at in (before, _latest(stored)) if at is not None]
        rows = self._known_now(session, rows, max(met, default=None))
        merged = merge.merge(rows, stored, self.table)
        if merged.superseded.height:
            self._supersede(session, merged.superseded)
        self._insert(session, merged.current)
        self._all_new = merged.current.height == rows.height and merged.superseded.is_empty()
        return merged.outcomes, merged.current, _latest(rows)

    def _known_now(
        self, session: Session, rows: pl.DataFrame, before: datetime | None
    ) -> pl.DataFrame:
        """The rows as known now, and after `before`.

        So a key and a time of knowledge belong to one batch: `_recalled` goes by that.
        """
        if not self._stamped:
            return rows
        now: datetime = session.fetch("select clock_timestamp() as now")["now"][0]
        if before is not None:
            now = max(now, before + TICK)
        return rows.with_columns(known_utc=pl.lit(now, dtype=frames.UTC))

    def _insert(self, session: Session, rows: pl.DataFrame) -> None:
        # In the order of the key: two transactions never wait for each other in a circle, and a
        # meter's readings lie together.
        try:
            session.copy(self.table.name, rows.sort(self.table.key))
        except adbc.IntegrityError as error:
            if error.sqlstate != UNIQUE:
                raise
            self._all_new = False
            raise TryAgainError from error

    def _stored(self, session: Session, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows of the table with keys of these rows."""
        table, at = self.table, self.table.instant
        if rows.is_empty():
            return rows
        probe = session.stage(f"asked_{table.name}", table.name, rows.select(table.key))
        low, high = rows[at].min(), rows[at].max()
        columns = ", ".join(f"t.{name}" for name in rows.columns)
        found = session.fetch(
            f"select {columns} from {probe} p join {table.name} t"
            f" on {table.same_key('t', 'p')}"
            f" where t.{at} between {instant(low)} and {instant(high)}"  # type: ignore[arg-type]
        )
        return found.cast(rows.schema)

    def _supersede(self, session: Session, old: pl.DataFrame) -> None:
        table, at = self.table, self.table.instant
        session.copy(table.revisions, old)
        gone = session.stage(f"gone_{table.name}", table.name, old.select(table.key))
        low, high = old[at].min(), old[at].max()
        session.execute(
            f"delete from {table.name} t using {gone} g"
            f" where {table.same_key('t', 'g')}"
            f" and t.{at} between {instant(low)} and {instant(high)}"  # type: ignore[arg-type]
        )

    def _keep_receipts(
        self, session: Session, written: Sequence[WriteResult], knowns: Sequence[datetime | None]
    ) -> None:
        receipts = [
            {name: getattr(done.receipt, name) for name in frames.RECEIPTS.columns}
            for done in written
        ]
        known = pl.Series("known_utc", knowns, dtype=frames.UTC)
        session.copy(
            "receipts", pl.DataFrame(receipts, schema=frames.RECEIPTS.schema).with_columns(known)
        )
        few = []
        for done in written:
            for chunk in done.receipt.rejects.chunks():
                rows = chunk.select(
                    pl.col("row").cast(pl.Int64),
                    pl.lit(done.receipt.batch_id).alias("batch_id"),
                    "reason",
                    "detail",
                    "raw",
                )
                if done.receipt.rejects.height <= MAX_PLAIN_ROWS:
                    few.append(rows)
                else:
                    session.copy("rejects", without_nul(rows))
        if few:
            session.copy("rejects", without_nul(pl.concat(few)))

    def _written_before(
        self, session: Session, batches: Sequence[Batch], rows: Sequence[pl.DataFrame]
    ) -> dict[int, WriteResult]:
        """What became of those batches that were committed although no answer came."""
        heard = {}
        for index, batch in enumerate(batches):
            known = session.fetch(
                "select known_utc from receipts where batch_id = $1", [batch.batch_id]
            )
            if known.height:
                heard[index] = self._recalled(session, batch, rows[index], known["known_utc"])
        return heard

    def _recalled(
        self, session: Session, batch: Batch, rows: pl.DataFrame, known: pl.Series
    ) -> WriteResult:
        """The outcomes of a batch, told from the rows that it left."""
        if rows.is_empty():
            return WriteResult.of(batch, pl.Series(dtype=pl.UInt8))
        table, key = self.table, ", ".join(self.table.key)
        probe = session.stage(f"asked_{table.name}", table.name, rows.select(table.key))
        own = " union all ".join(
            f"select {key}, revision from {name} join {probe} using ({key})"
            f" where known_utc = {instant(known[0])}"
            for name in (table.name, table.revisions)
        )
        left = session.fetch(own).cast({"revision": pl.Int32})
        outcome = (
            pl.when(pl.col("revision_left").is_null())
            .then(DUPLICATE)
            .when(pl.col("revision_left") == 0)
            .then(ACCEPTED)
            .otherwise(CORRECTED)
        )
        both = rows.join(
            left, on=list(table.key), how="left", suffix="_left", maintain_order="left"
        )
        return WriteResult.of(
            batch, both.select(outcome.cast(pl.UInt8).alias("outcome"))["outcome"]
        )


def _latest(rows: pl.DataFrame) -> datetime | None:
    latest: datetime | None = rows["known_utc"].max()  # type: ignore[assignment]
    return latest


def without_nul(rejects: pl.DataFrame) -> pl.DataFrame:
    """Rejects that PostgreSQL can keep."""
    picture = pl.col("detail", "raw").str.replace_all(NUL, PICTURE_OF_NUL, literal=True)
    return rejects.with_columns(picture)


def receipt_of(session: Session, batch_id: str) -> Receipt | None:
    """The receipt of a batch, with its rejects."""
    names = ", ".join(frames.RECEIPTS.columns)
    found = session.fetch(f"select {names} from receipts where batch_id = $1", [batch_id])
    if found.is_empty():
        return None
    rejects = session.fetch(
        'select "row", reason, detail, raw from rejects where batch_id = $1 order by 1', [batch_id]
    )
    return Receipt(**found.row(0, named=True), rejects=Rejects.of(rejects.cast({"row": pl.UInt32})))
