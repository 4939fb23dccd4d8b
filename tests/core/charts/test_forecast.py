"""The picture of a forecast says whose it is, when it was made, and what it lies within."""

from datetime import UTC, datetime, timedelta

import polars as pl

from wattbook.core.charts.forecast import About, outlook
from wattbook.core.charts.svg import Chart
from wattbook.core.formatting import Unit
from wattbook.core.periods import Grain

T = datetime(2026, 11, 27, 23, tzinfo=UTC)  # midnight in Oslo
HOUR = timedelta(hours=1)
KW = Unit("kW", 1, 0)


def steps(start: datetime, values: list[float | None], **more: list[float | None]) -> pl.DataFrame:
    starts = [start + HOUR * at for at in range(len(values))]
    return pl.DataFrame(
        {"start_utc": starts, ("mean" if more else "value"): values, **more},
        schema_overrides={"start_utc": pl.Datetime("us", "UTC")},
    )


def drawn(*, gap_h: int = 12, capacity: float | None = 5000.0, low: float | None = 4490.0) -> Chart:
    history = steps(T - 24 * HOUR, [4500.0 + at % 3 for at in range(24)])
    begin = T + gap_h * HOUR
    rows = steps(begin, [4500.0] * 24, p10=[low] * 24, p90=[4510.0] * 24)
    about = About(
        title="Load of site vemork, by the hour",
        origin=T,
        made=begin,
        now=begin + HOUR / 2,
        model="basis: model (ensemble)",
        capacity=capacity,
    )
    return outlook(history, rows, Grain.HOUR, "Europe/Oslo", KW, about)


def test_it_names_the_site_the_model_the_zone_and_when_it_was_made() -> None:
    svg = drawn().svg

    for said in (
        "Load of site vemork, by the hour",
        "basis: model (ensemble)",
        "known until 2026-11-28 00:00",
        "made 2026-11-28 12:00",
        "Europe/Oslo",
        ">now<",
        "P10 to P90",
    ):
        assert said in svg


def test_what_lies_between_the_known_and_the_expected_is_explained() -> None:
    assert "no readings yet" in drawn().svg
    assert "no readings yet" not in drawn(gap_h=0).svg


def test_a_band_of_twenty_kilowatts_at_4500_is_many_pixels_high() -> None:
    path = next(part for part in drawn().svg.split("<") if part.startswith('path class="band"'))
    places = [float(word.split("H")[0]) for word in path.split('d="')[1].split("V")[1:]]

    assert max(places) - min(places) > 50  # of 230; from zero on it would be one


def test_the_capacity_is_a_line_or_is_said_to_be_above() -> None:
    assert "capacity 5\u202f000\u00a0kW, above" in drawn().svg
    assert "capacity 4\u202f520\u00a0kW<" in drawn(capacity=4520.0).svg
    assert "capacity" not in drawn(capacity=None).svg


def test_quantiles_that_are_not_known_leave_the_expected_line_alone() -> None:
    chart = drawn(low=None)

    assert 'path class="band"' not in chart.svg
    assert "between" not in chart.alt
