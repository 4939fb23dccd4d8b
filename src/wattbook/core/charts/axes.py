"""What charts have in common: the plot, its axes, and the strip that shows how much is known."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from wattbook.core.charts.scales import Linear, ticks
from wattbook.core.charts.svg import SMALL, Canvas, at, width_of
from wattbook.core.formatting import ROUNDING

TOP: Final = 26
RIGHT: Final = 12
STRIP: Final = 7
GAP: Final = 6


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the horizontal axis and the figure of it; null where nothing is known."""

    begin: float
    end: float
    value: float | None


def left_of(labels: Iterable[str]) -> float:
    """Room for labels of a vertical axis."""
    return max((width_of(label, SMALL) for label in labels), default=0) + 14


def vertical(canvas: Canvas, y: Linear, step: float, left: float, unit: str) -> None:
    """Lines across the plot at round figures, the figures beside them, the unit above."""
    right = canvas.width - RIGHT
    for figure, label in ticks(y.low, y.high, step):
        place = y(figure)
        kind = "mute" if figure == 0 and y.low < 0 else "grid"
        canvas.line(kind, f"M{at(left)} {at(place)}H{at(right)}")
        canvas.text(left - 6, place + 4, label, anchor="end", kind="mute", size=SMALL)
    if unit:
        canvas.text(0, 12, unit, kind="mute", size=SMALL)


def horizontal(
    canvas: Canvas, x: Linear, base: float, marks: Sequence[tuple[datetime, str]]
) -> None:
    """Ticks at instants below the plot; labels that would touch are left out.

    What stands after a line feed in a label stands on a second line, below it.
    """
    free = [float("-inf")] * 2
    for instant, label in marks:
        place = x(instant.timestamp())
        canvas.line("mute", f"M{at(place)} {at(base)}v4")
        for line, text in enumerate(label.split("\n")):
            half = width_of(text, SMALL) / 2
            middle = min(max(place, half), canvas.width - half)
            if text and middle - half > free[line]:
                height = base + 16 + 14 * line
                canvas.text(middle, height, text, anchor="middle", kind="mute", size=SMALL)
                free[line] = middle + half + GAP


def stairs(spans: Sequence[Span], y: Linear) -> str:
    """A line through all known figures, level over each span; it breaks where one is missing.

    Examples
    --------
    >>> line = [Span(0, 1, 5), Span(1, 2, 7), Span(2, 3, None), Span(3, 4, 5)]
    >>> stairs(line, Linear(0, 10, 10, 0))
    'M0 5H1V3H2M3 5H4'
    """
    path, before = "", None
    for span in spans:
        if span.value is None:
            before = None
            continue
        place = at(y(span.value))
        joins = before == span.begin
        path += f"V{place}" if joins else f"M{at(span.begin)} {place}"
        path += f"H{at(span.end)}"
        before = span.end
    return path


def ribbon(low: Sequence[Span], high: Sequence[Span], y: Linear) -> str:
    """The area between two lines, broken where they are."""
    path = ""
    both = zip(low, high, strict=True)
    for known, run in groupby(both, key=lambda pair: None not in (pair[0].value, pair[1].value)):
        if not known:
            continue
        spans = list(run)
        path += f"M{at(spans[0][0].begin)} {at(_place(spans[0][1], y))}"
        path += "".join(f"V{at(_place(top, y))}H{at(top.end)}" for _, top in spans)
        path += "".join(f"V{at(_place(bottom, y))}H{at(bottom.begin)}" for bottom, _ in spans[::-1])
        path += "Z"
    return path


def _place(span: Span, y: Linear) -> float:
    assert span.value is not None
    return y(span.value)


def runs(spans: Sequence[Span], kind_of: Sequence[str]) -> list[tuple[str, float, float]]:
    """Neighbours of one kind in one: kind, begin, end."""
    found: list[tuple[str, float, float]] = []
    for span, kind in zip(spans, kind_of, strict=True):
        if found and found[-1][0] == kind and found[-1][2] == span.begin:
            found[-1] = (kind, found[-1][1], span.end)
        else:
            found.append((kind, span.begin, span.end))
    return found


def strip(
    canvas: Canvas, received: Sequence[Span], y: float, estimated: Sequence[bool] = ()
) -> None:
    """In how much of the time readings came: pale where all, dark where none.

    Hatched where what was drawn is estimated although readings are there or not.
    """
    for kind, begin, end in runs(received, [_kind(span.value) for span in received]):
        canvas.rect(kind, begin, y, end - begin, STRIP)
    kinds = ["estimate" if each else "" for each in estimated]
    for kind, begin, end in runs(received, kinds) if kinds else []:
        if kind:
            canvas.rect(kind, begin, y, end - begin, STRIP)


def _kind(received: float | None) -> str:
    if not received or received < ROUNDING:
        return "none"
    return "fine" if received > 1 - ROUNDING else "part"


def silence(canvas: Canvas, spans: Sequence[Span], y: Linear) -> None:
    """Hatch the stretches of which nothing is known, and say so where there is room."""
    top, height = y.end, y.begin - y.end
    kinds = ["hatch" if span.value is None else "" for span in spans]
    for kind, begin, end in runs(spans, kinds):
        if not kind:
            continue
        canvas.rect("hatch", begin, top, end - begin, height)
        if end - begin > width_of("no readings"):
            middle, half = (begin + end) / 2, width_of("no readings", SMALL) / 2
            canvas.rect("paper", middle - half - 3, top + height / 2 - 11, 2 * half + 6, 16)
            canvas.text(
                middle,
                top + height / 2 + 1,
                "no readings",
                anchor="middle",
                kind="mute",
                size=SMALL,
            )


def places(starts: Sequence[datetime], ends: Sequence[datetime], x: Linear) -> list[Span]:
    """Stretches of the axis of time, without figures yet."""
    return [
        Span(x(start.timestamp()), x(end.timestamp()), None)
        for start, end in zip(starts, ends, strict=True)
    ]


def valued(spans: Sequence[Span], values: Sequence[float | None]) -> list[Span]:
    """The stretches with their figures."""
    return [Span(span.begin, span.end, value) for span, value in zip(spans, values, strict=True)]
