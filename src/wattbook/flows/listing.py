"""Lists of what came in: batches by their receipts, readings by when they became known."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.archive import tables as keeping
from wattbook.core.archive.tables import BY_NAME, READINGS
from wattbook.core.periods import Period
from wattbook.core.readings import segments
from wattbook.ports.archive import Archive
from wattbook.ports.readings import ReadingStore

RECEIPTS: Final = BY_NAME["receipts"]


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a list, and whether more follow."""

    rows: pl.DataFrame
    more: bool


async def batches(
    period: Period | None,
    *,
    source: str | None,
    after: tuple[datetime, str] | None,
    limit: int,
    archive: Archive,
) -> Part:
    """Receipts without their rejects, the newest first, that came in the period."""
    contents = (await archive.contents([RECEIPTS])).filter(table=RECEIPTS.name)
    if source is not None:
        contents = contents.filter(owner=source)
    found: list[pl.DataFrame] = [frames.RECEIPTS.empty()]
    held = 0
    for (month,), rows in contents.sort("month", descending=True).group_by(
        "month", maintain_order=True
    ):
        span = keeping.span(month)
        taken = await archive.take(RECEIPTS, rows["owner"].to_list(), span)
        own = taken.select(list(frames.RECEIPTS.columns)).filter(_within("received_utc", period))
        if after is not None:
            at, batch_id = after
            same = (pl.col("received_utc") == at) & (pl.col("batch_id") > batch_id)
            own = own.filter((pl.col("received_utc") < at) | same)
        found.append(own)
        held += own.height
        if held > limit:
            break
    listed = pl.concat(found).sort("received_utc", "batch_id", descending=[True, False])
    return Part(listed.head(limit), listed.height > limit)


async def readings(
    meters: pl.DataFrame,
    period: Period | None,
    *,
    changed_since: datetime | None,
    after: tuple[str, datetime] | None,
    limit: int,
    archive: Archive,
    store: ReadingStore,
) -> Part:
    """Readings of some meters as they are believed now, by meter and time, with `above_capacity`.

    `changed_since`: only those that became known after it.
    """
    contents = await archive.contents([READINGS])
    owned = contents.filter(
        pl.col("owner").is_in(meters["meter_id"].to_list()), table=READINGS.name
    )
    if after is not None:
        owned = owned.filter(pl.col("owner") >= after[0])
    found: list[pl.DataFrame] = [frames.READINGS.empty()]
    held = 0
    for meter_id, month in owned.sort("owner", "month").select("owner", "month").iter_rows():
        rows = await store.read([meter_id], keeping.span(month))
        rows = rows.filter(_within("ts_utc", period))
        if changed_since is not None:
            rows = rows.filter(pl.col("known_utc") > changed_since)
        if after is not None and meter_id == after[0]:
            rows = rows.filter(pl.col("ts_utc") > after[1])
        found.append(rows)
        held += rows.height
        if held > limit:
            break
    listed = pl.concat(found).select(list(frames.READINGS.columns))
    page = listed.head(limit)
    marked = page.with_columns(segments.above_capacity(page, meters))
    return Part(marked, listed.height > limit)


def _within(column: str, period: Period | None) -> pl.Expr:
    if period is None:
        return pl.lit(value=True)
    return pl.col(column).is_between(period.start, period.end, closed="left")
