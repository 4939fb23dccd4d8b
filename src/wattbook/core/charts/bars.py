"""Amounts side by side: by month, by meter."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from wattbook.core.charts import axes, scales
from wattbook.core.charts.axes import GAP, RIGHT, STRIP, TOP
from wattbook.core.charts.scales import Linear
from wattbook.core.charts.svg import SMALL, WIDTH, Canvas, Chart, at, width_of
from wattbook.core.periods import Grain, Period
from wattbook.core.text import BLANK, MINUS, NOTHING, Unit, number

HEIGHT: Final = 130
ROW: Final = 20
LONGEST: Final = 30
"""Letters of a label; a longer one is cut off, for the table beside has it whole."""
WIDEST: Final = 80
NARROW: Final = 4
"""Bars in less room touch each other."""
MOST_LABELLED: Final = 13
SHORTENED: Final = 1000


@dataclass(frozen=True, slots=True)
class Bar:
    """An amount over a stretch of time; null where it is not known."""

    start: datetime
    end: datetime
    value: float | None
    coverage: float | None = None
    """Share of the time that the amount covers; null draws no strip."""


def by_time(
    bars: Sequence[Bar],
    period: Period,
    timezone: str,
    grain: Grain,
    unit: Unit,
    *,
    of: str,
    name: str,
) -> Chart:
    """A bar for each bucket, from zero; what is not known has none, and below it is hatched.

    Parameters
    ----------
    of
        What the amounts are, for those who cannot see them.
    """
    values = [None if bar.value is None else bar.value / unit.size for bar in bars]
    known = [value for value in values if value is not None]
    low, high, step = scales.figures(known or [1], 3)
    left = axes.left_of(label for _, label in scales.ticks(low, high, step))
    x = Linear(period.start.timestamp(), period.end.timestamp(), left, WIDTH - RIGHT)
    y = Linear(low, high, TOP + HEIGHT, TOP)
    striped = any(bar.coverage is not None for bar in bars)
    base = TOP + HEIGHT + (GAP + STRIP if striped else 0)
    canvas = Canvas(name, base + 24)
    spans = axes.places([bar.start for bar in bars], [bar.end for bar in bars], x)
    axes.vertical(canvas, y, step, left, unit.name)
    for bar, span, value in zip(bars, spans, values, strict=True):
        width = span.end - span.begin
        thick = min(width * 8 / 10 if width > NARROW else width, WIDEST)
        begin = (span.begin + span.end - thick) / 2
        if value is not None:
            top, bottom = y(max(value, 0)), y(min(value, 0))
            about = f"{_named(bar, grain, timezone)}: {unit.say(bar.value)}"
            canvas.rect("mark", begin, top, thick, bottom - top, about=about)
        if value is not None and len(bars) <= MOST_LABELLED:
            _label(canvas, span, y(max(value, 0)) - 4, _short(value, unit), "ink")
    if striped:
        axes.strip(canvas, axes.valued(spans, [bar.coverage for bar in bars]), base - STRIP)
    _below(canvas, bars, spans, base, grain, timezone, x, period)
    listed = "; ".join(
        f"{_named(bar, grain, timezone)} {unit.say(bar.value)}" for bar in bars[:MOST_LABELLED]
    )
    more = f"; and {len(bars) - MOST_LABELLED} more" if len(bars) > MOST_LABELLED else ""
    return canvas.render(f"{of} by {grain}: {listed}{more}.")


def _below(
    canvas: Canvas,
    bars: Sequence[Bar],
    spans: Sequence[axes.Span],
    base: float,
    grain: Grain,
    timezone: str,
    x: Linear,
    period: Period,
) -> None:
    """The names of days or months below their bars; where bars are many, ticks of time."""
    if grain is Grain.HOUR or len(bars) > MOST_LABELLED:
        axes.horizontal(canvas, x, base, scales.instants(period, timezone, MOST_LABELLED))
        return
    told = False
    for bar, span in zip(bars, spans, strict=True):
        at_ = bar.start.astimezone(scales.local(timezone))
        label = f"{at_.day}{BLANK}{at_:%b}" if grain is Grain.DAY else f"{at_:%b}"
        with_year = f"{label}{BLANK}{at_:%Y}"
        if grain is Grain.MONTH and (not told or at_.month == 1) and _fits(span, with_year):
            label, told = with_year, True
        _label(canvas, span, base + 16, label, "mute")


def _label(canvas: Canvas, span: axes.Span, y: float, label: str, kind: str) -> None:
    """What is said of a bar, unless it is too narrow for it."""
    if _fits(span, label):
        middle = (span.begin + span.end) / 2
        canvas.text(middle, y, label, anchor="middle", kind=kind, size=SMALL)


def _fits(span: axes.Span, label: str) -> bool:
    return width_of(label, SMALL) <= span.end - span.begin


def _short(value: float, unit: Unit) -> str:
    """An amount in figures that fit above a bar."""
    return number(value, 0 if abs(value) >= SHORTENED else unit.digits).replace("-", MINUS)


def _named(bar: Bar, grain: Grain, timezone: str) -> str:
    local = bar.start.astimezone(scales.local(timezone))
    form = {Grain.MONTH: "%b %Y", Grain.DAY: "%Y-%m-%d"}.get(grain, "%Y-%m-%d %H:%M")
    return f"{local:{form}}"


def by_name(rows: Sequence[tuple[str, float | None]], unit: Unit, *, of: str, name: str) -> Chart:
    """A bar for each name with its amount at the end; what is not known says so.

    Parameters
    ----------
    of
        What the amounts are, for those who cannot see them.
    """
    labels = [cut(label) for label, _ in rows]
    said = [unit.say(value) if value is not None else "no readings" for _, value in rows]
    left = max((width_of(label) for label in labels), default=0) + 10
    right = WIDTH - max((width_of(text) for text in said), default=0) - 10
    values = [value for _, value in rows if value is not None]
    x = Linear(min([0, *values]), max([0, *values]) or 1, left, right)
    canvas = Canvas(name, max(len(rows), 1) * ROW + 8)
    for index, ((label, value), short, text) in enumerate(zip(rows, labels, said, strict=True)):
        top = 4 + index * ROW
        canvas.text(left - 10, top + 14, short, anchor="end")
        if value is None:
            canvas.text(x(0) + 4, top + 14, text, kind="mute")
            continue
        begin, end = sorted((x(0), x(value)))
        canvas.rect("mark", begin, top + 3, end - begin, ROW - 6, about=f"{label}: {text}")
        canvas.text(end + 6, top + 14, text)
    canvas.line("mute", f"M{at(x(0))} 2V{at(canvas.height - 2)}")
    told = "; ".join(f"{label} {unit.say(value)}" for label, value in rows) or NOTHING
    return canvas.render(f"{of}: {told}.")


def cut(label: str) -> str:
    """A label that fits.

    >>> cut("a" * 40)[-2:]
    'a…'
    """
    return label if len(label) <= LONGEST else f"{label[: LONGEST - 1].rstrip()}…"
