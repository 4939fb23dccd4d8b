"""What every store of rollups does; implementations join in conftest.py."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wattbook.core import frames
from wattbook.core.periods import Grain, Period
from wattbook.core.readings.rejects import Rejects
from wattbook.core.rollups import aggregation, metrics, reactive
from wattbook.ports.readings import Batch

T = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = Period(T, T + 24 * HOUR)
EVER = Period(datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
NUMBERS = count()
NOTHING = frames.DIRTY.empty()


def meters(*names: str) -> pl.DataFrame:
    about = {
        "site_id": "s",
        "operator": "alder",
        "zone": "NO1",
        "timezone": "UTC",
        "kind": "power",
        "role": "main",
        "expected_interval_s": 900,
        "max_hold_s": 900,
        "register_size_kwh": None,
        "capacity_kw": None,
    }
    return pl.DataFrame([{"meter_id": name} | about for name in names], schema=frames.METERS.schema)


def readings(values: Mapping[int, float], meter_id: str = "a") -> pl.DataFrame:
    """Power so many minutes after `T`."""
    return pl.DataFrame(
        [
            dict.fromkeys(frames.READINGS.columns)
            | {"meter_id": meter_id, "ts_utc": T + minute * MINUTE, "power_kw": value}
            | {"hashrate_th": 100.0, "reactive_power_kvar": -30.0}
            | {"quality": "measured", "known_utc": T, "revision": 0}
            for minute, value in values.items()
        ],
        schema=frames.READINGS.schema,
    )


def figures(values: Mapping[int, float], meter_id: str = "a") -> pl.DataFrame:
    """Rollups of all grains, as they are first written."""
    known = meters(meter_id)
    every = aggregation.every_grain(aggregation.quarters(readings(values, meter_id), known), known)
    return aggregation.with_revisions(every, T)


async def keep(
    stores,
    rows: pl.DataFrame | None = None,
    *,
    gone: pl.DataFrame | None = None,
    events: pl.DataFrame | None = None,
    spans: pl.DataFrame | None = None,
    dirty: pl.DataFrame = NOTHING,
) -> None:
    await stores.rollups.write(
        frames.ROLLUPS.empty() if rows is None else rows,
        frames.ROLLUPS.empty().select(frames.ROLLUPS.key) if gone is None else gone,
        frames.EVENTS.empty() if events is None else events,
        NOTHING if spans is None else spans,
        dirty,
    )


async def take_in(stores, values: Mapping[int, float], meter_id: str = "a") -> None:
    kept = readings(values, meter_id)
    await stores.readings.write(
        Batch(
            batch_id=f"b-{next(NUMBERS)}",
            source="test",
            sha256="0" * 64,
            received_utc=T,
            received=kept.height,
            kept=kept.with_row_index("row"),
            rejects=Rejects.of(),
        )
    )


@pytest.fixture
async def known(stores):
    """Stores that have met the meters `a`, `b` and `⚡`, with nothing out of date."""
    for name in ("a", "b", "⚡"):
        await take_in(stores, {0: 1.0}, name)
    await keep(stores, dirty=await stores.rollups.dirty())
    return stores


# --- figures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("grain", list(Grain))
async def test_rollups_come_back_as_they_went_in_to_the_last_bit(known, grain: Grain) -> None:
    rows = figures({0: 100.0, 7: 33.3, 15: 0.1})
    await keep(known, rows)

    back = await known.rollups.read(["a"], grain, EVER)

    assert_frame_equal(back, rows.filter(grain=str(grain)).sort("start_utc"), check_exact=True)
    assert_frame_equal(back, frames.check(back, frames.ROLLUPS))


async def test_a_bucket_of_which_nothing_is_known_stays_unknown(known) -> None:
    unknown = (
        figures({0: 1.0})
        .filter(grain="15min")
        .with_columns(
            pl.lit(None, dtype=dtype).alias(name)
            for name, dtype in frames.ROLLUPS.schema.items()
            if name
            in (
                *("energy_kwh", "power_kw_mean", "power_kw_min", "power_kw_max", "power_kw_max_at"),
                *("hashrate_th_mean", "hashrate_kwh", "efficiency_j_per_th", "quality"),
                "efficiency_time_share",
                *reactive.COLUMNS,
            )
        )
    )
    unknown = unknown.with_columns(
        pl.lit(0.0).alias(name) for name in ("covered_s", "coverage", "hashrate_s", "temperature_s")
    )
    await keep(known, unknown)

    assert_frame_equal(await known.rollups.read(["a"], Grain.QUARTER, EVER), unknown)


async def test_rollups_that_start_in_the_period_are_read_sorted_by_meter_and_start(known) -> None:
    for name in ("⚡", "b", "a"):
        await keep(known, figures({0: 1.0, 15: 2.0, 30: 3.0}, name))

    span = Period(T + 15 * MINUTE, T + 30 * MINUTE)
    back = await known.rollups.read(["⚡", "a", "nobody"], Grain.QUARTER, span)

    assert back.select("meter_id", "start_utc").rows() == [
        ("a", T + 15 * MINUTE),
        ("⚡", T + 15 * MINUTE),
    ]


async def test_of_nobody_there_are_no_rollups(known) -> None:
    for nobody in ([], ["nobody"]):
        back = await known.rollups.read(nobody, Grain.HOUR, EVER)
        assert_frame_equal(back, frames.ROLLUPS.empty())


async def test_days_of_23_and_25_hours_come_back_as_they_are(known) -> None:
    abroad = meters("a").with_columns(timezone=pl.lit("Europe/Oslo"))
    spring, autumn = (
        pl.datetime_range(
            datetime(2026, month, day - 1, 22, tzinfo=UTC),
            datetime(2026, month, day, 23, 45, tzinfo=UTC),
            "15m",
            eager=True,
        )
        for month, day in ((3, 29), (10, 25))
    )
    stamps = pl.concat([spring, autumn])
    sent = readings(dict.fromkeys(range(len(stamps)), 4.0)).with_columns(
        ts_utc=stamps.cast(frames.UTC)
    )
    every = aggregation.with_revisions(
        aggregation.every_grain(aggregation.quarters(sent, abroad), abroad), T
    )

    await keep(known, every)

    days = await known.rollups.read(["a"], Grain.DAY, EVER)
    whole = days.filter(pl.col("readings") == pl.col("expected"))
    assert whole.select("start_utc", "bucket_s", "energy_kwh").rows() == [
        (datetime(2026, 3, 28, 23, tzinfo=UTC), 23 * 3600, 92.0),
        (datetime(2026, 10, 24, 22, tzinfo=UTC), 25 * 3600, 100.0),
    ]
    assert_frame_equal(days, every.filter(grain="day").sort(*frames.ROLLUPS.key), check_exact=True)


async def test_a_newer_figure_replaces_the_one_before(known) -> None:
    old = figures({0: 1.0, 15: 2.0})
    await keep(known, old)
    new = figures({0: 1.0, 15: 3.0}).select(aggregation.FIGURES)

    await keep(known, aggregation.with_revisions(new, T + HOUR, old))

    back = await known.rollups.read(["a"], Grain.QUARTER, EVER)
    assert back["power_kw_mean"].to_list() == [1.0, 3.0]
    assert back["revision"].to_list() == [0, 1]
    assert back["computed_utc"].to_list() == [T, T + HOUR]
    hour = await known.rollups.read(["a"], Grain.HOUR, EVER)
    assert hour["energy_kwh"].to_list() == [1.0]  # (1 + 3) kW × 0.25 h


async def test_a_figure_that_no_longer_is_can_be_dropped(known) -> None:
    rows = figures({0: 1.0, 15: 2.0})
    await keep(known, rows)

    gone = rows.filter(grain="15min", start_utc=T).select(frames.ROLLUPS.key)
    await keep(known, gone=gone)

    back = await known.rollups.read(["a"], Grain.QUARTER, EVER)
    assert back["start_utc"].to_list() == [T + 15 * MINUTE]
    assert (await known.rollups.read(["a"], Grain.HOUR, EVER)).height == 1


async def test_summed_demand_is_what_the_core_would_give(known) -> None:
    await keep(known, figures({0: 1.0, 15: 0.1, 45: 7.0}))
    await keep(known, figures({0: 2.0, 15: 0.2, 30: 5.0}, "b"))
    span = Period(T, T + 45 * MINUTE)

    summed = await known.rollups.demand(["a", "b"], span)

    expected = metrics.demand(await known.rollups.read(["a", "b"], Grain.QUARTER, span))
    assert_frame_equal(summed, expected, check_exact=True)
    assert summed["power_kw"].to_list() == pytest.approx([3.0, 0.3, 5.0])


async def test_of_silent_meters_there_is_no_power(known) -> None:
    assert (await known.rollups.demand(["a"], DAY)).rows() == []
    assert (await known.rollups.demand([], DAY)).rows() == []


# --- pages -------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
async def test_pages_hold_every_row_once_in_the_order_of_the_keys(known, limit: int) -> None:
    names = ["⚡", "b", "a"]
    for name in names:
        await keep(known, figures({0: 1.0, 15: 2.0, 30: 3.0}, name))
    span = Period(T, T + 45 * MINUTE)

    pages, after = [], None
    while True:
        page = await known.rollups.page(names, Grain.QUARTER, span, after, limit)
        if page.is_empty():
            break
        assert page.height <= limit
        pages.append(page)
        meter_id, start_utc = page.select("meter_id", "start_utc").row(-1)
        after = (meter_id, start_utc.isoformat())

    every = await known.rollups.read(names, Grain.QUARTER, span)
    assert_frame_equal(pl.concat(pages), every, check_exact=True)


@pytest.mark.parametrize("grain", list(Grain))
async def test_a_page_begins_with_the_bucket_that_holds_the_start(known, grain: Grain) -> None:
    rows = figures({0: 100.0, 15: 50.0})
    await keep(known, rows)
    late = Period(T + 7 * MINUTE, T + 14 * MINUTE)

    page = await known.rollups.page(["a"], grain, late, None, 10)

    first = rows.filter(grain=str(grain)).sort("start_utc").head(1)
    assert_frame_equal(page, first, check_exact=True)


async def test_a_page_after_the_last_key_is_empty(known) -> None:
    await keep(known, figures({0: 1.0}))

    page = await known.rollups.page(["a"], Grain.QUARTER, EVER, ("a", T.isoformat()), 10)

    assert page.is_empty()
    frames.check(page, frames.ROLLUPS)


# --- events ------------------------------------------------------------------------------------


def events(*minutes: int, meter_id: str = "a", kind: str = "reset") -> pl.DataFrame:
    return pl.DataFrame(
        [(meter_id, T + minute * MINUTE, kind, "from 2 to 1 kWh") for minute in minutes],
        schema=frames.EVENTS.schema,
        orient="row",
    )


def span(begin: int, end: int, meter_id: str = "a") -> pl.DataFrame:
    return pl.DataFrame(
        [(meter_id, T + begin * MINUTE, T + end * MINUTE)],
        schema={"meter_id": pl.String, "from_utc": frames.UTC, "to_utc": frames.UTC},
        orient="row",
    )


async def test_events_come_back_sorted_and_within_the_period(known) -> None:
    await keep(known, events=events(60, 0, 30), spans=span(0, 75))

    back = await known.rollups.events(["a", "nobody"], Period(T, T + HOUR))

    assert_frame_equal(back, events(0, 30))
    assert (await known.rollups.events(["b"], EVER)).is_empty()


async def test_events_within_the_spans_are_replaced_and_others_are_left(known) -> None:
    await keep(known, events=events(0, 30, 60), spans=span(0, 75))
    await keep(known, events=events(30, meter_id="b"), spans=span(0, 75, "b"))

    await keep(known, events=events(45), spans=span(15, 60))

    assert_frame_equal(await known.rollups.events(["a"], EVER), events(0, 45, 60))
    assert_frame_equal(await known.rollups.events(["b"], EVER), events(30, meter_id="b"))


# --- what is out of date -----------------------------------------------------------------------


async def dirty(stores, names: Sequence[str] | None = None) -> list[tuple[str, datetime, datetime]]:
    found: pl.DataFrame = await stores.rollups.dirty(None if names is None else list(names))
    frames.check(found, frames.DIRTY)
    return found.select("meter_id", "from_utc", "to_utc").sort(pl.all()).rows()


async def test_what_was_written_is_out_of_date_from_its_first_to_its_last_stamp(known) -> None:
    await take_in(known, {15: 2.0, 45: 3.0})

    assert await dirty(known) == [("a", T + 15 * MINUTE, T + 45 * MINUTE)]


async def test_a_correction_makes_out_of_date_and_a_duplicate_does_not(known) -> None:
    await take_in(known, {0: 1.0})
    assert await dirty(known) == []

    await take_in(known, {0: 2.0})
    assert await dirty(known) == [("a", T, T)]


async def test_what_is_out_of_date_can_be_asked_of_some_meters(known) -> None:
    await take_in(known, {15: 1.0})
    await take_in(known, {30: 1.0}, "⚡")

    assert await dirty(known, ["⚡", "b"]) == [("⚡", T + 30 * MINUTE, T + 30 * MINUTE)]
    assert await dirty(known, []) == []


async def test_writing_the_figures_settles_what_they_answer(known) -> None:
    await take_in(known, {15: 1.0})
    await take_in(known, {15: 1.0}, "b")

    await keep(known, figures({0: 1.0, 15: 1.0}), dirty=await known.rollups.dirty(["a"]))

    assert [name for name, *_ in await dirty(known)] == ["b"]


async def test_what_was_marked_after_the_look_is_not_settled(known) -> None:
    await take_in(known, {15: 1.0})
    seen = await known.rollups.dirty()
    await take_in(known, {15: 2.0})

    await keep(known, dirty=seen)

    assert await dirty(known) == [("a", T + 15 * MINUTE, T + 15 * MINUTE)]
    await keep(known, dirty=await known.rollups.dirty())
    assert await dirty(known) == []


async def test_the_latest_mark_grows_with_every_change_and_with_nothing_else(known) -> None:
    first = await known.rollups.latest_mark()
    await take_in(known, {0: 1.0})  # a duplicate
    assert await known.rollups.latest_mark() == first

    await take_in(known, {0: 2.0})
    assert await known.rollups.latest_mark() > first


async def test_marking_a_meter_drops_its_figures_and_makes_all_of_it_out_of_date(known) -> None:
    await take_in(known, {2880: 1.0})  # two days on
    await keep(
        known,
        figures({0: 1.0}),
        events=events(0),
        spans=span(0, 15),
        dirty=await known.rollups.dirty(),
    )
    await keep(known, figures({0: 1.0}, "b"))

    await known.rollups.mark(await known.readings.extent(["a", "nobody"]), afresh=True)

    assert await dirty(known) == [("a", T, T + 2880 * MINUTE)]
    for grain in Grain:
        assert (await known.rollups.read(["a"], grain, EVER)).is_empty()
    assert (await known.rollups.events(["a"], EVER)).is_empty()
    assert (await known.rollups.read(["b"], Grain.HOUR, EVER)).height == 1


async def test_a_span_can_be_marked_and_its_figures_stay(known) -> None:
    await keep(known, figures({0: 1.0}))
    marked = span(30, 45, "b")
    before = await known.rollups.latest_mark()

    await known.rollups.mark(marked)

    assert await dirty(known) == [("b", T + 30 * MINUTE, T + 45 * MINUTE)]
    assert await known.rollups.latest_mark() > before
    assert (await known.rollups.read(["a"], Grain.HOUR, EVER)).height == 1


async def test_a_meter_that_was_never_met_can_be_marked(stores) -> None:
    for afresh in (False, True):
        await stores.rollups.mark(span(30, 45, f"new {afresh}"), afresh=afresh)

    marked = (T + 30 * MINUTE, T + 45 * MINUTE)
    assert await dirty(stores) == [("new False", *marked), ("new True", *marked)]
    assert [name for name, *_ in await dirty(stores, ["new True"])] == ["new True"]
    await take_in(stores, {0: 1.0}, "new True")
    assert (await stores.readings.read(["new True"])).height == 1


@pytest.mark.parametrize("others", [["one"], ["two", "one"], ["one", "one"]])
async def test_only_one_recomputation_of_a_site_has_the_turn(known, others) -> None:
    order: list[str] = []

    async def recompute(*site_ids: str) -> None:
        async with known.rollups.turn(site_ids):
            order.append("begins")
            await asyncio.sleep(0.02)
            order.append("ends")

    await asyncio.gather(recompute("one"), recompute(*others))

    assert order == ["begins", "ends"] * 2


async def test_recomputations_of_different_sites_go_on_beside_each_other(known) -> None:
    async with asyncio.timeout(5), known.rollups.turn(["one"]), known.rollups.turn(["two"]):
        pass
    async with asyncio.timeout(5), known.rollups.turn([]), known.rollups.turn(["one"]):
        pass


async def test_who_want_the_same_sites_in_another_order_do_not_wait_in_a_circle(
    known,
) -> None:
    sites = [f"s{number}" for number in range(20)]

    async def recompute(site_ids: list[str]) -> None:
        async with known.rollups.turn(site_ids):
            await asyncio.sleep(0)

    async with asyncio.timeout(20):
        await asyncio.gather(
            *(recompute(sites[n:] + sites[:n]) for n in range(0, 20, 4)),
            *(recompute(sites[n::-1]) for n in range(0, 20, 4)),
        )


async def test_who_goes_away_while_waiting_for_the_turn_leaves_it_to_others(known) -> None:
    async with known.rollups.turn(["one", "two"]):
        waiting = asyncio.create_task(known.rollups.turn(["two", "three"]).__aenter__())
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    async with asyncio.timeout(5), known.rollups.turn(["three", "two", "one"]):
        pass


async def test_figures_and_marks_are_there_when_the_store_is_opened_again(reopen) -> None:
    async with reopen() as stores:
        await take_in(stores, {0: 1.0})
        seen = await stores.rollups.dirty()
        await keep(stores, figures({0: 1.0}), events=events(0), spans=span(0, 15), dirty=seen)
        await take_in(stores, {15: 2.0})
        latest = await stores.rollups.latest_mark()

    async with reopen() as stores:
        back = await stores.rollups.read(["a"], Grain.QUARTER, EVER)
        assert_frame_equal(back, figures({0: 1.0}).filter(grain="15min"))
        assert_frame_equal(await stores.rollups.events(["a"], EVER), events(0))
        assert await dirty(stores) == [("a", T + 15 * MINUTE, T + 15 * MINUTE)]
        await take_in(stores, {30: 2.0})
        assert await stores.rollups.latest_mark() > latest
