"""What was, what is expected after it, and between which figures it may lie."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from wattbook.core import periods
from wattbook.core.charts import axes, scales
from wattbook.core.charts.axes import RIGHT, Span
from wattbook.core.charts.scales import Linear
from wattbook.core.charts.svg import SMALL, Canvas, Chart, at, width_of
from wattbook.core.formatting import Unit, clock
from wattbook.core.periods import Grain, Period

HEIGHT: Final = 230
"""Of the plot."""
TOP: Final = 74
"""Of the plot: above it are the title, what the forecast is, and the unit."""
BELOW: Final = 6
"""Between the plot and its axis of time."""
LEGEND: Final = 42
MAX_TICKS: Final = 13
MIN_SHARE: Final = 1 / 3
"""The axis begins at zero unless all figures lie in less than this share of the largest."""
MARGIN: Final = 1 / 10
"""Of their range, above and below the figures where the axis does not begin at zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a reader has to know of the forecast to read its picture."""

    title: str
    """Whose load or hash rate it is."""
    origin: datetime
    """End of what was known when it was made."""
    made: datetime
    now: datetime
    model: str
    """The basis, and the model whose figures these are."""
    capacity: float | None = None
    """The most that can be drawn; null where it is not known."""


def outlook(
    history: pl.DataFrame,
    rows: pl.DataFrame,
    grain: Grain,
    timezone: str,
    unit: Unit,
    about: About,
    *,
    name: str = "outlook",
) -> Chart:
    """The history as a grey line, the forecast as a blue one within its widest quantiles.

    A line marks the present. What lies between the last known figure and the first
    that is shown is hatched, with the reason.

    Parameters
    ----------
    history
        `start_utc`, `value` before the rows; a null breaks the line.
    rows
        `start_utc`, `mean`, and a column for each quantile.
    grain
        Length of a step.
    timezone
        Of the days on the axis.
    unit
        Of the vertical axis.
    about
        Whose forecast it is, when it was made, and what can be drawn at most.
    """
    end = periods.after(rows["start_utc"][-1], grain, timezone)
    begin = history["start_utc"][0] if history.height else rows["start_utc"][0]
    period = Period(begin, end)
    levels = [column for column in rows.columns if column not in ("start_utc", "mean")]
    low, high, step = _domain(history, rows, levels, unit, about.capacity)
    left = axes.left_of(label for _, label in scales.ticks(low, high, step))
    x = Linear(begin.timestamp(), end.timestamp(), left, Canvas(name, 0).width - RIGHT)
    y = Linear(low, high, TOP + HEIGHT, TOP)
    base = TOP + HEIGHT + BELOW
    canvas = Canvas(name, base + 24 + LEGEND)

    def spans(frame: pl.DataFrame, column: str) -> list[Span]:
        starts = frame["start_utc"].to_list()
        ends = [periods.after(start, grain, timezone) for start in starts]
        values = [None if each is None else each / unit.size for each in frame[column]]
        return axes.valued(axes.places(starts, ends, x), values)

    _heading(canvas, about, timezone)
    axes.vertical(canvas, y, step, left, "")
    canvas.text(0, TOP - 12, unit.name, kind="mute", size=SMALL)
    _gap(canvas, history, rows, grain, timezone, x)
    if len(levels) > 1:
        outer = spans(rows, levels[0]), spans(rows, levels[-1])
        canvas.area("band", axes.ribbon(*outer, y))
    canvas.line("full", axes.stairs(spans(history, "value"), y), thick="1.3")
    canvas.line("mark", axes.stairs(spans(rows, "mean"), y), thick="1.8")
    _limit(canvas, about.capacity, unit, y, left)
    _now(canvas, about.now, period, x)
    axes.horizontal(canvas, x, base, scales.instants(period, timezone, MAX_TICKS))
    _legend(canvas, left, base + 46, levels)
    canvas.text(canvas.width - RIGHT, base + 46, timezone, anchor="end", kind="mute", size=SMALL)
    return canvas.render(_told(rows, levels, timezone, unit, about))


def _domain(
    history: pl.DataFrame,
    rows: pl.DataFrame,
    levels: list[str],
    unit: Unit,
    capacity: float | None,
) -> tuple[float, float, float]:
    """The ends of the vertical axis and its step.

    From zero on, unless the figures are so near to one another that their range would be a line.
    """
    known = [history["value"], rows["mean"], *(rows[column] for column in levels)]
    figures = [value / unit.size for each in known for value in each if value is not None] or [1.0]
    low, high = min(figures), max(figures)
    if high - low >= MIN_SHARE * max(abs(low), abs(high)):
        return scales.figures([*figures, *([] if capacity is None else [capacity / unit.size])], 5)
    room = (high - low) * MARGIN or abs(high) * MARGIN or 1.0
    if capacity is not None and capacity / unit.size - high <= high - low:
        high = max(high, capacity / unit.size)
    return scales.nice(max(low - room, 0.0) if low >= 0 else low - room, high + room, 5)


def _heading(canvas: Canvas, about: About, timezone: str) -> None:
    here = scales.local(timezone)
    canvas.text(0, 14, about.title, size=15, bold=True)
    said = (
        f"{about.model} · known until {clock(about.origin.astimezone(here))}"
        f" · made {clock(about.made.astimezone(here))}"
    )
    canvas.text(0, 33, said, kind="mute", size=SMALL)


def _gap(
    canvas: Canvas,
    history: pl.DataFrame,
    rows: pl.DataFrame,
    grain: Grain,
    timezone: str,
    x: Linear,
) -> None:
    """Hatch what lies between the last known figure and the first row, and say what it is."""
    known = history.drop_nulls("value")
    if known.is_empty():
        return
    begin = periods.after(known["start_utc"][-1], grain, timezone)
    if begin >= rows["start_utc"][0]:
        return
    first, last = x(begin.timestamp()), x(rows["start_utc"][0].timestamp())
    canvas.rect("hatch", first, TOP, last - first, HEIGHT)
    words = "no readings yet"
    half = width_of(words, SMALL) / 2
    middle = max(min((first + last) / 2, last - half - 8), half)  # left of the line of the present
    canvas.rect("paper", middle - half - 3, TOP + 4, 2 * half + 6, 16)
    canvas.text(middle, TOP + 16, words, anchor="middle", kind="mute", size=SMALL)


def _limit(canvas: Canvas, capacity: float | None, unit: Unit, y: Linear, left: float) -> None:
    """The capacity as a line, or in words where it lies above the plot."""
    if capacity is None:
        return
    right, said = canvas.width - RIGHT, f"capacity {unit.say(capacity)}"
    place = y(capacity / unit.size)
    if place < TOP:
        canvas.text(right, TOP - 12, f"{said}, above", anchor="end", kind="peak", size=SMALL)
        return
    canvas.line("peak", f"M{at(left)} {at(place)}H{at(right)}", thick="1.2")
    canvas.text(right, place - 5, said, anchor="end", kind="peak", size=SMALL)


def _now(canvas: Canvas, now: datetime, period: Period, x: Linear) -> None:
    """A line at the time of drawing, if it is within the picture."""
    if not period.start <= now < period.end:
        return
    place = x(now.timestamp())
    canvas.line("ink", f"M{at(place)} {at(TOP - 6)}V{at(TOP + HEIGHT)}")
    canvas.text(place, TOP - 10, "now", anchor="middle", kind="ink", size=SMALL)


def _legend(canvas: Canvas, left: float, y: float, levels: list[str]) -> None:
    named = [("full", "measured"), ("mark", "expected (mean)")]
    if len(levels) > 1:
        named.append(("band", f"{levels[0].upper()} to {levels[-1].upper()}"))
    place = left
    for kind, text in named:
        thick = 10 if kind == "band" else 2
        canvas.rect(kind, place, y - 4 - thick / 2, 18, thick)
        canvas.text(place + 24, y, text, kind="mute", size=SMALL)
        place += 24 + width_of(text, SMALL) + 24


def _told(rows: pl.DataFrame, levels: list[str], timezone: str, unit: Unit, about: About) -> str:
    here = scales.local(timezone)
    from_ = rows["start_utc"][0].astimezone(here)
    said = (
        f"{about.title}: forecast of {rows.height} steps from {clock(from_)}: on average"
        f" {unit.say(rows['mean'].mean())}"
    )
    if len(levels) > 1 and rows[levels[0]].count() and rows[levels[-1]].count():
        low, high = rows[levels[0]].min(), rows[levels[-1]].max()
        said += f", between {unit.say(low)} and {unit.say(high)}"
    if about.capacity is not None:
        said += f"; capacity {unit.say(about.capacity)}"
    return said + "."
