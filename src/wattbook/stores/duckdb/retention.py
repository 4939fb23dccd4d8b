"""Counting and removing rows of the file whose time is over."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import polars as pl

from wattbook.core.periods import Grain
from wattbook.core.retention.cutoffs import TALLY
from wattbook.core.retention.kinds import IN_THE_REGISTRY, REGISTERED, Kind
from wattbook.core.rollups import aggregation
from wattbook.stores.duckdb.engine import Connection, Engine, fetch
from wattbook.stores.duckdb.keys import Keys

REJECTS: Final = "rejects join receipts using (batch_id)"


@dataclass(frozen=True, slots=True)
class Removal:
    """Rows that are to go in one transaction."""

    kind: Kind
    lines: pl.DataFrame
    before: datetime


class DuckRetention:
    """`ports.retention.Retention` in DuckDB."""

    kinds = frozenset(Kind) - IN_THE_REGISTRY - REGISTERED

    def __init__(self, engine: Engine, keys: Keys) -> None:
        self._engine = engine
        self._keys = keys

    async def tally(self, kind: Kind, lines: pl.DataFrame) -> pl.DataFrame:
        """How much there is before each owner's line."""
        at, counted = kind.instant, "sum(readings)" if kind.grain else "null"
        about = (
            f"date_trunc('day', {at})::date as day, count(*) as rows, min({at}) as first_utc,"
            f" {counted}::bigint as readings"
        )
        if kind.of_meters:
            sql = (
                f"select t.meter_key, {about} from {kind.table} t join asked a using (meter_key)"
                f" where {_of(kind)} {at} < a.until_utc and {at} >= a.since_utc and {at} < ?"
                " group by all"
            )
            values = [_naive(lines)["until_utc"].max()]
            own = self._own(lines)
            found = await self._engine.read(lambda con: fetch(con, sql, values, asked=own))
            named = self._keys.named(found).rename({"meter_id": "owner"})
        else:
            source = REJECTS if kind is Kind.REJECTS else kind.table
            sql = f"select source as owner, {about} from {source} where {at} < ? group by all"
            values = [_naive(lines)["until_utc"][0]]
            named = await self._engine.read(lambda con: fetch(con, sql, values))
        return named.with_columns(pl.col("first_utc").dt.replace_time_zone("UTC")).select(
            pl.col(name).cast(dtype) for name, dtype in TALLY.items()
        )

    async def remove(self, kind: Kind, lines: pl.DataFrame, before: datetime) -> None:
        """Remove what lies before `before` and before its owner's line."""
        await self._engine.write(self._remove, Removal(kind, lines, before), 0)

    def _remove(self, con: Connection, removals: list[Removal]) -> list[None]:
        for removal in removals:
            kind, before = removal.kind, removal.before.replace(tzinfo=None)
            if kind.of_meters:
                own = self._own(removal.lines).to_arrow()  # noqa: F841  found by its name
                con.execute(
                    f"delete from {kind.table} t using own a where t.meter_key = a.meter_key"
                    f" and {_of(kind)} t.{kind.instant} < a.until_utc and t.{kind.instant} < ?",
                    [before],
                )
                if kind is Kind.READINGS:
                    con.execute(
                        "delete from refused_instants t using own a where t.meter_key = a.meter_key"
                        " and t.ts_utc < a.until_utc and t.ts_utc < ?",
                        [before],
                    )
            else:
                end: Any = min(before, _naive(removal.lines)["until_utc"][0])
                batches = "select batch_id from receipts where received_utc < ?"
                table = "rejects" if kind is Kind.REJECTS else "receipts"
                con.execute(f"delete from {table} where batch_id in ({batches})", [end])
        return [None] * len(removals)

    def _own(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Lines with the numbers of the meters that occur in the file."""
        if "since_utc" not in lines.columns:
            lines = lines.with_columns(since_utc=pl.lit(None, dtype=lines.schema["until_utc"]))
        ever = datetime(1, 1, 1)  # noqa: DTZ001  as the table has it
        return (
            self._keys.numbered(_naive(lines).rename({"owner": "meter_id"}))
            .drop_nulls("meter_key")
            .select("meter_key", "until_utc", pl.col("since_utc").fill_null(ever))
        )


def _of(kind: Kind) -> str:
    return f"t.grain = {aggregation.code(Grain(kind.grain))} and" if kind.grain else ""


def _naive(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.with_columns(pl.selectors.datetime().dt.replace_time_zone(None))
