"""Which spans of which meters changed since they were rolled up."""

import polars as pl

from wattbook.core import frames
from wattbook.core.rollups import affected
from wattbook.stores.duckdb.engine import Connection, Engine, fetch, insert, listed
from wattbook.stores.duckdb.keys import Keys


class Marks:
    """The table of dirty spans: one row for each meter and day that a transaction touched."""

    def __init__(self, engine: Engine, keys: Keys) -> None:
        self._engine = engine
        self._keys = keys
        marked = engine.on_cursor(
            lambda con: fetch(con, "select meter_key, max(mark) from dirty group by meter_key")
        )
        self._latest: dict[int, int] = dict(marked.iter_rows())
        """The newest mark of each meter that has one: reads look here before they ask the file."""
        self._seen = dict(self._latest)
        """The newest mark that each meter ever had."""
        self.last = max(self._latest.values(), default=0)

    def add(self, con: Connection, changed: pl.DataFrame) -> None:
        """Mark what changed, by meter and day; part of the transaction that changed it."""
        self.add_spans(con, affected.changed(changed, "meter_key"))

    def add_spans(self, con: Connection, spans: pl.DataFrame) -> None:
        """Mark whole spans (`meter_key`, `from_utc`, `to_utc`)."""
        if spans.is_empty():
            return
        self.last += 1
        mark = pl.lit(self.last, dtype=pl.Int64).alias("mark")
        insert(con, "dirty", spans.select(mark, "meter_key", "from_utc", "to_utc"))
        marked = dict.fromkeys(spans["meter_key"].unique().to_list(), self.last)
        self._latest |= marked
        self._seen |= marked

    def last_of(self, meter_ids: list[str]) -> int:
        """The newest mark that one of these meters ever had."""
        return max((self._seen.get(number, 0) for number in self._keys.of(meter_ids)), default=0)

    def any(self, meter_ids: list[str] | None) -> bool:
        """Whether one of these meters, or any at all, may be dirty."""
        if meter_ids is None or not self._latest:
            return bool(self._latest)
        return not self._latest.keys().isdisjoint(self._keys.of(meter_ids))

    def forget(self, dirty: pl.DataFrame) -> None:
        """Note that `dirty` is settled on disk, so that a read need not ask for it any more."""
        mark = _last(dirty)
        for number in self._keys.of(dirty["meter_id"].unique().to_list()):
            if self._latest.get(number, 0) <= mark:
                self._latest.pop(number, None)

    def read(self, con: Connection, meter_ids: list[str] | None) -> pl.DataFrame:
        """What is dirty on the snapshot of this connection."""
        where = "true"
        if meter_ids is not None:
            where = f"meter_key in ({listed(self._keys.of(meter_ids))})"
        found = fetch(con, f"select * from dirty where {where}")
        spans = self._keys.named(found).with_columns(
            pl.col("from_utc", "to_utc").dt.replace_time_zone("UTC")
        )
        return frames.check(spans, frames.DIRTY)

    def settle(self, con: Connection, dirty: pl.DataFrame) -> None:
        """Take away what was read as `dirty`: marks are numbered in the order of their commits."""
        numbers = self._keys.of(dirty["meter_id"].unique().to_list())
        con.execute(
            f"delete from dirty where mark <= ? and meter_key in ({listed(numbers)})",
            [_last(dirty)],
        )


def _last(dirty: pl.DataFrame) -> int:
    last: int = dirty.select(pl.col("mark").max().fill_null(0)).item()
    return last
