"""The loads of several sites, one below the other on one axis of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from wattbook.core.charts import axes, plot, scales
from wattbook.core.charts.scales import Linear
from wattbook.core.charts.svg import SMALL, WIDTH, Canvas, Chart, at, width_of
from wattbook.core.formatting import Unit
from wattbook.core.periods import Period

ROW: Final = 46
PLOT: Final = 30
NAMES: Final = 32
"""Letters of a name; a longer one is cut off, for the table has it whole."""


@dataclass(frozen=True, slots=True)
class Row:
    """A site's load: `start_utc`, `end_utc`, `power_kw`, and its highest demand."""

    name: str
    load: pl.DataFrame
    peak_kw: float | None


def multiples(
    rows: Sequence[Row],
    period: Period,
    timezone: str,
    unit: Unit,
    *,
    width: float = WIDTH,
    name: str = "sites-load",
) -> Chart:
    """Each load from zero to its own peak, which is written at its end."""
    said = [unit.say(row.peak_kw) if row.peak_kw is not None else "no readings" for row in rows]
    narrow = width < WIDTH
    names = [_cut(row.name) for row in rows]
    left = 0 if narrow else max((width_of(each, SMALL) for each in names), default=0) + 8
    right = width - max((width_of(each, SMALL) for each in said), default=0) - 4
    row_height = ROW + (14 if narrow else 0)
    canvas = Canvas(name, len(rows) * row_height + 24, width)
    x = Linear(period.start.timestamp(), period.end.timestamp(), left, right)
    for index, (row, label, peak) in enumerate(zip(rows, names, said, strict=True)):
        top = index * row_height + row_height - PLOT - 4
        base = top + PLOT
        y = Linear(0, row.peak_kw or 1, base, top)
        spans = axes.places(row.load["start_utc"].to_list(), row.load["end_utc"].to_list(), x)
        line = axes.valued(spans, row.load["power_kw"].to_list())
        axes.silence(canvas, line, Linear(0, 1, base, top))
        canvas.line("grid", f"M{at(left)} {at(base)}H{at(right)}")
        canvas.line("grid", f"M{at(left)} {at(top)}H{at(right)}")
        canvas.line("mark", axes.stairs(line, y), thick="1.2")
        if narrow:
            canvas.text(0, top - 5, label, size=SMALL)
        else:
            canvas.text(left - 8, top + PLOT / 2 + 4, label, anchor="end", size=SMALL)
        canvas.text(right + 4, top + 8, peak, kind="mute", size=SMALL)
        _hits(canvas, row, spans, top, timezone, unit)
    most = max(int((right - left) / plot.TICK_WIDTH), 2)
    base = len(rows) * row_height
    axes.horizontal(canvas, x, base, scales.instants(period, timezone, most))
    told = "; ".join(f"{row.name} up to {peak}" for row, peak in zip(rows, said, strict=True))
    return canvas.render(f"Load of each site over time, from zero to its peak: {told}.")


def _hits(
    canvas: Canvas,
    row: Row,
    spans: Sequence[axes.Span],
    top: float,
    timezone: str,
    unit: Unit,
) -> None:
    every = -(-len(spans) // 100)
    values = row.load["power_kw"].to_list()
    for first in range(0, len(spans), every):
        last = spans[min(first + every, len(spans)) - 1]
        at_ = plot.said_at(row.load["start_utc"][first], timezone, hours=False)
        value = values[first]
        text = f"{row.name}, {at_}: {'no readings' if value is None else unit.say(value)}"
        canvas.hit(spans[first].begin, top, last.end - spans[first].begin, PLOT, text)


def _cut(name: str) -> str:
    return name if len(name) <= NAMES else f"{name[: NAMES - 1].rstrip()}…"
