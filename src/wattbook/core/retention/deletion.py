"""What a tombstone says of a site or meter that was deleted."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final

import polars as pl

from wattbook.core.archive import checksums
from wattbook.core.archive.tables import BY_NAME, READINGS
from wattbook.core.registry.entities import Meter, Site
from wattbook.core.retention.cutoffs import Tombstone
from wattbook.core.retention.kinds import Kind

STORED: Final = (READINGS, BY_NAME["reading_revisions"], BY_NAME["refused_instants"])
"""Tables of what came in of a meter."""
FIGURES: Final = (Kind.QUARTERS, Kind.HOURS, Kind.DAYS, Kind.WEEKS, Kind.MONTHS)
"""What is computed from readings."""


def opened(
    site: Site,
    meters: Sequence[Meter],
    *,
    whole: bool,
    job_id: str,
    now: datetime,
    version: str,
    requested_by: str,
    reason: str | None,
) -> tuple[Tombstone, ...]:
    """Tombstones of a deletion that begins: one of each meter, and where it goes one of the site.

    Nothing is counted in them.
    """
    blank = Tombstone(
        job_id=job_id,
        kind=Kind.METER,
        owner="",
        site_id=site.id,
        from_utc=None,
        until_utc=now,
        rows=None,
        version=version,
        requested_by=requested_by,
        reason=reason,
    )
    of_meters = [replace(blank, owner=meter.id, entity=document(meter)) for meter in meters]
    of_site = replace(blank, kind=Kind.SITE, owner=site.id, entity=document(site))
    return (of_site, *of_meters) if whole else tuple(of_meters)


def summed(stones: Sequence[Tombstone]) -> list[Tombstone]:
    """The tombstones of a deletion, that of the site with the sums of its meters."""
    of_meters = [stone for stone in stones if stone.kind is Kind.METER]
    first = min((stone.from_utc for stone in of_meters if stone.from_utc), default=None)
    rows = sum(stone.rows or 0 for stone in of_meters)
    counts: dict[str, int] = {}
    for stone in of_meters:
        for name, count in (stone.counts or {}).items():
            counts[name] = counts.get(name, 0) + count
    return [
        replace(stone, rows=rows, from_utc=first, counts=counts)
        if stone.kind is Kind.SITE
        else stone
        for stone in stones
    ]


def checksum(months: pl.DataFrame) -> str | None:
    """SHA-256 over the lines `2026-01 SHA256` of the months of one meter; null without any.

    Parameters
    ----------
    months
        `frames.CHECKSUMS` of the meter's readings: they are the same in every store.
    """
    if months.is_empty():
        return None
    lines = months.sort("month").select("month", "sha256").iter_rows()
    text = "".join(f"{month:%Y-%m} {sha256}\n" for month, sha256 in lines)
    return hashlib.sha256(text.encode()).hexdigest()


def months_of(readings: pl.DataFrame) -> pl.DataFrame:
    """`frames.CHECKSUMS` of readings of one meter."""
    return checksums.of_rows(readings, READINGS)


def document(entity: object) -> dict[str, object]:
    """A site or meter as JSON can hold it, by the names of its fields."""
    found = _plain(entity)
    assert isinstance(found, dict)
    return found


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, StrEnum) else value
