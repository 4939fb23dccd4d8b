"""Where sites are, drawn from their coordinates alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from wattbook.core.charts.svg import SMALL, WIDTH, Canvas, Chart, at, width_of
from wattbook.core.formatting import BLANK, MINUS

MAX_HEIGHT: Final = 300
MIN_HEIGHT: Final = 140
MARGIN: Final = 34
LEFT: Final = 44
BELOW: Final = 22
KM_PER_DEGREE: Final = 111.2
"""Of latitude."""
MIN_SPAN: Final = 1 / 2
"""Degrees of latitude that a map shows at least."""
STEPS: Final = (1 / 10, 1 / 5, 1 / 2, 1, 2, 5, 10, 20, 30, 60, 90)
MAX_LINES: Final = 5
WIDE: Final = 4
"""A band so many times as wide as it is high takes the width of the page."""
ROOM: Final = 70
"""Room from one line of longitude to the next, at least."""
LARGEST: Final = 9
SMALLEST: Final = 3
MAX_BAR: Final = 100
"""Length of the scale bar."""


@dataclass(frozen=True, slots=True)
class Place:
    """A site: degrees north and east, its label, and what the area of its dot stands for."""

    label: str
    latitude: float
    longitude: float
    weight: float | None


@dataclass(frozen=True, slots=True)
class _Frame:
    """Degrees to places: equally long degrees of longitude at the middle latitude."""

    west: float
    north: float
    scale: float
    narrow: float

    def place(self, latitude: float, longitude: float) -> tuple[float, float]:
        x = LEFT + (longitude - self.west) * self.narrow * self.scale
        return x, (self.north - latitude) * self.scale


def is_wide(places: Sequence[Place]) -> bool:
    """Whether the places lie in a band from west to east, so that half a page is too little."""
    tall, wide = _extent(places)
    return wide > WIDE * tall


def _extent(places: Sequence[Place]) -> tuple[float, float]:
    """Degrees of latitude, and as long ones of longitude, that the places take."""
    south, north = min(e.latitude for e in places), max(e.latitude for e in places)
    west, east = min(e.longitude for e in places), max(e.longitude for e in places)
    return max(north - south, MIN_SPAN), max((east - west) * _narrow(south, north), MIN_SPAN)


def _narrow(south: float, north: float) -> float:
    """How long a degree of longitude is, in degrees of latitude."""
    return max(math.cos(math.radians((south + north) / 2)), 1 / 10)


def sitemap(places: Sequence[Place], *, width: float = WIDTH, name: str = "map") -> Chart:
    """A dot for each site in a net of degrees, its area by weight, with a scale in kilometres."""
    frame, height = _frame(places, width)
    canvas = Canvas(name, height + BELOW, width)
    _net(canvas, frame, width, height)
    most = max((each.weight or 0 for each in places), default=0)
    dots = []
    for each in sorted(places, key=lambda site: -(site.weight or 0)):
        x, y = frame.place(each.latitude, each.longitude)
        share = math.sqrt((each.weight or 0) / most) if most else 0
        dots.append((x, y, max(SMALLEST, LARGEST * share), each.label))
    for x, y, radius, _ in dots:
        canvas.dot("mark", x, y, radius)
    taken = [(x - r, y - r, x + r, y + r) for x, y, r, _ in dots]
    for x, y, radius, label in dots:
        _label(canvas, x, y, radius, label, taken, width, height)
    _scale_bar(canvas, frame, width, height)
    listed = "; ".join(f"{each.label} at {_degrees(each.latitude, 'NS')},"
                       f" {_degrees(each.longitude, 'EW')}" for each in places)  # fmt: skip
    return canvas.render(f"Map of sites: {listed}.")


def _frame(places: Sequence[Place], width: float) -> tuple[_Frame, float]:
    south, north = min(e.latitude for e in places), max(e.latitude for e in places)
    west, east = min(e.longitude for e in places), max(e.longitude for e in places)
    narrow = _narrow(south, north)
    tall, wide = _extent(places)
    room = width - LEFT
    scale = min((MAX_HEIGHT - 2 * MARGIN) / tall, (room - 2 * MARGIN) / wide)
    height = max(tall * scale + 2 * MARGIN, MIN_HEIGHT)
    middle_north, middle_east = (south + north) / 2, (west + east) / 2
    return (
        _Frame(
            middle_east - room / 2 / scale / narrow,
            middle_north + height / 2 / scale,
            scale,
            narrow,
        ),
        height,
    )


def _net(canvas: Canvas, frame: _Frame, width: float, height: float) -> None:
    """Lines of whole degrees, or parts of them, with their names at the edges."""
    south = frame.north - height / frame.scale
    east = frame.west + (width - LEFT) / frame.scale / frame.narrow
    step = next((s for s in STEPS if (frame.north - south) / s <= MAX_LINES), STEPS[-1])
    for index in range(math.ceil(south / step), math.floor(frame.north / step) + 1):
        _, y = frame.place(index * step, frame.west)
        canvas.line("grid", f"M{at(LEFT)} {at(y)}H{at(width)}")
        label = _degrees(index * step, "NS")
        canvas.text(LEFT - 6, y + 4, label, anchor="end", kind="mute", size=SMALL)
    step = next((s for s in STEPS if (east - frame.west) / s <= width / ROOM), STEPS[-1])
    for index in range(math.ceil(frame.west / step), math.floor(east / step) + 1):
        x, _ = frame.place(frame.north, index * step)
        canvas.line("grid", f"M{at(x)} 0V{at(height)}")
        label = _degrees(index * step, "EW")
        half = width_of(label, SMALL) / 2
        if x + half <= width:
            canvas.text(x, height + 16, label, anchor="middle", kind="mute", size=SMALL)


def _degrees(value: float, ends: str) -> str:
    """`60° N`, `8.5° E`."""
    said = f"{abs(round(value, 2)):g}".replace("-", MINUS)
    return f"{said}°{BLANK}{ends[value < 0]}"


Box = tuple[float, float, float, float]


def _label(
    canvas: Canvas,
    x: float,
    y: float,
    radius: float,
    text: str,
    taken: list[Box],
    width: float,
    height: float,
) -> None:
    """The name of a site beside its dot, where it covers nothing; left out where it would."""
    wide = width_of(text, SMALL)
    for anchor, begin, base in (
        ("start", x + radius + 4, y + 4),
        ("end", x - radius - 4 - wide, y + 4),
        ("middle", x - wide / 2, y - radius - 5),
        ("middle", x - wide / 2, y + radius + 13),
    ):
        box = (begin, base - 10, begin + wide, base + 2)
        inside = begin >= LEFT and begin + wide <= width and box[1] >= 0 and box[3] <= height
        if inside and not any(_touch(box, other) for other in taken):
            taken.append(box)
            place = {"start": begin, "end": begin + wide, "middle": x}[anchor]
            canvas.text(place, base, text, anchor=anchor, size=SMALL)
            return


def _touch(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _scale_bar(canvas: Canvas, frame: _Frame, width: float, height: float) -> None:
    """A length that is round in kilometres, at the lower right."""
    per_km = frame.scale / KM_PER_DEGREE
    km = max((n * 10**p for p in range(4) for n in (1, 2, 5) if n * 10**p * per_km <= MAX_BAR),
             default=1)  # fmt: skip
    length, right, base = km * per_km, width - 8, height - 8
    canvas.line("ink", f"M{at(right - length)} {at(base - 4)}v4H{at(right)}v-4")
    label = f"{km}{BLANK}km"
    canvas.text(right - length / 2, base - 7, label, anchor="middle", kind="mute", size=SMALL)
