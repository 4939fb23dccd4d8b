"""The section of a report that shows the load: over time, sorted, by hour and day."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Final

import polars as pl

from wattbook.core.charts import day, duration, heat
from wattbook.core.charts import load as loads
from wattbook.core.charts.svg import Chart
from wattbook.core.formatting import THIN, Unit, spoken, unit_of
from wattbook.core.periods import Grain, zone
from wattbook.core.reporting.limits import capacities
from wattbook.core.reporting.report import Report
from wattbook.sinks.documents.blocks import Block, Side
from wattbook.sinks.documents.cover import earlier_name
from wattbook.sinks.documents.sections import figure, half
from wattbook.sinks.documents.wording import FULL, clock_of, day_of, moment

MIN_DAYS: Final = 7
"""Of fewer days neither what is usual by the hour nor a duration says more than the load."""
RESOLUTION: Final = {
    Grain.QUARTER: "mean by quarter-hour",
    Grain.HOUR: "mean by hour",
    Grain.DAY: "mean by day",
}
MIN_WEEKLY: Final = 120
"""So many days, or more, are compared by the week."""
HOUR: Final = timedelta(hours=1)
NO_TIME: Final = timedelta(0)
MAX_CLOCK_HOURS: Final = 24 * 4


def load(report: Report) -> Iterator[Block]:
    """Power over time, over hours and days, and how long it was how high."""
    curves, scope = report.curves, report.scope
    if curves.duration.is_empty():
        return
    unit = unit_of("power_kw", [*curves.load["power_kw"], report.total["power_kw_max"]])
    peak = (report.total["power_kw_max_at"], report.total["power_kw_max"])
    limits = _limits(report)
    earlier = _earlier(report)

    def draw(width: float, name: str) -> Chart:
        return loads.load(
            curves.load,
            scope.period,
            scope.timezone,
            unit,
            peak=peak,
            limits=limits,
            earlier=earlier,
            width=width,
            name=name,
        )

    yield figure(
        "Power",
        f"{unit.name}, {RESOLUTION[curves.load_grain]}, {clock_of(scope.timezone)}",
        "load",
        draw,
        " ".join(filter(None, [_strip_note(curves.load), _sum_note(report), _clock_note(report)])),
    )
    if curves.heat["day"].n_unique() < MIN_DAYS:
        return
    yield Side(
        [
            half(
                "Load duration",
                f"{unit.name} or more, by share of the known time",
                "duration",
                lambda width, name: duration.duration(
                    curves.duration, unit, width=width, name=name
                ),
            ),
            half(
                "Mean day",
                f"{unit.name} by hour; pale: 80{THIN}% of the days",
                "mean-day",
                lambda width, name: day.mean_day(curves.mean_day, unit, width=width, name=name),
            ),
        ]
    )
    yield _heat(report, unit)


def _earlier(report: Report) -> tuple[str, pl.DataFrame] | None:
    """Name and load of the earlier period; of many days, the mean of each week.

    Two lines that rise and fall by the day, one upon the other, cannot be told apart.
    """
    found = report.comparison
    if found is None:
        return None
    name, rows = earlier_name(found, report), found.load
    if report.curves.load_grain is not Grain.DAY or rows.height < MIN_WEEKLY:
        return name, rows
    week = pl.int_range(pl.len()) // 7
    return f"{name}, mean by week", rows.with_columns(pl.col("power_kw").mean().over(week))


def _sum_note(report: Report) -> str:
    """That a sum of several meters lacks those that were silent."""
    if len(report.scope.mains) == 1 or report.total["coverage"] >= FULL:
        return ""
    return "Where some meters did not report, the line is the sum of the others."


def _clock_note(report: Report) -> str:
    """When clocks change within the hours of an axis."""
    scope = report.scope
    here = zone(scope.timezone)
    hours = int((scope.period.end - scope.period.start) / HOUR)
    if hours > MAX_CLOCK_HOURS:
        return ""
    starts = [(scope.period.start + at * HOUR).astimezone(here) for at in range(hours + 1)]
    for before, after in pairwise(starts):
        change = (after.utcoffset() or NO_TIME) - (before.utcoffset() or NO_TIME)
        if change:
            forward = "forward" if change > NO_TIME else "back"
            struck = (after - change).replace(tzinfo=None, minute=0)
            by = spoken(abs(change).total_seconds())
            return f"Clocks went {forward} by {by} on {moment(struck)}."
    return ""


def _limits(report: Report) -> list[tuple[str, float]]:
    """Names and powers of the lines of a chart: the capacities in force, the contracted power."""
    scope = report.scope
    found = capacities(scope.sites, scope.period)
    here = zone(scope.timezone)
    powers = [
        ("capacity" if during.start == scope.period.start and len(found) == 1
         else f"capacity from {day_of(during.start.astimezone(here))}", power)
        for during, power in found
    ]  # fmt: skip
    return [
        (name, power)
        for name, power in (*powers, ("contracted", scope.contracted_kw))
        if power is not None
    ]


def _strip_note(rows: pl.DataFrame) -> str:
    """What the strip below a chart shows, where it shows something."""
    if (rows["received"] >= FULL).all() and not rows["estimated"].any():
        return ""
    shades = ["solid: no readings came", "grey: some came"]
    if rows["estimated"].any():
        shades.append("hatched: estimated")
    return f"Strip below the plot: {', '.join(shades)}; pale: complete."


def _heat(report: Report, unit: Unit) -> Block:
    cells, scope = report.curves.heat, report.scope
    days = cells["day"].unique().sort()
    weekly = (days[1] - days[0]).days > 1
    note = f"{unit.name} by {'week' if weekly else 'day'} and hour, {clock_of(scope.timezone)}"
    caption = "Each shade stands for an equal share of the hours."
    if cells["turns"].max() != 1:
        caption += " On the day of 25 hours the hour that comes twice is drawn as two."
    return figure(
        "Power by hour and day",
        note,
        "heat",
        lambda width, name: heat.heat(cells, unit, width=width, name=name),
        caption,
    )
