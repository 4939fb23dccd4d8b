"""What meters and capacities were, from when until when, and when that was said."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, Select, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.core.registry import dated
from wattbook.core.registry.dated import Values
from wattbook.core.registry.entities import Meter, Site
from wattbook.core.registry.versions import Version
from wattbook.ports.registry import Recorded
from wattbook.stores.sql.assembly import NAMES, Owner, by_owner, version_of
from wattbook.stores.sql.schema import versions

VALID: Final = versions.c.superseded_utc.is_(None)


def several() -> Select[Any]:
    """The versions of whatever has more than one that holds, in the order of time."""
    many = (
        select(versions.c.kind, versions.c.owner)
        .where(VALID)
        .group_by(versions.c.kind, versions.c.owner)
        .having(func.count() > 1)
        .subquery()
    )
    same = (versions.c.kind == many.c.kind) & (versions.c.owner == many.c.owner)
    return select(versions).join(many, same).where(VALID).order_by(versions.c.id)


def changed_after(as_of: datetime) -> Select[Any]:
    """How many versions were recorded or superseded after an instant."""
    after = or_(versions.c.recorded_utc > as_of, versions.c.superseded_utc > as_of)
    return select(func.count()).select_from(versions).where(after)


def believed(
    rows: Sequence[RowMapping], as_of: datetime
) -> dict[Owner, tuple[Version[Values], ...]]:
    """Versions as they had been said at an instant; what was first said, where that was later."""
    first: dict[Owner, datetime] = {}
    for row in rows:
        owner = row["kind"], row["owner"]
        first[owner] = min(first.get(owner, row["recorded_utc"]), row["recorded_utc"])
    return by_owner(row for row in rows if _held(row, max(as_of, first[row["kind"], row["owner"]])))


def _held(row: RowMapping, at: datetime) -> bool:
    return row["recorded_utc"] <= at and (
        row["superseded_utc"] is None or row["superseded_utc"] > at
    )


async def of_sites(
    connection: AsyncConnection, site_ids: Sequence[str]
) -> dict[Owner, tuple[Version[Values], ...]]:
    """Versions that hold, of all meters and capacities of some sites."""
    query = select(versions).where(VALID, versions.c.site_id.in_(site_ids)).order_by(versions.c.id)
    return by_owner((await connection.execute(query)).mappings())


async def record(
    connection: AsyncConnection, site_id: str, meters: Sequence[Meter], now: datetime
) -> None:
    """Keep the versions of meters; those that no longer hold are superseded."""
    wanted = {("meter", meter.id): dated.versions_of(meter) for meter in meters}
    await _settle(connection, site_id, wanted, now)


async def record_capacity(connection: AsyncConnection, site: Site, now: datetime) -> None:
    """Keep the capacities of a site."""
    await _settle(connection, site.id, {("site", site.id): dated.capacities_of(site)}, now)


async def forget(
    connection: AsyncConnection, site_id: str, meter_ids: Sequence[str] | None
) -> None:
    """Delete every version of these meters; null: of the site and of all that was ever on it."""
    gone = [versions.c.site_id == site_id]
    if meter_ids is not None:
        gone += [versions.c.kind == "meter", versions.c.owner.in_(meter_ids)]
    await connection.execute(delete(versions).where(*gone))


async def history(connection: AsyncConnection, site_id: str) -> tuple[Recorded, ...]:
    """Every version of a site's meters and capacity, superseded ones too, as recorded."""
    columns = [versions.c[each.name] for each in fields(Recorded)]
    query = select(*columns).where(versions.c.site_id == site_id).order_by(versions.c.id)
    return tuple(Recorded(**row) for row in (await connection.execute(query)).mappings())


async def restore(connection: AsyncConnection, site_id: str, history: Sequence[Recorded]) -> None:
    """Write the versions that another registry has of a site."""
    rows = [{**asdict(each), "site_id": site_id} for each in history]
    if rows:
        await connection.execute(insert(versions), rows)


async def _settle(
    connection: AsyncConnection,
    site_id: str,
    wanted: Mapping[Owner, Sequence[Version[Values]]],
    now: datetime,
) -> None:
    query = select(versions).where(VALID, versions.c.site_id == site_id)
    there: dict[Owner, dict[Version[Values], int]] = defaultdict(dict)
    for row in (await connection.execute(query)).mappings():
        there[row["kind"], row["owner"]][version_of(row)] = row["id"]
    gone = [
        row_id
        for owner, versions_ in wanted.items()
        for version, row_id in there[owner].items()
        if version not in versions_
    ]
    fresh = [
        {
            "kind": kind,
            "owner": owner,
            "site_id": site_id,
            "valid_from": each.valid_from,
            "valid_to": each.valid_to,
            "attributes": dated.written(NAMES[kind], each.what),
            "recorded_utc": now,
        }
        for (kind, owner), versions_ in wanted.items()
        for each in versions_
        if each not in there[kind, owner]
    ]
    if gone:
        statement = update(versions).where(versions.c.id == bindparam("row_id"))
        await connection.execute(
            statement.values(superseded_utc=now), [{"row_id": each} for each in gone]
        )
    if fresh:
        await connection.execute(insert(versions), fresh)
