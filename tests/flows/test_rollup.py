"""Rollups in the store are those that the core would compute from all readings at once."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from wattbook.core import frames
from wattbook.core.periods import Grain, Period
from wattbook.core.readings import segments
from wattbook.core.readings.rejects import Rejects
from wattbook.core.rollups import aggregation
from wattbook.flows import rollup as rolling
from wattbook.ports.readings import Batch
from wattbook.stores.duckdb.engine import Engine
from wattbook.stores.duckdb.keys import Keys
from wattbook.stores.duckdb.marks import Marks
from wattbook.stores.duckdb.readings import DuckReadings
from wattbook.stores.duckdb.rollups import DuckRollups

T = datetime(2026, 3, 1, tzinfo=UTC)  # a Sunday: ISO week 9 ends here, and February has ended
MINUTE = timedelta(minutes=1)
EVER = Period(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
NUMBERS = count()
KINDS = st.sampled_from(["power", "interval", "register"])
COLUMN = {"power": "power_kw", "interval": "energy_kwh", "register": "register_kwh"}


class Stopped:
    """A clock that stands still."""

    def now(self) -> datetime:
        return T


class Meters:
    """A registry that knows meters and nothing else."""

    def __init__(self, known: pl.DataFrame) -> None:
        self.known = known

    async def meters(self, as_of: datetime | None = None) -> pl.DataFrame:
        return self.known


@dataclass(frozen=True, slots=True)
class Stores:
    """The embedded stores in memory."""

    readings: DuckReadings
    rollups: DuckRollups

    async def write(self, kept: pl.DataFrame) -> None:
        batch = Batch(
            batch_id=f"b-{next(NUMBERS)}",
            source="test",
            sha256="0" * 64,
            received_utc=T,
            received=kept.height,
            kept=kept.with_row_index("row"),
            rejects=Rejects.of(),
        )
        await self.readings.write(batch)

    async def refuse(self, known: pl.DataFrame, *minutes: int) -> None:
        instants = [(known["meter_id"][0], T + minute * MINUTE, T) for minute in minutes]
        batch = Batch(
            batch_id=f"b-{next(NUMBERS)}",
            source="test",
            sha256="0" * 64,
            received_utc=T,
            received=0,
            kept=frames.READINGS.empty().with_row_index("row"),
            rejects=Rejects.of(),
            refused=pl.DataFrame(instants, schema=frames.REFUSED.schema, orient="row"),
        )
        await self.readings.write(batch)

    async def catch_up(self, meters: pl.DataFrame, ids: list[str] | None = None) -> int:
        registry: Any = Meters(meters)
        rolled = await rolling.catch_up(
            ids, registry=registry, readings=self.readings, rollups=self.rollups, clock=Stopped()
        )
        return rolled.rows_written

    async def figures(self, ids: list[str]) -> pl.DataFrame:
        every = [await self.rollups.read(ids, grain, EVER) for grain in Grain]
        return pl.concat(every).select(aggregation.FIGURES).sort(*frames.ROLLUPS.key)


@pytest.fixture(scope="module")
def stores() -> Iterator[Stores]:
    """Stores for many tests, each of which brings meters of its own."""
    engine = Engine(None, memory_limit="256MB", threads=2)
    keys = Keys(engine, "meter_keys", "meter_id")
    marks = Marks(engine, keys)
    yield Stores(DuckReadings(engine, keys, marks), DuckRollups(engine, keys, marks))
    engine.close()


def meter(kind: str, **changes: object) -> pl.DataFrame:
    """A meter that nobody has met before."""
    plain = {
        "meter_id": f"m-{next(NUMBERS)}",
        "site_id": "s",
        "operator": "alder",
        "zone": "NO-NO1",
        "timezone": "Europe/Oslo",
        "kind": kind,
        "role": "main",
        "expected_interval_s": 900,
        "max_hold_s": 2700,
        "register_size_kwh": 1000.0 if kind == "register" else None,
        "capacity_kw": None,
    }
    return pl.DataFrame([plain | changes], schema=frames.METERS.schema)


def readings(known: pl.DataFrame, values: Mapping[int, float]) -> pl.DataFrame:
    """Readings of a meter so many minutes after `T`."""
    about = known.row(0, named=True)
    rows = [
        dict.fromkeys(frames.READINGS.columns)
        | {"meter_id": about["meter_id"], "ts_utc": T + minute * MINUTE}
        | {COLUMN[about["kind"]]: value, "hashrate_th": 100 + value / 3}
        | {"temperature_c": value / 7 - 5, "quality": "measured", "known_utc": T, "revision": 0}
        for minute, value in values.items()
    ]
    return pl.DataFrame(rows, schema=frames.READINGS.schema)


async def expected(stores: Stores, meters: pl.DataFrame) -> pl.DataFrame:
    ids = meters["meter_id"].to_list()
    rows, refused = await stores.readings.read(ids), await stores.readings.refused(ids, EVER)
    every = aggregation.every_grain(aggregation.quarters(rows, meters, refused), meters)
    return every.select(aggregation.FIGURES).sort(*frames.ROLLUPS.key)


async def assert_as_from_scratch(stores: Stores, meters: pl.DataFrame) -> None:
    """The rollups and events in the store are those of all readings, to the last bit."""
    await stores.catch_up(meters)
    ids = meters["meter_id"].to_list()
    assert_frame_equal(await stores.figures(ids), await expected(stores, meters), check_exact=True)
    rows = await stores.readings.read(ids)
    assert_frame_equal(
        await stores.rollups.events(ids, EVER), segments.register_events(rows, meters)
    )
    assert await stores.catch_up(meters) == 0


# --- the property on which every figure rests --------------------------------------------------

DAY = 24 * 60

ZONES = ["Europe/Oslo", "America/Chicago", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]
STAMPS = [
    st.integers(-3 * 96, 3 * 96).map(lambda quarter: quarter * 15),
    st.integers(-40, 200),
    st.integers(-40 * 24, 40 * 24).map(lambda hour: hour * 60 + 7),
]
VALUES = st.integers(0, 999).map(float) | st.floats(0, 999)


@st.composite
def histories(draw: st.DrawFn, kind: str) -> tuple[pl.DataFrame, list[dict[int, float]]]:
    """A meter, and the batches in which its readings come, some of them twice."""
    minutes = draw(st.sampled_from(STAMPS))
    batches = draw(
        st.lists(st.dictionaries(minutes, VALUES, min_size=1, max_size=8), min_size=1, max_size=4)
    )
    known = meter(
        kind,
        timezone=draw(st.sampled_from(ZONES)),
        expected_interval_s=draw(st.sampled_from([60, 900, 3600])),
        max_hold_s=draw(st.sampled_from([180, 2700, 10_800])),
        capacity_kw=draw(st.sampled_from([None, 400.0])),
    )
    again = draw(st.lists(st.sampled_from(batches), max_size=1))
    return known, draw(st.permutations(batches + again))


@pytest.mark.slow
@settings(max_examples=25)
@given(
    first=KINDS.flatmap(histories),
    second=st.none() | KINDS.flatmap(histories),
    chance=st.randoms(use_true_random=False),
)
async def test_rolled_up_bit_by_bit_is_rolled_up_at_once(stores, first, second, chance) -> None:
    both = [first] if second is None else [first, second]
    meters = pl.concat([known for known, _ in both])
    steps = [(known, batch) for known, batches in both for batch in batches]
    chance.shuffle(steps)

    for known, batch in steps:
        await stores.write(readings(known, batch))
        if chance.random() < 0.5:
            ids = chance.choice([meters, known])["meter_id"].to_list()
            await stores.catch_up(meters, ids)

    await assert_as_from_scratch(stores, meters)


STATES = st.sampled_from([0.0, 0.0, 0.0, 3.0, 500.0, 501.0, 502.0, 510.0, 90_000.0])


@st.composite
def dipping(draw: st.DrawFn) -> tuple[pl.DataFrame, list[dict[int, float]]]:
    """A register that stands, falls, comes back and jumps, and its batches in any order."""
    runs = draw(st.lists(st.tuples(STATES, st.integers(1, 60)), min_size=3, max_size=12))
    states = [state for state, length in runs for _ in range(length)]
    known = meter(
        "register",
        register_size_kwh=draw(st.sampled_from([None, 100_000.0])),
        register_resolution_kwh=draw(st.sampled_from([None, 10.0])),
        capacity_kw=draw(st.sampled_from([None, 400.0])),
    )
    batch_of = draw(st.lists(st.integers(0, 3), min_size=len(states), max_size=len(states)))
    batches: list[dict[int, float]] = [{}, {}, {}, {}]
    for place, (state, batch) in enumerate(zip(states, batch_of, strict=True)):
        batches[batch][15 * place] = state
    return known, [batch for batch in batches if batch]


@pytest.mark.slow
@settings(max_examples=40)
@given(history=dipping())
async def test_dips_of_any_length_are_the_same_bit_by_bit_and_at_once(stores, history) -> None:
    known, batches = history

    for batch in batches:
        await stores.write(readings(known, batch))
        await stores.catch_up(known)

    await assert_as_from_scratch(stores, known)


async def test_the_end_of_a_long_dip_changes_all_that_was_made_of_it(stores) -> None:
    known = meter("register", register_size_kwh=None)
    low = dict.fromkeys(range(45, 11 * DAY, 15), 0.0)

    await one_after_the_other(
        stores, known, {0: 1000.0, 15: 1001.0, 30: 1002.0}, low, {11 * DAY: 2000.0}
    )


@pytest.mark.slow
@settings(max_examples=25)
@given(
    kind=KINDS,
    sent=st.lists(st.tuples(st.booleans(), st.integers(0, 40)), min_size=1, max_size=25),
    chance=st.randoms(use_true_random=False),
)
async def test_refused_rows_end_what_is_held_in_whatever_order_they_come(
    stores, kind, sent, chance
) -> None:
    known = meter(kind)

    for good, place in sent:
        if good:
            await stores.write(readings(known, {place * 7: 10.0 + place}))
        else:
            await stores.refuse(known, place * 7)
        if chance.random() < 0.5:
            await stores.catch_up(known)

    await assert_as_from_scratch(stores, known)


async def test_a_late_good_row_takes_the_place_of_a_refused_one(stores) -> None:
    known = meter("power")
    await stores.write(readings(known, {0: 100.0, 45: 100.0}))
    await stores.refuse(known, 15)
    await stores.catch_up(known)
    ids = known["meter_id"].to_list()
    assert (await stores.figures(ids)).filter(grain="hour")["energy_kwh"].to_list()[0] == 50.0

    await stores.write(readings(known, {15: 200.0}))
    await assert_as_from_scratch(stores, known)

    # 100 × 15 min + 200 × 30 min + 100 × 15 min
    assert (await stores.figures(ids)).filter(grain="hour")["energy_kwh"].to_list()[0] == 150.0


# --- the same, in examples that were once wrong ------------------------------------------------


async def one_after_the_other(
    stores: Stores, known: pl.DataFrame, *batches: Mapping[int, float]
) -> None:
    for batch in batches:
        await stores.write(readings(known, batch))
        await stores.catch_up(known)
    await assert_as_from_scratch(stores, known)


@pytest.mark.slow
async def test_a_week_that_holds_the_turn_of_a_month_keeps_all_of_its_days(stores) -> None:
    known = meter("power", timezone="America/Chicago")

    # Thursday 26 February, then Tuesday 3 March: two weeks and two months, each with a part
    await one_after_the_other(stores, known, {-3 * DAY: 100.0}, {2 * DAY: 50.0}, {-DAY: 10.0})


async def test_a_month_s_last_week_is_not_lost_to_the_next_month(stores) -> None:
    known = meter("power")

    await one_after_the_other(stores, known, {30 * DAY: 100.0, 34 * DAY: 50.0}, {20 * DAY: 10.0})


async def test_an_hour_that_holds_midnight_is_the_sum_of_two_days_quarters(stores) -> None:
    known = meter("power", timezone="Asia/Kolkata", max_hold_s=900)
    before_midnight = 18 * 60  # 18:00Z is half past eleven at night

    await one_after_the_other(stores, known, {before_midnight: 100.0}, {before_midnight + 30: 50.0})


async def test_means_have_the_same_bits_whether_one_quarter_is_rolled_up_or_many(stores) -> None:
    known = meter("power", expected_interval_s=60, max_hold_s=180)

    await one_after_the_other(stores, known, {0: 0.0}, {3 * DAY: 0.0})


async def test_a_late_interval_leaves_the_cut_of_those_after_it_as_it_was(stores) -> None:
    known = meter("interval")

    # the interval of minute 189 is cut at 196; a reading an hour before changes nothing of that
    await one_after_the_other(stores, known, {189: 598.0, 196: 346.0}, {127: 834.0})


@pytest.mark.slow
async def test_quarters_between_two_readings_of_a_register_are_forgotten_with_their_rise(
    stores,
) -> None:
    known = meter("register", register_size_kwh=None)

    # 100 kWh from minute 0 to 60; then minute 30 says 250, and 250 to 200 is a reset
    await one_after_the_other(stores, known, {0: 100.0, 60: 200.0}, {30: 250.0})


@pytest.mark.slow
async def test_days_of_a_register_are_forgotten_when_its_rise_turns_out_to_be_a_reset(
    stores,
) -> None:
    known = meter("register", register_size_kwh=None)

    await one_after_the_other(stores, known, {0: 100.0, 60 * DAY: 200.0}, {20 * DAY: 900.0})


@pytest.mark.slow
async def test_a_late_reading_of_a_register_is_rolled_over_into_its_place(stores) -> None:
    known = meter("register")

    # 980 to 30 is 50 kWh through 1000; the late 10 splits it into 30 and 20
    await one_after_the_other(stores, known, {0: 980.0, 30: 30.0, 45: 40.0}, {15: 10.0})

    quarters = (await stores.figures(known["meter_id"].to_list())).filter(grain="15min")
    assert quarters["energy_kwh"].to_list() == [30.0, 20.0, 10.0, None]
    found = await stores.rollups.events(known["meter_id"].to_list(), EVER)
    assert found.select("at_utc", "kind").rows() == [(T + 15 * MINUTE, "rollover")]


@pytest.mark.slow
async def test_a_correction_that_makes_a_dip_takes_the_dip_out(stores) -> None:
    known = meter("register")

    await one_after_the_other(
        stores, known, {0: 100.0, 15: 110.0, 30: 120.0, 45: 130.0}, {15: 90.0}, {15: 105.0}
    )


@pytest.mark.slow
async def test_late_readings_on_two_days_of_a_sparse_register(stores) -> None:
    known = meter("register", register_size_kwh=None)

    await one_after_the_other(
        stores, known, {0: 10.0, 9 * DAY: 90.0}, {3 * DAY: 20.0, 6 * DAY: 80.0}
    )


# --- what catching up does ---------------------------------------------------------------------


async def test_nothing_new_is_nothing_to_do(stores) -> None:
    known = meter("power")
    await stores.write(readings(known, {0: 100.0}))
    assert await stores.catch_up(known) > 0

    await stores.write(readings(known, {0: 100.0}))

    assert await stores.catch_up(known) == 0


async def test_only_what_changed_is_written_again(stores) -> None:
    known = meter("power", max_hold_s=900, expected_interval_s=900)
    await stores.write(readings(known, dict.fromkeys(range(0, DAY, 15), 100.0)))
    await stores.catch_up(known)

    await stores.write(readings(known, {60: 200.0}))
    written = await stores.catch_up(known)

    assert written == 5  # one quarter, and the hour, day, week and month that hold it
    figures = await stores.figures(known["meter_id"].to_list())
    day = figures.filter(grain="day", start_utc=T - timedelta(hours=1))
    assert (
        day["energy_kwh"].item() == 92 * 25.0 + 25.0
    )  # 23 h of 100 kW there, 100 kW × 0.25 h more


@pytest.mark.slow
async def test_only_the_meters_asked_for_are_brought_up_to_date(stores) -> None:
    one, other = meter("power"), meter("power")
    both = pl.concat([one, other])
    for known in (one, other):
        await stores.write(readings(known, {0: 100.0}))

    await stores.catch_up(both, one["meter_id"].to_list())

    assert (await stores.figures(one["meter_id"].to_list())).height > 0
    assert (await stores.figures(other["meter_id"].to_list())).height == 0
    await assert_as_from_scratch(stores, both)


@pytest.mark.slow
async def test_many_meters_in_several_time_zones_are_rolled_up_together(stores) -> None:
    meters = pl.concat([meter("power", timezone=ZONES[at % 5]) for at in range(45)])
    for at, known in enumerate(meters.iter_slices(1)):
        await stores.write(readings(known, {at * 60: 100.0, at * 60 + DAY: 50.0}))

    await assert_as_from_scratch(stores, meters)


@pytest.mark.slow
async def test_progress_is_told_until_all_quarters_are_done(stores) -> None:
    meters = pl.concat([meter("power") for _ in range(45)])
    for known in meters.iter_slices(1):
        await stores.write(readings(known, {0: 100.0}))
    told: list[tuple[int, int]] = []
    registry: Any = Meters(meters)

    rolled = await rolling.catch_up(
        meters["meter_id"].to_list(),
        registry=registry,
        readings=stores.readings,
        rollups=stores.rollups,
        clock=Stopped(),
        progress=lambda done, of: told.append((done, of)),
    )

    # A reading at 00:00 is held for 45 minutes and one quarter begins then: 45 meters × 4.
    assert max(told) == (180, 180)
    assert rolled.meters == 45


async def test_readings_that_arrive_while_rolling_up_are_rolled_up_the_next_time(stores) -> None:
    known = meter("power")
    await stores.write(readings(known, {0: 1.0}))

    await asyncio.gather(
        *(stores.catch_up(known) for _ in range(5)),
        *(stores.write(readings(known, {15 * at: float(at)})) for at in range(1, 20)),
    )

    await assert_as_from_scratch(stores, known)


async def test_readings_of_a_meter_that_is_not_registered_wait_until_it_is(stores) -> None:
    known = meter("power")
    await stores.write(readings(known, {0: 1.0}))
    ids = known["meter_id"].to_list()
    await stores.catch_up(known.clear(), ids)
    assert (await stores.figures(ids)).is_empty()

    await assert_as_from_scratch(stores, known)
    assert (await stores.figures(ids)).height > 0
