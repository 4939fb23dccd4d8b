"""The plot of a chart: where its axes run, and what every kind of chart draws in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from wattbook.core.charts import axes, scales
from wattbook.core.charts.axes import GAP, RIGHT, STRIP, Span
from wattbook.core.charts.scales import Linear
from wattbook.core.charts.svg import SMALL, Canvas, at, width_of
from wattbook.core.formatting import BLANK, Unit
from wattbook.core.periods import Period

TOP: Final = 8
LEGEND: Final = 20
BELOW: Final = 24
SECOND_LINE: Final = 14
MAX_HITS: Final = 400
"""More places that say something under a pointer would only make a page heavy."""
TICK_WIDTH: Final = 55
FAR: Final = 8 / 5
"""A limit so many times the largest figure is written above the plot: drawn, it would flatten the
load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A canvas with its scales."""

    canvas: Canvas
    x: Linear
    y: Linear
    step: float
    left: float
    base: float
    """Where the axis of time runs, below the strip where there is one."""

    @property
    def bottom(self) -> float:
        """Where the vertical axis ends."""
        return self.y.begin

    @property
    def right(self) -> float:
        """Where the plot ends."""
        return self.x.end


def has_hours(period: Period, width: float) -> bool:
    """Whether the ticks of an axis so wide are hours, with their day on a second line."""
    most = max(int((width - RIGHT) / TICK_WIDTH), 2)
    return (period.end - period.start) / timedelta(hours=scales.HOURS[-1]) <= most


def over_time(
    name: str,
    period: Period,
    values: Sequence[float],
    *,
    width: float,
    height: float,
    ticks: int = 4,
    legend: bool = False,
    striped: bool = True,
    zero: bool = True,
    dated: bool = False,
) -> Plot:
    """A plot of figures over a period, with room for a legend above and a strip below it."""
    low, high, step = scales.figures(values or [1], ticks, zero=zero)
    left = axes.left_of(label for _, label in scales.ticks(low, high, step)) - GAP
    top = TOP + (LEGEND if legend else 0)
    bottom = top + height
    base = bottom + (GAP + STRIP if striped else 0)
    canvas = Canvas(name, base + BELOW + (SECOND_LINE if dated else 0), width)
    x = Linear(period.start.timestamp(), period.end.timestamp(), left, width - RIGHT)
    y = Linear(low, high, bottom, top)
    return Plot(canvas=canvas, x=x, y=y, step=step, left=left, base=base)


def draw_axes(plot: Plot, period: Period, timezone: str) -> None:
    """Lines at round figures, and ticks of time below."""
    axes.vertical(plot.canvas, plot.y, plot.step, plot.left, "")
    most = max(int((plot.right - plot.left) / TICK_WIDTH), 2)
    marks = scales.instants(period, timezone, most, dated=True)
    axes.horizontal(plot.canvas, plot.x, plot.base, marks)


def draw_limit(plot: Plot, power_kw: float, unit: Unit, name: str) -> None:
    """A dashed line at a limit, with its name and value at the right end."""
    value = power_kw / unit.size
    place = plot.y(value)
    if value <= plot.y.high:
        path = f"M{at(plot.left)} {at(place)}H{at(plot.right)}"
        plot.canvas.line("limit", path, thick="1.2", dash="6 3")
    plot.canvas.text(
        plot.right,
        max(place, plot.y.end) - 4,
        limit_text(plot, power_kw, unit, name),
        anchor="end",
        kind="mute",
        size=SMALL,
    )


def limit_text(plot: Plot, power_kw: float, unit: Unit, name: str) -> str:
    """What is written at the right end of a limit."""
    text = f"{name}{BLANK}{unit.say_short(power_kw)}"
    return text if power_kw / unit.size <= plot.y.high else f"{text}, above this plot"


def draw_legend(canvas: Canvas, entries: Sequence[tuple[str, str, str]], left: float) -> None:
    """Keys above the plot: the kind of each, `line`, `dash`, `dots` or `box`, and its name."""
    place = left
    for kind, form, text in entries:
        if form == "box":
            canvas.rect(kind, place, 4, 12, 10)
        else:
            dash = {"dash": "5 3", "dots": "1.5 2.5"}.get(form, "")
            canvas.line(kind, f"M{at(place)} 9h18", thick="1.6", dash=dash)
        step = 17 if form == "box" else 23
        canvas.text(place + step, 13, text, kind="mute", size=SMALL)
        place += step + width_of(text, SMALL) + 18


def draw_hits(plot: Plot, spans: Sequence[Span], texts: Sequence[str]) -> None:
    """What a pointer is told at each span; where these are many, at every second or third."""
    every = -(-len(spans) // MAX_HITS)
    top, height = plot.y.end, plot.bottom - plot.y.end
    for first in range(0, len(spans), every):
        last = spans[min(first + every, len(spans)) - 1]
        begin = spans[first].begin
        plot.canvas.hit(begin, top, last.end - begin, height, texts[first])


def said_at(at_: datetime, timezone: str, *, hours: bool) -> str:
    """A local time as a pointer is told it: `Mon 21 Jun 2021 14:00`."""
    local = at_.astimezone(scales.local(timezone))
    day = f"{local:%a} {local.day} {local:%b %Y}"
    return f"{day} {local:%H:%M}" if hours else day
