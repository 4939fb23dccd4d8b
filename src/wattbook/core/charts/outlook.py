"""What was, what is expected after it, and between which figures it may lie."""

import polars as pl

from wattbook.core import periods
from wattbook.core.charts import axes, scales
from wattbook.core.charts.axes import GAP, RIGHT, TOP, Span
from wattbook.core.charts.scales import Linear
from wattbook.core.charts.svg import SMALL, Canvas, Chart
from wattbook.core.periods import Grain, Period
from wattbook.core.text import Unit, clock

HEIGHT = 220
"""Of the plot."""
LEGEND = 20
MOST_TICKS = 13


def outlook(
    history: pl.DataFrame,
    rows: pl.DataFrame,
    grain: Grain,
    timezone: str,
    unit: Unit,
    *,
    name: str = "outlook",
) -> Chart:
    """The history as a grey line, the forecast as a blue one within its widest quantiles.

    Parameters
    ----------
    history
        `start_utc`, `value` before the origin; a null breaks the line.
    rows
        `start_utc`, `mean`, and a column for each quantile.
    grain
        Length of a step.
    timezone
        Of the days on the axis.
    unit
        Of the vertical axis.
    """
    end = periods.after(rows["start_utc"][-1], grain, timezone)
    begin = history["start_utc"][0] if history.height else rows["start_utc"][0]
    period = Period(begin, end)
    levels = [column for column in rows.columns if column not in ("start_utc", "mean")]
    known = [history["value"], rows["mean"], *(rows[column] for column in levels)]
    figures = [value / unit.size for each in known for value in each if value is not None]
    low, high, step = scales.figures(figures or [1], 5)
    left = axes.left_of(label for _, label in scales.ticks(low, high, step))
    x = Linear(begin.timestamp(), end.timestamp(), left, Canvas(name, 0).width - RIGHT)
    y = Linear(low, high, TOP + HEIGHT, TOP)
    base = TOP + HEIGHT + GAP
    canvas = Canvas(name, base + 24 + LEGEND)

    def spans(frame: pl.DataFrame, column: str) -> list[Span]:
        starts = frame["start_utc"].to_list()
        ends = [periods.after(start, grain, timezone) for start in starts]
        values = [None if each is None else each / unit.size for each in frame[column]]
        return axes.valued(axes.places(starts, ends, x), values)

    axes.vertical(canvas, y, step, left, unit.name)
    if len(levels) > 1:
        canvas.area("band", axes.ribbon(spans(rows, levels[0]), spans(rows, levels[-1]), y))
    canvas.line("full", axes.stairs(spans(history, "value"), y), thick="1.2")
    canvas.line("mark", axes.stairs(spans(rows, "mean"), y), thick="1.6")
    axes.horizontal(canvas, x, base, scales.instants(period, timezone, MOST_TICKS))
    _legend(canvas, left, base + 24 + LEGEND - 6, levels)
    return canvas.render(_told(rows, levels, timezone, unit))


def _legend(canvas: Canvas, left: float, y: float, levels: list[str]) -> None:
    named = [("full", "known"), ("mark", "expected")]
    if len(levels) > 1:
        named.append(("band", f"{levels[0]} to {levels[-1]}"))
    place = left
    for kind, text in named:
        canvas.rect(kind, place, y - 6, 18, 6 if kind == "band" else 2)
        canvas.text(place + 24, y, text, kind="mute", size=SMALL)
        place += 110


def _told(rows: pl.DataFrame, levels: list[str], timezone: str, unit: Unit) -> str:
    here = scales.local(timezone)
    from_ = rows["start_utc"][0].astimezone(here)
    low, high = (rows[column] for column in (levels[0], levels[-1]))
    return (
        f"Forecast of {rows.height} steps from {clock(from_)}: on average"
        f" {unit.say(rows['mean'].mean())}, between {unit.say(low.min())}"
        f" and {unit.say(high.max())}."
    )
