"""What leaves for other programs: by meter and UTC month, in a fixed order."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
from polars.testing import assert_frame_equal

from wattbook.core import frames
from wattbook.core.archive import export, tables
from wattbook.core.archive.tables import READINGS
from wattbook.core.periods import Period

T = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)


def readings(*keys: tuple[str, int]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            dict.fromkeys(frames.READINGS.columns)
            | {"meter_id": meter, "ts_utc": T + hour * HOUR, "energy_kwh": hour * 0.1}
            | {"quality": "estimated", "known_utc": T, "revision": 3}
            for meter, hour in keys
        ],
        schema=frames.READINGS.schema,
    )


def contents(*rows: tuple[str, date, int]) -> pl.DataFrame:
    made = [("readings", *row) for row in rows]
    return pl.DataFrame(made, schema=frames.CONTENTS.schema, orient="row")


def test_a_partition_is_a_meter_s_utc_month_sorted_by_time() -> None:
    rows = readings(("b", 0), ("a", 1), ("a", 0), ("a", 2))

    found = list(export.partitions(rows))

    assert [(meter, month, part.height) for meter, month, part in found] == [
        ("a", MARCH, 1),
        ("a", APRIL, 2),
        ("b", MARCH, 1),
    ]
    assert found[1][2]["timestamp"].to_list() == [T + HOUR, T + 2 * HOUR]


def test_it_has_what_is_believed_and_not_since_when() -> None:
    ((_, _, part),) = export.partitions(readings(("a", 2)))

    assert part.columns == ["timestamp", *frames.READING_VALUES, "quality"]
    assert part.row(0) == (T + 2 * HOUR, None, 0.2, None, None, None, None, "estimated")


def test_of_no_readings_there_are_no_partitions() -> None:
    assert list(export.partitions(frames.READINGS.empty())) == []


def test_only_the_meters_that_are_wanted_are_portioned() -> None:
    found = contents(("a", MARCH, 5), ("b", MARCH, 5), ("a", APRIL, 5))

    (portion,) = export.portions(found, ["a", "nobody"])

    assert (portion.owners, portion.rows) == (("a",), 10)
    assert portion.period == Period(tables.span(MARCH).start, tables.span(APRIL).end)


def test_a_period_clips_the_months_at_both_ends_and_drops_the_others() -> None:
    found = contents(("a", MARCH, READINGS.at_once), ("a", APRIL, 5), ("a", date(2026, 5, 1), 5))
    period = Period(datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 4, 2, tzinfo=UTC))

    portions = export.portions(found, ["a"], period)

    assert [(each.period.start, each.period.end) for each in portions] == [
        (period.start, tables.span(MARCH).end),
        (tables.span(APRIL).start, period.end),
    ]
    later = Period(datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC))
    assert export.portions(found, ["a"], later) == []


def test_nothing_is_lost_between_readings_and_partitions() -> None:
    rows = readings(*[(meter, hour) for meter in "ab" for hour in range(60)])

    parts = [part for _, _, part in export.partitions(rows)]

    whole = rows.sort("meter_id", "ts_utc").rename({"ts_utc": "timestamp"})
    assert_frame_equal(pl.concat(parts), whole.select(export.COLUMNS))
