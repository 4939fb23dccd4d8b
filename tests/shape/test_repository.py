"""What no file of the repository may say, and how none may be called."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = Path("src/wattbook")
CODE = {".py", ".pyi", ".ts", ".tsx", ".js", ".mjs"}

# Written in pieces, so that this file does not find itself.
REGISTRIES = ("pypi" + ".org", "files.python" + "hosted", "registry." + "npmjs", "npmjs." + "org")
HOMES = ("root", "work", "home", "Users")
SAID = re.compile(
    "|".join([*map(re.escape, REGISTRIES), rf"(?<![\w.}})~-])/(?:{'|'.join(HOMES)})/"]).encode()
)
EMPTY_WORDS = {"util", "helper", "common", "manager", "base", "impl"}


def ours() -> list[Path]:
    """Files that git tracks or would add, relative to the root."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip("not a git work tree")
    names = listing.stdout.decode().split("\0")
    return sorted(Path(name) for name in set(names) if name and (ROOT / name).is_file())


def singular(word: str) -> str:
    """`word` without the s of its plural: sinks, sink."""
    return word if word.endswith("ss") else word.removesuffix("s")


def words(stem: str) -> set[str]:
    """Parts of a file's name, in the singular."""
    return {singular(word) for word in re.split(r"[._-]+", stem.lower()) if word}


def test_no_file_names_a_registry_or_a_place_on_one_machine() -> None:
    """A lock file written on one machine once named its mirror; no other could install from it."""
    found = [
        f"{path}:{number}: {hit.group().decode()}"
        for path in ours()
        for number, line in enumerate((ROOT / path).read_bytes().splitlines(), start=1)
        if (hit := SAID.search(line))
    ]
    assert found == []


# In pieces as well: a public package index has no wattbook of ours, but may one day have another's.
FROM_AN_INDEX = re.compile(
    r"""\b(?:pip|pipx|uv|uvx|poetry)\b[^\n`]*\b(?:install|add)\b"""
    r"""[^\n`]*[\s'"=]wattbook(?![\w./-])"""
)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("pip install 'watt" + "book[postgres]'", True),
        ("pip install watt" + "book", True),
        ("uv pip install --quiet watt" + "book==1.0", True),
        ("pip install '.[postgres]'", False),
        ("run `pip install .` in the checkout of wattbook", False),
        ("pip install dist/wattbook-1.0-py3-none-any.whl", False),
    ],
)
def test_an_instruction_to_install_a_public_wattbook_is_recognised(said, found) -> None:
    assert bool(FROM_AN_INDEX.search(said)) is found


def test_no_message_and_no_page_tells_to_install_a_public_wattbook() -> None:
    """The name is not on any index: whoever claims it would be installed in our place."""
    texts = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".html", ".j2", ".ts", ".js", ".sh"}
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in ours()
        if path.suffix in texts or path.name == "Makefile"
        for number, line in enumerate((ROOT / path).read_text("utf-8").splitlines(), start=1)
        if FROM_AN_INDEX.search(line)
    ]
    assert found == []


@pytest.mark.slow
def test_nothing_is_mocked() -> None:
    """A mock proves that the code is the code; the embedded stores run in memory instead."""
    found: list[str] = []
    for path in ours():
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse((ROOT / path).read_bytes())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            found += [str(path) for name in names if re.match(r"(unittest\.)?mock\b", name)]
    assert found == []


def test_every_name_says_what_is_inside() -> None:
    """`utils` is where a module goes that nobody thought about."""
    found = [
        str(path)
        for path in ours()
        if path.suffix in CODE
        for part in [*path.parts[:-1], path.name.split(".")[0]]
        if words(part) & EMPTY_WORDS
    ]
    assert found == []


def test_no_file_repeats_its_folder() -> None:
    """`stores/duckdb/readings.py` needs no second `duckdb`."""
    found = [
        str(path)
        for path in ours()
        if path.suffix == ".py" and path.is_relative_to(PACKAGE) and "migrations" not in path.parts
        if words(path.stem) & {singular(part) for part in path.relative_to(PACKAGE).parts[:-1]}
    ]
    assert found == []


def test_every_migration_has_a_number_of_its_own() -> None:
    """Two of one number stop the program at start: alembic then sees two newest ones."""
    folder = ROOT / "src" / "wattbook" / "stores" / "sql" / "migrations" / "versions"
    numbers = [path.name[:4] for path in folder.glob("[0-9]*.py")]
    assert numbers
    assert len(set(numbers)) == len(numbers)
