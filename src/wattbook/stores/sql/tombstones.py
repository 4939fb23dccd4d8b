"""What was removed, in SQLite or PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, and_, delete, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from wattbook.core.paging import Listing
from wattbook.core.retention.cutoffs import Tombstone
from wattbook.core.retention.kinds import REGISTERED, Kind
from wattbook.ports.tombstones import StonePage
from wattbook.stores.sql.engine import reached
from wattbook.stores.sql.schema import registry_version, tombstones

KEY: Final = ("job_id", "kind", "owner")
DELETED: Final = tombstones.c.kind.in_([str(kind) for kind in REGISTERED])
ROWS_PER_CHUNK: Final = 1000
"""So many rows go into one statement."""


class SqlTombstones:
    """`ports.tombstones.Tombstones` in an SQL database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def put(self, stones: Sequence[Tombstone]) -> None:
        """Keep all of these, in place of those with the same key; one transaction."""
        async with self._writing() as connection:
            await keep(connection, stones)

    async def drop(self, stones: Sequence[Tombstone]) -> None:
        """Take back tombstones under which nothing was removed."""
        async with self._writing() as connection:
            for stone in stones:
                mine = (tombstones.c[name] == str(getattr(stone, name)) for name in KEY)
                await connection.execute(delete(tombstones).where(*mine))

    async def unfinished(self) -> list[Tombstone]:
        """Those of clean-ups under which removing is, or was, under way."""
        return await self._all(tombstones.c.removed_utc.is_(None), ~DELETED)

    async def deletion(self, kind: Kind, owner: str, site_id: str) -> list[Tombstone]:
        """Those of the deletion of a site or meter whose data is not all removed; or none."""
        mine = (
            tombstones.c.kind == str(kind),
            tombstones.c.owner == owner,
            tombstones.c.site_id == site_id,
        )
        for stone in await self._all(tombstones.c.removed_utc.is_(None), *mine):
            return await self.of_job(stone.job_id)
        return []

    async def of_job(self, job_id: str) -> list[Tombstone]:
        """Those of one job, by kind and owner."""
        return await self._all(tombstones.c.job_id == job_id)

    async def page(
        self,
        *,
        job_id: str | None = None,
        kind: Kind | None = None,
        owner: str | None = None,
        site_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> StonePage:
        """Tombstones by `until_utc`, the latest first."""
        named = {"job_id": job_id, "kind": kind, "owner": owner, "site_id": site_id}
        listing = Listing("tombstones", named | {"since": since, "until": until}, len(KEY))
        asked: list[ColumnElement[bool]] = [
            tombstones.c[name] == str(value) for name, value in named.items() if value is not None
        ]
        if since is not None:
            asked.append(tombstones.c.until_utc > since)
        if until is not None:
            asked.append(tombstones.c.from_utc < until)
        place = [tombstones.c.until_utc, *(tombstones.c[name] for name in KEY)]
        if after is not None:
            asked.append(tuple_(*place) < listing.read_dated(after))
        order = [column.desc() for column in place]
        query = select(tombstones).where(and_(True, *asked)).order_by(*order).limit(limit + 1)
        with reached(self._engine.url):
            async with self._engine.connect() as connection:
                rows = (await connection.execute(query)).mappings().all()
        found = tuple(_stone(row) for row in rows[:limit])
        if len(rows) <= limit:
            return StonePage(found, None)
        last = found[-1]
        key = (str(getattr(last, name)) for name in KEY)
        return StonePage(found, listing.after(last.until_utc, *key))

    async def _all(self, *which: ColumnElement[bool]) -> list[Tombstone]:
        query = select(tombstones).where(*which).order_by(*(tombstones.c[name] for name in KEY))
        with reached(self._engine.url):
            async with self._engine.connect() as connection:
                rows = (await connection.execute(query)).mappings().all()
        return [_stone(row) for row in rows]

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that tells the registry's caches that the meters' lines have moved."""
        higher = registry_version.c.version + 1
        with reached(self._engine.url):
            async with self._engine.begin() as connection:
                await connection.execute(update(registry_version).values(version=higher))
                yield connection


async def keep(connection: AsyncConnection, stones: Sequence[Tombstone]) -> None:
    """Keep all of these, in place of those with the same key; part of a transaction."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    fresh = dialect.insert(tombstones)
    rest = [column.key for column in tombstones.c if column.key not in KEY]
    statement = fresh.on_conflict_do_update(
        index_elements=list(KEY), set_={name: fresh.excluded[name] for name in rest}
    )
    rows = [asdict(stone) | {"kind": str(stone.kind)} for stone in stones]
    for at in range(0, len(rows), ROWS_PER_CHUNK):
        await connection.execute(statement, rows[at : at + ROWS_PER_CHUNK])


async def leaving(
    connection: AsyncConnection, site_id: str | None, meter_ids: Sequence[str]
) -> list[tuple[Kind, str]]:
    """Those of a site and of meters that were deleted and whose data is not all removed."""
    columns = (tombstones.c.kind, tombstones.c.owner)
    asked = or_(
        and_(tombstones.c.kind == str(Kind.SITE), tombstones.c.owner == site_id),
        and_(tombstones.c.kind == str(Kind.METER), tombstones.c.owner.in_(meter_ids)),
    )
    query = select(*columns).where(asked, tombstones.c.removed_utc.is_(None)).distinct()
    rows = await connection.execute(query.order_by(*columns))
    return [(Kind(row.kind), row.owner) for row in rows]


def _stone(row: RowMapping) -> Tombstone:
    about: dict[str, Any] = {**row, "kind": Kind(row["kind"])}
    return Tombstone(**about)
