"""For how long the load is how high."""

from typing import Final

import polars as pl

from wattbook.core.charts import axes, scales
from wattbook.core.charts.axes import RIGHT, TOP
from wattbook.core.charts.scales import Linear
from wattbook.core.charts.svg import SMALL, WIDTH, Canvas, Chart, at
from wattbook.core.text import Unit
from wattbook.core.units import PERCENT

HEIGHT: Final = 100


def duration(curve: pl.DataFrame, unit: Unit, *, name: str = "duration") -> Chart:
    """Power that is reached or exceeded, over the share of the known time.

    Parameters
    ----------
    curve
        From `core.profile.duration`.
    """
    powers = [value / unit.size for value in curve["power_kw"]]
    low, high, step = scales.figures(powers or [1], 4)
    left = axes.left_of(label for _, label in scales.ticks(low, high, step))
    x = Linear(0, 1, left, WIDTH - RIGHT - 12)
    y = Linear(low, high, TOP + HEIGHT, TOP)
    base = TOP + HEIGHT
    canvas = Canvas(name, base + 24)
    axes.vertical(canvas, y, step, left, unit.name)
    points = [f"{at(x(share))} {at(y(power))}" for share, power in _points(curve, powers)]
    if points:
        canvas.area("band", f"M{at(x(0))} {at(base)}L{'L'.join(points)}V{at(base)}Z")
        canvas.line("mark", f"M{'L'.join(points)}", thick="1.6")
    for share in range(0, PERCENT + 1, 20):
        place = x(share / PERCENT)
        canvas.line("mute", f"M{at(place)} {at(base)}v4")
        label = f"{share} % of the time" if share == PERCENT else f"{share} %"
        anchor = "end" if share == PERCENT else "middle"
        edge = WIDTH if share == PERCENT else place
        canvas.text(edge, base + 16, label, anchor=anchor, kind="mute", size=SMALL)
    if not points:
        return canvas.render("Load duration: no readings.")
    half = curve["power_kw"][curve.height // 2]
    return canvas.render(
        f"Load duration: at least {unit.say(curve['power_kw'][0])} at the peak, at least"
        f" {unit.say(half)} for half of the known time, never below"
        f" {unit.say(curve['power_kw'][-1])}."
    )


def _points(curve: pl.DataFrame, powers: list[float]) -> list[tuple[float, float]]:
    return list(zip(curve["share"], powers, strict=True))
