"""A source is read on from where the last run came to; what was not kept is read again."""

import hashlib
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from wattbook.core import frames
from wattbook.core.errors import UnavailableError
from wattbook.core.periods import Period
from wattbook.core.readings.checks import IntervalLabel
from wattbook.flows import pull
from wattbook.flows.pull import PullResult
from wattbook.ports.source import Stretch

T = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "meter_id": pl.String,
    "timestamp": frames.UTC,
    "energy_kwh": pl.Float64,
}


class Theirs:
    """Energy of the meter `s.main` by the hour after `T`, an hour in each stretch."""

    name = "theirs"

    def __init__(self, values: dict[float, float]) -> None:
        self.values = values
        self.asked: list[Period] = []
        self.breaks_at: datetime | None = None

    async def earliest(self) -> datetime | None:
        return T + min(self.values) * HOUR if self.values else None

    async def stretches(self, period: Period) -> AsyncGenerator[Stretch, None]:
        self.asked.append(period)
        begin = period.start
        while begin < period.end:
            end = min(begin + HOUR, period.end)
            if self.breaks_at is not None and end > self.breaks_at:
                raise UnavailableError("they are away")
            rows = [
                {"meter_id": "s.main", "timestamp": T + at * HOUR, "energy_kwh": value}
                for at, value in self.values.items()
                if begin <= T + at * HOUR < end
            ]
            raw = pl.DataFrame(rows, schema=SCHEMA).with_row_index("row")
            yield Stretch(raw, hashlib.sha256(str(rows).encode()).hexdigest(), end)
            begin = end


@pytest.fixture
async def here(world):
    await world.add("s")
    world.clock.at = T + 3 * HOUR
    return world


async def pulled(world, source: Theirs, overlap: timedelta = HOUR, **options) -> PullResult:
    return await pull.pull(
        source,
        overlap=overlap,
        registry=world.registry,
        readings=world.readings,
        watermarks=world.watermarks,
        clock=world.clock,
        **options,
    )


def counts(done: PullResult) -> tuple[int, int, int, int]:
    names = ("accepted", "duplicates", "corrected", "rejected")
    accepted, duplicates, corrected, rejected = (done.counts[name] for name in names)
    return accepted, duplicates, corrected, rejected


async def energy(world) -> list[float]:
    values: list[float] = (await world.readings.read(["s.main"]))["energy_kwh"].to_list()
    return values


async def test_the_first_run_reads_everything_and_the_next_what_is_new_and_the_overlap(
    here,
) -> None:
    theirs = Theirs({0: 1.0, 1: 2.0, 2: 3.0})

    assert counts(await pulled(here, theirs)) == (3, 0, 0, 0)
    here.clock.at += 2 * HOUR
    theirs.values |= {3: 4.0, 4: 5.0}
    assert counts(await pulled(here, theirs)) == (2, 1, 0, 0)  # hour 2 again

    assert theirs.asked == [Period(T, T + 3 * HOUR), Period(T + 2 * HOUR, T + 5 * HOUR)]
    assert await energy(here) == [1.0, 2.0, 3.0, 4.0, 5.0]


async def test_stamps_at_the_end_of_an_interval_move_back_by_its_length(here) -> None:
    theirs = Theirs({1: 1.0, 2: 2.0})

    await pulled(here, theirs, label=IntervalLabel.END)

    rows = await here.readings.read(["s.main"])
    assert rows["ts_utc"].to_list() == [T, T + HOUR]
    here.clock.at += HOUR
    theirs.values |= {3: 3.0}
    assert counts(await pulled(here, theirs, label=IntervalLabel.END)) == (1, 1, 0, 0)


async def test_what_comes_late_is_found_within_the_overlap_and_beyond_it_when_asked(here) -> None:
    theirs = Theirs({0: 1.0, 2: 3.0})
    await pulled(here, theirs)
    theirs.values |= {1: 2.0, 2.5: 3.5}
    here.clock.at += HOUR

    assert counts(await pulled(here, theirs)) == (1, 1, 0, 0)  # from hour 2 on
    assert counts(await pulled(here, theirs, since=T + HOUR)) == (1, 2, 0, 0)
    assert await energy(here) == [1.0, 2.0, 3.0, 3.5]


async def test_what_they_change_within_the_overlap_is_a_correction(here) -> None:
    theirs = Theirs({2: 3.0})
    await pulled(here, theirs)
    theirs.values[2] = 4.0

    assert counts(await pulled(here, theirs)) == (0, 0, 1, 0)
    assert await energy(here) == [4.0]


async def test_what_is_refused_is_counted_by_its_reason_and_stops_nothing(here) -> None:
    done = await pulled(here, Theirs({0: 1.0, 1: -1.0, 2: 9e9}))

    assert counts(done) == (1, 0, 0, 2)
    assert done.reasons == {"negative_energy": 1, "implausible": 1}


async def test_a_run_that_breaks_is_taken_up_where_the_last_stretch_was_kept(here) -> None:
    theirs = Theirs({0: 1.0, 1: 2.0, 2: 3.0})
    theirs.breaks_at = T + 2 * HOUR
    with pytest.raises(UnavailableError, match="away"):
        await pulled(here, theirs)
    assert await here.watermarks.reached("theirs") == T + 2 * HOUR

    theirs.breaks_at = None
    assert counts(await pulled(here, theirs)) == (1, 1, 0, 0)
    assert theirs.asked[1].start == T + HOUR


async def test_a_stretch_whose_mark_was_lost_is_read_again_and_nothing_is_doubled(here) -> None:
    class Forgetful:
        async def reached(self, source: str) -> datetime | None:
            return None

        async def reach(self, source: str, at_utc: datetime, now: datetime) -> None:
            raise UnavailableError("killed between the batch and the mark")

    theirs = Theirs({0: 1.0, 1: 2.0})
    with pytest.raises(UnavailableError, match="killed"):
        await pull.pull(
            theirs,
            overlap=HOUR,
            registry=here.registry,
            readings=here.readings,
            watermarks=Forgetful(),
            clock=here.clock,
        )
    assert await energy(here) == [1.0]

    assert counts(await pulled(here, theirs)) == (1, 1, 0, 0)
    assert await energy(here) == [1.0, 2.0]


@pytest.mark.slow
async def test_where_a_gap_is_left_behind_the_last_run_that_stays_noted(here) -> None:
    theirs = Theirs({0: 1.0, 1: 2.0, 2: 3.0})
    theirs.breaks_at = T + HOUR
    with pytest.raises(UnavailableError):
        await pulled(here, theirs)
    theirs.breaks_at = None

    await pulled(here, theirs, since=T + 2 * HOUR)

    assert await here.watermarks.reached("theirs") == T + HOUR
    assert counts(await pulled(here, theirs)) == (1, 2, 0, 0)


async def test_the_first_run_may_begin_where_one_likes(here) -> None:
    theirs = Theirs({0: 1.0, 1: 2.0, 2: 3.0})

    assert counts(await pulled(here, theirs, since=T + HOUR)) == (2, 0, 0, 0)
    assert await here.watermarks.reached("theirs") == T + 3 * HOUR


async def test_of_an_empty_source_there_is_nothing_to_read_and_nothing_is_noted(here) -> None:
    done = await pulled(here, Theirs({}))

    assert (done.period, counts(done)) == (None, (0, 0, 0, 0))
    assert await here.watermarks.reached("theirs") is None
    assert (await pulled(here, Theirs({}), since=T + 9 * HOUR)).period is None  # not yet


async def test_each_stretch_is_told_with_its_receipt_and_how_far_it_is(here) -> None:
    told: list[tuple[int | None, datetime]] = []

    def tell(receipt, period: Period, until_utc: datetime) -> None:
        assert period == Period(T, T + 3 * HOUR)
        told.append((None if receipt is None else receipt.accepted, until_utc))

    await pulled(here, Theirs({0: 1.0, 2: 3.0}), tell=tell)

    assert told == [(1, T + HOUR), (None, T + 2 * HOUR), (1, T + 3 * HOUR)]


async def test_the_receipt_of_a_stretch_names_the_source_and_the_hash_of_its_answer(here) -> None:
    receipts = []
    await pulled(here, Theirs({0: 1.0}), tell=lambda receipt, *_: receipts.append(receipt))

    kept = await here.readings.receipt(receipts[0].batch_id)
    assert (kept.source, len(kept.sha256)) == ("theirs", 64)


async def test_a_preview_judges_the_first_rows_and_keeps_none(here) -> None:
    theirs = Theirs({1: -1.0, 0.5: 2.0, 2: 3.0})

    async def seen(period: Period, count: int):
        return await pull.preview(theirs, period, count, registry=here.registry, clock=here.clock)

    raw, judged = await seen(Period(T, T + 3 * HOUR), 10)
    assert raw["energy_kwh"].to_list() == [2.0, -1.0, 3.0]
    assert judged.rejects["row"].to_list() == [1]
    assert (await seen(Period(T, T + 3 * HOUR), 2))[0]["energy_kwh"].to_list() == [2.0, -1.0]
    assert (await seen(Period(T - HOUR, T), 2))[0].is_empty()
    assert await energy(here) == []
