"""A figure over time as one line: hash rate, efficiency, intensity."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from wattbook.core.charts import axes, plot
from wattbook.core.charts.svg import HALF, Chart
from wattbook.core.formatting import Unit
from wattbook.core.periods import Period

HEIGHT: Final = 84


@dataclass(frozen=True, slots=True)
class Point:
    """A figure over a stretch of time; null where it is not known."""

    start: datetime
    end: datetime
    value: float | None


def trend(
    points: Sequence[Point],
    period: Period,
    timezone: str,
    unit: Unit,
    *,
    kind: str,
    of: str,
    name: str,
    width: float = HALF,
    zero: bool = True,
) -> Chart:
    """A line, level over each stretch, that breaks where nothing is known.

    Parameters
    ----------
    kind
        Its colour.
    of
        What the figures are, for those who cannot see them.
    zero
        Whether the axis begins at zero.
    """
    values = [None if each.value is None else each.value / unit.size for each in points]
    known = [value for value in values if value is not None]
    dated = plot.has_hours(period, width)
    area = plot.over_time(name, period, known, width=width, height=HEIGHT, ticks=3,
                          striped=False, zero=zero, dated=dated)  # fmt: skip
    spans = axes.places([each.start for each in points], [each.end for each in points], area.x)
    line = axes.valued(spans, values)
    axes.silence(area.canvas, line, area.y)
    plot.draw_axes(area, period, timezone)
    area.canvas.line(kind, axes.stairs(line, area.y), thick="1.5")
    hours = bool(points) and (points[0].end - points[0].start).days == 0
    texts = [
        f"{plot.said_at(each.start, timezone, hours=hours)}:"
        f" {'not known' if each.value is None else unit.say(each.value)}"
        for each in points
    ]
    plot.draw_hits(area, spans, texts)
    if not known:
        return area.canvas.render(f"{of}: not known.")
    size = unit.size
    low, high = unit.say(min(known) * size), unit.say(max(known) * size)
    return area.canvas.render(f"{of} over time: between {low} and {high}.")
