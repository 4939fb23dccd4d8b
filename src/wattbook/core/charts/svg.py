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
HALF: Final = 350
"""Width of a chart on a telephone, or of two side by side."""
INK: Final = "#16202a"
COLOURS: Final = {
    "ink": INK,
    "mute": "#4a5763",
    "grid": "#d9dee3",
    "mark": "#174ea6",
    "band": "#c5d3ea",
    "peak": INK,
    "limit": "#5f6b77",
    "hash": "#00805f",
    "carbon": "#8e1f7a",
    "full": "#5f6b77",
    "fine": "#e7ebef",
    "part": "#8592a0",
    "none": INK,
    "hatch": "#8592a0",
    "paper": "#ffffff",
    "pay0": "#a0430a",
    "pay1": "#dd8d4c",
    "pay2": "#f5d5b3",
    "pay3": "#2f3a44",
    "pay4": "#77838f",
    "pay5": "#b9c2ca",
}
"""Contrast of text on white is 4.5 or more; marks differ in lightness, so that print in grey and
readers who see fewer colours tell them apart. `pay…` are the layers of a bill."""
DARK: Final = {
    "ink": "#e8edf2",
    "mute": "#a9b5c0",
    "grid": "#2a3540",
    "mark": "#78abe5",
    "band": "#2b4263",
    "peak": "#e8edf2",
    "limit": "#8592a0",
    "hash": "#59e3c2",
    "carbon": "#d983e2",
    "full": "#8592a0",
    "fine": "#263039",
    "part": "#6b7783",
    "none": "#e8edf2",
    "hatch": "#6b7783",
    "paper": "#161e26",
    "pay0": "#f08c3a",
    "pay1": "#b8601a",
    "pay2": "#7a4418",
    "pay3": "#c3ccd4",
    "pay4": "#7f8c98",
    "pay5": "#46525d",
}
"""The same on a dark screen."""
STOPS: Final = ("#eef3fb", "#c3d5f0", "#8fb0e3", "#5586cf", "#174ea6", "#0b2a5e")
DARK_STOPS: Final = ("#17222e", "#1e3350", "#27497a", "#3a6bb0", "#78abe5", "#d5e6fa")
SHADES: Final = 24


def ramp(stops: tuple[str, ...], count: int = SHADES) -> tuple[str, ...]:
    """Colours from the first stop to the last one in equal steps.

    >>> ramp(("#000000", "#ffffff"), 3)
    ('#000000', '#7f7f7f', '#ffffff')
    """
    parts = [[int(stop[at : at + 2], 16) for at in (1, 3, 5)] for stop in stops]
    shades = []
    for index in range(count):
        whole, rest = divmod(index * (len(stops) - 1), count - 1)
        low, high = parts[whole], parts[min(whole + 1, len(parts) - 1)]
        mixed = [a + (b - a) * rest // (count - 1) for a, b in zip(low, high, strict=True)]
        shades.append("#" + "".join(f"{each:02x}" for each in mixed))
    return tuple(shades)


RAMP: Final = ramp(STOPS)
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
    """How wide a text is in the typeface of reports, and a little more.

    >>> round(width_of("capacity 25 MW", 100))
    711
    """
    return sum(_ADVANCES.get(letter, OTHER_LETTER) for letter in text) * size / EM


EM: Final = 1000
"""Parts of the size of letters, in which their widths are counted."""
OTHER_LETTER: Final = 780
"""The width of a letter that is not in the table: that of a wide one."""
_ADVANCES: Final = {
    letter: advance
    for advance, letters in (
        (260, "'|,.:; lij!\\{}\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"),
        (330, '()I/Jft"-*[]'),
        (420, "r`s"),
        (480, "cz?e~#$0123456789aFS_x"),
        (560, "bdgoqvL^kpyPhnu+<=>E\N{EN DASH}\N{MINUS SIGN}"),
        (660, "BRYTZ%CK"),
        (730, "UVXG&ADNOQH"),
        (830, "wm"),
        (1000, "M@W"),
    )
    for letter in letters
}
"""Widths of letters in Libertinus Serif, and a little more."""


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

    def hit(self, x: float, y: float, width: float, height: float, about: str) -> None:
        """A place that says something where a pointer rests on it, and is not seen."""
        place = f'x="{at(x)}" y="{at(y)}" width="{at(width)}" height="{at(height)}"'
        self._put("rect", "hit", f'{place} fill="none" pointer-events="all"', about)

    def line(self, kind: str, path: str, *, thick: str = "1", dash: str = "") -> None:
        """A drawn line; `dash` is the length of its dashes and of the space between them."""
        if path:
            ends = 'stroke-linejoin="round" stroke-linecap="butt"'
            stroke = f'stroke="{COLOURS[kind]}" stroke-width="{thick}"'
            stroke += f' stroke-dasharray="{dash}"' if dash else ""
            self._put("path", f"{kind}-line", f'd="{path}" fill="none" {stroke} {ends}')

    def dot(self, kind: str, x: float, y: float, radius: float = 3) -> None:
        """A point."""
        place = f'cx="{at(x)}" cy="{at(y)}" r="{at(radius)}"'
        self._put("circle", kind, f'{place} fill="{COLOURS[kind]}"')

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
        mark = f'<path class="estimate-line" d="M0 5L5 0" stroke="{COLOURS["mark"]}" />'
        gap = (
            f'<defs><pattern id="{self.name}-gap" width="6" height="6"'
            f' patternUnits="userSpaceOnUse">{lines}</pattern>'
            f'<pattern id="{self.name}-estimate" width="5" height="5"'
            f' patternUnits="userSpaceOnUse">{mark}</pattern></defs>'
        )
        body = "\n".join([gap, *self.parts])
        head = f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" {box} role="img"'
        return Chart(f'{head} aria-label="{escape(alt)}">\n{body}\n</svg>\n', alt)

    def _paint(self, kind: str) -> str:
        if kind == "hatch":
            return f"url(#{self.name}-gap)"
        if kind == "estimate":
            return f"url(#{self.name}-estimate)"
        return RAMP[int(kind[1:])] if kind[0] == "h" and kind[1:].isdigit() else COLOURS[kind]

    def _put(self, tag: str, kind: str, attributes: str, about: str = "") -> None:
        inside = f"<title>{escape(about)}</title>" if about else ""
        self.parts.append(f'<{tag} class="{kind}" {attributes}>{inside}</{tag}>')
