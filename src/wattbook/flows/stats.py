"""How the service fares: counts, rates, lag and durations, by day."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from statistics import median
from typing import Any, Final

import polars as pl

from wattbook.core import periods
from wattbook.core.errors import UnsupportedError
from wattbook.core.periods import EPOCH, Period
from wattbook.ports.anomalies import Anomalies
from wattbook.ports.clock import Clock
from wattbook.ports.jobs import JobStore
from wattbook.ports.rollups import RollupStore
from wattbook.ports.stats import Stats, Stored

DEFAULT_DAYS: Final = 7
MAX_DAYS: Final = 366
DAY: Final = timedelta(days=1)
PERCENTILE: Final = 95
COUNTS: Final = ("batches", "received", "accepted", "duplicates", "corrected", "rejected")


def days(start: date | None, end: date | None, now: datetime) -> Period:
    """The UTC days from `start` until before `end`; until today, and seven, where left out.

    Raises
    ------
    InvalidPeriodError
        They are out of order, or too many.
    """
    for name, day in (("start", start), ("end", end)):
        if day is not None and not periods.FIRST_YEAR <= day.year <= periods.LAST_YEAR:
            raise periods.invalid(
                name, f"{name} is not within {periods.FIRST_YEAR} and {periods.LAST_YEAR}"
            )
    last = end or now.date() + DAY
    first = start or last - DEFAULT_DAYS * DAY
    if last - first > MAX_DAYS * DAY:
        raise periods.invalid("start", f"start is more than {MAX_DAYS} days before end")
    clock = EPOCH.timetz()
    return Period(datetime.combine(first, clock), datetime.combine(last, clock))


async def look(
    period: Period,
    *,
    stats: Stats,
    stored: Sequence[Stored],
    rollups: RollupStore,
    jobs: JobStore,
    anomalies: Anomalies,
    clock: Clock,
) -> dict[str, Any]:
    """The document of `GET /api/v1/stats`."""
    now = clock.now()
    waiting = await rollups.dirty()
    figures = await jobs.figures()
    daily = await jobs.daily(period.start, period.end)
    events = await stats.events(period)
    storage = [await each.storage() for each in stored]

    return {
        "start": period.start.date(),
        "end": period.end.date(),
        "ingestion": await _ingestion(period, stats, now),
        "rollups": {
            "meters_waiting": waiting["meter_id"].n_unique(),
            "spans_waiting": waiting.height,
            "waiting_from": waiting["from_utc"].min(),
            "waiting_to": waiting["to_utc"].max(),
        },
        "jobs": {
            "states": _states(figures.counts),
            "durations": [
                {"kind": str(kind), **_durations(took)}
                for kind, took in sorted(figures.durations.items())
            ],
            "days": [
                {"day": each.day, "kind": str(each.kind), "state": str(each.state),
                 "jobs": each.jobs}
                for each in daily
            ],
        },
        "anomalies": {
            "register_events": events.to_dicts(),
            "findings": (await anomalies.daily(period)).to_dicts(),
        },
        "storage": [
            {"store": each.store, "bytes": each.bytes, "rows": dict(each.rows)} for each in storage
        ],
    }  # fmt: skip


async def _ingestion(period: Period, stats: Stats, now: datetime) -> dict[str, Any] | None:
    """Null where the store does not count its receipts."""
    try:
        received = await stats.received(period)
    except UnsupportedError:
        return None
    total = received.select(pl.col(COUNTS).sum()).row(0, named=True)
    last: datetime | None = received["last_utc"].max()  # type: ignore[assignment]  # times
    seconds = (min(now, period.end) - period.start).total_seconds()
    return {
        "total": total,
        "received_per_s": total["received"] / seconds if seconds > 0 else None,
        "last_received": last,
        "silence_s": None if last is None else round((now - last).total_seconds(), 3),
        "days": received.select("day", *COUNTS).to_dicts(),
    }


def _states(counts: Mapping[tuple[Any, Any], int]) -> list[dict[str, Any]]:
    rows = sorted((str(kind), str(state), jobs) for (kind, state), jobs in counts.items())
    return [
        {"kind": kind, **{state: jobs for _, state, jobs in each}}
        for kind, each in groupby(rows, key=lambda row: row[0])
    ]


def _durations(took: Sequence[timedelta]) -> dict[str, Any]:
    """Of the newest that succeeded."""
    seconds = sorted(each.total_seconds() for each in took)
    place = -(-len(seconds) * PERCENTILE // 100) - 1
    return {
        "jobs": len(seconds),
        "median_s": round(median(seconds), 3),
        "p95_s": round(seconds[place], 3),
        "max_s": round(seconds[-1], 3),
    }
