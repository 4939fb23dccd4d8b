"""Handing out readings: by site, in its period, what is believed now."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from wattbook.core.periods import Period
from wattbook.flows import export, ingest
from wattbook.flows.ingest import Origin

T = datetime(2026, 3, 31, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Shelf:
    """Partitions in memory."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, date], pl.DataFrame] = {}

    async def put(self, meter_id: str, month: date, rows: pl.DataFrame) -> int:
        self.held[meter_id, month] = rows
        return 100

    @property
    def heights(self) -> dict[tuple[str, int], int]:
        return {(meter, month.month): rows.height for (meter, month), rows in self.held.items()}


async def take_in(world, values: dict[int, float], meter_id: str) -> None:
    raw = pl.DataFrame(
        [
            {"meter_id": meter_id, "timestamp": (T + at * HOUR).isoformat(), "energy_kwh": value}
            for at, value in values.items()
        ]
    )
    await ingest.ingest_readings(
        raw,
        Origin.of("test", b"body"),
        registry=world.registry,
        readings=world.readings,
        clock=world.clock,
    )


@pytest.fixture
async def sites(world):
    found = [await world.add(name) for name in ("fir", "ask", "elm")]
    for name in ("fir", "ask"):
        await take_in(world, {hour: hour + 1.0 for hour in range(4)}, f"{name}.main")
    return found


async def write_out(world, wanted, **options) -> tuple[export.Exported, Shelf]:
    shelf = Shelf()
    done = await export.write_out(
        wanted, archive=world.archive, readings=world.readings, partitions=shelf, **options
    )
    return done, shelf


async def test_all_readings_of_the_sites_are_written_by_meter_and_month(world, sites) -> None:
    done, shelf = await write_out(world, [(site, None) for site in sites])

    assert shelf.heights == {
        ("ask.main", 3): 2, ("ask.main", 4): 2, ("fir.main", 3): 2, ("fir.main", 4): 2,
    }  # fmt: skip
    assert (done.meters, done.partitions, done.rows, done.size_bytes) == (2, 4, 8, 400)


async def test_of_other_sites_nothing_is_written(world, sites) -> None:
    _, shelf = await write_out(world, [(sites[0], None)])

    assert shelf.heights == {("fir.main", 3): 2, ("fir.main", 4): 2}


async def test_each_site_has_its_own_period_with_its_start_and_without_its_end(
    world, sites
) -> None:
    wanted = [(sites[0], Period(T + HOUR, T + 3 * HOUR)), (sites[1], Period(T, T + HOUR))]

    done, shelf = await write_out(world, wanted)

    assert shelf.heights == {("fir.main", 3): 1, ("fir.main", 4): 1, ("ask.main", 3): 1}
    assert shelf.held["fir.main", date(2026, 3, 1)]["timestamp"].to_list() == [T + HOUR]
    assert done.rows == 3


async def test_what_was_corrected_is_written_as_it_is_believed_now(world, sites) -> None:
    world.clock.at += HOUR
    await take_in(world, {1: 50.0}, "fir.main")

    _, shelf = await write_out(world, [(sites[0], None)])

    assert shelf.held["fir.main", date(2026, 3, 1)]["energy_kwh"].to_list() == [1.0, 50.0]


async def test_of_nothing_nothing_is_written(world, sites) -> None:
    for wanted in ([], [(sites[2], None)]):
        done, shelf = await write_out(world, wanted)
        assert (done, shelf.held) == (export.Exported(), {})


async def test_what_is_done_is_told_until_all_is(world, sites) -> None:
    said: list[tuple[int, int, str]] = []

    await write_out(
        world, [(site, None) for site in sites], progress=lambda *step: said.append(step)
    )

    assert said == [(2, 8, "ask.main"), (4, 8, "ask.main"), (6, 8, "fir.main"), (8, 8, "fir.main")]
