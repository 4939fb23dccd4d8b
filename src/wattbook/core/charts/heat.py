"""Power by hour and day: what is usual, and when it was not."""

from datetime import date, timedelta
from typing import Final

import polars as pl

from wattbook.core.charts import axes, scales
from wattbook.core.charts.axes import RIGHT
from wattbook.core.charts.plot import TICK_WIDTH
from wattbook.core.charts.svg import RAMP, SMALL, WIDTH, Canvas, Chart, at, width_of
from wattbook.core.formatting import Unit

HOUR: Final = 8
"""Height of an hour."""
LABELLED: Final = 40
"""A day that is so wide has its own label, below its middle."""
TOP: Final = 44
BOX: Final = 9
OVERLAP: Final = 4 / 10
"""Cells reach so far under the next ones that no seam shows between them."""
MARKS: Final = (0, 1 / 4, 1 / 2, 3 / 4, 1)
"""Quantiles that the legend names."""
MIN_SPREAD: Final = 2 / 100
"""Loads that differ by less than this part of their median are drawn as if they did: else mere
noise would fill the whole scale."""


def heat(cells: pl.DataFrame, unit: Unit, *, width: float = WIDTH, name: str = "heat") -> Chart:
    """Mean power of each local hour of each day, the darker the higher; hatched where unknown.

    A shade stands for an equal share of the hours, so that what is usual is told apart as well as
    what is rare. The hour that clocks skip stays blank, and the hour that strikes twice is drawn as
    two halves.

    Parameters
    ----------
    cells
        From `core.rollups.profile.heat`.
    """
    days: list[date] = cells["day"].unique(maintain_order=True).to_list()
    left = width_of("24:00", SMALL) + 8
    right = width - RIGHT
    wide = (right - left) / max(len(days), 1)
    canvas = Canvas(name, TOP + 24 * HOUR + 24, width)
    _legend(canvas, cells, unit)

    place = {day: index for index, day in enumerate(days)}
    paths: dict[int | None, str] = {}
    for day, hour, turn, turns, step in _steps(cells).iter_rows():
        x, height = left + wide * place[day], HOUR / turns
        y = TOP + hour * HOUR + turn * height
        over = 0 if step is None else OVERLAP
        box = f"M{at(x)} {at(y)}h{_fine(wide + over)}v{_fine(height + over)}h{_fine(-wide - over)}z"
        paths[step] = paths.get(step, "") + box
    for step, path in paths.items():
        canvas.area("hatch" if step is None else f"h{step}", path)

    canvas.text(left - 6, TOP - 13, "hour", anchor="end", kind="mute", size=SMALL)
    for hour in (0, 6, 12, 18, 24):
        canvas.text(
            left - 6, TOP + hour * HOUR + 4, f"{hour:02}:00", anchor="end", kind="mute", size=SMALL
        )
        canvas.line("mute", f"M{at(left - 3)} {at(TOP + hour * HOUR)}h3")
    _days(canvas, days, left, right, wide)
    _hits(canvas, cells, unit, left, wide)
    return canvas.render(_told(cells, unit))


def _steps(cells: pl.DataFrame) -> pl.DataFrame:
    """The shade of each cell: its place among all, or on a line where all are nearly alike."""
    power = pl.col("power_kw")
    low, high, middle = (
        cells.select(low=power.min(), high=power.max(), middle=power.median()).row(0)
        if cells["power_kw"].count()
        else (0.0, 0.0, 0.0)
    )
    if high - low < MIN_SPREAD * abs(middle):
        floor = middle - MIN_SPREAD * abs(middle)
        share = (power - floor) / (2 * MIN_SPREAD * abs(middle))
    else:
        share = (power.rank() - 1) / (power.count() - 1)
    step = (share * (len(RAMP) - 1)).round().clip(0, len(RAMP) - 1).cast(pl.Int64)
    return cells.select("day", "hour", "turn", "turns", step=step)


def _fine(length: float) -> str:
    return f"{length:.2f}"


def _legend(canvas: Canvas, cells: pl.DataFrame, unit: Unit) -> None:
    """The shades with the quantiles at which they stand, and what hatching means."""
    for step in range(len(RAMP)):
        canvas.rect(f"h{step}", step * BOX, 0, BOX + OVERLAP, 8)
    powers = cells["power_kw"].drop_nulls()
    length, free = len(RAMP) * BOX, float("-inf")
    if len(powers) == 0:
        return
    for share in MARKS:
        label = unit.write(powers.quantile(share, "linear"))
        half = width_of(label, SMALL) / 2
        middle = max(share * length, half)
        if middle - half > free:
            canvas.text(middle, 20, label, anchor="middle", kind="mute", size=SMALL)
            free = middle + half
    if cells["power_kw"].null_count():
        canvas.rect("hatch", length + 48, 0, 16, 8)
        canvas.text(length + 70, 9, "no readings", kind="mute", size=SMALL)


def _hits(canvas: Canvas, cells: pl.DataFrame, unit: Unit, left: float, wide: float) -> None:
    """For each day its lowest and its highest hour."""
    known = pl.col("power_kw")
    sums = cells.group_by("day", maintain_order=True).agg(
        low=known.min(),
        high=known.max(),
        low_at=pl.col("hour").get(known.arg_min()),
        high_at=pl.col("hour").get(known.arg_max()),
    )
    for index, (day, low, high, low_at, high_at) in enumerate(sums.iter_rows()):
        said = "no readings"
        if low is not None:
            said = f"{unit.say(low)} from {low_at:02}:00 to {unit.say(high)} from {high_at:02}:00"
        text = f"{day:%a} {day.day} {day:%b %Y}: {said}"
        canvas.hit(left + index * wide, TOP, wide, 24 * HOUR, text)


def _days(canvas: Canvas, days: list[date], left: float, right: float, wide: float) -> None:
    if not days:
        return
    ordinals = {day.toordinal(): index for index, day in enumerate(days)}
    last = days[-1] + (timedelta(days=7) if len(days) > 1 and _weekly(days) else timedelta(days=1))
    base = TOP + 24 * HOUR
    free = float("-inf")
    within = wide / 2 if wide >= LABELLED else 0
    for day, label in scales.dates(days[0], last, round((right - left) / TICK_WIDTH)):
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
