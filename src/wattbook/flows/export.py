"""Handing out what is believed now, for other programs to read."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wattbook.core.archive import export
from wattbook.core.archive.tables import READINGS
from wattbook.core.periods import Period
from wattbook.core.registry.entities import Site
from wattbook.ports.archive import Archive
from wattbook.ports.partitions import Partitions
from wattbook.ports.readings import ReadingStore

Progress = Callable[[int, int, str], None]
"""Takes rows done, rows in all (or a few more), and the meter."""


@dataclass(slots=True)
class Exported:
    """What was written."""

    meters: int = 0
    partitions: int = 0
    rows: int = 0
    size_bytes: int = 0


async def write_out(
    wanted: Sequence[tuple[Site, Period | None]],
    *,
    archive: Archive,
    readings: ReadingStore,
    partitions: Partitions,
    progress: Progress | None = None,
) -> Exported:
    """Write the readings of all meters of some sites, each in its period or all there are."""
    contents = await archive.contents([READINGS])

    meters: dict[Period | None, list[str]] = defaultdict(list)
    for site, period in wanted:
        meters[period] += [meter.id for meter in site.meters]
    loads = [
        portion
        for period, ids in meters.items()
        for portion in export.portions(contents, ids, period)
    ]
    total = sum(portion.rows for portion in loads)

    done, seen = Exported(), set[str]()
    for portion in loads:
        rows = await readings.read(list(portion.owners), portion.period)
        for meter_id, month, part in export.partitions(rows):
            done.size_bytes += await partitions.put(meter_id, month, part)
            done.rows += part.height
            done.partitions += 1
            seen.add(meter_id)
            if progress is not None:
                progress(done.rows, total, meter_id)
    done.meters = len(seen)
    return done
