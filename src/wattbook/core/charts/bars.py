"""Amounts side by side: by month, by meter."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from wattbook.core.charts import axes, plot, scales
from wattbook.core.charts.axes import STRIP
from wattbook.core.charts.plot import Plot
from wattbook.core.charts.scales import Linear
from wattbook.core.charts.svg import SMALL, WIDTH, Canvas, Chart, at, width_of
from wattbook.core.formatting import BLANK, MINUS, NOTHING, Unit, number
from wattbook.core.periods import Grain, Period

HEIGHT: Final = 110
ROW: Final = 20
MAX_LABEL_LENGTH: Final = 30
"""Letters of a label; a longer one is cut off, for the table beside has it whole."""
SHORT: Final = 24
"""The same where a chart is half as wide."""
HOUR: Final = timedelta(hours=1)
HOURS_PER_DAY: Final = 24
WIDEST: Final = 80
NARROW: Final = 4
"""Bars in less room touch each other."""
MAX_LABELLED: Final = 13
SHORTENED: Final = 1000


@dataclass(frozen=True, slots=True)
class Bar:
    """An amount over a stretch of time; null where it is not known."""

    start: datetime
    end: datetime
    value: float | None
    received: float | None = None
    """Share of the time in which readings came; null draws no strip."""
    estimated: float = 0.0
    """Share of the amount that is estimated or substituted: hatched."""


def by_time(
    bars: Sequence[Bar],
    period: Period,
    timezone: str,
    grain: Grain,
    unit: Unit,
    *,
    of: str,
    name: str,
    width: float = WIDTH,
) -> Chart:
    """A bar for each bucket, from zero; what is estimated is hatched, what is unknown has none.

    Parameters
    ----------
    of
        What the amounts are, for those who cannot see them.
    """
    values = [None if bar.value is None else bar.value / unit.size for bar in bars]
    known = [value for value in values if value is not None]
    striped = any(bar.received is not None for bar in bars)
    area = plot.over_time(name, period, known, width=width, height=HEIGHT, ticks=3,
                          striped=striped, dated=grain is Grain.HOUR)  # fmt: skip
    canvas, y = area.canvas, area.y
    spans = axes.places([bar.start for bar in bars], [bar.end for bar in bars], area.x)
    axes.vertical(canvas, y, area.step, area.left, "")
    for bar, span, value in zip(bars, spans, values, strict=True):
        begin, thick = thickness(span)
        if value is not None:
            top, bottom = y(max(value, 0)), y(min(value, 0))
            about = f"{named(bar.start, grain, timezone)}: {unit.say(bar.value)}"
            guessed = (bottom - top) * min(bar.estimated, 1)
            canvas.rect("mark", begin, top + guessed, thick, bottom - top - guessed, about=about)
            if guessed:
                part = f"{about}, {bar.estimated:.0%} of it estimated"
                canvas.rect("estimate", begin, top, thick, guessed, about=part)
        if value is not None and len(bars) <= MAX_LABELLED and not _odd(bar, grain, timezone):
            label(canvas, span, y(max(value, 0)) - 4, _short(value, unit), "ink")
    _odd_days(canvas, bars, spans, values, area, grain, timezone)
    if striped:
        shares = axes.valued(spans, [bar.received for bar in bars])
        axes.strip(canvas, shares, area.base - STRIP)
    below(area, [(bar.start, bar.end) for bar in bars], spans, grain, timezone, period)
    listed = "; ".join(
        f"{named(bar.start, grain, timezone)} {unit.say(bar.value)}" for bar in bars[:MAX_LABELLED]
    )
    more = f"; and {len(bars) - MAX_LABELLED} more" if len(bars) > MAX_LABELLED else ""
    return canvas.render(f"{of} by {grain}: {listed}{more}.")


def thickness(span: axes.Span) -> tuple[float, float]:
    """Where a bar begins in its span, and how thick it is."""
    width = span.end - span.begin
    thick = min(width * 8 / 10 if width > NARROW else width, WIDEST)
    return (span.begin + span.end - thick) / 2, thick


def _odd(bar: Bar, grain: Grain, timezone: str) -> str:
    """The length of a civil day that has not 24 hours; empty for any other bucket."""
    here = scales.local(timezone)
    first, last = bar.start.astimezone(here), bar.end.astimezone(here)
    hours = (bar.end - bar.start) / HOUR
    midnights = first.time() == last.time() == datetime.min.time()
    if grain is not Grain.DAY or not midnights or hours == HOURS_PER_DAY:
        return ""
    return f"{hours:g}{BLANK}h"


def _odd_days(
    canvas: Canvas,
    bars: Sequence[Bar],
    spans: Sequence[axes.Span],
    values: Sequence[float | None],
    area: Plot,
    grain: Grain,
    timezone: str,
) -> None:
    """Days on which clocks change say how long they are."""
    for bar, span, value in zip(bars, spans, values, strict=True):
        if text := _odd(bar, grain, timezone):
            middle = (span.begin + span.end) / 2
            place = max(area.y(max(value or 0, 0)) - 3, 10)
            canvas.text(middle, place, text, anchor="middle", kind="ink", size=SMALL)


def below(
    area: Plot,
    ends: Sequence[tuple[datetime, datetime]],
    spans: Sequence[axes.Span],
    grain: Grain,
    timezone: str,
    period: Period,
) -> None:
    """The names of days or months below their bars; where bars are many, ticks of time."""
    if grain is Grain.HOUR or len(ends) > MAX_LABELLED:
        most = max(int((area.right - area.left) / plot.TICK_WIDTH), 2)
        marks = scales.instants(period, timezone, most, dated=grain is Grain.HOUR)
        axes.horizontal(area.canvas, area.x, area.base, marks)
        return
    told = False
    for (start, _), span in zip(ends, spans, strict=True):
        at_ = start.astimezone(scales.local(timezone))
        text = f"{at_.day}{BLANK}{at_:%b}" if grain is Grain.DAY else f"{at_:%b}"
        with_year = f"{text}{BLANK}{at_:%Y}"
        if grain is Grain.MONTH and (not told or at_.month == 1) and _fits(span, with_year):
            text, told = with_year, True
        label(area.canvas, span, area.base + 16, text, "mute")


def label(canvas: Canvas, span: axes.Span, y: float, text: str, kind: str) -> None:
    """What is said of a bar, unless it is too narrow for it."""
    if _fits(span, text):
        middle = (span.begin + span.end) / 2
        canvas.text(middle, y, text, anchor="middle", kind=kind, size=SMALL)


def _fits(span: axes.Span, text: str) -> bool:
    return width_of(text, SMALL) <= span.end - span.begin


def _short(value: float, unit: Unit) -> str:
    """An amount in figures that fit above a bar."""
    return number(value, 0 if abs(value) >= SHORTENED else unit.digits).replace("-", MINUS)


def named(start: datetime, grain: Grain, timezone: str) -> str:
    """A bucket by its start, as a pointer is told it."""
    local = start.astimezone(scales.local(timezone))
    if grain is Grain.MONTH:
        return f"{local:%B %Y}"
    return plot.said_at(start, timezone, hours=grain is not Grain.DAY)


def by_name(
    rows: Sequence[tuple[str, float | None]],
    unit: Unit,
    *,
    of: str,
    name: str,
    width: float = WIDTH,
) -> Chart:
    """A bar for each name with its amount at the end; what is not known says so.

    Parameters
    ----------
    of
        What the amounts are, for those who cannot see them.
    """
    labels = [cut(label, MAX_LABEL_LENGTH if width == WIDTH else SHORT) for label, _ in rows]
    said = [unit.say(value) if value is not None else "no readings" for _, value in rows]
    left = max((width_of(label) for label in labels), default=0) + 10
    right = width - max((width_of(text) for text in said), default=0) - 10
    values = [value for _, value in rows if value is not None]
    x = Linear(min([0, *values]), max([0, *values]) or 1, left, right)
    canvas = Canvas(name, max(len(rows), 1) * ROW + 8, width)
    for index, ((whole, value), short, text) in enumerate(zip(rows, labels, said, strict=True)):
        top = 4 + index * ROW
        canvas.text(left - 10, top + 14, short, anchor="end")
        if value is None:
            canvas.text(x(0) + 4, top + 14, text, kind="mute")
            continue
        begin, end = sorted((x(0), x(value)))
        canvas.rect("mark", begin, top + 3, end - begin, ROW - 6, about=f"{whole}: {text}")
        canvas.text(end + 6, top + 14, text)
    canvas.line("mute", f"M{at(x(0))} 2V{at(canvas.height - 2)}")
    told = "; ".join(f"{each} {unit.say(value)}" for each, value in rows) or NOTHING
    return canvas.render(f"{of}: {told}.")


def cut(text: str, longest: int = MAX_LABEL_LENGTH) -> str:
    """A label that fits.

    >>> cut("a" * 40)[-2:]
    'a…'
    """
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"
