"""What changes in the middle: capacities, meters on days of 23 and 25 hours, stamps of the end."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from tests.flows.report_examples import made
from tests.flows.test_dated import APRIL, DAY, HOUR, MAY, SWAP, a_meter, declare, draw, of_site

from wattbook.core.forecast.history import Quantity
from wattbook.core.periods import Grain
from wattbook.core.readings.checks import IntervalLabel
from wattbook.core.registry.entities import MeterKind
from wattbook.flows import forecast, ingest, sites
from wattbook.flows.ingest import Origin


async def send(world, rows: Sequence[dict[str, object]], **options):
    return (
        await ingest.ingest_readings(
            pl.DataFrame(list(rows)),
            Origin.of("test", b""),
            registry=world.registry,
            readings=world.readings,
            clock=world.clock,
            **options,
        )
    ).receipt


async def change_capacity(world, capacity_kw: float, valid_from) -> None:
    await sites.change(
        "s",
        {"capacity_kw": capacity_kw},
        valid_from=valid_from,
        registry=world.registry,
        readings=world.readings,
        rollups=world.rollups,
        now=world.clock.now(),
    )


# --- capacity ------------------------------------------------------------------------------------


async def test_a_reading_is_compared_with_the_capacity_of_its_time(world):
    """150 kW all April; 200 kW of capacity until the 16th, then 100 kW: above from the 16th on."""
    await world.add("s", a_meter("main"), timezone="UTC", capacity_kw=200.0)
    await draw(world, "s.main", APRIL, [150.0] * 24 * 30)
    then = world.clock.now()
    world.clock.at += DAY

    await change_capacity(world, 100.0, date(2026, 4, 16))

    days = await of_site(world, APRIL, MAY, Grain.DAY)
    assert days.rows["above_capacity"].to_list() == [False] * 15 + [True] * 15
    assert days.total["energy_kwh"] == 150 * 720
    before = await of_site(world, APRIL, MAY, Grain.DAY, as_of=then)
    assert before.rows["above_capacity"].to_list() == [False] * 30
    report = await made(world, "s", APRIL, MAY - APRIL)
    # the peak of 150 kW is that of 1 April, when the site could draw 200 kW
    assert report.total["power_kw_max_at"] == APRIL
    assert report.total["capacity_kw_at_peak"] == 200


async def test_a_capacity_that_was_corrected_for_all_time_leaves_what_was_known_before(world):
    """100 kW was registered by mistake, and 200 kW is right: 150 kW was above, and is not."""
    await world.add("s", a_meter("main"), timezone="UTC", capacity_kw=100.0)
    await draw(world, "s.main", APRIL, [150.0] * 24)
    then = world.clock.now()
    world.clock.at += DAY

    await change_capacity(world, 200.0, None)

    now = await of_site(world, APRIL, APRIL + DAY, Grain.DAY)
    before = await of_site(world, APRIL, APRIL + DAY, Grain.DAY, as_of=then)
    assert now.rows["above_capacity"].to_list() == [False]
    assert before.rows["above_capacity"].to_list() == [True]


# --- stamps of the end ---------------------------------------------------------------------------


async def test_a_stamp_of_the_end_belongs_to_the_version_in_which_its_interval_lies(world):
    """Half-hours until noon, then quarter-hours, stamped at their ends: 100 kW from 11 to 13 h.

    12:00 ends the last half-hour, 12:15 the first quarter-hour.
    """
    noon = APRIL + 12 * HOUR
    await world.add("s", a_meter("main", expected_interval_s=1800), timezone="UTC")
    await declare(world, a_meter("main", expected_interval_s=900), valid_from=noon)
    minutes = [(-30, 50.0), (0, 50.0), *((at, 25.0) for at in (15, 30, 45, 60))]

    receipt = await send(
        world,
        [
            {
                "meter_id": "s.main",
                "timestamp": (noon + timedelta(minutes=at)).isoformat(),
                "energy_kwh": energy,
            }
            for at, energy in minutes
        ],
        label=IntervalLabel.END,
    )

    assert receipt.rejected == 0
    hours = await of_site(world, noon - HOUR, noon + HOUR, Grain.HOUR)
    assert hours.rows["energy_kwh"].to_list() == [100, 100]
    assert hours.rows["power_kw_max"].to_list() == pytest.approx([100, 100])
    assert hours.rows["coverage"].to_list() == [1, 1]


async def test_the_last_stamp_of_a_meter_that_is_replaced_counts_for_it(world):
    """Hours stamped at their ends: that of midnight is the last hour of the old meter."""
    await world.add(
        "s", a_meter("old", valid_to=SWAP), a_meter("new", valid_from=SWAP), timezone="UTC"
    )
    rows = [("s.old", SWAP), ("s.new", SWAP + HOUR)]

    receipt = await send(
        world,
        [{"meter_id": who, "timestamp": at.isoformat(), "energy_kwh": 100.0} for who, at in rows],
        label=IntervalLabel.END,
    )

    assert receipt.warnings == ()
    hours = await of_site(world, SWAP - HOUR, SWAP + HOUR, Grain.HOUR)
    assert hours.rows["energy_kwh"].to_list() == [100, 100]
    assert hours.total["power_kw_mean"] == pytest.approx(100)
    assert hours.total["coverage"] == pytest.approx(1)


# --- civil days ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("midnights", "energies"),
    [
        # Oslo: 23 hours on 29 March; 100 kW: 2,400, 2,300, 2,400 kWh
        ([(3, 27, 23), (3, 28, 23), (3, 29, 22), (3, 30, 22)], [2_400, 2_300, 2_400]),
        # 25 hours on 25 October
        ([(10, 23, 22), (10, 24, 22), (10, 25, 23), (10, 26, 23)], [2_400, 2_500, 2_400]),
    ],
)
async def test_a_meter_of_civil_days_that_is_replaced_by_one_of_hours(world, midnights, energies):
    """The last day of the old meter is the long, or the short one."""
    begin, _, swap, end = (
        datetime(2026, month, day, hour, tzinfo=UTC) for month, day, hour in midnights
    )
    world.clock.at = end + DAY
    old = a_meter("old", expected_interval_s=86_400, valid_to=swap)
    await world.add("s", old, a_meter("new", valid_from=swap))
    await draw(world, "s.old", begin, [energies[0]])
    await draw(world, "s.old", begin + DAY, [energies[1]])
    await draw(world, "s.new", swap, [100.0] * 24)

    days = await of_site(world, begin, end, Grain.DAY)

    assert days.rows["energy_kwh"].to_list() == pytest.approx(energies)
    assert days.rows["power_kw_mean"].to_list() == pytest.approx([100, 100, 100])
    assert days.rows["power_kw_max"].to_list() == pytest.approx([100, 100, 100])
    assert days.rows["coverage"].to_list() == pytest.approx([1, 1, 1])
    assert days.total["power_kw_mean"] == pytest.approx(100)


# --- forecasts -----------------------------------------------------------------------------------


async def test_a_forecast_learns_one_load_of_a_site_whose_meter_was_replaced(world):
    """100 kWh an hour all April: not 100 until the 16th and from then on, each half known."""
    old, new = a_meter("old", valid_to=SWAP), a_meter("new", valid_from=SWAP)
    await world.add("s", old, new, timezone="UTC")
    await draw(world, "s.old", APRIL, [100.0] * 24 * 15)
    await draw(world, "s.new", SWAP, [100.0] * 24 * 15)

    of = await forecast.subject("site:s", Quantity.LOAD, ports=world)
    rows = await forecast.load_history(of, Grain.HOUR, ports=world)

    assert rows["start_utc"].to_list() == [APRIL + at * HOUR for at in range(720)]
    assert rows["value"].to_list() == pytest.approx([100.0] * 720)


# --- readings of a time at which a meter is not there --------------------------------------------


async def test_readings_outside_the_time_of_a_meter_are_stored_and_the_receipt_warns(world):
    """Two hours before the meter was installed, and one of it."""
    await world.add("s", a_meter("main", valid_from=SWAP), timezone="UTC")
    rows = [
        {"meter_id": "s.main", "timestamp": (SWAP + at * HOUR).isoformat(), "energy_kwh": 100.0}
        for at in (-2, -1, 0)
    ]

    receipt = await send(world, rows)

    assert (receipt.accepted, receipt.rejected) == (3, 0)
    (warning,) = receipt.warnings
    assert warning.startswith(
        "presence of s.main: 2 readings (2026-04-15T22:00Z to 2026-04-15T23:00Z) outside the"
        " meter's valid_from and valid_to are stored and count in no figure"
    )
    assert (await of_site(world, APRIL, MAY, Grain.MONTH)).total["energy_kwh"] == 100
    await declare(world, a_meter("main"), valid_from=SWAP - 2 * HOUR)
    assert (await of_site(world, APRIL, MAY, Grain.MONTH)).total["energy_kwh"] == 300


async def test_a_register_is_read_a_last_time_when_it_is_taken_away(world):
    """10 kWh an hour until midnight, and from midnight on by another register: no hour is lost."""
    old = a_meter("old", valid_to=SWAP, kind=MeterKind.REGISTER)
    new = a_meter("new", valid_from=SWAP, kind=MeterKind.REGISTER)
    await world.add("s", old, new, timezone="UTC")
    states = [
        *(("s.old", SWAP + at * HOUR, 1_000.0 + 10 * at) for at in range(-24, 1)),
        *(("s.new", SWAP + at * HOUR, 10.0 * at) for at in range(25)),
    ]

    receipt = await send(
        world,
        [
            {"meter_id": who, "timestamp": at.isoformat(), "register_kwh": state}
            for who, at, state in states
        ],
    )

    assert (receipt.rejected, receipt.warnings) == (0, ())
    hours = await of_site(world, SWAP - DAY, SWAP + DAY, Grain.HOUR)
    assert hours.rows["energy_kwh"].to_list() == pytest.approx([10.0] * 48)
    assert hours.rows["coverage"].to_list() == pytest.approx([1.0] * 48)
    assert hours.total["power_kw_mean"] == pytest.approx(10)
