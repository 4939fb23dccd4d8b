"""Power by hour and day: what is usual, and when it was not."""

from datetime import date, timedelta
from typing import Final

import polars as pl

from wattbook.core.charts import axes, scales
from wattbook.core.charts.axes import RIGHT
from wattbook.core.charts.svg import RAMP, SMALL, WIDTH, Canvas, Chart, at, width_of
from wattbook.core.text import Unit

HOUR: Final = 8
"""Height of an hour."""
LABELLED: Final = 40
"""A day that is so wide has its own label, below its middle."""
TOP: Final = 40
BOX: Final = 16
OVERLAP: Final = 4 / 10
"""Cells reach so far under the next ones that no seam shows between them."""


def heat(cells: pl.DataFrame, unit: Unit, *, name: str = "heat") -> Chart:
    """Mean power of each local hour of each day, the darker the higher; hatched where unknown.

    The hour that clocks skip stays blank, and the hour that strikes twice is drawn as two halves.

    Parameters
    ----------
    cells
        From `core.profile.heat`.
    """
    days: list[date] = cells["day"].unique(maintain_order=True).to_list()
    left = width_of("24:00", SMALL) + 8
    right = WIDTH - RIGHT
    wide = (right - left) / max(len(days), 1)
    canvas = Canvas(name, TOP + 24 * HOUR + 24)
    low, high = _domain(cells, unit)
    _legend(canvas, low, high, unit)

    steps = _steps(cells, low, high, unit)
    place = {day: index for index, day in enumerate(days)}
    paths: dict[int | None, str] = {}
    for day, hour, turn, turns, step in steps.iter_rows():
        x, height = left + wide * place[day], HOUR / turns
        y = TOP + hour * HOUR + turn * height
        over = 0 if step is None else OVERLAP
        box = f"M{at(x)} {at(y)}h{_fine(wide + over)}v{_fine(height + over)}h{_fine(-wide - over)}z"
        paths[step] = paths.get(step, "") + box
    for step, path in paths.items():
        canvas.area("hatch" if step is None else f"h{step}", path)

    for hour in (0, 6, 12, 18, 24):
        canvas.text(
            left - 6, TOP + hour * HOUR + 4, f"{hour:02}:00", anchor="end", kind="mute", size=SMALL
        )
        canvas.line("mute", f"M{at(left - 3)} {at(TOP + hour * HOUR)}h3")
    _days(canvas, days, left, right, wide)
    return canvas.render(_told(cells, unit))


def _domain(cells: pl.DataFrame, unit: Unit) -> tuple[float, float]:
    known = [value / unit.size for value in cells["power_kw"].drop_nulls()]
    low, high, _ = scales.figures(known or [0, 1], 4, zero=False)
    return max(low, 0) if min(known, default=0) >= 0 else low, high


def _steps(cells: pl.DataFrame, low: float, high: float, unit: Unit) -> pl.DataFrame:
    share = (pl.col("power_kw") / unit.size - low) / ((high - low) or 1)
    step = (share * len(RAMP)).floor().clip(0, len(RAMP) - 1).cast(pl.Int64)
    return cells.select("day", "hour", "turn", "turns", step=step)


def _fine(length: float) -> str:
    return f"{length:.2f}"


def _legend(canvas: Canvas, low: float, high: float, unit: Unit) -> None:
    """The ramp with its ends, and what hatching means."""
    digits = 0 if high - low >= len(RAMP) else 1
    ends = [f"{each:.{digits}f}" for each in (low, high)]
    begin = width_of(ends[0], SMALL) + 6
    canvas.text(0, 16, ends[0], kind="mute", size=SMALL)
    for step in range(len(RAMP)):
        canvas.rect(f"h{step}", begin + step * BOX, 6, BOX, 12)
    end = begin + len(RAMP) * BOX
    canvas.text(end + 6, 16, f"{ends[1]} {unit.name}", kind="mute", size=SMALL)
    at_ = end + width_of(f"{ends[1]} {unit.name}", SMALL) + 24
    canvas.rect("hatch", at_, 6, BOX, 12)
    canvas.text(at_ + BOX + 6, 16, "no readings", kind="mute", size=SMALL)


def _days(canvas: Canvas, days: list[date], left: float, right: float, wide: float) -> None:
    if not days:
        return
    ordinals = {day.toordinal(): index for index, day in enumerate(days)}
    last = days[-1] + (timedelta(days=7) if len(days) > 1 and _weekly(days) else timedelta(days=1))
    base = TOP + 24 * HOUR
    free = float("-inf")
    within = wide / 2 if wide >= LABELLED else 0
    for day, label in scales.dates(days[0], last, round((right - left) / LABELLED)):
        index = ordinals.get(day.toordinal())
        place = left + wide * (index if index is not None else _between(day, days)) + within
        half = width_of(label, SMALL) / 2
        middle = min(max(place, half), canvas.width - half)
        canvas.line("mute", f"M{at(place)} {at(base)}v4")
        if middle - half > free:
            canvas.text(middle, base + 18, label, anchor="middle", kind="mute", size=SMALL)
            free = middle + half + axes.GAP


def _weekly(days: list[date]) -> bool:
    return days[1] - days[0] > timedelta(days=1)


def _between(day: date, days: list[date]) -> float:
    return (day - days[0]) / (days[-1] - days[0]) * (len(days) - 1)


def _told(cells: pl.DataFrame, unit: Unit) -> str:
    hours = (
        cells.drop_nulls("power_kw")
        .group_by("hour")
        .agg(pl.col("power_kw").mean())
        .sort("power_kw", "hour")
    )
    if hours.is_empty():
        return "Mean power by local hour and day: no readings."
    (low, low_kw), (high, high_kw) = hours.row(0), hours.row(-1)
    return (
        f"Mean power by local hour and day. On average the hour from {low:02}:00 is the lowest with"
        f" {unit.say(low_kw)}, that from {high:02}:00 the highest with {unit.say(high_kw)}."
    )
