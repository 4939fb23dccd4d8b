"""Reports of small worlds: round figures in, a report out."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import polars as pl

from wattbook.core.periods import Period
from wattbook.core.reporting.report import Report
from wattbook.flows import ingest, report
from wattbook.flows.ingest import Origin
from wattbook.sources.files import reference

NOBODY = Origin.of("test", b"")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


async def draw(
    world,
    meter_id: str,
    begin: datetime,
    energies_kwh: Sequence[float | None],
    step: timedelta = HOUR,
) -> None:
    """Energies of consecutive steps; null where nothing is sent."""
    rows = [
        {"meter_id": meter_id, "timestamp": (begin + at * step).isoformat(), "energy_kwh": energy}
        for at, energy in enumerate(energies_kwh)
        if energy is not None
    ]
    written = await ingest.ingest_readings(
        pl.DataFrame(rows),
        NOBODY,
        registry=world.registry,
        readings=world.readings,
        clock=world.clock,
    )
    assert written.receipt.rejected == 0


async def conditions(world, zone: str, begin: datetime, hours: Sequence[Mapping[str, object]]):
    """Conditions of consecutive hours."""
    rows = [{"zone": zone, "start": (begin + at * HOUR).isoformat(), **hour}
            for at, hour in enumerate(hours)]  # fmt: skip
    written = await ingest.ingest_grid(
        pl.DataFrame(rows), NOBODY, grid=world.grid, clock=world.clock
    )
    assert written.receipt.rejected == 0


async def made(world, entity: str, begin: datetime, length: timedelta, **options) -> Report:
    return await report.of(
        entity, Period(begin, begin + length), factors=reference.factors(), ports=world, **options
    )
