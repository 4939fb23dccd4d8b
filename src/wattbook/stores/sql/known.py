"""The meters as one frame: as they are, or as they were said to be."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import polars as pl
from sqlalchemy import String, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.core.frames import METERS, VERSION, check
from wattbook.core.registry import dated
from wattbook.core.registry.dated import Values
from wattbook.core.registry.entities import CAPACITIES, DATED, HOLD_INTERVALS
from wattbook.core.registry.versions import Version
from wattbook.core.retention.cutoffs import LINES
from wattbook.stores.sql import versions
from wattbook.stores.sql.assembly import DEFAULTS, Held, by_owner
from wattbook.stores.sql.schema import meters, sites, tombstones
from wattbook.stores.sql.schema import versions as kept

Row = dict[str, Any]
ABOUT: Final = [name for name in VERSION if not name.startswith("valid_")]
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
    type_coerce(meters.c.expected_interval, String).label("expected_interval"),
    meters.c.valid_from.label("valid_from_utc"),
    meters.c.valid_to.label("valid_to_utc"),
).join_from(meters, sites)
SITE_QUERY: Final = select(
    sites.c.id.label("site_id"), sites.c.operator, sites.c.zone, sites.c.timezone
)
LINE_QUERY: Final = (
    select(tombstones.c.owner, tombstones.c.kind, func.max(tombstones.c.until_utc))
    .where(tombstones.c.kind.in_([str(kind) for kind in LINES]))
    .group_by(tombstones.c.owner, tombstones.c.kind)
)
"""Before which instant there is nothing left of a meter."""


async def now(connection: AsyncConnection) -> pl.DataFrame:
    """`frames.METERS` of all sites."""
    rows = [tuple(row) for row in await connection.execute(METER_QUERY)]
    several = (await connection.execute(versions.several())).mappings().all()
    lines = (await connection.execute(LINE_QUERY)).all()
    schema = {column.name: METERS.schema[column.name] for column in METER_QUERY.selected_columns}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return _finished(frame, _changing(frame, by_owner(several)), lines)


async def then(connection: AsyncConnection, as_of: datetime) -> pl.DataFrame:
    """`frames.METERS` of the sites that are still registered, as they had been said to be."""
    places = {row["site_id"]: row for row in (await connection.execute(SITE_QUERY)).mappings()}
    every = select(kept).order_by(kept.c.id)
    rows = (await connection.execute(every)).mappings().all()
    lines = (await connection.execute(LINE_QUERY)).all()
    held = versions.believed(rows, as_of)
    at = {row["owner"]: row["site_id"] for row in rows if row["kind"] == "meter"}
    meters_ = [
        {
            "meter_id": owner,
            **places[at[owner]],
            **_fields(said[-1], held["site", at[owner]][-1]),
            "valid_from_utc": said[0].valid_from,
            "valid_to_utc": said[-1].valid_to,
        }
        for (kind, owner), said in held.items()
        if kind == "meter" and at[owner] in places
    ]
    schema = {column.name: METERS.schema[column.name] for column in METER_QUERY.selected_columns}
    frame = pl.DataFrame(meters_, schema=schema)
    return _finished(frame, _changing(frame, held), lines)


def _changing(frame: pl.DataFrame, held: Held) -> dict[str, list[Row]]:
    """The versions of meters that have not always been what they are, by meter."""
    found = {}
    of_site = [name for name in CAPACITIES if name in frame.columns]
    pairs = frame.select("meter_id", "site_id", *_INSTANTS, *of_site, *_OWN).rows(named=True)
    for row in pairs if held else ():
        meter, site = held.get(("meter", row["meter_id"])), held.get(("site", row["site_id"]))
        if (meter is None or len(meter) == 1) and (site is None or len(site) == 1):
            continue
        own = meter or (_sole(row),)
        capacities = site or (Version(tuple(row.get(name) for name in CAPACITIES)),)
        found[row["meter_id"]] = list(_crossed(own, capacities))
    return found


_INSTANTS: Final = ("valid_from_utc", "valid_to_utc")
_OWN: Final = tuple(name for name in DATED if name in METERS.columns)


def _sole(row: Row) -> Version[Values]:
    what = dated.read(DATED, row, DEFAULTS)
    return Version(what, row["valid_from_utc"], row["valid_to_utc"])


def _crossed(
    own: Sequence[Version[Values]], capacities: Sequence[Version[Values]]
) -> Iterator[Row]:
    """Each span in which a meter and its site's capacity stay what they are."""
    for one in own:
        for other in capacities:
            starts = [each for each in (one.valid_from, other.valid_from) if each is not None]
            ends = [each for each in (one.valid_to, other.valid_to) if each is not None]
            begin, end = max(starts, default=None), min(ends, default=None)
            if begin is None or end is None or begin < end:
                yield {"valid_from_utc": begin, "valid_to_utc": end, **_fields(one, other)}


def _fields(own: Version[Values], capacity: Version[Values]) -> Row:
    every = dated.written(DATED, own.what) | dict(zip(CAPACITIES, capacity.what, strict=True))
    hold = every["max_hold_s"] or HOLD_INTERVALS * int(str(every["expected_interval_s"]))
    return {name: every[name] for name in ABOUT} | {"max_hold_s": hold}


def _finished(
    frame: pl.DataFrame, changing: Mapping[str, list[Row]], lines: Sequence[Sequence[Any]]
) -> pl.DataFrame:
    hold = pl.coalesce("max_hold_s", HOLD_INTERVALS * pl.col("expected_interval_s"))
    frame = frame.with_columns(max_hold_s=hold)
    dated_ = pl.DataFrame(
        {
            "meter_id": list(changing),
            "versions": list(changing.values()),
            "first_utc": [rows[0]["valid_from_utc"] for rows in changing.values()],
        },
        schema={
            "meter_id": pl.String,
            "versions": METERS.schema["versions"],
            "first_utc": METERS.schema["valid_from_utc"],
        },
    )
    first = pl.when(pl.col("versions").is_null()).then("valid_from_utc").otherwise("first_utc")
    frame = frame.join(dated_, on="meter_id", how="left").with_columns(valid_from_utc=first)
    for kind, name in LINES.items():
        drawn = {owner: until for owner, of, until in lines if of == kind}
        line = pl.DataFrame(
            {"meter_id": list(drawn), name: list(drawn.values())},
            schema={"meter_id": pl.String, name: METERS.schema[name]},
        )
        frame = frame.join(line, on="meter_id", how="left")
    return check(frame.sort("meter_id"), METERS)
