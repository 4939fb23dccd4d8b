"""Deleting a site or a meter that was registered by mistake.

One transaction of the registry takes it away and writes its tombstone. From then on nothing of it
is accepted, so that what there is of it can be counted and removed from the store of readings. That
part may be done again: who deletes once more after a crash goes on with it, and until it is done
the id cannot be registered.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Protocol, Self

import polars as pl

from wattbook.core import frames
from wattbook.core.archive import tables
from wattbook.core.archive.tables import BY_NAME, READINGS
from wattbook.core.errors import ConflictError, InvalidEntityError, Problem, UnknownEntityError
from wattbook.core.registry.entities import HOLD_REASON, SLUG, Meter, Site
from wattbook.core.retention import deletion
from wattbook.core.retention.cutoffs import Tombstone
from wattbook.core.retention.kinds import Kind
from wattbook.flows.sites import Check
from wattbook.ports.archive import Archive
from wattbook.ports.clock import Clock
from wattbook.ports.registry import Registry, Removal
from wattbook.ports.retention import Retention
from wattbook.ports.rollups import RollupStore
from wattbook.ports.tombstones import Tombstones

QUIET_S: Final = 2.0
"""Other processes see a deletion within a second; what they accepted before is written by then."""
EVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
NO_SPANS: Final = pl.DataFrame(
    schema={"meter_id": pl.String, "from_utc": frames.UTC, "to_utc": frames.UTC}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be deleted, by whom and why."""

    site_id: str
    meter_id: str | None = None
    """Null: the whole site."""
    force: bool = False
    """Also where there are readings: they are removed."""
    reason: str | None = None
    requested_by: str
    version: str
    check: Check | None = None


class Ports(Protocol):
    """What a deletion touches."""

    @property
    def registry(self) -> Registry: ...
    @property
    def archive(self) -> Archive: ...
    @property
    def rollups(self) -> RollupStore: ...
    @property
    def retentions(self) -> Sequence[Retention]: ...
    @property
    def tombstones(self) -> Tombstones: ...
    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleter:
    """Deletes sites and meters."""

    registry: Registry
    archive: Archive
    rollups: RollupStore
    retentions: Sequence[Retention]
    tombstones: Tombstones
    clock: Clock

    @classmethod
    def of(cls, ports: Ports) -> Self:
        """The deleter of the stores that are open."""
        return cls(
            registry=ports.registry,
            archive=ports.archive,
            rollups=ports.rollups,
            retentions=ports.retentions,
            tombstones=ports.tombstones,
            clock=ports.clock,
        )

    async def delete(self, request: Request) -> list[Tombstone]:
        """Delete, and remove all data of what is deleted; returns the tombstones.

        Raises
        ------
        ConflictError
            The site is on legal hold; there are readings and the request does not force it; or
            other meters are behind the meter.
        """
        _check_reason(request.reason)
        stones = await self._begun(request)
        if not stones:
            stones = await self._unregister(request)
        await asyncio.sleep(QUIET_S)
        meter_ids = [stone.owner for stone in stones if stone.kind is Kind.METER]
        async with self.rollups.turn([request.site_id]):
            if any(stone.rows is None for stone in stones):
                stones = await self._counted(stones, meter_ids)
                await self.tombstones.put(stones)
            await self._remove(meter_ids)
            over = [replace(stone, removed_utc=self.clock.now()) for stone in stones]
            await self.tombstones.put(over)
        return over

    async def _begun(self, request: Request) -> list[Tombstone]:
        """The tombstones of a deletion of the same that did not come to its end."""
        kind = Kind.SITE if request.meter_id is None else Kind.METER
        owner = request.site_id if request.meter_id is None else request.meter_id
        if not (SLUG.fullmatch(owner) and SLUG.fullmatch(request.site_id)):
            return []
        return await self.tombstones.deletion(kind, owner, request.site_id)

    async def _unregister(self, request: Request) -> list[Tombstone]:
        site = await self.registry.site(request.site_id)
        meters = _meters(site, request)
        _refuse_hold(site)
        if not request.force:
            await self._refuse_data(request, meters)
        job_id = f"deletion-{secrets.token_hex(8)}"
        now = self.clock.now()

        def plan(found: Site) -> Removal:
            if request.check is not None:
                request.check(found)
            _refuse_hold(found)
            own = _meters(found, request)
            if not request.force and {each.id for each in own} != {each.id for each in meters}:
                raise ConflictError(f"site {found.id!r} was changed meanwhile: try again")
            whole = request.meter_id is None
            stones = deletion.opened(
                found,
                own,
                whole=whole,
                job_id=job_id,
                now=now,
                version=request.version,
                requested_by=request.requested_by,
                reason=request.reason,
            )
            return Removal(
                meters=None if whole else tuple(meter.id for meter in own), tombstones=stones
            )

        return list(await self.registry.remove(request.site_id, plan, now))

    async def _refuse_data(self, request: Request, meters: Sequence[Meter]) -> None:
        """Refuse to delete what has readings, or figures whose readings were cleaned up."""
        counts = await self._counts([meter.id for meter in meters])
        readings = sum(each[READINGS.name] for each in counts.values())
        figures = sum(each["rollups"] for each in counts.values())
        if not readings + figures:
            return
        what = (
            f"site {request.site_id!r}"
            if request.meter_id is None
            else f"meter {request.meter_id!r}"
        )
        detail = (
            f"{what} has {readings:,} readings and {figures:,} figures computed from them: force"
            " deletes them too and cannot be undone; the tombstone keeps counts and a checksum"
        )
        raise ConflictError(detail, [Problem("has_readings", detail, field="force")])

    async def _counts(self, meter_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """Of each meter how many rows there are of each kind."""
        names = [table.name for table in deletion.STORED]
        counts = {each: dict.fromkeys([*names, "rollups", "anomalies"], 0) for each in meter_ids}
        contents = await self._contents(meter_ids)
        for owner, table, rows in contents.select("owner", "table", "rows").iter_rows():
            counts[owner][table] += rows
        for kind in (*deletion.FIGURES, Kind.ANOMALIES):
            for store in self._stores(kind):
                tally = await store.tally(kind, _lines(meter_ids))
                for owner, rows in tally.select("owner", "rows").iter_rows():
                    counts[owner][kind.table] += rows
        return counts

    async def _contents(self, meter_ids: Sequence[str]) -> pl.DataFrame:
        """`frames.CONTENTS` of what came in of these meters."""
        tables = [table for table in deletion.STORED if table.name in self.archive.holds]
        contents = await self.archive.contents(tables)
        return contents.filter(pl.col("owner").is_in(meter_ids))

    def _stores(self, kind: Kind) -> list[Retention]:
        return [store for store in self.retentions if kind in store.kinds]

    async def _counted(
        self, stones: Sequence[Tombstone], meter_ids: Sequence[str]
    ) -> list[Tombstone]:
        """The tombstones with what there is to remove."""
        counts = await self._counts(meter_ids)
        contents = await self._contents(meter_ids)
        done = []
        for stone in stones:
            if stone.kind is Kind.METER:
                first, sha256 = await self._fingerprint(stone.owner, contents)
                own: Mapping[str, int] = counts[stone.owner]
                rows = own[READINGS.name]
                known = replace(stone, rows=rows, from_utc=first, counts=own, sha256=sha256)
                done.append(known)
            else:
                done.append(stone)
        return deletion.summed(done)

    async def _fingerprint(
        self, meter_id: str, contents: pl.DataFrame
    ) -> tuple[datetime | None, str | None]:
        """The first instant of a meter's readings, and their checksum."""
        first: datetime | None = None
        sums = [frames.CHECKSUMS.empty()]
        months = contents.filter(table=READINGS.name, owner=meter_id).sort("month")["month"]
        for month in months:
            rows = await self.archive.take(READINGS, [meter_id], tables.span(month))
            first = first or rows["ts_utc"].min()  # type: ignore[assignment]
            sums.append(deletion.months_of(rows))
        return first, deletion.checksum(pl.concat(sums))

    async def _remove(self, meter_ids: Sequence[str]) -> None:
        """Remove all data of meters; what is gone already does not matter."""
        if not meter_ids:
            return
        contents = await self._contents(meter_ids)
        for table in deletion.STORED:
            for portion in tables.portions(contents, table):
                empty = BY_NAME[table.name].contract.empty()
                await self.archive.put(table, portion.owners, portion.period, empty)
        await self._remove_figures(list(meter_ids))
        for store in self._stores(Kind.ANOMALIES):
            await store.remove(Kind.ANOMALIES, _lines(meter_ids), EVER)

    async def _remove_figures(self, meter_ids: list[str]) -> None:
        """Drop rollups and register events, and the marks that would have them computed."""
        at = self.clock.now()
        spans = pl.DataFrame(
            {
                "meter_id": meter_ids,
                "from_utc": [at] * len(meter_ids),
                "to_utc": [at] * len(meter_ids),
            },
            schema=NO_SPANS.schema,
        )
        await self.rollups.mark(spans, afresh=True)
        nothing = frames.ROLLUPS.empty()
        await self.rollups.write(
            nothing,
            nothing.select(frames.ROLLUPS.key),
            frames.EVENTS.empty(),
            NO_SPANS,
            await self.rollups.dirty(meter_ids),
        )


def _meters(site: Site, request: Request) -> Sequence[Meter]:
    """The meters that go."""
    if request.meter_id is None:
        return site.meters
    own = [meter for meter in site.meters if meter.id == request.meter_id]
    if not own:
        detail = f"site {site.id!r} has no meter {request.meter_id!r}"
        raise UnknownEntityError(detail, [Problem("unknown_meter", detail, field="meter_id")])
    behind = [meter.id for meter in site.meters if meter.parent == request.meter_id]
    if behind:
        detail = (
            f"{', '.join(map(repr, behind))} {'is' if len(behind) == 1 else 'are'} behind"
            f" {request.meter_id!r}: change the parent or delete them first"
        )
        raise ConflictError(detail, [Problem("has_children", detail, field="meter_id")])
    return own


def _refuse_hold(site: Site) -> None:
    if site.hold_reason is not None:
        detail = (
            f"site {site.id!r} is on legal hold ({site.hold_reason}): nothing of it can be deleted,"
            " also with force, until the hold is released"
        )
        raise ConflictError(detail, [Problem("hold", detail, field="site_id")])


def _check_reason(reason: str | None) -> None:
    if reason is not None and not HOLD_REASON.fullmatch(reason):
        detail = "reason must have 1 to 1000 characters on one line"
        raise InvalidEntityError(detail, [Problem("bad_reason", detail, field="reason")])


def _lines(meter_ids: Sequence[str]) -> pl.DataFrame:
    """Everything of these meters, as `ports.retention` asks for it."""
    return pl.DataFrame(
        {"owner": list(meter_ids), "until_utc": [EVER] * len(meter_ids)},
        schema={"owner": pl.String, "until_utc": frames.UTC},
    )
