"""What commands print, as text to compare and as pictures for the pages."""

import html
import io
import re

from rich.console import Console
from rich.text import Text

# As rich makes it, without the fonts that it would fetch from elsewhere.
FORM = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, Menlo, Consolas, monospace; }}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""


def words_of(text: str) -> list[str]:
    """The words of a text, whatever the blanks between them."""
    return text.replace("\xa0", " ").replace("\u202f", " ").split()


def picture(text: str, title: str, width: int) -> str:
    """What a terminal shows, as SVG."""
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    for line in text.rstrip().split("\n"):
        console.print(Text.from_ansi(line), soft_wrap=True)
    name = re.sub(r"\W+", "-", title.rsplit(maxsplit=1)[-1])
    made = console.export_svg(title=title, code_format=FORM, unique_id=name)
    return "\n".join(line.rstrip() for line in made.split("\n"))


def texts(svg: str) -> list[str]:
    """The words of a picture."""
    return words_of(" ".join(map(html.unescape, re.findall(r">([^<>]+)</text>", svg))))
