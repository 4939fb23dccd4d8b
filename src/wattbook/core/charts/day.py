"""The mean day: power by the hour of the local day."""

from typing import Final

import polars as pl

from wattbook.core.charts import axes, scales
from wattbook.core.charts.axes import RIGHT, Span
from wattbook.core.charts.plot import TOP
from wattbook.core.charts.scales import Linear
from wattbook.core.charts.svg import HALF, SMALL, Canvas, Chart, at
from wattbook.core.formatting import Unit

HEIGHT: Final = 100
HOURS: Final = (0, 6, 12, 18, 24)


def mean_day(
    hours: pl.DataFrame, unit: Unit, *, width: float = HALF, name: str = "mean-day"
) -> Chart:
    """Mean power of each local hour, within the middle 80 % of the days.

    Parameters
    ----------
    hours
        From `core.rollups.profile.mean_day`.
    """

    def figures(column: str) -> list[float | None]:
        return [None if each is None else each / unit.size for each in hours[column]]

    known = [each for each in (*figures("low_kw"), *figures("high_kw")) if each is not None]
    low, high, step = scales.figures(known or [1], 4)
    left = axes.left_of(label for _, label in scales.ticks(low, high, step)) - 6
    x = Linear(0, 24, left, width - RIGHT)
    y = Linear(low, high, TOP + HEIGHT, TOP)
    canvas = Canvas(name, TOP + HEIGHT + 24, width)
    spans = [Span(x(hour), x(hour + 1), None) for hour in hours["hour"]]
    axes.vertical(canvas, y, step, left, "")
    below, above = figures("low_kw"), figures("high_kw")
    canvas.area("band", axes.ribbon(axes.valued(spans, below), axes.valued(spans, above), y))
    canvas.line("mark", axes.stairs(axes.valued(spans, figures("power_kw")), y), thick="1.5")
    for hour in HOURS:
        place = x(hour)
        canvas.line("mute", f"M{at(place)} {at(y.begin)}v4")
        text = f"{hour:02}:00"
        anchor = "middle" if hour != HOURS[-1] else "end"
        edge = place if hour != HOURS[-1] else width
        canvas.text(edge, y.begin + 16, text, anchor=anchor, kind="mute", size=SMALL)
    for row, span in zip(hours.iter_rows(named=True), spans, strict=True):
        said = "no readings" if row["power_kw"] is None else unit.say(row["power_kw"])
        canvas.hit(span.begin, TOP, span.end - span.begin, HEIGHT, f"{row['hour']:02}:00: {said}")
    return canvas.render(_told(hours, unit))


def _told(hours: pl.DataFrame, unit: Unit) -> str:
    known = hours.drop_nulls("power_kw").sort("power_kw", "hour")
    if known.is_empty():
        return "Mean day: no readings."
    low, high = known.row(0, named=True), known.row(-1, named=True)
    return (
        f"Mean power by local hour: lowest from {low['hour']:02}:00 with"
        f" {unit.say(low['power_kw'])}, highest from {high['hour']:02}:00 with"
        f" {unit.say(high['power_kw'])}."
    )
