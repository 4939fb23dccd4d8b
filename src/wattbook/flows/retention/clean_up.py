"""Removing what is older than it is to be kept, and remembering that it was there.

What is removed of a meter is decided by a *line*, an instant before which nothing is taken in or
computed any more. A line is drawn before the first row goes: a tombstone without a count. From then
on the readings before it cannot change, so that they can be counted and removed in chunks; whoever
finishes a clean-up that was killed removes the same rows and leaves the same tombstones. Figures
before the line stay as they were computed when all readings were there.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.periods import Grain
from wattbook.core.registry.entities import MeterKind
from wattbook.core.retention import cutoffs
from wattbook.core.retention.cutoffs import Tombstone
from wattbook.core.retention.kinds import Kind
from wattbook.core.rollups import affected
from wattbook.flows.retention.plan import (
    OF_SITE,
    CleanUpResult,
    Order,
    Refusal,
    _any_hold,
    _by_site,
    _everybody,
    _free_of,
    _lines,
    _Plan,
)
from wattbook.flows.retention.summary import _by_kind, _summed
from wattbook.ports.clock import Clock
from wattbook.ports.readings import ReadingStore
from wattbook.ports.registry import Registry
from wattbook.ports.retention import Retention
from wattbook.ports.rollups import RollupStore
from wattbook.ports.tombstones import Tombstones

QUIET_S: Final = 2.0
"""Other processes see a line within a second; what they judged before it is written by then."""
METERS_PER_CHUNK: Final = 500
"""Of so many meters the readings beside their lines are looked at together."""

Progress = Callable[[int, int], None]
"""Takes rows done and rows in all; what it raises ends the work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaner:
    """Cleans up: `look` only plans and changes nothing; `clean_up` removes."""

    order: Order
    registry: Registry
    readings: ReadingStore
    rollups: RollupStore
    retentions: Sequence[Retention]
    tombstones: Tombstones
    clock: Clock

    async def look(self) -> CleanUpResult:
        """What would go, and what would be refused: a dry run."""
        plan = await self._plan([])
        return CleanUpResult(_summed(plan.stones), plan.refused)

    async def clean_up(self, progress: Progress | None = None) -> CleanUpResult:
        """Remove what may go; what `progress` raises ends the work, to be gone on with later."""
        await self._close_what_others_left()
        mine = await self.tombstones.of_job(self.order.job_id)
        plan = await self._plan(mine)
        await self._draw(plan, mine)
        mine = await self.tombstones.of_job(self.order.job_id)
        mine = await self._count([stone for stone in mine if stone.rows is None], mine)
        await self._remove([stone for stone in mine if stone.removed_utc is None], progress)
        return CleanUpResult(_summed(await self.tombstones.of_job(self.order.job_id)), plan.refused)

    async def close(self, stones: Sequence[Tombstone]) -> None:
        """Let tombstones of a clean-up that ends here say what went until now."""
        nothing = [stone for stone in stones if stone.rows is None]
        await self.tombstones.drop(nothing)
        await self._finish([stone for stone in stones if stone.rows is not None])

    def _store(self, kind: Kind) -> Retention | None:
        return next((store for store in self.retentions if kind in store.kinds), None)

    async def _plan(self, mine: Sequence[Tombstone]) -> _Plan:
        """What is to go beside that which this job has drawn lines for already."""
        plan = _Plan()
        holds = await self.registry.holds()
        meters = await self.registry.meters()
        if self.order.site_id is not None:
            await self.registry.site(self.order.site_id)  # says so where there is none
            meters = meters.filter(site_id=self.order.site_id)
        for kind, days in sorted(
            self.order.days.items(), key=lambda each: list(Kind).index(each[0])
        ):
            store = self._store(kind)
            if store is None:
                said = f"the store keeps {kind} where wattbook removes nothing"
                plan.refused.append(
                    Refusal(kind=kind, site_id=None, reason="unsupported", detail=said, owners=0)
                )
            elif kind.of_meters:
                meters = await self._plan_meters(plan, store, kind, days, meters, holds, mine)
            elif kind.of_entities:
                await self._plan_entities(plan, store, kind, days, holds, mine)
            elif self.order.site_id is None:
                await self._plan_shared(plan, store, kind, days, holds, mine)
        return plan

    async def _plan_meters(
        self,
        plan: _Plan,
        store: Retention,
        kind: Kind,
        days: int,
        meters: pl.DataFrame,
        holds: Mapping[str, str],
        mine: Sequence[Tombstone],
    ) -> pl.DataFrame:
        """Plan one kind; `frames.METERS` with the lines as they will be."""
        lines = cutoffs.lines(meters, kind, days, self.order.now)
        have = [stone.owner for stone in mine if stone.kind is kind]
        lines = lines.filter(~pl.col("owner").is_in(have))
        held = pl.col("site_id").is_in(list(holds))
        found = await self._tallied(store, kind, lines.filter(held), meters)
        for site_id, rows in _by_site(lines.filter(held), found):
            self._refuse(plan, kind, site_id, "hold", f"legal hold: {holds[site_id]}", rows)
        lines = lines.filter(~held)
        if kind is Kind.READINGS and lines.height:
            lines = await self._complete(lines, meters)
            lines = await self._rolled_up(plan, store, lines, meters)
        tally = await self._tallied(store, kind, lines, meters)
        lines = lines.join(tally.select("owner").unique(), on="owner", how="semi")
        self._add(plan, kind, lines, tally)
        return cutoffs.with_cutoffs(meters, kind, lines)

    async def _plan_entities(
        self,
        plan: _Plan,
        store: Retention,
        kind: Kind,
        days: int,
        holds: Mapping[str, str],
        mine: Sequence[Tombstone],
    ) -> None:
        """Plan a kind whose rows are about sites: what is not about one alone any hold keeps."""
        until, tally = await self._standing(store, kind, days, mine)
        of_site = pl.col("owner").str.starts_with(OF_SITE)
        owners = tally.select(
            "owner", site_id=pl.when(of_site).then(pl.col("owner").str.slice(len(OF_SITE)))
        ).unique()
        if self.order.site_id is not None:
            owners = owners.filter(site_id=self.order.site_id)
        free = _free_of(holds, owners)
        held = owners.join(free, on="owner", how="anti")
        for site_id, count in held.group_by("site_id").agg(pl.len()).sort("site_id").iter_rows():
            said = f"legal hold: {holds[site_id]}" if site_id else _any_hold(holds)
            self._refuse(plan, kind, site_id, "hold", said, count)
        lines = free.with_columns(until_utc=pl.lit(until, dtype=frames.UTC))
        self._add(plan, kind, lines, tally)

    async def _plan_shared(
        self,
        plan: _Plan,
        store: Retention,
        kind: Kind,
        days: int,
        holds: Mapping[str, str],
        mine: Sequence[Tombstone],
    ) -> None:
        """Plan a kind whose rows belong to no one site: a hold on any of them keeps all."""
        until, tally = await self._standing(store, kind, days, mine)
        if tally.height and holds:
            self._refuse(plan, kind, None, "hold", _any_hold(holds), tally["owner"].n_unique())
            return
        owners = tally.select("owner", site_id=pl.lit(None, dtype=pl.String)).unique()
        lines = owners.with_columns(until_utc=pl.lit(until, dtype=frames.UTC))
        self._add(plan, kind, lines, tally)

    async def _standing(
        self, store: Retention, kind: Kind, days: int, mine: Sequence[Tombstone]
    ) -> tuple[datetime, pl.DataFrame]:
        """The line of a kind, and how much before it has no tombstone of this order yet."""
        until = self.order.now - timedelta(days=days)
        tally = await store.tally(kind, _everybody(until))
        have = [stone.owner for stone in mine if stone.kind is kind]
        return until, tally.filter(~pl.col("owner").is_in(have))

    def _add(self, plan: _Plan, kind: Kind, lines: pl.DataFrame, tally: pl.DataFrame) -> None:
        plan.lines[kind] = lines
        totals = tally.group_by("owner").agg(pl.col("rows").sum(), pl.col("first_utc").min())
        for row in lines.join(totals, on="owner").sort("owner").iter_rows(named=True):
            plan.stones.append(
                Tombstone(
                    job_id=self.order.job_id,
                    kind=kind,
                    owner=row["owner"],
                    site_id=row["site_id"],
                    from_utc=row["first_utc"],
                    until_utc=row["until_utc"],
                    rows=row["rows"],
                    version=self.order.version,
                )
            )

    def _refuse(
        self, plan: _Plan, kind: Kind, site_id: str | None, reason: str, detail: str, owners: int
    ) -> None:
        plan.refused.append(
            Refusal(kind=kind, site_id=site_id, reason=reason, detail=detail, owners=owners)
        )

    async def _complete(self, lines: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
        """Lines of registers no later than their figures are complete.

        What a register counted since its last readings is told by the next one: until it comes,
        the quarters between cannot be computed, so the line waits before them.
        """
        registers = meters.filter(kind=str(MeterKind.REGISTER))
        mine = registers.join(lines.select(meter_id="owner"), on="meter_id", how="semi")
        if mine.is_empty():
            return lines
        ends = await self.readings.extent(mine["meter_id"].to_list())
        last = ends.select("meter_id", from_utc="to_utc", to_utc="to_utc")
        begins = await self._first_beside(last, mine)
        zones = dict(mine.select("meter_id", "timezone").iter_rows())
        latest = {name: periods.floor(at, Grain.DAY, zones[name]) for name, at in begins.items()}
        limit = pl.DataFrame(
            {"owner": list(latest), "limit": list(latest.values())},
            schema={"owner": pl.String, "limit": frames.UTC},
        )
        drawn = lines.join(limit, on="owner", how="left", maintain_order="left").with_columns(
            until_utc=pl.min_horizontal("until_utc", "limit")
        )
        before = meters.select(owner="meter_id", line="readings_from_utc")
        later = (pl.col("until_utc") >= pl.col("line")).fill_null(value=True)
        return drawn.join(before, on="owner").filter(later).select(lines.columns)

    async def _first_beside(self, spans: pl.DataFrame, meters: pl.DataFrame) -> dict[str, datetime]:
        """By meter the first of the readings that decide the quarters of its span and after."""
        found: dict[str, datetime] = {}
        for part in spans.iter_slices(METERS_PER_CHUNK):
            _, rows = await self.readings.around(affected.affected_spans(part, meters))
            first = rows.group_by("meter_id").agg(pl.col("ts_utc").min())
            found |= dict(first.iter_rows())
        return found

    async def _rolled_up(
        self, plan: _Plan, store: Retention, lines: pl.DataFrame, meters: pl.DataFrame
    ) -> pl.DataFrame:
        """Those lines before which every reading is in the figures; the others are refused."""
        dirty = await self._dirty(lines, meters)
        for site_id, count in _by_site(lines.filter(pl.col("owner").is_in(dirty)), None):
            said = "readings before the line are not rolled up yet"
            self._refuse(plan, Kind.READINGS, site_id, "dirty", said, count)
        lines = lines.filter(~pl.col("owner").is_in(dirty))

        quarters = self._store(Kind.QUARTERS)
        assert quarters is not None  # whatever keeps readings, rollups are in one of our stores
        spans = lines.join(
            meters.select(owner="meter_id", since_utc="readings_from_utc"), on="owner"
        )
        kept = (await store.tally(Kind.READINGS, spans)).group_by("owner").agg(pl.col("rows").sum())
        counted = await quarters.tally(Kind.QUARTERS, spans)
        rolled = counted.group_by("owner").agg(pl.col("readings").sum())
        both = kept.join(rolled, on="owner", how="left")
        lacking = both.filter(pl.col("rows").ne_missing(pl.col("readings")))["owner"].to_list()
        for site_id, count in _by_site(lines.filter(pl.col("owner").is_in(lacking)), None):
            said = "the quarters do not count as many readings as there are: wattbook rollup --all"
            self._refuse(plan, Kind.READINGS, site_id, "missing_rollups", said, count)
        return lines.filter(~pl.col("owner").is_in(lacking))

    async def _dirty(self, lines: pl.DataFrame, meters: pl.DataFrame) -> list[str]:
        """Owners of which a change that is not rolled up reaches before the line."""
        ids = lines["owner"].to_list()
        marks = (await self.rollups.dirty(ids)).join(
            lines.select("until_utc", meter_id="owner"), on="meter_id"
        )
        near = marks.filter(pl.col("from_utc") < pl.col("until_utc") + cutoffs.AS_OF_MARGIN)
        late = near.filter(pl.col("from_utc") < pl.col("until_utc"))["meter_id"].unique()
        registers = meters.filter(kind=str(MeterKind.REGISTER))
        rest = near.filter(~pl.col("meter_id").is_in(late.implode())).join(
            registers.select("meter_id"), on="meter_id", how="semi"
        )
        found = set(late)
        if rest.height:
            spans, _ = await self.readings.around(affected.affected_spans(rest, registers))
            reaching = spans.join(lines.select("until_utc", meter_id="owner"), on="meter_id")
            found |= set(reaching.filter(pl.col("from_utc") < pl.col("until_utc"))["meter_id"])
        return sorted(found)

    async def _tallied(
        self, store: Retention, kind: Kind, lines: pl.DataFrame, meters: pl.DataFrame
    ) -> pl.DataFrame:
        """What is to go; of readings all but those on which figures after the line rest."""
        if lines.is_empty():
            return pl.DataFrame(schema=cutoffs.TALLY)
        return await store.tally(kind, await self._cut(kind, lines, meters))

    async def _cut(self, kind: Kind, lines: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
        if kind is not Kind.READINGS or lines.is_empty():
            return lines
        spans = lines.select(meter_id="owner", from_utc="until_utc", to_utc="until_utc")
        first = await self._first_beside(spans, meters)
        beside = pl.DataFrame(
            {"owner": list(first), "first": list(first.values())},
            schema={"owner": pl.String, "first": frames.UTC},
        )
        return (
            lines.join(beside, on="owner", how="left", maintain_order="left")
            .with_columns(until_utc=pl.min_horizontal("until_utc", "first"))
            .drop("first")
        )

    async def _draw(self, plan: _Plan, mine: Sequence[Tombstone]) -> None:
        """Draw the lines, and see that nothing has slipped in before them.

        While the turn is held nobody rolls up; what was judged before a line was seen has been
        written after a while.
        """
        if not plan.stones and all(stone.rows is not None for stone in mine):
            return
        fresh = [replace(stone, rows=None, from_utc=None) for stone in plan.stones]
        sites = (await self.registry.meters())["site_id"].unique().to_list()
        async with self.rollups.turn(sites):
            await self.tombstones.put(fresh)
            await asyncio.sleep(QUIET_S)
            drawn = [stone for stone in (*mine, *fresh) if stone.rows is None]
            lines = _lines([stone for stone in drawn if stone.kind is Kind.READINGS])
            late = await self._dirty(lines, await self.registry.meters())
            await self.tombstones.drop(
                [stone for stone in drawn if stone.kind.of_meters and stone.owner in late]
            )
        for site_id, count in _by_site(lines.filter(pl.col("owner").is_in(late)), None):
            said = "readings before the cutoff arrived during the clean-up"
            self._refuse(plan, Kind.READINGS, site_id, "dirty", said, count)

    async def _count(
        self, stones: Sequence[Tombstone], mine: Sequence[Tombstone]
    ) -> list[Tombstone]:
        """The job's tombstones, all of them with how much there is to remove."""
        counted = []
        for kind, of_kind in _by_kind(stones).items():
            tally = await self._left(kind, of_kind)
            totals = tally.group_by("owner").agg(pl.col("rows").sum(), pl.col("first_utc").min())
            known = {owner: (rows, first) for owner, rows, first in totals.iter_rows()}
            for stone in of_kind:
                rows, first = known.get(stone.owner, (0, None))
                counted.append(replace(stone, rows=rows, from_utc=first))
        if counted:
            await self.tombstones.put(counted)
        return [stone for stone in mine if stone.rows is not None] + counted

    async def _remove(self, stones: Sequence[Tombstone], progress: Progress | None) -> None:
        """Remove what lies before the lines of these tombstones, chunk by chunk."""
        total = sum(stone.rows or 0 for stone in stones)
        done = 0
        for kind, of_kind in _by_kind(stones).items():
            store = self._store(kind)
            assert store is not None  # it was there when the line was drawn
            lines, tally = await self._lines_of(kind, of_kind), await self._left(kind, of_kind)
            for chunk in cutoffs.chunks(tally):
                free = await self._free(lines)
                if kind.of_meters or kind.of_entities:
                    free = free.filter(pl.col("owner").is_in(chunk.owners))
                if free.height:
                    await store.remove(kind, free, chunk.before)
                done += chunk.rows
                if progress is not None:
                    progress(done, max(done, total))
            await self._finish(of_kind)

    async def _free(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Lines of those that are not on hold, which may have come while we work."""
        return _free_of(await self.registry.holds(), lines)

    async def _lines_of(self, kind: Kind, stones: Sequence[Tombstone]) -> pl.DataFrame:
        if kind.of_entities:
            return _lines(stones)
        if not kind.of_meters:
            return _everybody(stones[0].until_utc)
        return await self._cut(kind, _lines(stones), await self.registry.meters())

    async def _left(self, kind: Kind, stones: Sequence[Tombstone]) -> pl.DataFrame:
        """What there still is before the lines of tombstones of one kind."""
        store = self._store(kind)
        assert store is not None
        tally = await store.tally(kind, await self._lines_of(kind, stones))
        return tally.filter(pl.col("owner").is_in([stone.owner for stone in stones]))

    async def _finish(self, stones: Sequence[Tombstone]) -> None:
        """Note that removing is over, and how much of what was counted went.

        Where nothing did, as under a hold that came meanwhile, the line is taken back.
        """
        now = self.clock.now()
        for kind, of_kind in _by_kind(stones).items():
            tally = await self._left(kind, of_kind)
            left = dict(tally.group_by("owner").agg(pl.col("rows").sum()).iter_rows())
            over = [
                replace(stone, rows=(stone.rows or 0) - left.get(stone.owner, 0), removed_utc=now)
                for stone in of_kind
            ]
            await self.tombstones.put([stone for stone in over if stone.rows])
            await self.tombstones.drop([stone for stone in over if not stone.rows])

    async def _close_what_others_left(self) -> None:
        """Of clean-ups that were given up, nobody else says how far they came."""
        others = await self.tombstones.unfinished()
        await self.close([stone for stone in others if stone.job_id != self.order.job_id])
