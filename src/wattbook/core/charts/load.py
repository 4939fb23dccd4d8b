"""The load over time, with its gaps as gaps."""

from datetime import datetime
from typing import Any

import polars as pl

from wattbook.core.charts import axes, scales
from wattbook.core.charts.axes import GAP, RIGHT, STRIP, TOP, Span
from wattbook.core.charts.scales import Linear
from wattbook.core.charts.svg import SMALL, Canvas, Chart, width_of
from wattbook.core.periods import Period
from wattbook.core.text import BLANK, Unit, clock

HEIGHT = 160
"""Of the plot."""
MOST_TICKS = 13


def load(
    rows: pl.DataFrame,
    period: Period,
    timezone: str,
    unit: Unit,
    *,
    peak: tuple[datetime, float] | None = None,
    name: str = "load",
) -> Chart:
    """Mean power of each bucket, level over it; where it is null the line breaks.

    Parameters
    ----------
    rows
        From `core.profile.load`.
    unit
        Of the vertical axis.
    peak
        Instant and power [kW] of the highest demand, which is marked.
    """
    powers = [*rows["power_kw"], *rows["high_kw"], *([peak[1]] if peak else [])]
    known = [value / unit.size for value in powers if value is not None]
    low, high, step = scales.figures(known or [1], 4)
    left = axes.left_of(label for _, label in scales.ticks(low, high, step))
    x = Linear(
        period.start.timestamp(), period.end.timestamp(), left, Canvas(name, 0).width - RIGHT
    )
    y = Linear(low, high, TOP + HEIGHT, TOP)
    base = TOP + HEIGHT + GAP + STRIP
    canvas = Canvas(name, base + 24)
    spans = axes.places(rows["start_utc"].to_list(), rows["end_utc"].to_list(), x)

    def of(column: str) -> list[Span]:
        values = [None if each is None else each / unit.size for each in rows[column]]
        return axes.valued(spans, values)

    mean = of("power_kw")
    axes.silence(canvas, mean, y)
    axes.vertical(canvas, y, step, left, unit.name)
    canvas.area("band", axes.ribbon(of("low_kw"), of("high_kw"), y))
    canvas.line("mark", axes.stairs(mean, y), thick="1.4")
    axes.strip(canvas, axes.valued(spans, rows["coverage"].to_list()), base - STRIP)
    axes.horizontal(canvas, x, base, scales.instants(period, timezone, MOST_TICKS))
    if peak is not None:
        _mark(canvas, x(peak[0].timestamp()), y(peak[1] / unit.size), unit.say(peak[1]))
    return canvas.render(_told(rows, period, timezone, unit))


def _mark(canvas: Canvas, x: float, y: float, said: str) -> None:
    text = f"peak{BLANK}{said}"
    ends = x + 8 + width_of(text, SMALL) > canvas.width - RIGHT
    canvas.dot("peak", x, y)
    canvas.text(
        x - 8 if ends else x + 8,
        max(y - 6, 12),
        text,
        anchor="end" if ends else "start",
        kind="peak",
        size=SMALL,
    )


def _told(rows: pl.DataFrame, period: Period, timezone: str, unit: Unit) -> str:
    from_, to = (at.astimezone(scales.local(timezone)) for at in (period.start, period.end))
    said = f"Load from {clock(from_)} to {clock(to)}"
    figures: dict[str, Any] = rows.select(
        low=pl.min_horizontal(pl.col("power_kw").min(), pl.col("low_kw").min()),
        high=pl.max_horizontal(pl.col("power_kw").max(), pl.col("high_kw").max()),
    ).row(0, named=True)
    if figures["high"] is None:
        return f"{said}: no readings."
    missing = rows["power_kw"].null_count()
    gaps = (
        f"; {missing} of {rows.height} points are missing" if missing else "; no point is missing"
    )
    return f"{said}: between {unit.say(figures['low'])} and {unit.say(figures['high'])}{gaps}."
