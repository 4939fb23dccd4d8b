"""Every `pycon` block of the documentation gives what it says it gives."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [
    path
    for path in sorted((ROOT / "docs").rglob("*.md"))
    if BLOCK.search(path.read_text(encoding="utf-8"))
]
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_are_true(page: Path) -> None:
    """The blocks of one page share their names, from top to bottom."""
    text = page.read_text(encoding="utf-8")
    names: dict[str, object] = {}
    said: list[str] = []
    parser = doctest.DocTestParser()
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        test = parser.get_doctest(block[1], names, page.name, str(page), line)
        runner = doctest.DocTestRunner(optionflags=OPTIONS, verbose=False)
        runner.run(test, out=said.append, clear_globs=False)
        names = test.globs
    assert not said, "".join(said)


def test_there_are_pages_with_examples() -> None:
    names = {page.stem for page in PAGES}
    assert {"rollup", "carbon", "cost"} <= names
