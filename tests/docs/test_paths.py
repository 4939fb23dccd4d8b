"""Every file, module and function that the documentation names exists."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "wattbook"
# Decisions are never edited, so those of the beginning may name what was planned.
FIRST_CHECKED_DECISION = "0005"
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if page.parent.name != "adr" or page.name >= FIRST_CHECKED_DECISION
]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
SOME_FILE = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?")
ENDINGS = (".py", ".md", ".csv", ".sql", ".toml", ".txt", ".ini", ".yaml", ".mako")
LAYERS = tuple(
    entry.stem
    for entry in PACKAGE.iterdir()
    if entry.stem.isidentifier() and not entry.stem.startswith("_")
)
FOLDERS = ("src", "docs", "tests", "examples", "bench", "deploy", ".ci", *LAYERS)
CORE = tuple(path.stem for path in (PACKAGE / "core").glob("[a-z]*.py"))
DOTTED = re.compile(rf"(?:{'|'.join({*LAYERS, *CORE})})(?:\.[A-Za-z_]\w*)+")


def said(page: Path) -> list[str]:
    """Everything in code type within the prose of a page."""
    return CODE.findall(FENCE.sub("", page.read_text(encoding="utf-8")))


def is_path(text: str) -> bool:
    """Whether a text can only be meant as a place in the repository."""
    if not SOME_FILE.fullmatch(text) or text.startswith("application/"):  # a media type
        return False
    return ("/" in text and text.split("/", maxsplit=1)[0] in FOLDERS) or text.endswith(ENDINGS)


def exists(text: str, page: Path) -> bool:
    """Whether the place is there, seen from the root, from the package or from the page."""
    return any((place / text).exists() for place in (ROOT, PACKAGE, page.parent))


def found(name: str) -> bool:
    """Whether `layer.module.function` (or `module.function` of the core) is there."""
    for prefix in ("wattbook", "wattbook.core"):
        parts = f"{prefix}.{name}".split(".")
        for cut in range(len(parts), 1, -1):
            try:
                thing: object = importlib.import_module(".".join(parts[:cut]))
            except ModuleNotFoundError:
                continue
            try:
                for part in parts[cut:]:
                    thing = getattr(thing, part)
            except AttributeError:
                break
            return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_path_named_exists(page: Path) -> None:
    assert [text for text in said(page) if is_path(text) and not exists(text, page)] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_function_named_exists(page: Path) -> None:
    names = [text.removesuffix("()") for text in said(page)]
    dotted = [name for name in names if DOTTED.fullmatch(name) and not is_path(name)]
    assert [name for name in dotted if not found(name)] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    inside = [link for link in links if "://" not in link]
    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_the_data_path_names_the_stations_of_the_path() -> None:
    names = set(said(ROOT / "docs" / "data-path.md"))
    stations = {
        "core.readings.validation.validate",
        "stores.duckdb.merge.Merger.merge",
        "flows.rollup.catch_up",
        "core.rollups.aggregation.quarters",
        "stores.duckdb.rollups.DuckRollups.write",
        "flows.metrics.of_site",
        "flows.carbon.account",
        "api.responses.series",
    }
    assert stations <= names


def test_the_check_sees_what_is_gone() -> None:
    assert found("core.readings.validation.validate")
    assert found("units.MEAN_STEP")
    assert not found("core.readings.validation.nothing_like_it")
    assert not exists("core/nothing_like_it.py", ROOT / "README.md")
