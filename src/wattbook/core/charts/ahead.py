"""What is expected after a period, within its outer quantiles."""

from typing import Final

import polars as pl

from wattbook.core.charts import axes, plot
from wattbook.core.charts.svg import WIDTH, Chart
from wattbook.core.formatting import Unit
from wattbook.core.periods import Period

HEIGHT: Final = 130


def ahead(
    rows: pl.DataFrame,
    period: Period,
    timezone: str,
    unit: Unit,
    *,
    limit: tuple[str, float] | None = None,
    width: float = WIDTH,
    name: str = "ahead",
) -> Chart:
    """A dashed line of what is expected, in the band between P10 and P90 where these are known.

    Parameters
    ----------
    rows
        `core.reporting.ahead.Ahead.rows`.
    limit
        Name and power [kW] of a line across.
    """
    banded = rows["p10"].count() > 0 and rows["p90"].count() > 0
    names = ["mean", "p10", "p90"] if banded else ["mean"]
    values = [value / unit.size for each in names for value in rows[each].drop_nulls()]
    if limit is not None and limit[1] / unit.size <= max(values, default=0) * plot.FAR:
        values.append(limit[1] / unit.size)
    area = plot.over_time(
        name,
        period,
        values,
        width=width,
        height=HEIGHT,
        legend=True,
        striped=False,
        dated=plot.has_hours(period, width),
    )
    spans = axes.places(rows["start_utc"].to_list(), rows["end_utc"].to_list(), area.x)

    def line(column: str) -> list[axes.Span]:
        known = [None if each is None else each / unit.size for each in rows[column]]
        return axes.valued(spans, known)

    plot.draw_axes(area, period, timezone)
    entries = [("mark", "dash", "expected (mean)")]
    if banded:
        area.canvas.area("band", axes.ribbon(line("p10"), line("p90"), area.y))
        entries.append(("band", "box", "P10 to P90"))
    area.canvas.line("mark", axes.stairs(line("mean"), area.y), thick="1.5", dash="4 3")
    if limit is not None:
        plot.draw_limit(area, limit[1], unit, limit[0])
    plot.draw_legend(area.canvas, entries, area.left)
    texts = [
        f"{plot.said_at(start, timezone, hours=True)}: {unit.say(mean)} expected"
        for start, mean in rows.select("start_utc", "mean").iter_rows()
    ]
    plot.draw_hits(area, spans, texts)
    return area.canvas.render(
        f"Expected power in {rows.height} steps: mean {unit.say(rows['mean'].mean())},"
        f" highest {unit.say(rows['mean'].max())}."
    )
