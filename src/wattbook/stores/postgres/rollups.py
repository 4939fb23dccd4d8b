"""Rollups, what is out of date, and what registers did other than count up."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.errors import UnavailableError
from wattbook.core.periods import Grain, Period
from wattbook.core.rollups import aggregation
from wattbook.core.units import QUARTERS_PER_HOUR
from wattbook.ports.rollups import Turn
from wattbook.stores.named_locks import NamedLocks
from wattbook.stores.postgres.engine import (
    PAUSE_S,
    SHAPES,
    Engine,
    Session,
    Writer,
    instant,
    integers,
    within,
)
from wattbook.stores.postgres.keys import Keys
from wattbook.stores.postgres.partitions import Partitions

TURN: Final = 7_741_005
"""Advisory lock that all who roll up share; with the number of a slot, of who has that slot."""
SLOTS: Final = 256
"""Rows of `turns`. Sites that fall on one slot wait for each other; that is all it costs them."""
STORED: Final = tuple(
    name for name in aggregation.pack(frames.ROLLUPS.empty()).columns if name != "meter_id"
)
KEY: Final = ("meter_key", "grain", "start_utc")
NARROW: Final = ("readings", "expected", "bucket_s", "revision")


@dataclass(frozen=True, slots=True)
class Change:
    """What one recomputation changes."""

    rollups: pl.DataFrame
    gone: pl.DataFrame
    events: pl.DataFrame
    spans: pl.DataFrame
    dirty: pl.DataFrame
    epochs: Mapping[int, int]


class Holder:
    """A connection of its own, which holds a turn until it ends."""

    def __init__(self, engine: Engine, slots: Collection[int]) -> None:
        self._engine = engine
        self._slots = integers(sorted(slots))
        self._session: Session | None = None
        self._given_up = False

    def take(self) -> Turn:
        """Wait for the turn, whose epochs it begins."""
        session = self._session = self._engine.connect()
        if self._given_up:
            raise UnavailableError("the write was cancelled while it waited")
        session.fetch(f"select pg_advisory_lock_shared({TURN})")
        # One after the other, in the order of their numbers: so nobody waits in a circle.
        session.fetch(f"select pg_advisory_lock({TURN}, slot) from unnest({self._slots}) as slot")
        begun = session.fetch(
            f"with mine as ({_of_slots(self._slots)} for update)"
            " update turns t set epoch = t.epoch + 1 from mine where t.slot = mine.slot"
            " returning t.slot, t.epoch"
        )
        return Turn(dict(begun.select("slot", "epoch").iter_rows()))

    def give_up(self) -> None:
        """End the wait of another thread."""
        self._given_up = True
        if self._session is not None:
            self._session.cancel()

    def end(self) -> None:
        """Give the turn to the next."""
        if self._session is not None:
            self._session.close()


class PostgresRollups:
    """`ports.rollups.RollupStore` in PostgreSQL."""

    def __init__(self, engine: Engine, keys: Keys) -> None:
        self._engine = engine
        self._keys = keys
        self._months = Partitions(engine, "rollups")
        self._writer = Writer(engine, "postgres-rollups")
        self._turns = NamedLocks()

    def close(self) -> None:
        """Finish what waits to be written."""
        self._writer.close()

    @asynccontextmanager
    async def turn(self, site_ids: Collection[str]) -> AsyncIterator[Turn]:
        """One recomputation of a site at a time, in all processes.

        The turn is lost with the connection that holds it. Then another may take it, which raises
        its epochs, and a write of this one is refused.
        """
        slots = {slot(site_id) for site_id in site_ids}
        async with self._turns.of(slots):
            holder = Holder(self._engine, slots)
            taking = asyncio.ensure_future(asyncio.to_thread(holder.take))
            try:
                with self._engine.reached():
                    turn = await asyncio.shield(taking)
                yield turn
            finally:
                while not taking.done():  # who waited for the turn went away
                    await asyncio.to_thread(holder.give_up)
                    await asyncio.wait([taking], timeout=PAUSE_S)
                await asyncio.gather(taking, return_exceptions=True)
                await asyncio.to_thread(holder.end)

    async def latest_mark(self, meter_ids: list[str] | None = None) -> int:
        """How many marks these meters, or all, ever had."""
        where = "" if meter_ids is None else f" where {await self._mine(meter_ids)}"
        sql = (
            f"select ((select count(*) from dirty{where})"
            f" + (select coalesce(sum(marks), 0) from settled{where}))::bigint as marks"
        )
        found = await self._engine.read(lambda session: session.fetch(sql))
        return int(found["marks"][0])

    async def dirty(self, meter_ids: list[str] | None = None) -> pl.DataFrame:
        """`frames.DIRTY`, of these meters or of all."""
        where = "" if meter_ids is None else f" where {await self._mine(meter_ids)}"
        sql = f"select meter_key, from_utc, to_utc, mark from dirty{where}"
        found = await self._engine.read(lambda session: session.fetch(sql))
        if not self._keys.knows(found["meter_key"]):
            await self._engine.read(self._keys.refresh)
        return frames.check(self._keys.named(found), frames.DIRTY)

    async def mark(self, spans: pl.DataFrame, *, afresh: bool = False) -> None:
        """Mark `spans` as changed; `afresh` drops all rollups and events of their meters."""
        await self._keys.number_all(spans["meter_id"])
        await self._writer.write(self._mark, (spans, afresh), 0)

    async def write(
        self,
        rollups: pl.DataFrame,
        gone: pl.DataFrame,
        events: pl.DataFrame,
        spans: pl.DataFrame,
        dirty: pl.DataFrame,
        turn: Turn | None = None,
    ) -> None:
        """Replace rollups by key, drop keys `gone`, replace events in `spans`, settle `dirty`."""
        epochs = {} if turn is None else turn.epochs
        change = Change(rollups, gone, events, spans, dirty, epochs)
        await self._keys.number_all(rollups["meter_id"])
        await self._months.make(rollups["start_utc"])
        await self._writer.write(self._write, change, rollups.height)

    async def read(self, meter_ids: list[str], grain: Grain, period: Period) -> pl.DataFrame:
        """`frames.ROLLUPS` of one grain that start in the period, sorted by key."""
        sql = f"{_SELECT} where {await self._mine(meter_ids)} and {_of(grain, period)}"
        found = await self._engine.read(lambda session: session.fetch(sql))
        return self._domain(found).sort(*frames.ROLLUPS.key)

    async def demand(self, meter_ids: list[str], period: Period) -> pl.DataFrame:
        """`core.rollups.metrics.demand` of the quarters in the period."""
        sql = (
            f"select start_utc, sum(energy_kwh) * {QUARTERS_PER_HOUR} as power_kw from rollups"
            f" where {await self._mine(meter_ids)} and {_of(Grain.QUARTER, period)}"
            " and energy_kwh is not null group by start_utc order by start_utc"
        )
        return await self._engine.read(lambda session: session.fetch(sql))

    async def page(
        self,
        meter_ids: list[str],
        grain: Grain,
        period: Period,
        after: tuple[str, str] | None,
        limit: int,
    ) -> pl.DataFrame:
        """At most `limit` rows of buckets that the period touches, with keys after `after`."""
        names, beyond = sorted(meter_ids), ""
        if after is not None:
            names = [name for name in names if name >= after[0]]
            started = datetime.fromisoformat(after[1]).replace(tzinfo=UTC)
            at_first = await self._keys.look_up([after[0]])
            first = f"meter_key = any({integers(at_first)})"
            beyond = f" and not ({first} and start_utc <= {instant(started)})"
        asked = integers(await self._keys.look_up(names))
        reached = Period(period.start - periods.MAX_BUCKET, period.end)
        touched = f"start_utc + make_interval(secs => bucket_s) > {instant(period.start)}"
        sql = (
            f"{_SELECT} join unnest({asked}) with ordinality as asked(meter_key, place)"
            f" using (meter_key) where {_of(grain, reached)} and {touched}{beyond}"
            f" order by place, start_utc limit {int(limit)}"
        )
        found = await self._engine.read(lambda session: session.fetch(sql))
        return self._domain(found)

    async def events(self, meter_ids: list[str], period: Period) -> pl.DataFrame:
        """`frames.EVENTS` of the meters in the period, sorted by key."""
        sql = (
            "select meter_key, at_utc, kind, detail from register_events"
            f" where {await self._mine(meter_ids)} and {within('at_utc', period)}"
        )
        found = await self._engine.read(lambda session: session.fetch(sql))
        return frames.check(self._keys.named(found), frames.EVENTS).sort(*frames.EVENTS.key)

    async def _mine(self, meter_ids: list[str]) -> str:
        return f"meter_key = any({integers(await self._keys.look_up(meter_ids))})"

    def _write(self, session: Session, changes: list[Change]) -> list[None]:
        session.fetch(f"select pg_advisory_xact_lock_shared({SHAPES})")
        _hold_turns(session, [change.epochs for change in changes])
        for change in changes:
            replaced = change.rollups
            if not self._writer.in_doubt:  # else they may be there although nobody heard of it
                replaced = replaced.filter(pl.col("revision") > 0)
            self._delete(session, replaced.select(frames.ROLLUPS.key))
            self._delete(session, change.gone)
            session.copy("rollups", self._own(change.rollups))
            self._replace_events(session, change.events, change.spans)
            _settle(session, change.dirty)
        return [None] * len(changes)

    def _delete(self, session: Session, keys: pl.DataFrame) -> None:
        if keys.is_empty():
            return
        rows = self._keys.numbered(keys).select(
            "meter_key", aggregation.grain_code("grain").cast(pl.Int16), "start_utc"
        )
        gone = session.stage("gone_rollups", "rollups", rows)
        low, high = rows["start_utc"].min(), rows["start_utc"].max()
        session.execute(
            f"delete from rollups r using {gone} g where r.meter_key = g.meter_key"
            " and r.grain = g.grain and r.start_utc = g.start_utc"
            f" and r.start_utc between {instant(low)} and {instant(high)}"  # type: ignore[arg-type]
        )

    def _replace_events(self, session: Session, events: pl.DataFrame, spans: pl.DataFrame) -> None:
        if spans.is_empty():
            return
        own = self._keys.numbered(spans).select("meter_key", "from_utc", "to_utc")
        within_spans = session.stage("spans_of_events", "dirty", own)
        session.execute(
            f"delete from register_events e using {within_spans} s"
            " where e.meter_key = s.meter_key and e.at_utc >= s.from_utc and e.at_utc < s.to_utc"
        )
        rows = self._keys.numbered(events)
        session.copy("register_events", rows.select("meter_key", "at_utc", "kind", "detail"))

    def _mark(self, session: Session, items: list[tuple[pl.DataFrame, bool]]) -> list[None]:
        for spans, afresh in items:
            own = self._keys.numbered(spans)
            if afresh:
                _drop_figures(session, own)
            session.copy("dirty", own.select("meter_key", "from_utc", "to_utc"))
        return [None] * len(items)

    def _own(self, rollups: pl.DataFrame) -> pl.DataFrame:
        return (
            self._keys.numbered(aggregation.pack(rollups))
            .with_columns(pl.col(*NARROW).cast(pl.Int32), pl.col("grain", "quality").cast(pl.Int16))
            .select("meter_key", *STORED)
            .sort(KEY)
        )

    def _domain(self, found: pl.DataFrame) -> pl.DataFrame:
        return aggregation.unpack(self._keys.named(found))


_SELECT: Final = f"select meter_key, {', '.join(STORED)} from rollups"


def _of(grain: Grain, period: Period) -> str:
    return f"grain = {aggregation.code(grain)} and {within('start_utc', period)}"


def _drop_figures(session: Session, own: pl.DataFrame) -> None:
    """Drop rollups and events of the meters of spans, but for those before `keep_utc`."""
    if "keep_utc" not in own.columns:
        own = own.with_columns(keep_utc=pl.lit(None, dtype=frames.UTC))
    for (keep,), spans in own.group_by("keep_utc"):
        numbers = integers(spans["meter_key"].unique().to_list())
        for table, at in (("rollups", "start_utc"), ("register_events", "at_utc")):
            kept = f" and {at} >= {instant(keep)}" if isinstance(keep, datetime) else ""
            session.execute(f"delete from {table} where meter_key = any({numbers}){kept}")


def slot(site_id: str) -> int:
    """The row of `turns` that a site falls on, the same in every process."""
    return zlib.crc32(site_id.encode()) % SLOTS


def _of_slots(slots: str) -> str:
    # In the order of their numbers: who locks them does not wait in a circle.
    return f"select slot, epoch from turns where slot = any({slots}) order by slot"


def _hold_turns(session: Session, held: list[Mapping[int, int]]) -> None:
    """Refuse to write if another took one of them; keep them from being taken until the commit."""
    wanted = {pair for epochs in held for pair in epochs.items()}
    if not wanted:
        return
    slots = integers(sorted({number for number, _ in wanted}))
    found = session.fetch(f"{_of_slots(slots)} for share")
    if wanted != set(found.iter_rows()):
        raise UnavailableError(
            "the roll-up lost its connection and another process took its place; what it did not"
            " finish is still marked"
        )


def _settle(session: Session, dirty: pl.DataFrame) -> None:
    """Take away exactly these marks, and count them."""
    if dirty.is_empty():
        return
    marks = session.stage("settled_marks", "dirty", dirty.select("mark"))
    session.execute(
        f"with gone as (delete from dirty d using {marks} s where d.mark = s.mark"
        " returning d.meter_key)"
        " insert into settled (meter_key, marks) select meter_key, count(*) from gone"
        " group by meter_key"
        " on conflict (meter_key) do update set marks = settled.marks + excluded.marks"
    )
