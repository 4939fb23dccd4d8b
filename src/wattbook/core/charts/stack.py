"""Amounts made of parts: a bill by its components, step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from wattbook.core.charts import axes, bars, plot
from wattbook.core.charts.plot import Plot
from wattbook.core.charts.scales import Linear
from wattbook.core.charts.svg import SMALL, WIDTH, Canvas, Chart, width_of
from wattbook.core.formatting import Unit
from wattbook.core.periods import Grain, Period

HEIGHT: Final = 130
LINE: Final = 18


@dataclass(frozen=True, slots=True)
class Step:
    """A bucket with the amount of each layer; a layer that is not known is not there."""

    start: datetime
    end: datetime
    amounts: Mapping[str, float]


def stack(
    steps: Sequence[Step],
    layers: Sequence[tuple[str, str]],
    period: Period,
    timezone: str,
    grain: Grain,
    unit: Unit,
    *,
    of: str,
    name: str,
    width: float = WIDTH,
) -> Chart:
    """A bar for each bucket, its layers one above the other; credits hang below zero.

    Parameters
    ----------
    layers
        Colour and name of each, from the bottom.
    of
        What the amounts are, for those who cannot see them.
    """
    ends = [
        sum(part for part in step.amounts.values() if part * sign > 0) / unit.size
        for step in steps
        for sign in (1, -1)
    ]
    lines = _lines(layers, width) if len(layers) > 1 else []
    area = plot.over_time(name, period, ends, width=width, height=HEIGHT, ticks=3, legend=False,
                          striped=False, dated=grain is Grain.HOUR)  # fmt: skip
    down = LINE * len(lines)
    canvas = Canvas(name, area.canvas.height + down, width)
    area = _lowered(area, canvas, down)
    axes.vertical(canvas, area.y, area.step, area.left, "")
    spans = axes.places([each.start for each in steps], [each.end for each in steps], area.x)
    for step, span in zip(steps, spans, strict=True):
        _bar(area, step, span, layers, unit, bars.named(step.start, grain, timezone))
        if len(steps) <= bars.MAX_LABELLED and step.amounts:
            above = sum(part for part in step.amounts.values() if part > 0) / unit.size
            total = unit.write(sum(step.amounts.values()))
            bars.label(canvas, span, area.y(above) - 4, total, "ink")
    bars.below(area, [(e.start, e.end) for e in steps], spans, grain, timezone, period)
    for index, line in enumerate(lines):
        _key(canvas, line, area.left, index * LINE)
    sums = ((text, sum(e.amounts.get(text, 0.0) for e in steps)) for _, text in layers)
    told = "; ".join(f"{text} {unit.say(amount)}" for text, amount in sums)
    return canvas.render(f"{of} by {grain}, made of {told}.")


def _bar(
    area: Plot,
    step: Step,
    span: axes.Span,
    layers: Sequence[tuple[str, str]],
    unit: Unit,
    when: str,
) -> None:
    up, down = 0.0, 0.0
    begin, thick = bars.thickness(span)
    for kind, text in layers:
        amount = step.amounts.get(text, 0.0) / unit.size
        if not amount:
            continue
        bottom = up if amount > 0 else down
        top = bottom + amount
        high, low = area.y(max(top, bottom)), area.y(min(top, bottom))
        about = f"{when}, {text}: {unit.say(step.amounts[text])}"
        area.canvas.rect(kind, begin, high, thick, low - high, about=about)
        up, down = (top, down) if amount > 0 else (up, top)


def _lowered(area: Plot, canvas: Canvas, down: float) -> Plot:
    """The same plot further below, for a legend of several lines above it."""
    y = Linear(area.y.low, area.y.high, area.y.begin + down, area.y.end + down)
    return Plot(canvas=canvas, x=area.x, y=y, step=area.step, left=area.left, base=area.base + down)


def _lines(layers: Sequence[tuple[str, str]], width: float) -> list[list[tuple[str, str, float]]]:
    """The keys of the legend, broken into lines that fit."""
    lines: list[list[tuple[str, str, float]]] = [[]]
    place = 0.0
    for kind, text in layers:
        wide = 17 + width_of(text, SMALL) + 18
        if lines[-1] and place + wide > width - 60:
            lines.append([])
            place = 0.0
        lines[-1].append((kind, text, place))
        place += wide
    return lines


def _key(canvas: Canvas, line: Sequence[tuple[str, str, float]], left: float, top: float) -> None:
    for kind, text, place in line:
        canvas.rect(kind, left + place, top + 2, 12, 10)
        canvas.text(left + place + 17, top + 11, text, kind="mute", size=SMALL)
