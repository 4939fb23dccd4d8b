"""What came in: the documents of `/ingest/batches` and `/readings`."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from wattbook.answers.encode import Answer
from wattbook.core.errors import UnknownEntityError
from wattbook.core.paging import Listing, foreign
from wattbook.core.periods import FIRST_YEAR, LAST_YEAR, Period
from wattbook.flows import listing as flow
from wattbook.ports.archive import Archive

if TYPE_CHECKING:
    from wattbook.wiring.runtime import Runtime

FIRST = datetime.fromisoformat(f"{FIRST_YEAR}-01-01T00:00:00Z")
LAST = datetime.fromisoformat(f"{LAST_YEAR}-01-01T00:00:00Z")
COMMIT_MARGIN: Final = timedelta(minutes=5)
"""A reading is stamped with when it was validated; it can be read at most so long after."""


def between(since: datetime | None, until: datetime | None) -> Period | None:
    """The period between two instants that may be left out."""
    if since is None and until is None:
        return None
    return Period(since or FIRST, until or LAST)


async def batches(
    *,
    source: str | None,
    since: datetime | None,
    until: datetime | None,
    cursor: str | None,
    limit: int,
    archive: Archive,
) -> dict[str, Any]:
    """Receipts of batches, the newest first."""
    listing = Listing("batches", {"source": source, "since": since, "until": until})
    after = None
    if cursor is not None:
        at, batch_id = listing.read_dated(cursor)
        assert isinstance(at, datetime)
        after = (at, str(batch_id))
    part = await flow.batches(
        between(since, until), source=source, after=after, limit=limit, archive=archive
    )
    following = None
    if part.more:
        last = part.rows.row(-1, named=True)
        following = listing.after(last["received_utc"], last["batch_id"])
    return {"batches": part.rows.to_dicts(), "cursor": following}


async def readings(
    *,
    site_id: str | None,
    meter_id: str | None,
    period: Period | None,
    changed_since: datetime | None,
    cursor: str | None,
    limit: int,
    runtime: "Runtime",
) -> Answer:
    """Readings as they are believed now; `next_changed_since` asks for what changes from here."""
    asked = runtime.clock.now() - COMMIT_MARGIN
    filters = {
        "site_id": site_id,
        "meter_id": meter_id,
        "start": None if period is None else period.start,
        "end": None if period is None else period.end,
        "changed_since": changed_since,
    }
    listing = Listing("readings", filters)
    meters = await runtime.registry.meters()
    for name, value in (("site_id", site_id), ("meter_id", meter_id)):
        if value is not None:
            meters = meters.filter(pl.col(name) == value)
            if meters.is_empty():
                what = name.removesuffix("_id")
                raise UnknownEntityError(f"no {what} {value!r} is registered")
    after = None
    if cursor is not None:
        at, meter = listing.read_dated(cursor)
        assert isinstance(at, datetime)
        after = (str(meter), at)
    part = await flow.readings(
        meters,
        period,
        changed_since=changed_since,
        after=after,
        limit=limit,
        archive=runtime.archive,
        store=runtime.readings,
    )
    following = None
    if part.more:
        last = part.rows.row(-1, named=True)
        following = listing.after(last["ts_utc"], last["meter_id"])
    return Answer({"next_changed_since": asked, "cursor": following}, part.rows)


async def revisions(
    *,
    meter_id: str,
    period: Period | None,
    cursor: str | None,
    limit: int,
    runtime: "Runtime",
) -> Answer:
    """Readings of a meter that were corrected: each earlier value, when known, when superseded."""
    filters = {
        "meter_id": meter_id,
        "start": None if period is None else period.start,
        "end": None if period is None else period.end,
    }
    listing = Listing("revisions", filters)
    if not (await runtime.registry.meters())["meter_id"].is_in([meter_id]).any():
        raise UnknownEntityError(f"no meter {meter_id!r} is registered")
    rows = await runtime.readings.revisions(meter_id, period or Period(FIRST, LAST))
    if cursor is not None:
        at, revision = listing.read_dated(cursor)
        same = (pl.col("ts_utc") == at) & (pl.col("revision") > _whole(str(revision)))
        rows = rows.filter((pl.col("ts_utc") > at) | same)
    page = rows.head(limit)
    following = None
    if rows.height > limit:
        last = page.row(-1, named=True)
        following = listing.after(last["ts_utc"], str(last["revision"]))
    return Answer({"cursor": following}, page)


def _whole(text: str) -> int:
    """The revision in a cursor."""
    if not text.isdecimal():
        raise foreign()
    return int(text)
