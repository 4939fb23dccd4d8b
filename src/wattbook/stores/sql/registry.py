"""Sites and what stands on them, in SQLite or PostgreSQL."""

import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import polars as pl
from sqlalchemy import (
    RowMapping,
    Select,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    type_coerce,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from wattbook.core.entities import (
    HOLD_INTERVALS,
    SLUG,
    ZONE,
    FleetItem,
    Meter,
    Site,
    Supply,
)
from wattbook.core.errors import (
    ConflictError,
    InputError,
    InvalidEntityError,
    Problem,
    UnknownEntityError,
)
from wattbook.core.frames import METERS, check
from wattbook.core.retention import LINES
from wattbook.core.tariffs import Tariff
from wattbook.ports.registry import Page, Part
from wattbook.stores.sql.engine import reached, refused
from wattbook.stores.sql.schema import (
    fleet,
    meters,
    registry_version,
    sites,
    supplies,
    tariffs,
    tombstones,
)

TABLES: Final[dict[type, Table]] = {
    Meter: meters,
    Supply: supplies,
    FleetItem: fleet,
    Tariff: tariffs,
}
TARIFF_ORDER: Final = [tariffs.c.valid_from, tariffs.c.id]
FILTERS: Final = {"operator": sites.c.operator, "zone": sites.c.zone, "status": sites.c.status}
CHANGEABLE: Final = frozenset(sites.c.keys()) - {"id", "created_utc", "updated_utc"}
METER_QUERY: Final = select(
    meters.c.id.label("meter_id"),
    meters.c.site_id,
    sites.c.operator,
    sites.c.zone,
    sites.c.timezone,
    type_coerce(meters.c.kind, String).label("kind"),
    type_coerce(meters.c.role, String).label("role"),
    meters.c.expected_interval_s,
    meters.c.max_hold_s,
    meters.c.register_size_kwh,
    type_coerce(meters.c.flow, String).label("flow"),
    meters.c.register_resolution_kwh,
    sites.c.capacity_kw,
    sites.c.plausible_kw,
).join_from(meters, sites)
LINE_QUERY: Final = (
    select(tombstones.c.owner, tombstones.c.kind, func.max(tombstones.c.until_utc))
    .where(tombstones.c.kind.in_([str(kind) for kind in LINES]))
    .group_by(tombstones.c.owner, tombstones.c.kind)
)
"""Before which instant there is nothing left of a meter."""


FRESH_S: Final = 1.0
"""For so long the meters are not asked for again: a change by another process is seen after it."""


class SqlRegistry:
    """Knows the sites."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._meters: tuple[int, pl.DataFrame] | None = None
        self._tariffs: dict[str, tuple[Tariff, ...]] = {}
        self._looked = -math.inf

    async def add(self, site: Site) -> Site:
        """Register a site with everything on it."""
        async with self._writing() as connection:
            problems = []
            if await connection.scalar(select(sites.c.id).where(sites.c.id == site.id)):
                detail = f"there is a site {site.id!r} already"
                problems.append(Problem("id_taken", detail, field="id"))
            problems += await _foreign(connection, site.id, site.meters)
            if problems:
                raise ConflictError(problems[0].detail, problems)
            await connection.execute(insert(sites), _values(sites, site))
            parts: tuple[Part, ...] = (*site.meters, *site.supplies, *site.fleet, *site.tariffs)
            await _put(connection, site.id, parts)
            return await _one(connection, site.id)

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
            query = query.where(FILTERS[name] == value)
        if after is not None:
            if not SLUG.fullmatch(after):
                detail = "this cursor was not given out here"
                raise InputError(detail, [Problem("bad_cursor", detail, field="cursor")])
            query = query.where(sites.c.id > after)
        async with self._reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
            found = await _with_parts(connection, rows[:limit])
        return Page(found, found[-1].id if len(rows) > limit else None)

    async def change(self, site_id: str, changes: Mapping[str, object], now: datetime) -> Site:
        """Change fields of a site; returns it as it then is."""
        if unknown := sorted(changes.keys() - CHANGEABLE):
            problems = [
                Problem("unknown_field", f"{name!r} of a site cannot be changed", field=name)
                for name in unknown
            ]
            raise InvalidEntityError(problems[0].detail, problems)
        async with self._writing() as connection:
            await _touch(connection, site_id, now, changes)
            return await _one(connection, site_id)

    async def put_parts(
        self,
        site_id: str,
        parts: tuple[Part, ...],
        now: datetime,
        *,
        only: type[Part] | None = None,
    ) -> Site:
        """Add parts to a site, or replace those with the same id; of the kind `only`, all."""
        async with self._writing() as connection:
            await _touch(connection, site_id, now, {})
            own = [part for part in parts if isinstance(part, Meter)]
            if problems := await _foreign(connection, site_id, own):
                raise ConflictError(problems[0].detail, problems)
            if only is not None:
                gone = TABLES[only]
                await connection.execute(delete(gone).where(gone.c.site_id == site_id))
            await _put(connection, site_id, parts)
            return await _one(connection, site_id)

    async def holds(self) -> Mapping[str, str]:
        """Why nothing of a site may be removed, for each site of which that is so."""
        query = select(sites.c.id, sites.c.hold_reason).where(sites.c.hold_reason.is_not(None))
        async with self._reading() as connection:
            rows = await connection.execute(query)
            return {row.id: row.hold_reason for row in rows}

    async def meters(self) -> pl.DataFrame:
        """`frames.METERS` of all sites, sorted by meter."""
        if self._meters is not None and time.monotonic() - self._looked < FRESH_S:
            return self._meters[1]
        async with self._reading() as connection:
            looked = time.monotonic()
            # The version first: rows that are newer than it are only read once more.
            version = await connection.scalar(select(registry_version.c.version)) or 0
            if self._meters is not None and self._meters[0] == version:
                self._looked = looked
                return self._meters[1]
            rows = (await connection.execute(METER_QUERY)).all()
            lines = (await connection.execute(LINE_QUERY)).all()
        frame = _meter_frame(rows, lines)
        self._meters, self._looked = (version, frame), looked
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
        self._looked = -math.inf
        with reached(self._engine.url):
            try:
                async with self._engine.begin() as connection:
                    await connection.execute(update(registry_version).values(version=higher))
                    yield connection
                self._looked = -math.inf
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


async def _touch(
    connection: AsyncConnection, site_id: str, now: datetime, changes: Mapping[str, object]
) -> None:
    if not SLUG.fullmatch(site_id):
        raise _unknown(site_id)
    statement = update(sites).where(sites.c.id == site_id).values({**changes, "updated_utc": now})
    if (await connection.execute(statement)).rowcount == 0:
        raise _unknown(site_id)


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
        raise _unknown(site_id)
    rows = (await connection.execute(select(sites).where(sites.c.id == site_id))).mappings().all()
    if not rows:
        raise _unknown(site_id)
    (site,) = await _with_parts(connection, rows)
    return site


async def _with_parts(connection: AsyncConnection, rows: Sequence[RowMapping]) -> tuple[Site, ...]:
    ids = [row["id"] for row in rows]
    parts = {
        table: await _by_site(connection, select(table).order_by(*order), table, ids)
        for table, order in (
            (meters, [meters.c.id]),
            (supplies, [supplies.c.valid_from, supplies.c.id]),
            (fleet, [fleet.c.valid_from, fleet.c.id]),
            (tariffs, TARIFF_ORDER),
        )
    }
    return tuple(
        Site(
            **row,
            meters=tuple(Meter(**part) for part in parts[meters][row["id"]]),
            supplies=tuple(Supply(**part) for part in parts[supplies][row["id"]]),
            fleet=tuple(FleetItem(**part) for part in parts[fleet][row["id"]]),
            tariffs=tuple(Tariff(**part) for part in parts[tariffs][row["id"]]),
        )
        for row in rows
    )


async def _by_site(
    connection: AsyncConnection, query: Select[Any], table: Table, ids: list[str]
) -> dict[str, list[RowMapping]]:
    found: dict[str, list[RowMapping]] = defaultdict(list)
    result = await connection.execute(query.where(table.c.site_id.in_(ids)))
    for row in result.mappings():
        found[row["site_id"]].append(row)
    return found


def _meter_frame(rows: Sequence[Sequence[Any]], lines: Sequence[Sequence[Any]]) -> pl.DataFrame:
    schema = {name: dtype for name, dtype in METERS.schema.items() if name not in LINES.values()}
    frame = pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")
    hold = pl.coalesce("max_hold_s", HOLD_INTERVALS * pl.col("expected_interval_s"))
    frame = frame.with_columns(max_hold_s=hold)
    for kind, name in LINES.items():
        drawn = {owner: until for owner, of, until in lines if of == kind}
        line = pl.DataFrame(
            {"meter_id": list(drawn), name: list(drawn.values())},
            schema={"meter_id": pl.String, name: METERS.schema[name]},
        )
        frame = frame.join(line, on="meter_id", how="left")
    return check(frame.sort("meter_id"), METERS)


def _values(table: Table, entity: object) -> dict[str, object]:
    return {column.key: getattr(entity, column.key) for column in table.c}


def _unknown(site_id: str) -> UnknownEntityError:
    detail = f"no site is registered as {site_id!r}"
    return UnknownEntityError(detail, [Problem("unknown_site", detail, field="site_id")])
