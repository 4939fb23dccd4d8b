"""Writes readings as Parquet files, with a bar."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from wattbook.cli import local, progress, show
from wattbook.cli.period_options import instant
from wattbook.cli.show import Column, number
from wattbook.core import periods
from wattbook.core.periods import Period
from wattbook.flows import export
from wattbook.flows import sites as registered
from wattbook.flows.export import Exported
from wattbook.sinks.files import Tree
from wattbook.wiring.runtime import Runtime

BYTES_PER_MB: Final = 1_000_000
FIRST: Final = datetime(periods.FIRST_YEAR, 1, 1, tzinfo=UTC)
LAST: Final = datetime(periods.LAST_YEAR, 1, 1, tzinfo=UTC)


def run(folder: Path, site_ids: list[str], begin: str | None, end: str | None) -> None:
    """Write the readings of these sites, or of all, and say how many that were."""

    async def work(runtime: Runtime) -> Exported:
        sites = [await runtime.registry.site(site_id) for site_id in dict.fromkeys(site_ids)]
        if not sites:
            sites = [site async for site in registered.every(runtime.registry)]
        wanted = [(site, _period(begin, end, site.timezone)) for site in sites]
        with progress.rows("exporting") as step:
            return await export.write_out(
                wanted,
                archive=runtime.archive,
                readings=runtime.readings,
                partitions=Tree(folder),
                progress=step,
            )

    _tell(local.run(work))


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
