"""Charts: gaps are gaps, bars begin at zero, labels fit, and names cannot break out."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.core import frames
from wattbook.core.charts import (
    axes,
    bars,
    day,
    duration,
    heat,
    load,
    multiples,
    scales,
    stack,
    svg,
    trend,
)
from wattbook.core.charts.axes import Span
from wattbook.core.charts.bars import Bar
from wattbook.core.charts.scales import Linear
from wattbook.core.formatting import Unit
from wattbook.core.periods import Grain, Period
from wattbook.core.rollups import profile

T = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
KW = Unit("kW", 1, 1)
KWH = Unit("kWh", 1, 1)
PLACE = re.compile(r'(?:<text|<rect)[^>]* x="(-?[\d.]+)"')


def hours(powers: Sequence[float | None]) -> pl.DataFrame:
    """Mean power of consecutive hours; null is a gap."""
    return pl.DataFrame(
        {
            "start_utc": [T + at * HOUR for at in range(len(powers))],
            "end_utc": [T + (at + 1) * HOUR for at in range(len(powers))],
            "power_kw_mean": powers,
            "coverage": [float(power is not None) for power in powers],
            "quality": [None if power is None else "measured" for power in powers],
        },
        schema={
            "start_utc": frames.UTC,
            "end_utc": frames.UTC,
            "power_kw_mean": pl.Float64,
            "coverage": pl.Float64,
            "quality": pl.String,
        },
    )


def period(count: int) -> Period:
    return Period(T, T + count * HOUR)


def shapes(chart: svg.Chart, kind: str) -> list[ET.Element]:
    """Elements of a class; that the picture can be read is part of every test."""
    root = ET.fromstring(chart.svg)  # noqa: S314 -- our own picture
    return [each for each in root.iter() if each.get("class") == kind]


def drawn(powers: Sequence[float | None]) -> svg.Chart:
    return load.load(profile.load(hours(powers)), period(len(powers)), "UTC", KW)


def test_a_missing_hour_breaks_the_line_instead_of_touching_zero() -> None:
    chart = drawn([10.0, None, 10.0])

    (line,) = shapes(chart, "mark-line")
    assert str(line.get("d")).count("M") == 2
    assert "V" not in str(line.get("d"))  # level before and after, nothing between
    assert "1 of 3 points are missing" in chart.alt
    assert len(shapes(chart, "hatch")) == 1  # the plot; the strip below is dark there
    assert len(shapes(chart, "none")) == 1


def test_without_a_gap_nothing_is_hatched() -> None:
    chart = drawn([10.0, 20.0, 10.0])

    assert shapes(chart, "hatch") == []
    assert "between 10.0\xa0kW and 20.0\xa0kW; no point is missing" in chart.alt


def test_a_load_of_nothing_is_a_picture_that_says_so() -> None:
    chart = drawn([None] * 24)

    assert "no readings" in chart.svg
    assert chart.alt.endswith("no readings.")


def test_neighbours_of_one_kind_are_one_strip() -> None:
    spans = [Span(at, at + 1, value) for at, value in enumerate([1.0, 1.0, 0.5, 0.0, 0.0])]
    kinds = ["full", "full", "part", "hatch", "hatch"]

    assert axes.runs(spans, kinds) == [("full", 0, 2), ("part", 2, 3), ("hatch", 3, 5)]


def bar(at: int, value: float | None, coverage: float | None = 1.0) -> Bar:
    return Bar(T + at * HOUR, T + (at + 1) * HOUR, value, coverage)


def by_hour(*values: float | None) -> svg.Chart:
    rows = [bar(at, value) for at, value in enumerate(values)]
    return bars.by_time(rows, period(len(rows)), "UTC", Grain.HOUR, KWH, of="Energy", name="energy")


def test_bars_are_as_high_as_their_amounts_and_begin_at_zero() -> None:
    first, second = shapes(by_hour(10.0, 20.0), "mark")

    def edge(each: ET.Element) -> float:
        return float(str(each.get("y"))) + float(str(each.get("height")))

    assert float(str(second.get("height"))) == 2 * float(str(first.get("height")))
    assert edge(first) == edge(second)


def test_an_amount_below_zero_hangs_from_zero() -> None:
    up, down = shapes(by_hour(10.0, -10.0), "mark")

    assert up.get("height") == down.get("height")
    assert float(str(down.get("y"))) == float(str(up.get("y"))) + float(str(up.get("height")))


def test_an_unknown_amount_has_no_bar() -> None:
    chart = by_hour(10.0, None)

    assert len(shapes(chart, "mark")) == 1
    assert chart.alt.endswith("Thu 1 Jan 2026 01:00 –.")


def test_names_are_text_and_long_ones_are_cut() -> None:
    chart = bars.by_name(
        [('<b>"x" & y', 1.0), ("z" * 99, 2.0), ("silent", None)], KWH, of="Energy", name="sites"
    )

    texts = [each.text for each in shapes(chart, "ink")]
    assert texts[0] == '<b>"x" & y'
    assert "z" * 29 + "…" in texts
    assert [each.text for each in shapes(chart, "mute")] == ["no readings"]


def test_the_hour_that_clocks_skip_is_blank_and_the_one_struck_twice_is_two_halves() -> None:
    def cells(start: str, count: int) -> pl.DataFrame:
        begin = datetime.fromisoformat(start)
        rows = hours([5.0] * count).with_columns(
            start_utc=pl.Series([begin + at * HOUR for at in range(count)], dtype=frames.UTC)
        )
        return profile.heat(rows, "Europe/Oslo")

    spring, autumn = cells("2026-03-28T23:00Z", 23), cells("2026-10-24T22:00Z", 25)

    assert [hour for hour in range(24) if hour not in set(spring["hour"])] == [2]
    assert autumn.filter(hour=2).select("turn", "turns").rows() == [(0, 2), (1, 2)]
    chart = heat.heat(autumn, KW)
    shades = (each for step in range(svg.SHADES) for each in shapes(chart, f"h{step}"))
    (shape,) = [each for each in shades if each.tag.endswith("path")]
    assert str(shape.get("d")).count("M") == 25


def test_beyond_a_year_and_a_bit_each_column_is_a_week() -> None:
    rows = hours([5.0] * 24 * 420)

    days = profile.heat(rows, "UTC")["day"].unique().sort()

    assert days.dt.weekday().unique().to_list() == [1]
    assert len(days) == 61  # 420 days from a Thursday touch so many weeks


def test_a_day_is_drawn_as_its_mean_between_its_lowest_and_highest_hour() -> None:
    rows = hours([10.0] * 12 + [30.0] * 12 + [None] * 24)
    days = profile.days(period(48), "UTC")

    found = profile.load(rows, days)

    assert found["estimated"].to_list() == [False, False]
    assert found.select("power_kw", "low_kw", "high_kw", "coverage").rows() == [
        (20.0, 10.0, 30.0, 1.0),
        (None, None, None, 0.0),
    ]


def test_a_duration_curve_is_said_in_words() -> None:
    curve = profile.duration(pl.DataFrame({"power_kw": [10.0, 30.0, 20.0]}))

    chart = duration.duration(curve, KW)

    assert "at least 30.0\xa0kW at the peak, at least 20.0\xa0kW for half" in chart.alt
    assert shapes(chart, "mark-line")
    assert duration.duration(curve.clear(), KW).alt == "Load duration: no readings."


@pytest.mark.parametrize(
    ("days", "timezone", "first"),
    [(1, "Asia/Kolkata", "06:00"), (7, "UTC", "1 Jan"), (365, "UTC", "Jan 2026")],
)
def test_ticks_are_round_local_times(days: int, timezone: str, first: str) -> None:
    found = scales.instants(Period(T, T + timedelta(days=days)), timezone, 13)

    assert found[0][1] == first
    assert len(found) <= 14


def figures(low: float, high: float) -> st.SearchStrategy[float]:
    """To the thousandth, as far as meters tell."""
    return st.floats(low, high).map(lambda figure: round(figure, 3))


@given(st.lists(figures(-1e9, 1e9), min_size=1, max_size=20), st.integers(2, 6))
def test_an_axis_holds_every_figure_and_zero(values: list[float], count: int) -> None:
    low, high, step = scales.figures(values, count)

    assert low <= min([0, *values])
    assert high >= max([0, *values])
    assert len(scales.ticks(low, high, step)) <= 3 * count + 2


@given(st.lists(st.one_of(st.none(), figures(0, 1e7)), min_size=1, max_size=60))
def test_whatever_the_load_every_place_is_within_the_picture(powers: list[float | None]) -> None:
    chart = drawn(powers)

    assert all(-1 <= float(place) <= svg.WIDTH + 1 for place in PLACE.findall(chart.svg))
    ET.fromstring(chart.svg)  # noqa: S314 -- our own picture


def test_a_line_of_one_value_has_a_place() -> None:
    assert Linear(5, 5, 0, 100)(5) == 50.0


def test_what_is_estimated_is_dotted_and_hatched_and_has_a_key() -> None:
    rows = hours([10.0, 10.0, 10.0]).with_columns(
        quality=pl.Series(["measured", "estimated", "measured"])
    )

    chart = load.load(profile.load(rows), period(3), "UTC", KW)

    lines = [each.get("stroke-dasharray") for each in shapes(chart, "mark-line")]
    assert "1.5 2.5" in lines
    assert len(shapes(chart, "estimate")) == 3  # below the line, in the strip, and the key
    assert "estimated" in [each.text for each in shapes(chart, "mute")]
    assert "1 of them are estimated" in chart.alt


def test_a_limit_is_a_dashed_line_with_its_value_and_one_far_above_is_only_named() -> None:
    def limited(power_kw: float) -> svg.Chart:
        rows = profile.load(hours([10.0, 20.0]))
        return load.load(rows, period(2), "UTC", KW, limits=[("capacity", power_kw)])

    near, far = limited(25.0), limited(100.0)

    assert len(shapes(near, "limit-line")) == 1
    assert shapes(far, "limit-line") == []
    assert "capacity\xa0100\xa0kW, above this plot" in far.svg


@pytest.mark.parametrize("at", [2, 12, 22])
@pytest.mark.parametrize("limit_kw", [21.0, 500.0])
def test_the_names_of_the_peak_and_of_a_limit_do_not_cover_each_other(
    at: int, limit_kw: float
) -> None:
    rows = profile.load(hours([20.0 if each == at else 10.0 for each in range(24)]))
    peak = (rows["start_utc"][at], 20.0)

    chart = load.load(rows, period(24), "UTC", KW, peak=peak, limits=[("capacity", limit_kw)],
                      width=svg.HALF)  # fmt: skip

    def box(word: str) -> tuple[float, float, float]:
        root = ET.fromstring(chart.svg)  # noqa: S314 -- our own picture
        (each,) = [t for t in root.iter() if word in (t.text or "") and t.tag.endswith("text")]
        wide, x = svg.width_of(str(each.text), svg.SMALL), float(each.attrib["x"])
        begin = x - wide if each.attrib["text-anchor"] == "end" else x
        return begin, begin + wide, float(each.attrib["y"])

    ours, other = box("peak"), box("capacity")
    beside = ours[1] <= other[0] or other[1] <= ours[0]
    assert beside or abs(ours[2] - other[2]) >= svg.SMALL
    assert ours[0] >= 0


def test_the_period_before_is_a_dashed_line_at_the_same_places() -> None:
    rows = profile.load(hours([10.0, 20.0]))
    before = pl.DataFrame({"start_utc": rows["start_utc"], "power_kw": [5.0, None]})

    chart = load.load(rows, period(2), "UTC", KW, earlier=("May 2026", before))

    (line,) = [each for each in shapes(chart, "limit-line") if each.get("stroke-width") == "1"]
    assert str(line.get("d")).count("H") == 1  # nothing is known of the second hour
    assert "May 2026" in [each.text for each in shapes(chart, "mute")]


def test_a_day_with_25_hours_says_so() -> None:
    begin = datetime.fromisoformat("2026-10-23T22:00Z")
    days = [24, 25, 24]
    ends = [begin + timedelta(hours=sum(days[: at + 1])) for at in range(3)]
    rows = [
        Bar(end - timedelta(hours=long), end, 1.0) for end, long in zip(ends, days, strict=True)
    ]
    over = Period(begin, ends[-1])

    chart = bars.by_time(rows, over, "Europe/Oslo", Grain.DAY, KWH, of="Energy", name="e")

    assert [text.text for text in shapes(chart, "ink") if "h" in str(text.text)] == ["25\xa0h"]


def test_three_days_of_hours_name_their_days_below_midnight() -> None:
    labels = [
        label
        for _, label in scales.instants(Period(T, T + timedelta(days=3)), "UTC", 13, dated=True)
    ]

    assert labels[0] == "00:00\nThu 1 Jan"
    assert labels[1] == "06:00"
    assert labels[4] == "00:00\nFri 2 Jan"


def test_a_heat_map_gives_each_shade_an_equal_share_of_the_hours() -> None:
    cells = profile.heat(hours([float(at) ** 3 for at in range(24 * 8)]), "UTC")

    chart = heat.heat(cells, KW)

    counts = [
        sum(str(each.get("d")).count("M") for each in shapes(chart, f"h{step}") if each.get("d"))
        for step in range(svg.SHADES)
    ]
    assert sum(counts) == 192
    assert max(counts[1:-1]) - min(counts[1:-1]) <= 1
    assert "hour" in [each.text for each in shapes(chart, "mute")]


def test_noise_of_a_constant_load_does_not_fill_the_scale() -> None:
    cells = profile.heat(hours([100.0 + at % 2 / 10 for at in range(24 * 8)]), "UTC")

    chart = heat.heat(cells, KW)

    used = [s for s in range(svg.SHADES) if any(e.get("d") for e in shapes(chart, f"h{s}"))]
    assert max(used) - min(used) <= 1  # 0.1 of 100 kW


def test_a_bill_is_a_stack_whose_layers_are_its_components() -> None:
    steps = [
        stack.Step(T, T + HOUR, {"energy": 30.0, "tax": 10.0}),
        stack.Step(T + HOUR, T + 2 * HOUR, {"energy": 15.0, "credit": -5.0}),
    ]
    layers = [("pay0", "energy"), ("pay5", "tax"), ("pay3", "credit")]
    unit = Unit("EUR", 1, 2)

    chart = stack.stack(
        steps, layers, period(2), "UTC", Grain.HOUR, unit, of="Cost in EUR", name="cost"
    )

    energy = [float(str(e.get("height"))) for e in shapes(chart, "pay0") if len(e)]
    (tax,) = [float(str(e.get("height"))) for e in shapes(chart, "pay5") if len(e)]
    assert energy[0] == pytest.approx(3 * tax, abs=0.3)  # 30 above 10, drawn to a tenth
    assert "made of energy 45.00\xa0EUR; tax 10.00\xa0EUR; credit −5.00\xa0EUR" in chart.alt
    assert "40.00" in [each.text for each in shapes(chart, "ink")]


def test_a_mean_day_has_the_mean_of_each_hour() -> None:
    cells = profile.heat(hours([float(at % 24) for at in range(24 * 10)]), "UTC")

    found = profile.mean_day(cells)

    assert found["power_kw"].to_list() == [float(hour) for hour in range(24)]
    assert found["low_kw"].to_list() == found["high_kw"].to_list()
    assert "highest from 23:00 with 23.0\xa0kW" in day.mean_day(found, KW).alt


def test_sites_stand_below_each_other_each_up_to_its_own_peak() -> None:
    rows = [
        multiples.Row(name, profile.load(hours([power, power])), peak)
        for name, power, peak in (("a", 10.0, 20.0), ("b", 1.0, 2.0), ("c", None, None))
    ]

    chart = multiples.multiples(rows, period(2), "UTC", KW)

    assert len(shapes(chart, "mark-line")) == 2
    assert "a up to 20.0\xa0kW; b up to 2.0\xa0kW; c up to no readings" in chart.alt


@pytest.mark.parametrize("width", [svg.WIDTH, svg.HALF])
def test_every_chart_keeps_within_its_width(width: float) -> None:
    rows = profile.load(hours([10.0, None, 20.0] * 100))
    points = [trend.Point(T + at * HOUR, T + (at + 1) * HOUR, float(at)) for at in range(300)]
    charts = [
        load.load(rows, period(300), "UTC", KW, limits=[("capacity", 25.0)], width=width),
        bars.by_time([bar(at, 1.0) for at in range(300)], period(300), "UTC", Grain.HOUR, KWH,
                     of="Energy", name="e", width=width),
        bars.by_name([("a" * 50, 1.0), ("b", 2.0)], KWH, of="Energy", name="n", width=width),
        trend.trend(points, period(300), "UTC", KW, kind="hash", of="Rate", name="t", width=width),
        heat.heat(profile.heat(hours([5.0] * 24 * 30), "UTC"), KW, width=width),
    ]  # fmt: skip

    for chart in charts:
        assert all(-1 <= float(place) <= width + 1 for place in PLACE.findall(chart.svg))
