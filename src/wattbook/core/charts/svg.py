"""SVG put together from its elements, so that equal charts are equal text.

Colours are presentation attributes: paper and PDF show them. Each element also has a class, by
which a style sheet may recolour it for a dark screen.
"""

from dataclasses import dataclass, field
from typing import Final

WIDTH: Final = 720
"""Width of every chart, in the unit of its coordinates; text is 12 of them high."""
TEXT: Final = 12
SMALL: Final = 11
INK: Final = "#1a1a1a"
COLOURS: Final = {
    "ink": INK,
    "mute": "#5b6470",
    "grid": "#dfe3e8",
    "mark": "#1f5b8f",
    "band": "#b7cfe5",
    "peak": "#b3400a",
    "full": "#6b7f94",
    "part": "#c3ccd6",
    "hatch": "#9aa3ad",
    "paper": "#ffffff",
}
"""Told apart by those who see no colours, and in grey: they differ in lightness."""
RAMP: Final = (
    "#eff5fb",
    "#d6e5f3",
    "#b9d3e9",
    "#93bcdc",
    "#6aa2cd",
    "#4687b9",
    "#2a6ba0",
    "#164f82",
    "#08325c",
)
"""From little to much: ever darker, whatever the eye makes of the hue."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture, and in words what is to be seen in it."""

    svg: str
    alt: str


_HALO: Final = f'paint-order="stroke" stroke="{COLOURS["paper"]}" stroke-width="3"'
"""Keeps lines from running through letters."""


def escape(text: str) -> str:
    """`text` as it may stand in SVG."""
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(sign, name)
    return text


def at(place: float) -> str:
    """A coordinate, to a tenth.

    >>> at(2), at(2 + 1 / 3), at(-1 / 2), at(-1 / 1000)
    ('2', '2.3', '-0.5', '0')
    """
    said = f"{place:.1f}".removesuffix(".0")
    return "0" if said == "-0" else said


def width_of(text: str, size: int = TEXT) -> float:
    """About how wide a text is: letters of most fonts are narrower."""
    return len(text) * size * 6 / 10


@dataclass(slots=True)
class Canvas:
    """Elements of a chart in the order in which they are painted."""

    name: str
    """Distinguishes what this chart defines from what others on the same page do."""
    height: float
    width: float = WIDTH
    parts: list[str] = field(default_factory=list)

    def rect(
        self, kind: str, x: float, y: float, width: float, height: float, *, about: str = ""
    ) -> None:
        """A filled rectangle; `about` is shown where a pointer rests on it."""
        place = f'x="{at(x)}" y="{at(y)}" width="{at(width)}" height="{at(height)}"'
        self._put("rect", kind, f'{place} fill="{self._paint(kind)}"', about)

    def area(self, kind: str, path: str) -> None:
        """A filled shape."""
        if path:
            self._put("path", kind, f'd="{path}" fill="{self._paint(kind)}"')

    def line(self, kind: str, path: str, *, thick: str = "1") -> None:
        """A drawn line."""
        if path:
            ends = 'stroke-linejoin="round" stroke-linecap="butt"'
            stroke = f'stroke="{COLOURS[kind]}" stroke-width="{thick}"'
            self._put("path", f"{kind}-line", f'd="{path}" fill="none" {stroke} {ends}')

    def dot(self, kind: str, x: float, y: float) -> None:
        """A point."""
        self._put("circle", kind, f'cx="{at(x)}" cy="{at(y)}" r="3" fill="{COLOURS[kind]}"')

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        anchor: str = "start",
        kind: str = "ink",
        size: int = TEXT,
        bold: bool = False,
    ) -> None:
        """A text on the baseline `y`."""
        weight = ' font-weight="bold"' if bold else ""
        place = f'x="{at(x)}" y="{at(y)}" text-anchor="{anchor}"'
        self.parts.append(
            f'<text class="{kind}" {place} font-size="{size}"{weight} {_HALO}'
            f' fill="{COLOURS[kind]}">{escape(text)}</text>'
        )

    def render(self, alt: str) -> Chart:
        """The chart as it stands."""
        box = f'viewBox="0 0 {at(self.width)} {at(self.height)}"'
        lines = f'<path class="hatch-line" d="M0 6L6 0" stroke="{COLOURS["hatch"]}" />'
        gap = (
            f'<defs><pattern id="{self.name}-gap" width="6" height="6"'
            f' patternUnits="userSpaceOnUse">{lines}</pattern></defs>'
        )
        body = "\n".join([gap, *self.parts])
        head = f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" {box} role="img"'
        return Chart(f'{head} aria-label="{escape(alt)}">\n{body}\n</svg>\n', alt)

    def _paint(self, kind: str) -> str:
        if kind == "hatch":
            return f"url(#{self.name}-gap)"
        return RAMP[int(kind[1:])] if kind[1:].isdigit() else COLOURS[kind]

    def _put(self, tag: str, kind: str, attributes: str, about: str = "") -> None:
        inside = f"<title>{escape(about)}</title>" if about else ""
        self.parts.append(f'<{tag} class="{kind}" {attributes}>{inside}</{tag}>')
