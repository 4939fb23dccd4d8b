"""Readings, and which spans they changed."""

from datetime import datetime

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.errors import UnknownEntityError
from wattbook.core.periods import Period
from wattbook.core.readings.merge import EXPLICIT
from wattbook.core.readings.merge import READINGS as TABLE
from wattbook.core.rollups import affected
from wattbook.ports.readings import Abilities, Batch, Receipt, WriteResult
from wattbook.stores.postgres.engine import (
    WRITES,
    Engine,
    Session,
    Writer,
    instant,
    integers,
    within,
)
from wattbook.stores.postgres.keys import Keys
from wattbook.stores.postgres.merge import Merger, receipt_of
from wattbook.stores.postgres.partitions import Partitions

COLUMNS = ", ".join(TABLE.columns)
ROWS_PER_STATE = 8
"""So many times as many readings as states are read first, then so many times more."""


class PostgresReadings:
    """`ports.readings.ReadingStore` in PostgreSQL."""

    abilities = Abilities()

    def __init__(self, engine: Engine, keys: Keys, *, stamped: bool = True) -> None:
        self._engine = engine
        self._keys = keys
        self._stamped = stamped
        self._months = Partitions(engine, TABLE.name)
        self._merger = Merger(TABLE, stamped=stamped)
        self._writer = Writer(engine, "postgres-readings")

    def close(self) -> None:
        """Finish what waits to be written."""
        self._writer.close()

    async def write(self, batch: Batch) -> WriteResult:
        """Keep a batch, on disk before this returns; marks what it changed as dirty."""
        await self._keys.number_all(pl.concat([batch.kept["meter_id"], batch.refused["meter_id"]]))
        await self._months.make(batch.kept["ts_utc"])
        return await self._writer.write(self._write, batch, batch.kept.height)

    async def read(
        self, meter_ids: list[str], period: Period | None = None, *, as_of: datetime | None = None
    ) -> pl.DataFrame:
        """`frames.READINGS` of the meters with stamps in the period, sorted by key."""
        where = await self._where(meter_ids, period)
        sql = f"select {COLUMNS} from readings where {where}"
        if as_of is not None:
            known = instant(as_of)
            sql = (
                f"{sql} and known_utc <= {known} union all"
                f" select {COLUMNS} from reading_revisions"
                f" where {where} and known_utc <= {known} and superseded_utc > {known}"
            )
            await self._engine.read(lambda session: settled(session, as_of, self._stamped))
        found = await self._engine.read(lambda session: session.fetch(sql))
        return self._domain(found).sort(*frames.READINGS.key)

    async def around(self, spans: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Readings that decide the quarters of `spans`, and the spans, widened for registers."""
        await self._keys.look_up(spans["meter_id"].unique().to_list())
        return await self._engine.read(lambda session: self._around(session, spans))

    async def refused(
        self, meter_ids: list[str], period: Period, *, as_of: datetime | None = None
    ) -> pl.DataFrame:
        """`frames.REFUSED` of the meters in the period, sorted by key."""
        where = await self._where(meter_ids, period)
        if as_of is not None:
            where = f"{where} and known_utc <= {instant(as_of)}"
        sql = f"select ts_utc, known_utc, meter_key from refused_instants where {where}"
        found = await self._engine.read(lambda session: session.fetch(sql))
        rows = self._keys.named(found)
        return frames.check(rows, frames.REFUSED).sort(*frames.REFUSED.key)

    async def receipt(self, batch_id: str) -> Receipt:
        """The receipt of a batch, with its rejects."""
        found = await self._engine.read(lambda session: receipt_of(session, batch_id))
        if found is None:
            raise UnknownEntityError(f"no batch {batch_id} was received")
        return found

    async def extent(self, meter_ids: list[str]) -> pl.DataFrame:
        """First and last stamp of those meters that have readings."""
        numbers = integers(await self._keys.look_up(meter_ids))
        ends = ", ".join(
            "(select ts_utc from readings r where r.meter_key = k.meter_key"
            f" order by ts_utc {order} limit 1) as {name}"
            for name, order in (("from_utc", "asc"), ("to_utc", "desc"))
        )
        sql = f"select k.meter_key, {ends} from unnest({numbers}) as k(meter_key)"
        found = await self._engine.read(lambda session: session.fetch(sql))
        named = self._keys.named(found).drop_nulls("from_utc")
        return named.select("meter_id", "from_utc", "to_utc").sort("meter_id")

    async def revisions(self, meter_id: str, period: Period) -> pl.DataFrame:
        """Readings that were superseded, with `superseded_utc`, sorted by key and revision."""
        where = await self._where([meter_id], period)
        sql = f"select {COLUMNS}, superseded_utc from reading_revisions where {where}"
        found = await self._engine.read(lambda session: session.fetch(sql))
        rows = pl.concat([self._domain(found), found.select("superseded_utc")], how="horizontal")
        old = frames.check(rows, frames.READING_REVISIONS)
        return old.sort(*frames.READING_REVISIONS.key)

    async def _where(self, meter_ids: list[str], period: Period | None) -> str:
        where = f"meter_key = any({integers(await self._keys.look_up(meter_ids))})"
        return where if period is None else f"{where} and {within('ts_utc', period)}"

    def _write(self, session: Session, batches: list[Batch]) -> list[WriteResult]:
        rows = [self._own(batch.kept) for batch in batches]
        written, changed = self._merger.merge(
            session, batches, rows, in_doubt=self._writer.in_doubt
        )
        session.copy("dirty", affected.changed(changed, "meter_key"))
        self._keep_refused(session, pl.concat([batch.refused for batch in batches]))
        return written

    def _keep_refused(self, session: Session, refused: pl.DataFrame) -> None:
        """Keep the instants that are new, and mark what they may change."""
        if refused.is_empty():
            return
        rows = (
            self._keys.numbered(refused)
            .select("ts_utc", "known_utc", "meter_key")
            .unique(["meter_key", "ts_utc"], keep="first", maintain_order=True)
        )
        fresh = session.stage("new_refused_instants", "refused_instants", rows)
        known = "clock_timestamp()" if self._stamped else "known_utc"
        session.execute(
            "insert into refused_instants (ts_utc, known_utc, meter_key)"
            f" select ts_utc, {known}, meter_key from {fresh} order by meter_key, ts_utc"
            " on conflict do nothing"
        )
        session.copy("dirty", affected.changed(rows, "meter_key"))

    def _own(self, kept: pl.DataFrame) -> pl.DataFrame:
        """Rows in the columns of the table."""
        rows = self._keys.numbered(kept)
        return rows.with_columns(
            quality=frames.rank().cast(pl.Int16), revision=pl.col("revision").cast(pl.Int32)
        ).select(pl.col(*TABLE.columns), pl.col(f"^{EXPLICIT}$"))

    def _domain(self, found: pl.DataFrame) -> pl.DataFrame:
        rows = self._keys.named(found).with_columns(
            quality=frames.quality_of(pl.col("quality")),
            revision=pl.col("revision").cast(pl.UInt16),
        )
        return frames.check(rows, frames.READINGS)

    def _around(self, session: Session, spans: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        own = self._keys.numbered(spans).drop_nulls("meter_key")
        wide = affected.widen(own, lambda asked, keep: _beside(session, asked, keep))
        found = _between(session, wide) if wide.height else session.fetch(f"{_SELECT} where false")
        return wide.select(spans.columns), self._domain(found)


_SELECT = f"select {COLUMNS} from readings"


def settled(session: Session, as_of: datetime, stamped: bool) -> None:  # noqa: FBT001
    """Wait until all that was known at a past instant can be read.

    Raises
    ------
    InvalidPeriodError
        By the database's clock, which says when a row is known, the instant has not come.
    """
    with session.transaction():
        session.fetch(f"select pg_advisory_xact_lock({WRITES})")
        passed = session.fetch(f"select clock_timestamp() > {instant(as_of)} as passed")["passed"]
    if stamped and not passed[0]:
        raise periods.invalid("as_of", "as_of is in the future, by the clock of the database")


def _beside(session: Session, spans: pl.DataFrame, keep: int) -> pl.DataFrame:
    before, after = (
        _neighbours(session, spans, keep, side).rename({"at": side}) for side in ("before", "after")
    )
    return before.join(after, on="span", how="full", coalesce=True)


def _neighbours(session: Session, spans: pl.DataFrame, keep: int, side: str) -> pl.DataFrame:
    """The stamp of the farthest of `keep` states beside each span, among ever more readings."""
    beyond, order, furthest = (
        ("r.ts_utc < s.from_utc", "desc", "min")
        if side == "before"
        else ("r.ts_utc >= s.to_utc", "asc", "max")
    )
    outward = f"(order by ts_utc {order})"
    asked, parts, rows = spans, [], keep * ROWS_PER_STATE
    while asked.height:
        found = session.fetch(
            f"select s.span, n.* from {_spans(asked, 'from_utc', 'to_utc')}"
            " cross join lateral ("
            f" select {furthest}(ts_utc) filter (where state <= {keep}) as at,"
            " coalesce(max(state), 0)::bigint as states, count(*) as rows from ("
            f" select ts_utc, sum(fresh) over {outward} as state from ("
            " select ts_utc,"
            f" (register_kwh is distinct from lag(register_kwh) over {outward})::int as fresh"
            " from (select r.ts_utc, r.register_kwh from readings r"
            f" where r.meter_key = s.meter_key and {beyond}"
            f" order by r.ts_utc {order} limit {rows}) as nearest) as changes) as counted) as n"
        ).cast({"span": spans.schema["span"]})
        enough = found.filter((pl.col("states") > keep) | (pl.col("rows") < rows))
        parts.append(enough.select("span", "at"))
        asked = asked.join(enough, on="span", how="anti")
        rows *= ROWS_PER_STATE
    return pl.concat(parts)


def _between(session: Session, spans: pl.DataFrame) -> pl.DataFrame:
    columns = ", ".join(f"r.{name}" for name in TABLE.columns)
    low, high = spans["wide_from"].min(), spans["wide_to"].max()
    found = session.fetch(
        f"select {columns} from {_spans(spans, 'wide_from', 'wide_to')}"
        " join readings r on r.meter_key = s.meter_key"
        " and r.ts_utc >= s.wide_from and r.ts_utc <= s.wide_to"
        f" where r.ts_utc between {instant(low)} and {instant(high)}"  # type: ignore[arg-type]
    )
    if spans["meter_key"].n_unique() == spans.height:
        return found
    return found.unique(list(TABLE.key))


def _spans(spans: pl.DataFrame, begin: str, end: str) -> str:
    """Spans as a table of SQL."""

    def stamps(column: str) -> str:
        texts = spans[column].dt.strftime("%Y-%m-%d %H:%M:%S%.6f+00")
        return "'{" + ",".join(f'"{text}"' for text in texts) + "}'::timestamptz[]"

    return (
        f"unnest({integers(spans['span'].to_list())}, {integers(spans['meter_key'].to_list())},"
        f" {stamps(begin)}, {stamps(end)}) as s(span, meter_key, {begin}, {end})"
    )
