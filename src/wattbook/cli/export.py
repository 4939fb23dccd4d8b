"""Writes readings as Parquet files, with a bar."""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import polars as pl

from wattbook.cli import local, progress, show, sites
from wattbook.cli.client import Service
from wattbook.cli.period_options import instant
from wattbook.cli.show import Column, number
from wattbook.core import periods
from wattbook.core.archive import export as parting
from wattbook.core.periods import Period
from wattbook.flows import export
from wattbook.flows import sites as registered
from wattbook.flows.export import Exported
from wattbook.sinks.files import Tree
from wattbook.wiring.runtime import Runtime

ARROW: Final = "application/vnd.apache.arrow.stream"
PAGE_ROWS: Final = 100_000
"""Most readings in one answer of a service."""
BYTES_PER_MB: Final = 1_000_000
FIRST: Final = datetime(periods.FIRST_YEAR, 1, 1, tzinfo=UTC)
LAST: Final = datetime(periods.LAST_YEAR, 1, 1, tzinfo=UTC)


def run(
    folder: Path, site_ids: list[str], begin: str | None, end: str | None, url: str | None
) -> None:
    """Write the readings of these sites, or of all, and say how many that were."""
    if url is not None:
        _tell(asyncio.run(_from_service(url, folder, site_ids, begin, end)))
        return

    async def work(runtime: Runtime) -> Exported:
        found = [await runtime.registry.site(site_id) for site_id in dict.fromkeys(site_ids)]
        if not found:
            found = [site async for site in registered.every(runtime.registry)]
        wanted = [(site, _period(begin, end, site.timezone)) for site in found]
        with progress.rows("exporting") as step:
            return await export.write_out(
                wanted,
                archive=runtime.archive,
                readings=runtime.readings,
                partitions=Tree(folder),
                progress=step,
            )

    _tell(local.run(work))


async def _from_service(
    url: str, folder: Path, site_ids: list[str], begin: str | None, end: str | None
) -> Exported:
    """The same, from what a service answers."""
    found = [sites.read(each, url) for each in dict.fromkeys(site_ids)] or sites.every(url)
    wanted = [
        (meter["id"], _period(begin, end, site["timezone"]))
        for site in found
        for meter in site["meters"]
    ]
    done, tree = Exported(), Tree(folder)
    with Service(url) as service, progress.steps("exporting") as step:
        for number_, (meter_id, period) in enumerate(wanted, start=1):
            rows = done.rows
            for month, part in _months(_pages(service, meter_id, period)):
                done.size_bytes += await tree.put(meter_id, month, part)
                done.rows += part.height
                done.partitions += 1
            done.meters += done.rows > rows
            step(number_, len(wanted), meter_id)
    return done


def _pages(service: Service, meter_id: str, period: Period | None) -> Iterator[pl.DataFrame]:
    """A meter's readings in the order of time, page by page."""
    cursor: str | None = None
    query = {
        "meter_id": meter_id,
        "start": None if period is None else period.start.isoformat(),
        "end": None if period is None else period.end.isoformat(),
        "limit": PAGE_ROWS,
    }
    while True:
        answer = service.request(
            "GET", "/readings", query={**query, "cursor": cursor}, accept=ARROW
        )
        yield pl.read_ipc_stream(answer.content).rename({"ts": "ts_utc"})
        cursor = answer.headers.get("Wattbook-Cursor")
        if cursor is None:
            return


def _months(pages: Iterable[pl.DataFrame]) -> Iterator[tuple[date, pl.DataFrame]]:
    """The rows of each UTC month as files hold them; a month may go on in the next page."""
    held: pl.DataFrame | None = None
    for page in pages:
        rows = page if held is None else pl.concat([held, page])
        at = pl.col("ts_utc")
        newest = at.max().dt.truncate("1mo")
        yield from _files(rows.filter(at < newest))
        held = rows.filter(at >= newest)
    if held is not None:
        yield from _files(held)


def _files(rows: pl.DataFrame) -> Iterator[tuple[date, pl.DataFrame]]:
    return ((month, part) for _, month, part in parting.partitions(rows))


def _period(begin: str | None, end: str | None, timezone: str) -> Period | None:
    """The period between two options, on the clock of the site; open where one is left out."""
    if begin is None and end is None:
        return None
    first = FIRST if begin is None else instant(begin, timezone, "--from")
    last = LAST if end is None else instant(end, timezone, "--to")
    return Period(first, last)


def _tell(done: Exported) -> None:
    show.table(
        [
            Column("meters", [number(done.meters)]),
            Column("files", [number(done.partitions)], unit="meter and month"),
            Column("rows", [number(done.rows)]),
            Column("size", [number(done.size_bytes / BYTES_PER_MB, 1)], unit="MB"),
        ]
    )
