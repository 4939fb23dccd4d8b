"""For how long the load is how high."""

from typing import Final

import polars as pl

from wattbook.core.charts import axes, scales
from wattbook.core.charts.axes import RIGHT
from wattbook.core.charts.plot import TOP
from wattbook.core.charts.scales import Linear
from wattbook.core.charts.svg import SMALL, WIDTH, Canvas, Chart, at
from wattbook.core.formatting import Unit
from wattbook.core.units import PERCENT

HEIGHT: Final = 100


def duration(
    curve: pl.DataFrame, unit: Unit, *, width: float = WIDTH, name: str = "duration"
) -> Chart:
    """Power that is reached or exceeded, over the share of the known time.

    Parameters
    ----------
    curve
        From `core.rollups.profile.duration`.
    """
    powers = [value / unit.size for value in curve["power_kw"]]
    low, high, step = scales.figures(powers or [1], 4)
    left = axes.left_of(label for _, label in scales.ticks(low, high, step)) - 6
    x = Linear(0, 1, left, width - RIGHT)
    y = Linear(low, high, TOP + HEIGHT, TOP)
    base = TOP + HEIGHT
    canvas = Canvas(name, base + 24, width)
    axes.vertical(canvas, y, step, left, "")
    points = [f"{at(x(share))} {at(y(power))}" for share, power in _points(curve, powers)]
    if points:
        canvas.area("band", f"M{at(x(0))} {at(y(max(low, 0)))}L{'L'.join(points)}"
                            f"V{at(y(max(low, 0)))}Z")  # fmt: skip
        canvas.line("mark", f"M{'L'.join(points)}", thick="1.5")
    for share in range(0, PERCENT + 1, 20):
        place = x(share / PERCENT)
        canvas.line("mute", f"M{at(place)} {at(base)}v4")
        label = f"{share} %"
        anchor = "end" if share == PERCENT else "middle"
        edge = width if share == PERCENT else place
        canvas.text(edge, base + 16, label, anchor=anchor, kind="mute", size=SMALL)
    if not points:
        return canvas.render("Load duration: no readings.")
    for index in range(0, curve.height - 1, 4):
        begin, power = x(curve["share"][index]), curve["power_kw"][index]
        wide = x(curve["share"][min(index + 4, curve.height - 1)]) - begin
        text = f"{unit.say(power)} or more for {curve['share'][index]:.0%} of the known time"
        canvas.hit(begin, TOP, wide, HEIGHT, text)
    half = curve["power_kw"][curve.height // 2]
    return canvas.render(
        f"Load duration: at least {unit.say(curve['power_kw'][0])} at the peak, at least"
        f" {unit.say(half)} for half of the known time, never below"
        f" {unit.say(curve['power_kw'][-1])}."
    )


def _points(curve: pl.DataFrame, powers: list[float]) -> list[tuple[float, float]]:
    return list(zip(curve["share"], powers, strict=True))
