"""Taking in batches and single readings: on disk, once, with a receipt that adds up."""

import asyncio
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from wattbook.core.errors import UnavailableError
from wattbook.core.periods import Period
from wattbook.core.readings.checks import IntervalLabel
from wattbook.flows import ingest
from wattbook.flows.ingest import Collector, Origin
from wattbook.ports.readings import WriteResult

T = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BODY = Origin.of("test", b"body")


@pytest.fixture
async def site(world) -> str:
    await world.add("s")
    return "s.main"


def row(hour: int, energy_kwh: float | None, **others: object) -> dict[str, object]:
    stamp = (T + hour * HOUR).isoformat()
    return {"meter_id": "s.main", "timestamp": stamp, "energy_kwh": energy_kwh} | others


async def take_in(world, *rows: dict[str, object], **options) -> WriteResult:
    return await ingest.ingest_readings(
        pl.DataFrame(rows),
        BODY,
        registry=world.registry,
        readings=world.readings,
        clock=world.clock,
        **options,
    )


def counts(written: WriteResult) -> tuple[int, int, int, int]:
    receipt = written.receipt
    return receipt.accepted, receipt.duplicates, receipt.corrected, receipt.rejected


async def test_what_is_good_is_kept_and_what_is_not_is_refused_with_its_row(world, site) -> None:
    written = await take_in(world, row(0, 100.0), row(1, -1.0), row(2, 300.0), row(2, 300.0))

    assert counts(written) == (2, 0, 0, 2)
    assert written.receipt.received == 4
    assert written.rows.to_list() == [0, 2]
    assert written.receipt.rejects.frame().select("row", "reason").rows() == [
        (1, "negative_energy"),
        (3, "duplicate_in_batch"),
    ]
    assert (await world.readings.read([site]))["energy_kwh"].to_list() == [100.0, 300.0]


@pytest.mark.slow
async def test_a_receipt_names_its_source_and_the_hash_of_the_body(world, site) -> None:
    written = await take_in(world, row(0, 100.0))

    kept = await world.readings.receipt(written.receipt.batch_id)
    assert (kept.source, kept.received_utc) == ("test", world.clock.now())
    # sha256 of the four bytes "body"
    assert kept.sha256 == "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5"


async def test_sending_again_is_harmless_and_sending_other_values_corrects(world, site) -> None:
    await take_in(world, row(0, 100.0), row(1, 200.0))

    again = await take_in(world, row(0, 100.0), row(1, 250.0))

    assert counts(again) == (0, 1, 1, 0)
    assert (await world.readings.read([site]))["energy_kwh"].to_list() == [100.0, 250.0]


async def test_an_atomic_batch_is_kept_as_a_whole_or_not_at_all(world, site) -> None:
    bad = await take_in(world, row(0, 100.0), row(1, None), atomic=True)

    assert counts(bad) == (0, 0, 0, 2)
    assert (await world.readings.read([site])).is_empty()
    good = await take_in(world, row(0, 100.0), row(1, 200.0), atomic=True)
    assert counts(good) == (2, 0, 0, 0)


async def test_a_source_that_stamps_the_end_is_moved_to_the_start(world, site) -> None:
    await take_in(world, row(1, 100.0), label=IntervalLabel.END)

    assert (await world.readings.read([site]))["ts_utc"].to_list() == [T]


async def test_the_capacity_of_the_site_is_known_to_ingestion(world, site) -> None:
    written = await take_in(world, row(0, 1000.0), row(1, 2000.1))  # 1000 kW for an hour

    assert written.receipt.rejects.frame()["reason"].to_list() == ["implausible"]


async def test_a_meter_registered_later_is_known_from_then_on(world, site) -> None:
    late = {"site_id": "t", "timestamp": T.isoformat(), "energy_kwh": 1.0}
    assert counts(await take_in(world, late)) == (0, 0, 0, 1)

    await world.add("t")

    assert counts(await take_in(world, late)) == (1, 0, 0, 0)


async def test_a_batch_of_nothing_has_a_receipt_too(world, site) -> None:
    nothing = await ingest.ingest_readings(
        pl.DataFrame(schema={"meter_id": pl.String, "timestamp": pl.String}),
        BODY,
        registry=world.registry,
        readings=world.readings,
        clock=world.clock,
    )

    assert counts(nothing) == (0, 0, 0, 0)
    assert (await world.readings.receipt(nothing.receipt.batch_id)).received == 0


@pytest.mark.slow
async def test_overlapping_batches_at_once_accept_each_reading_once(world, site) -> None:
    written = await asyncio.gather(
        *(take_in(world, *(row(hour, 1.0) for hour in range(at, at + 20))) for at in range(10))
    )

    accepted = sum(done.receipt.accepted for done in written)
    duplicates = sum(done.receipt.duplicates for done in written)
    assert (accepted, duplicates) == (29, 200 - 29)  # hours 0 to 28


async def test_conditions_of_a_zone_are_taken_in_the_same_way(world) -> None:
    rows = pl.DataFrame(
        {
            "zone": ["NO1", "NO1", "a b"],
            "start": [T.isoformat(), (T + HOUR).isoformat(), T.isoformat()],
            "price_per_mwh": [50.0, None, 50.0],
        }
    )

    written = await ingest.ingest_grid(rows, BODY, grid=world.grid, clock=world.clock)
    refused = await ingest.ingest_grid(rows, BODY, atomic=True, grid=world.grid, clock=world.clock)

    assert counts(written) == (1, 0, 0, 2)
    assert written.receipt.rejects.frame()["reason"].to_list() == ["no_value", "bad_zone"]
    assert counts(refused) == (0, 0, 0, 3)


def zone_rows(*rows: tuple[int, int, float]) -> pl.DataFrame:
    """Prices of NO1: minutes after `T`, length [s] and price."""
    return pl.DataFrame(
        {
            "zone": "NO1",
            "start": (T + timedelta(minutes=minutes)).isoformat(),
            "interval_s": length,
            "price_per_mwh": price,
        }
        for minutes, length, price in rows
    )


async def test_rows_of_a_zone_that_overlap_are_warned_of_by_the_receipt(world) -> None:
    # an hour and its first quarter: 0.25 h of two prices, in one batch or in two
    both = zone_rows((0, 3600, 50.0), (0, 900, 80.0))
    dry = await ingest.ingest_grid(both, BODY, dry_run=True, grid=world.grid, clock=world.clock)
    one = await ingest.ingest_grid(both, BODY, grid=world.grid, clock=world.clock)
    later = await ingest.ingest_grid(
        zone_rows((15, 900, 20.0)), BODY, grid=world.grid, clock=world.clock
    )

    (text,) = one.receipt.warnings
    assert dry.receipt.warnings == one.receipt.warnings
    assert text.startswith("price of zone NO-NO1: rows of 900 s and of 3600 s overlap for 0.25 h")
    (text,) = later.receipt.warnings  # with the hour, which was stored before
    assert "between 2026-03-01T00:15Z and 2026-03-01T00:30Z" in text
    assert "the shorter row is used for its time" in text


async def test_rows_of_a_zone_that_follow_each_other_are_not_warned_of(world) -> None:
    quarters = zone_rows(*((15 * at, 900, 50.0) for at in range(4)))
    for _ in range(2):
        done = await ingest.ingest_grid(quarters, BODY, grid=world.grid, clock=world.clock)
        assert done.receipt.warnings == ()


async def test_a_row_of_a_month_or_a_year_holds_for_all_of_it(world) -> None:
    rows = zone_rows((0, 31 * 86_400, 50.0)), zone_rows((0, 366 * 86_400, 40.0))
    for each in rows:
        done = await ingest.ingest_grid(each, BODY, grid=world.grid, clock=world.clock)
        assert done.receipt.accepted == 1
    longer = await ingest.ingest_grid(
        zone_rows((0, 366 * 86_400 + 1, 40.0)), BODY, grid=world.grid, clock=world.clock
    )
    assert longer.receipt.rejects.frame()["reason"].to_list() == ["bad_interval"]

    at = T + timedelta(days=300)
    held = await world.grid.read(["NO-NO1"], Period(at, at + HOUR))
    assert held["price_per_mwh"].to_list() == [40.0]


async def test_receipts_of_the_chunks_of_one_file_add_up(world, site) -> None:
    first = await take_in(world, row(0, 100.0), row(1, -1.0))
    second = await take_in(world, row(0, 100.0), row(2, 100.0), row(3, -1.0))

    both = ingest.add_receipts([first.receipt, second.receipt])

    assert (both.received, both.accepted, both.duplicates, both.rejected) == (5, 2, 1, 2)
    assert both.rejects.frame()["reason"].to_list() == ["negative_energy"] * 2


# --- one by one --------------------------------------------------------------------------------


@pytest.fixture
def collector(world) -> Collector:
    return Collector(registry=world.registry, readings=world.readings, clock=world.clock)


async def test_a_single_reading_is_on_disk_when_the_answer_comes(world, site, collector) -> None:
    single = await collector.take_in(row(0, 100.0))

    assert single.outcome == "accepted"
    assert (await world.readings.read([site])).height == 1
    assert (await world.readings.receipt(single.batch_id)).accepted == 1


async def test_a_single_reading_may_be_a_duplicate_a_correction_or_refused(
    world, site, collector
) -> None:
    outcomes = [await collector.take_in(row(0, energy)) for energy in (1.0, 1.0, 2.0, -1.0)]

    assert [single.outcome for single in outcomes] == [
        "accepted",
        "duplicate",
        "corrected",
        "rejected",
    ]
    assert outcomes[3].reason == "negative_energy"
    assert (outcomes[3].detail or "").startswith("energy_kwh is -1.0, below zero")


async def test_two_hundred_single_readings_at_once_each_get_their_own_answer(
    world, site, collector
) -> None:
    # 120 hours once, 40 of them a second time, and 40 that cannot be kept
    rows = [
        *(row(hour, 1.0) for hour in range(120)),
        *(row(hour, 1.0) for hour in range(40)),
        *(row(hour, -1.0) for hour in range(20)),
        *(row(hour, 1.0, meter_id="nobody") for hour in range(20)),
    ]

    singles = await asyncio.gather(*(collector.take_in(each) for each in rows))

    outcomes = [single.outcome for single in singles]
    assert outcomes == ["accepted"] * 120 + ["duplicate"] * 40 + ["rejected"] * 40
    reasons = [single.reason for single in singles[160:]]
    assert reasons == ["negative_energy"] * 20 + ["unknown_meter"] * 20
    assert (await world.readings.read([site])).height == 120
    assert len({single.batch_id for single in singles}) <= 4  # they shared their commits


@pytest.mark.slow
async def test_readings_of_one_key_at_once_are_taken_in_the_order_they_came(
    world, site, collector
) -> None:
    singles = await asyncio.gather(*(collector.take_in(row(0, float(at))) for at in range(10)))

    assert [single.outcome for single in singles] == ["accepted"] + ["corrected"] * 9
    (last,) = (await world.readings.read([site])).rows(named=True)
    assert (last["energy_kwh"], last["revision"]) == (9.0, 9)


async def test_one_key_named_in_two_ways_is_still_one_key(world, site, collector) -> None:
    by_site = {"site_id": "s", "timestamp": "2026-03-01T01:00:00+01:00", "energy_kwh": 1.0}

    singles = await asyncio.gather(collector.take_in(row(0, 1.0)), collector.take_in(by_site))

    # the same meter and the same instant: what is sent twice is a duplicate, it is not refused
    assert [single.outcome for single in singles] == ["accepted", "duplicate"]


class Failing:
    """A store of readings that cannot be reached."""

    async def write(self, batch: object) -> WriteResult:
        raise UnavailableError("the store failed")


async def test_when_the_store_fails_every_caller_is_told_and_the_next_ones_are_served(
    world, site
) -> None:
    collector = Collector(
        registry=world.registry,
        readings=Failing(),  # type: ignore[arg-type]  # only what is called
        clock=world.clock,
    )

    for _ in range(2):
        answers = await asyncio.gather(
            *(collector.take_in(row(hour, 1.0)) for hour in range(5)), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [UnavailableError] * 5


async def test_a_caller_who_goes_away_takes_nobody_along(world, site, collector) -> None:
    tasks = [asyncio.create_task(collector.take_in(row(hour, 1.0))) for hour in range(10)]
    await asyncio.sleep(0)
    tasks[3].cancel()

    answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(answers.pop(3), asyncio.CancelledError)
    assert {answer.outcome for answer in answers} == {"accepted"}  # type: ignore[union-attr]
