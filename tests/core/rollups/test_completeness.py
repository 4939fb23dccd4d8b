"""Readings that came are counted apart from energy that is known."""

from datetime import UTC, datetime, timedelta

import polars as pl

from wattbook.core import frames
from wattbook.core.meters import presence
from wattbook.core.periods import Period
from wattbook.core.rollups.completeness import completeness, of_steps, together

T = datetime(2026, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)


def meters(every_s: int = 900, hold_s: int | None = None) -> pl.DataFrame:
    about = {"meter_id": "m", "expected_interval_s": every_s, "max_hold_s": hold_s}
    return pl.DataFrame([about], schema=frames.METERS.schema)


def always(*meter_ids: str) -> pl.DataFrame:
    """Meters that are there all the time."""
    about = [{"meter_id": each} for each in meter_ids]
    return presence.spans(pl.DataFrame(about, schema=frames.METERS.schema))


def quarters(*rows: tuple[int, int, float | None, str | None]) -> pl.DataFrame:
    """Number of the quarter-hour, readings in it, its energy and quality."""
    return pl.DataFrame(
        [
            {
                "meter_id": "m",
                "start_utc": T + at * QUARTER,
                "readings": readings,
                "energy_kwh": energy,
                "covered_s": 0.0 if energy is None else 900.0,
                "quality": quality,
            }
            for at, readings, energy, quality in rows
        ],
        schema_overrides={"start_utc": frames.UTC, "energy_kwh": pl.Float64, "quality": pl.String},
    )


def test_a_register_that_was_silent_knows_the_energy_but_not_its_course() -> None:
    # 24 hours of quarter-hours: 96. Silent from 02:00 to 11:00, 36 of them, 10 kWh in each.
    rows = [
        (at, int(not 8 <= at < 44), 10.0, "estimated" if 8 <= at < 44 else "measured")
        for at in range(96)
    ]

    found = completeness(quarters(*rows), meters(), Period(T, T + 24 * HOUR))

    assert (found.received, found.expected, found.missing) == (60, 96, 36)
    assert found.share == 60 / 96
    assert found.silences.rows() == [
        ("m", T + 2 * HOUR, T + 11 * HOUR, 9 * 3600, 360.0, 360.0),
    ]


def test_a_meter_that_sends_nothing_is_silent_all_the_time() -> None:
    nothing = quarters((0, 0, None, None)).clear()

    found = completeness(nothing, meters(), Period(T, T + 2 * HOUR))

    assert (found.received, found.missing, found.share) == (0, 8, 0.0)
    assert found.silences.rows() == [("m", T, T + 2 * HOUR, 7200, None, None)]


def test_an_hourly_meter_is_not_silent_between_its_readings() -> None:
    rows = [(at, int(at % 4 == 0), 5.0, "measured") for at in range(16)]

    found = completeness(quarters(*rows), meters(3600), Period(T, T + 4 * HOUR))

    assert (found.received, found.expected, found.missing) == (4, 4, 0)
    assert found.silences.is_empty()


def test_a_meter_that_sends_on_change_is_expected_to_send_nothing() -> None:
    rows = [(0, 1, 5.0, "measured"), (1, 0, 5.0, "measured"), (2, 0, 5.0, "measured")]

    found = completeness(quarters(*rows), meters(60, 3600), Period(T, T + 3 * QUARTER))

    assert (found.expected, found.share) == (0, None)
    assert found.silences.is_empty()  # it is believed for an hour


def test_too_many_readings_of_one_meter_make_up_for_none_of_another() -> None:
    period = Period(T, T + HOUR)
    more = completeness(quarters((0, 9, 1.0, "measured")), meters(), period)
    none = completeness(quarters((0, 0, None, None)).clear(), meters(), period)

    assert together([more, none]).missing == 4  # of 4 + 4


def test_a_step_has_the_share_of_its_time_in_which_readings_came() -> None:
    silences = pl.DataFrame(
        {"start_utc": [T + HOUR / 2], "end_utc": [T + 2 * HOUR]},
        schema={"start_utc": frames.UTC, "end_utc": frames.UTC},
    )
    buckets = pl.DataFrame(
        {
            "start_utc": [T + at * HOUR for at in range(3)],
            "end_utc": [T + (at + 1) * HOUR for at in range(3)],
        },
        schema={"start_utc": frames.UTC, "end_utc": frames.UTC},
    )

    assert of_steps(silences, buckets, always("m")).to_list() == [0.5, 0.0, 1.0]
    assert of_steps(silences, buckets, always("m", "n")).to_list() == [0.75, 0.5, 1.0]
