"""Sites and what stands on them, in SQLite or PostgreSQL."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from datetime import datetime
from typing import Final

import polars as pl
from sqlalchemy import (
    RowMapping,
    Table,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from wattbook.core.errors import (
    ConflictError,
    InputError,
    InvalidEntityError,
    Problem,
)
from wattbook.core.grid import zones
from wattbook.core.registry import dated
from wattbook.core.registry.entities import SLUG, ZONE, FleetItem, Meter, Site, Supply
from wattbook.core.registry.tariffs import Tariff
from wattbook.core.retention.cutoffs import Tombstone
from wattbook.core.retention.kinds import Kind
from wattbook.ports.registry import Edit, Edited, Page, Part, Plan, Recorded, Removal
from wattbook.stores.sql import assembly, known, tombstones, versions
from wattbook.stores.sql.engine import reached, refused
from wattbook.stores.sql.schema import (
    fleet,
    meters,
    registry_version,
    sites,
    supplies,
    tariffs,
)

TABLES: Final[dict[type, Table]] = {
    Meter: meters,
    Supply: supplies,
    FleetItem: fleet,
    Tariff: tariffs,
}
TARIFF_ORDER: Final = [tariffs.c.valid_from, tariffs.c.id]
FILTERS: Final = {"operator": sites.c.operator, "zone": sites.c.zone, "status": sites.c.status}
CHANGEABLE: Final = {each.name for each in fields(Site)} - {
    *("id", "created_utc", "updated_utc"),
    *("meters", "supplies", "fleet", "tariffs"),
}


class SqlRegistry:
    """Knows the sites."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._meters: tuple[int, pl.DataFrame] | None = None
        self._tariffs: dict[str, tuple[Tariff, ...]] = {}

    async def add(self, site: Site, history: Sequence[Recorded] = ()) -> Site:
        """Register a site with everything on it."""
        async with self._writing() as connection:
            problems = []
            if await connection.scalar(select(sites.c.id).where(sites.c.id == site.id)):
                detail = f"there is a site {site.id!r} already"
                problems.append(Problem("id_taken", detail, field="id"))
            problems += await _foreign(connection, site.id, site.meters)
            problems += await _leaving(connection, site.meters, site.id)
            if problems:
                raise ConflictError(problems[0].detail, problems)
            await connection.execute(insert(sites), _values(sites, site))
            parts: tuple[Part, ...] = (*site.meters, *site.supplies, *site.fleet, *site.tariffs)
            await _put(connection, site.id, parts)
            await versions.restore(connection, site.id, history)
            await versions.record(connection, site.id, site.meters, site.created_utc)
            await versions.record_capacity(connection, site, site.created_utc)
            return await _one(connection, site.id)

    async def history(self, site_id: str) -> Sequence[Recorded]:
        """Every version of a site's meters and capacity, superseded ones too, as recorded."""
        async with self._reading() as connection:
            return await versions.history(connection, site_id)

    async def site(self, site_id: str) -> Site:
        """One site with everything on it."""
        async with self._reading() as connection:
            return await _one(connection, site_id)

    async def sites(
        self,
        filters: Mapping[str, str] | None = None,
        *,
        after: str | None = None,
        limit: int = 100,
    ) -> Page:
        """Sites in the order of their ids, filtered by operator, zone or status."""
        query = select(sites).order_by(sites.c.id).limit(limit + 1)
        for name, value in (filters or {}).items():
            if name not in FILTERS:
                detail = f"sites are filtered by {', '.join(FILTERS)}, not by {name!r}"
                raise InputError(detail, [Problem("bad_filter", detail, field=name)])
            if not ZONE.fullmatch(value):
                return Page((), None)
            names = zones.spellings(value) if name == "zone" else [value]
            query = query.where(FILTERS[name].in_(names))
        if after is not None:
            if not SLUG.fullmatch(after):
                detail = "this cursor was not given out here"
                raise InputError(detail, [Problem("bad_cursor", detail, field="cursor")])
            query = query.where(sites.c.id > after)
        async with self._reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
            found = await _with_parts(connection, rows[:limit])
        return Page(found, found[-1].id if len(rows) > limit else None)

    async def edit(self, site_id: str, plan: Plan | Edit, now: datetime) -> Edited:
        """Change a site; `plan` sees it within the transaction that writes the change."""
        async with self._writing() as connection:
            before = await _one(connection, site_id)
            edit = plan if isinstance(plan, Edit) else plan(before)
            if edit == Edit():
                return Edited(before, before)
            await _change(connection, before, edit.changes, now)
            await _exchange(connection, before, edit, now)
            return Edited(before, await _one(connection, site_id))

    async def remove(
        self, site_id: str, plan: Callable[[Site], Removal], now: datetime
    ) -> Sequence[Tombstone]:
        """Delete a site or meters of it; returns the tombstones."""
        async with self._writing() as connection:
            removal = plan(await _one(connection, site_id))
            await versions.forget(connection, site_id, removal.meters)
            if removal.meters is None:
                for table in TABLES.values():
                    await connection.execute(delete(table).where(table.c.site_id == site_id))
                await connection.execute(delete(sites).where(sites.c.id == site_id))
            else:
                leaving = (meters.c.site_id == site_id, meters.c.id.in_(removal.meters))
                await connection.execute(delete(meters).where(*leaving))
                own = update(sites).where(sites.c.id == site_id)
                await connection.execute(own.values(updated_utc=now))
            await tombstones.keep(connection, removal.tombstones)
            return removal.tombstones

    async def holds(self) -> Mapping[str, str]:
        """Why nothing of a site may be removed, for each site of which that is so."""
        query = select(sites.c.id, sites.c.hold_reason).where(sites.c.hold_reason.is_not(None))
        async with self._reading() as connection:
            rows = await connection.execute(query)
            return {row.id: row.hold_reason for row in rows}

    async def meters(self, as_of: datetime | None = None) -> pl.DataFrame:
        """`frames.METERS` of all sites, sorted by meter, as they are or as they were said to be."""
        async with self._reading() as connection:
            # The version first: rows that are newer than it are only read once more.
            version = await connection.scalar(select(registry_version.c.version)) or 0
            if as_of is not None and await connection.scalar(versions.changed_after(as_of)):
                return await known.then(connection, as_of)
            if self._meters is not None and self._meters[0] == version:
                return self._meters[1]
            frame = await known.now(connection)
        self._meters = version, frame
        self._tariffs = {}
        return frame

    async def tariffs(self, site_id: str) -> tuple[Tariff, ...]:
        """What a site pays by, in the order of time."""
        await self.meters()  # notices where the registry has changed
        known = self._tariffs  # of one version: a later one begins another
        if site_id not in known:
            query = select(tariffs).where(tariffs.c.site_id == site_id)
            async with self._reading() as connection:
                rows = (await connection.execute(query.order_by(*TARIFF_ORDER))).mappings().all()
            known[site_id] = tuple(Tariff(**row) for row in rows)
        return known[site_id]

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        with reached(self._engine.url):
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction of its own: raising the version first makes the writers take turns."""
        higher = registry_version.c.version + 1
        with reached(self._engine.url):
            try:
                async with self._engine.begin() as connection:
                    await connection.execute(update(registry_version).values(version=higher))
                    yield connection
            except (DBAPIError, OverflowError) as error:
                if not refused(error):
                    raise
                detail = f"the registry refuses it: {getattr(error, 'orig', error)}"
                raise InvalidEntityError(detail, [Problem("refused", detail)]) from error


async def _foreign(
    connection: AsyncConnection, site_id: str, own: Sequence[Meter]
) -> list[Problem]:
    """Meters whose id another site has."""
    query = select(meters.c.id, meters.c.site_id).where(
        meters.c.id.in_([meter.id for meter in own]), meters.c.site_id != site_id
    )
    owners = {row.id: row.site_id for row in await connection.execute(query)}
    return [
        Problem(
            "id_taken",
            f"{meter.id!r} is a meter of another site, {owners[meter.id]!r}",
            field=f"meters[{index}].id",
        )
        for index, meter in enumerate(own)
        if meter.id in owners
    ]


async def _leaving(
    connection: AsyncConnection, own: Sequence[Meter], site_id: str | None = None
) -> list[Problem]:
    """Ids that were deleted, of which the data is not removed yet."""
    fields_ = {meter.id: f"meters[{index}].id" for index, meter in enumerate(own)}
    found = await tombstones.leaving(connection, site_id, list(fields_))
    return [
        Problem(
            "being_deleted",
            f"{owner!r} was deleted, and its data is not all removed yet: delete it again to finish"
            " that, then register it",
            field="id" if kind is Kind.SITE else fields_[owner],
        )
        for kind, owner in found
    ]


async def _change(
    connection: AsyncConnection, before: Site, changes: Mapping[str, object], now: datetime
) -> None:
    """Change fields of a site."""
    if unknown := sorted(changes.keys() - CHANGEABLE):
        problems = [
            Problem("unknown_field", f"{name!r} of a site cannot be changed", field=name)
            for name in unknown
        ]
        raise InvalidEntityError(problems[0].detail, problems)
    own = {name: value for name, value in changes.items() if name in sites.c}
    statement = update(sites).where(sites.c.id == before.id)
    await connection.execute(statement.values({**own, "updated_utc": now}))
    after = replace(before, **changes)  # type: ignore[arg-type]  # names are known by now
    if dated.capacities_of(after) != dated.capacities_of(before):
        await versions.record_capacity(connection, after, now)


async def _exchange(connection: AsyncConnection, before: Site, edit: Edit, now: datetime) -> None:
    """Add and replace parts of a site, in place of all others of a kind where `edit` says so."""
    own = [part for part in edit.parts if isinstance(part, Meter)]
    problems = await _foreign(connection, before.id, own) + await _leaving(connection, own)
    if problems:
        raise ConflictError(problems[0].detail, problems)
    if edit.only is not None:
        gone = TABLES[edit.only]
        await connection.execute(delete(gone).where(gone.c.site_id == before.id))
    await _put(connection, before.id, edit.parts)
    await versions.record(connection, before.id, own, now)


async def _put(connection: AsyncConnection, site_id: str, parts: Iterable[Part]) -> None:
    rows: dict[Table, list[dict[str, object]]] = defaultdict(list)
    for part in parts:
        table = TABLES[type(part)]
        rows[table].append({**_values(table, part), "site_id": site_id})
    for table, given in rows.items():
        query = select(table.c.id).where(
            table.c.site_id == site_id, table.c.id.in_([row["id"] for row in given])
        )
        there = set(await connection.scalars(query))
        if fresh := [row for row in given if row["id"] not in there]:
            await connection.execute(insert(table), fresh)
        if known := [row for row in given if row["id"] in there]:
            same = (table.c.site_id == bindparam("at_site"), table.c.id == bindparam("at_id"))
            # What is neither of the two names is set.
            rest = [{"at_site": row.pop("site_id"), "at_id": row.pop("id"), **row} for row in known]
            await connection.execute(update(table).where(*same), rest)


async def _one(connection: AsyncConnection, site_id: str) -> Site:
    if not SLUG.fullmatch(site_id):
        raise assembly.unknown_site(site_id)
    rows = (await connection.execute(select(sites).where(sites.c.id == site_id))).mappings().all()
    if not rows:
        raise assembly.unknown_site(site_id)
    (site,) = await _with_parts(connection, rows)
    return site


async def _with_parts(connection: AsyncConnection, rows: Sequence[RowMapping]) -> tuple[Site, ...]:
    ids = [row["id"] for row in rows]
    held = await versions.of_sites(connection, ids)
    parts = {}
    for table in TABLES.values():
        order = (table.c[name] for name in assembly.ORDER[table.name])
        query = select(table).where(table.c.site_id.in_(ids)).order_by(*order)
        parts[table.name] = (await connection.execute(query)).mappings().all()
    return assembly.sites_of(rows, held, parts)


def _values(table: Table, entity: object) -> dict[str, object]:
    return {column.key: getattr(entity, column.key) for column in table.c}
