"""Readings, and which buckets they changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from wattbook.core import frames
from wattbook.core.errors import UnknownEntityError
from wattbook.core.periods import Period
from wattbook.core.readings.merge import EXPLICIT
from wattbook.core.readings.merge import READINGS as TABLE
from wattbook.core.readings.rejects import CHUNK_ROWS, Rejects
from wattbook.core.rollups import affected
from wattbook.ports.clock import Clock
from wattbook.ports.readings import Abilities, Batch, Receipt, WriteResult
from wattbook.stores.duckdb.engine import Connection, Engine, fetch, listed
from wattbook.stores.duckdb.keys import Keys
from wattbook.stores.duckdb.marks import Marks

if TYPE_CHECKING:
    from wattbook.stores.duckdb.merge import Merger

NEAR: Final = "interval 3 day"


class DuckReadings:
    """`ports.readings.ReadingStore` in DuckDB."""

    abilities = Abilities()

    def __init__(
        self, engine: Engine, keys: Keys, marks: Marks, clock: Clock | None = None
    ) -> None:
        self._clock = clock
        self._engine = engine
        self._keys = keys
        self._marks = marks
        self._merger: Merger | None = None
        """None before the first write: who only reads needs no heads of all series."""

    async def write(self, batch: Batch) -> WriteResult:
        """Keep a batch, on disk before this returns; marks what it changed as dirty."""
        written: WriteResult = await self._engine.write(self._write, batch, batch.kept.height)
        return written

    async def read(
        self, meter_ids: list[str], period: Period | None = None, *, as_of: datetime | None = None
    ) -> pl.DataFrame:
        """`frames.READINGS` of the meters with stamps in the period, sorted by key."""
        where, values = _where(self._keys.of(meter_ids), period)
        if as_of is None:
            sql = f"select * from readings where {where}"
        else:
            columns = ", ".join(TABLE.columns)
            sql = (
                f"select {columns} from readings where {where} and known_utc <= ?"
                f" union all select {columns} from reading_revisions"
                f" where {where} and known_utc <= ? and superseded_utc > ?"
            )
            known = _plain(as_of)
            await self._engine.settled()  # what was known then is on disk after this
            values = [*values, known, *values, known, known]
        found = await self._engine.read(lambda con: fetch(con, sql, values))
        return self._domain(found).sort(*frames.READINGS.key)

    async def around(self, spans: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Readings that decide the quarters of `spans`, and the spans, widened for registers."""
        return await self._engine.read(lambda con: self._around(con, spans))

    async def refused(
        self, meter_ids: list[str], period: Period, *, as_of: datetime | None = None
    ) -> pl.DataFrame:
        """`frames.REFUSED` of the meters in the period, sorted by key."""
        where, values = _where(self._keys.of(meter_ids), period)
        if as_of is not None:
            where, values = f"{where} and known_utc <= ?", [*values, _plain(as_of)]
        sql = f"select * from refused_instants where {where}"
        found = await self._engine.read(lambda con: fetch(con, sql, values))
        rows = self._keys.named(found).with_columns(_utc("ts_utc"), _utc("known_utc"))
        return frames.check(rows, frames.REFUSED).sort(*frames.REFUSED.key)

    async def receipt(self, batch_id: str) -> Receipt:
        """The receipt of a batch, with its rejects."""

        def find(con: Connection) -> tuple[pl.DataFrame, Rejects]:
            return (
                fetch(con, "select * from receipts where batch_id = ?", [batch_id]),
                _rejects(con, batch_id),
            )

        receipts, rejects = await self._engine.read(find)
        if receipts.is_empty():
            raise UnknownEntityError(f"no batch {batch_id} was received")
        about = receipts.with_columns(_utc("received_utc")).row(0, named=True)
        return Receipt(**about, rejects=rejects)

    async def extent(self, meter_ids: list[str]) -> pl.DataFrame:
        """First and last stamp of those meters that have readings."""
        sql = (
            "select meter_key, min(ts_utc) as from_utc, max(ts_utc) as to_utc from readings"
            f" where meter_key in ({listed(self._keys.of(meter_ids))}) group by meter_key"
        )
        found = await self._engine.read(lambda con: fetch(con, sql))
        named = self._keys.named(found).with_columns(_utc("from_utc"), _utc("to_utc"))
        return named.select("meter_id", "from_utc", "to_utc").sort("meter_id")

    async def revisions(self, meter_id: str, period: Period) -> pl.DataFrame:
        """Readings that were superseded, with `superseded_utc`, sorted by key and revision."""
        where, values = _where(self._keys.of([meter_id]), period)
        sql = f"select * from reading_revisions where {where}"
        found = await self._engine.read(lambda con: fetch(con, sql, values))
        rows = self._keys.named(found).with_columns(
            _utc("ts_utc"),
            _utc("known_utc"),
            _utc("superseded_utc"),
            quality=frames.quality_of(pl.col("quality")),
        )
        old = frames.check(rows, frames.READING_REVISIONS)
        return old.sort(*frames.READING_REVISIONS.key)

    def _write(self, con: Connection, batches: list[Batch]) -> list[WriteResult]:
        try:
            rows = [self._own(con, batch.kept) for batch in batches]
            written, changed = self._current_merger().merge(con, batches, rows)
            self._marks.add(con, changed)
            self._keep_refused(con, pl.concat([batch.refused for batch in batches]))
        except BaseException:
            self._keys.reload()
            self.reload()
            raise
        return written

    def _keep_refused(self, con: Connection, refused: pl.DataFrame) -> None:
        """Keep the instants that are new, and mark what they may change."""
        if refused.is_empty():
            return
        self._keys.add(con, refused["meter_id"])
        known = (
            pl.col("known_utc") if self._clock is None else pl.lit(self._clock.now(), frames.UTC)
        )
        rows = (
            self._keys.numbered(refused)
            .unique(["meter_key", "ts_utc"], keep="first", maintain_order=True)
            .select("meter_key", _naive("ts_utc"), known_utc=known.dt.replace_time_zone(None))
        )
        new_rows = rows.to_arrow()  # noqa: F841  found by its name
        con.execute(
            "insert into refused_instants select n.* from new_rows n"
            " anti join refused_instants r using (meter_key, ts_utc)"
        )
        self._marks.add(con, rows)

    def note(self, rows: pl.DataFrame) -> None:
        """Take note of rows that another part of the writing thread's transaction put in."""
        self._current_merger().note(rows)

    def reload(self) -> None:
        """Forget what a failed transaction left behind in memory."""
        self._merger = None

    def _current_merger(self) -> "Merger":
        if self._merger is None:
            self._merger = self._fresh_merger()
        return self._merger

    def _fresh_merger(self) -> "Merger":
        heads = self._engine.on_cursor(
            lambda con: fetch(
                con,
                "select meter_key, max(ts_utc) as ts_utc, max(known_utc) as known_utc"
                " from readings group by meter_key",
            )
        )
        from wattbook.stores.duckdb.merge import Merger  # noqa: PLC0415 -- readers do not merge

        return Merger(TABLE, self._keys, heads, self._clock)

    def _own(self, con: Connection, kept: pl.DataFrame) -> pl.DataFrame:
        """Rows in the columns of the table."""
        rows = self._keys.numbered(kept)
        if rows["meter_key"].null_count():
            self._keys.add(con, kept["meter_id"])
            rows = self._keys.numbered(kept)
        return rows.with_columns(
            pl.col("ts_utc", "known_utc").dt.replace_time_zone(None), quality=frames.rank()
        ).select(pl.col(*TABLE.columns), pl.col(f"^{EXPLICIT}$"))

    def _domain(self, found: pl.DataFrame) -> pl.DataFrame:
        rows = self._keys.named(found).with_columns(
            _utc("ts_utc"), _utc("known_utc"), quality=frames.quality_of(pl.col("quality"))
        )
        return frames.check(rows, frames.READINGS)

    def _around(self, con: Connection, spans: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        own = self._keys.numbered(spans).drop_nulls("meter_key")
        wide = affected.widen(own, lambda asked, keep: _beside(con, asked, keep))
        found = _between(con, wide.with_columns(_naive("wide_from"), _naive("wide_to")))
        return wide.select(spans.columns), self._domain(found)


def _rejects(con: Connection, batch_id: str) -> Rejects:
    """The rejects of a batch, read and compressed chunk by chunk."""
    sql = 'select "row", reason, detail, raw from rejects where batch_id = ? order by 1'
    found = con.sql(sql, params=[batch_id]).to_arrow_reader(CHUNK_ROWS)
    return Rejects.joined(
        Rejects.of(pl.DataFrame(pl.from_arrow(chunk)).cast({"row": pl.UInt32}))
        for chunk in found
        if chunk.num_rows
    )


def _beside(con: Connection, spans: pl.DataFrame, keep: int) -> pl.DataFrame:
    asked = spans.with_columns(_naive("from_utc"), _naive("to_utc"))
    before, after = (
        _neighbours(con, asked, keep, side).select("span", _utc("at").alias(side))
        for side in ("before", "after")
    )
    return before.join(after, on="span", how="full", coalesce=True)


def _neighbours(con: Connection, spans: pl.DataFrame, keep: int, side: str) -> pl.DataFrame:
    """The stamp of the farthest of `keep` states beside each span: first looked for nearby."""
    beyond, near, order, furthest = (
        ("r.ts_utc < s.from_utc", f"r.ts_utc >= s.from_utc - {NEAR}", "desc", "min")
        if side == "before"
        else ("r.ts_utc >= s.to_utc", f"r.ts_utc <= s.to_utc + {NEAR}", "asc", "max")
    )
    asked, parts = spans, []
    for bound in (near, "true"):
        outward = f"(partition by span order by ts_utc {order})"
        sql = (
            f"select span, {furthest}(ts_utc) filter (where state <= {keep}) as at,"
            " max(state) as found from ("
            f" select span, ts_utc, sum(fresh) over {outward} as state from ("
            " select s.span, r.ts_utc,"
            f" (register_kwh is distinct from lag(register_kwh) over {outward})::int as fresh"
            f" from asked s join readings r on r.meter_key = s.meter_key and {beyond} and {bound}"
            f" where r.meter_key in ({listed(asked['meter_key'])}) and r.ts_utc between ? and ?"
            ")) group by span"
        )
        found = fetch(con, sql, _bounds(asked, side, near=bound == near), asked=asked)
        enough = found.filter(pl.col("found") > keep) if bound == near else found
        parts.append(enough.select(pl.col("span").cast(pl.UInt32), "at"))
        asked = asked.join(parts[-1], on="span", how="anti")
        if asked.is_empty():
            break
    return pl.concat(parts)


def _bounds(spans: pl.DataFrame, side: str, *, near: bool) -> list[object]:
    """Lowest and highest stamp that can matter, so that blocks of the table are passed over."""
    first, last = spans["from_utc"].min(), spans["to_utc"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    low = datetime(1, 1, 1) if not near else _shift(first, -3)  # noqa: DTZ001  as the table has it
    high = datetime(9999, 1, 1) if not near else _shift(last, 3)  # noqa: DTZ001
    return [low, spans["from_utc"].max()] if side == "before" else [spans["to_utc"].min(), high]


def _shift(at: datetime, days: int) -> datetime:
    return datetime.fromordinal(max(1, at.toordinal() + days))


def _between(con: Connection, spans: pl.DataFrame) -> pl.DataFrame:
    columns = ", ".join(f"r.{name}" for name in TABLE.columns)
    low, high = spans["wide_from"].min(), spans["wide_to"].max()
    sql = (
        f"select distinct {columns} from readings r join spans s on r.meter_key = s.meter_key"
        " and r.ts_utc >= s.wide_from and r.ts_utc <= s.wide_to"
        f" where r.meter_key in ({listed(spans['meter_key'].unique())})"
        " and r.ts_utc between ? and ?"
    )
    if spans["meter_key"].n_unique() == spans.height:
        sql = sql.replace("distinct ", "")
    return fetch(con, sql, [low, high], spans=spans.select("meter_key", "wide_from", "wide_to"))


def _where(numbers: Sequence[int], period: Period | None) -> tuple[str, list[Any]]:
    where = f"meter_key in ({listed(numbers)})"
    if period is None:
        return where, []
    return f"{where} and ts_utc >= ? and ts_utc < ?", [_plain(period.start), _plain(period.end)]


def _plain(at: datetime) -> datetime:
    return at.replace(tzinfo=None)


def _naive(column: str) -> pl.Expr:
    return pl.col(column).dt.replace_time_zone(None)


def _utc(column: str) -> pl.Expr:
    return pl.col(column).dt.replace_time_zone("UTC")
