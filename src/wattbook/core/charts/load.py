"""The load over time, with its gaps as gaps and its estimates as estimates."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import polars as pl

from wattbook.core.charts import axes, plot, scales
from wattbook.core.charts.axes import STRIP, Span
from wattbook.core.charts.plot import Plot
from wattbook.core.charts.svg import SMALL, WIDTH, Canvas, Chart, width_of
from wattbook.core.formatting import BLANK, Unit, clock
from wattbook.core.periods import Period

HEIGHT: Final = 150
"""Of the plot."""
NEAR: Final = 12
"""A limit that is so near to a label would run through it."""
DAY_S: Final = 86_400 * 9 / 10
"""Buckets that are longer are days."""


def load(
    rows: pl.DataFrame,
    period: Period,
    timezone: str,
    unit: Unit,
    *,
    peak: tuple[datetime, float] | None = None,
    limits: Sequence[tuple[str, float]] = (),
    earlier: tuple[str, pl.DataFrame] | None = None,
    width: float = WIDTH,
    name: str = "load",
) -> Chart:
    """Mean power of each bucket, level over it; where it is null the line breaks.

    Parameters
    ----------
    rows
        From `core.rollups.profile.load`; with `received`, the strip below shows readings, else
        energy.
    unit
        Of the vertical axis.
    peak
        Instant and power [kW] of the highest demand, which is marked.
    limits
        Names and powers [kW] of dashed lines: capacity, contracted power.
    earlier
        What the period before is called, and its `start_utc` (of `rows`) and `power_kw`.
    width
        Of the chart.
    """
    known = _values(rows, unit, peak, earlier)
    high = max(known, default=1)
    near = [kw / unit.size for _, kw in limits if kw / unit.size <= high * plot.FAR]
    days = _are_days(rows)
    entries = _legend(rows, earlier, days=days)
    area = plot.over_time(
        name,
        period,
        [*known, *near],
        width=width,
        height=HEIGHT,
        legend=bool(entries) or bool(limits),
        dated=plot.has_hours(period, width),
    )
    spans = axes.places(rows["start_utc"].to_list(), rows["end_utc"].to_list(), area.x)
    _curves(area, rows, spans, period, timezone, unit, earlier)
    for label, power in limits:
        plot.draw_limit(area, power, unit, label)
    plot.draw_legend(area.canvas, entries, area.left)
    if peak is not None:
        _mark(area, peak, unit, limits)
    plot.draw_hits(area, spans, _hits(rows, timezone, unit, days=days))
    return area.canvas.render(_told(rows, period, timezone, unit))


def _values(
    rows: pl.DataFrame,
    unit: Unit,
    peak: tuple[datetime, float] | None,
    earlier: tuple[str, pl.DataFrame] | None,
) -> list[float]:
    """Every figure that the vertical axis must hold."""
    powers = [*rows["power_kw"], *rows["high_kw"], *([peak[1]] if peak else [])]
    if earlier is not None:
        powers += earlier[1]["power_kw"].to_list()
    return [value / unit.size for value in powers if value is not None]


def _are_days(rows: pl.DataFrame) -> bool:
    return rows.height > 0 and (rows["end_utc"][0] - rows["start_utc"][0]).total_seconds() > DAY_S


def _curves(
    area: Plot,
    rows: pl.DataFrame,
    spans: list[Span],
    period: Period,
    timezone: str,
    unit: Unit,
    earlier: tuple[str, pl.DataFrame] | None,
) -> None:
    """Gaps, axes, the range of each bucket, the earlier period, the load, and the strip."""

    def of(values: Sequence[float | None]) -> list[Span]:
        return axes.valued(spans, [None if each is None else each / unit.size for each in values])

    canvas, mean = area.canvas, of(rows["power_kw"].to_list())
    estimated = rows["estimated"].to_list()
    axes.silence(canvas, mean, area.y)
    plot.draw_axes(area, period, timezone)
    low, high = of(rows["low_kw"].to_list()), of(rows["high_kw"].to_list())
    canvas.area("band", axes.ribbon(low, high, area.y))
    if earlier is not None:
        before = dict(earlier[1].select("start_utc", "power_kw").iter_rows())
        line = of([before.get(start) for start in rows["start_utc"]])
        canvas.line("limit", axes.stairs(line, area.y), thick="1", dash="4 2.5")
    _guessed(area, mean, estimated)
    _line(canvas, mean, estimated, area)
    column = "received" if "received" in rows.columns else "coverage"
    shares = axes.valued(spans, rows[column].to_list())
    axes.strip(canvas, shares, area.base - STRIP, estimated)


def _guessed(area: Plot, mean: list[Span], estimated: list[bool]) -> None:
    """What lies below an estimate is hatched."""
    for span, guess in zip(mean, estimated, strict=True):
        if guess and span.value is not None:
            top = area.y(span.value)
            area.canvas.rect("estimate", span.begin, top, span.end - span.begin, area.y(0) - top)


def _line(canvas: Canvas, mean: list[Span], estimated: list[bool], area: Plot) -> None:
    """Solid where it is measured, dotted where it is estimated."""
    for dotted, dash in ((False, ""), (True, "1.5 2.5")):
        values = [
            span.value if guess is dotted else None
            for span, guess in zip(mean, estimated, strict=True)
        ]
        path = axes.stairs(axes.valued(mean, values), area.y)
        canvas.line("mark", path, thick="1.5", dash=dash)


def _legend(
    rows: pl.DataFrame, earlier: tuple[str, pl.DataFrame] | None, *, days: bool
) -> list[tuple[str, str, str]]:
    """Keys of what needs one: a single line needs none."""
    entries = []
    if days:
        entries.append(("band", "box", "lowest to highest hour"))
    if rows["estimated"].any():
        entries.append(("estimate", "box", "estimated"))
    if earlier is not None:
        entries.append(("limit", "dash", earlier[0]))
    return [("mark", "line", "mean"), *entries] if entries else []


def _hits(rows: pl.DataFrame, timezone: str, unit: Unit, *, days: bool) -> list[str]:
    texts = []
    for row in rows.iter_rows(named=True):
        at_ = plot.said_at(row["start_utc"], timezone, hours=not days)
        said = "no readings" if row["power_kw"] is None else unit.say(row["power_kw"])
        guess = ", estimated" if row["estimated"] else ""
        span = ""
        if row["low_kw"] is not None:
            span = f" ({unit.write(row['low_kw'])} to {unit.write(row['high_kw'])})"
        texts.append(f"{at_}: {said}{span}{guess}")
    return texts


def _mark(
    area: Plot,
    peak: tuple[datetime, float],
    unit: Unit,
    limits: Sequence[tuple[str, float]],
) -> None:
    """A dot at the highest demand, and its value where no limit runs through it."""
    x, y = area.x(peak[0].timestamp()), area.y(peak[1] / unit.size)
    text = f"peak{BLANK}{unit.say(peak[1])}"
    wide = width_of(text, SMALL)
    height = y - 6
    lines = [max(area.y(limit / unit.size), area.y.end) for _, limit in limits]
    struck = [line for line in lines if abs(line - height + 4) < NEAR]
    end = area.right
    if struck:
        texts = (plot.limit_text(area, limit, unit, name) for name, limit in limits)
        height = min(struck) - 4
        end -= max(width_of(text, SMALL) for text in texts) + 2 * axes.GAP
    ends = x + 8 + wide > end
    area.canvas.dot("peak", x, y)
    area.canvas.text(
        max(min(x - 8, end), area.left + wide) if ends else x + 8,
        max(height, 10),
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
    missing, guessed = rows["power_kw"].null_count(), int(rows["estimated"].sum())
    gaps = (
        f"; {missing} of {rows.height} points are missing" if missing else "; no point is missing"
    )
    guesses = f"; {guessed} of them are estimated" if guessed else ""
    low, high = unit.say(figures["low"]), unit.say(figures["high"])
    return f"{said}: between {low} and {high}{gaps}{guesses}."
