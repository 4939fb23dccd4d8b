"""Counting and removing rows of the database whose time is over."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import polars as pl

from wattbook.core.periods import Grain
from wattbook.core.retention.cutoffs import TALLY
from wattbook.core.retention.kinds import IN_THE_REGISTRY, REGISTERED, Kind
from wattbook.core.rollups import aggregation
from wattbook.stores.postgres.engine import SHAPES, Engine, Session, Writer, instant, integers
from wattbook.stores.postgres.keys import Keys

REJECTS: Final = "rejects join receipts using (batch_id)"


@dataclass(frozen=True, slots=True)
class Removal:
    """Rows that are to go in one transaction."""

    kind: Kind
    lines: pl.DataFrame
    before: datetime


class PostgresRetention:
    """`ports.retention.Retention` in PostgreSQL."""

    kinds = frozenset(Kind) - IN_THE_REGISTRY - REGISTERED

    def __init__(self, engine: Engine, keys: Keys) -> None:
        self._engine = engine
        self._keys = keys
        self._writer = Writer(engine, "postgres-retention")

    def close(self) -> None:
        """Finish what waits to be written."""
        self._writer.close()

    async def tally(self, kind: Kind, lines: pl.DataFrame) -> pl.DataFrame:
        """How much there is before each owner's line."""
        at, counted = kind.instant, "sum(readings)" if kind.grain else "null"
        about = (
            f"date_trunc('day', {at} at time zone 'UTC')::date as day, count(*) as rows,"
            f" min({at}) as first_utc, {counted}::bigint as readings"
        )
        last: datetime = lines["until_utc"].max()  # type: ignore[assignment]
        if kind.of_meters:
            own = await self._own(lines)
            sql = (
                f"select t.meter_key, {about} from {kind.table} t join {_listed(own)}"
                f" on t.meter_key = a.meter_key where {_of(kind)} t.{at} < a.until_utc"
                f" and t.{at} >= a.since_utc and t.{at} < {instant(last)} group by 1, 2"
            )
            found = await self._engine.read(lambda session: session.fetch(sql))
            named = self._keys.named(found).rename({"meter_id": "owner"})
        else:
            source = REJECTS if kind is Kind.REJECTS else kind.table
            sql = f"select source as owner, {about} from {source} where {at} < {instant(last)}"
            sql = f"{sql} group by 1, 2"
            named = await self._engine.read(lambda session: session.fetch(sql))
        return named.select(pl.col(name).cast(dtype) for name, dtype in TALLY.items())

    async def remove(self, kind: Kind, lines: pl.DataFrame, before: datetime) -> None:
        """Remove what lies before `before` and before its owner's line."""
        own = await self._own(lines) if kind.of_meters else lines
        await self._writer.write(_remove, Removal(kind, own, before), 0)

    async def _own(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Lines with the numbers of the meters that occur in the database."""
        await self._keys.look_up(lines["owner"].to_list())
        if "since_utc" not in lines.columns:
            lines = lines.with_columns(since_utc=pl.lit(None, dtype=lines.schema["until_utc"]))
        ever = datetime(1, 1, 2, tzinfo=UTC)
        return (
            self._keys.numbered(lines.rename({"owner": "meter_id"}))
            .drop_nulls("meter_key")
            .select("meter_key", "until_utc", pl.col("since_utc").fill_null(ever))
        )


def _remove(session: Session, removals: list[Removal]) -> list[None]:
    session.fetch(f"select pg_advisory_xact_lock_shared({SHAPES})")
    for removal in removals:
        kind, before = removal.kind, instant(removal.before)
        at = kind.instant
        if kind.of_meters:
            session.execute(
                f"delete from {kind.table} t using {_listed(removal.lines)}"
                f" where t.meter_key = a.meter_key and {_of(kind)} t.{at} < a.until_utc"
                f" and t.{at} < {before}"
            )
            if kind is Kind.READINGS:
                session.execute(
                    f"delete from refused_instants t using {_listed(removal.lines)}"
                    f" where t.meter_key = a.meter_key and t.ts_utc < a.until_utc"
                    f" and t.ts_utc < {before}"
                )
        else:
            end = f"least({before}, {instant(removal.lines['until_utc'][0])})"
            batches = f"select batch_id from receipts where received_utc < {end}"
            table = "rejects" if kind is Kind.REJECTS else "receipts"
            session.execute(f"delete from {table} where batch_id in ({batches})")
    return [None] * len(removals)


def _listed(own: pl.DataFrame) -> str:
    """Lines as a table of SQL."""

    def stamps(column: str) -> str:
        texts = own[column].dt.strftime("%Y-%m-%d %H:%M:%S%.6f+00")
        return "'{" + ",".join(f'"{text}"' for text in texts) + "}'::timestamptz[]"

    return (
        f"unnest({integers(own['meter_key'].to_list())}, {stamps('until_utc')},"
        f" {stamps('since_utc')}) as a(meter_key, until_utc, since_utc)"
    )


def _of(kind: Kind) -> str:
    return f"t.grain = {aggregation.code(Grain(kind.grain))} and" if kind.grain else ""
