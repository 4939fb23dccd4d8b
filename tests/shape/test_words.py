"""Names and messages use the terms of `docs/glossary.md`; names with other terms only get fewer."""

import ast
import re
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "wattbook"
LEFT = Path(__file__).with_name("names_left.txt")
"""Public names that have a better term and still wait for it: `module.py name` in each line."""
WORDS = """
    added asked brought cleaned clipped coded combined compared copied counted divided done drawn
    found given gone heard held judged kept known learnt listed looked lost made marked moved named
    noticed opened packed parted planned priced pulled refused replaced ruled said settled signed
    split stamped stopped stored stretched summed supposed taken told totalled touched trained
    wanted watched widened withheld
"""
PARTICIPLES = frozenset(WORDS.split())
"""Bare participles say what became of something, not what a function does or a class is."""
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)
OTHER = re.compile(
    r"(LEAST|MOST|LONGEST|SHORTEST|LARGEST|HIGHEST|LOWEST|WIDEST|FINEST)(_\w+)?"
    r"|(\w+_)?AT_ONCE|(\w+_)?PATIENCE(_S)?|TRIES|beside|anew|amiss|of"
)
"""Limits are MIN_ and MAX_ with a noun, chunks are ROWS_PER_CHUNK, delays DELAY_S."""
IDIOMS = re.compile(
    r"\b(cannot be meant|stands here twice|has not come yet|nobody|anew|of late|amiss|said again"
    r"|so many|so long|any more|beside|told|learnt)\b|(?<!there )(?<!There )\bis no (?!longer)"
)


def public_names(tree: ast.Module) -> set[str]:
    """Functions, classes and constants of a module that others may use."""
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_")}


def has_a_better_term(name: str) -> bool:
    return name.lower() in PARTICIPLES or OTHER.fullmatch(name) is not None


def docstrings(tree: ast.Module) -> set[int]:
    """Which strings stand alone, as docstrings and meanings of constants do."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def texts(tree: ast.Module) -> dict[str, int]:
    """String literals that are sentences, or parts of them, with their lines."""
    alone = docstrings(tree)
    return {
        node.value: node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in alone
        and " " in node.value.strip()
    }


def test_no_new_name_has_a_better_term_and_the_list_of_old_ones_is_true() -> None:
    """A name that is no longer there leaves the list, so that it cannot come back."""
    found = {
        f"{path.relative_to(PACKAGE)} {name}"
        for path in MODULES
        for name in public_names(ast.parse(path.read_text(encoding="utf-8")))
        if has_a_better_term(name)
    }
    assert sorted(found) == LEFT.read_text(encoding="utf-8").splitlines()


def test_no_message_has_an_idiom_that_the_glossary_replaces() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {text}"
        for path in MODULES
        for text, line in texts(ast.parse(path.read_text(encoding="utf-8"))).items()
        if IDIOMS.search(text)
    ]
    assert found == []


def test_every_package_says_what_may_live_there() -> None:
    packages = [path for path in MODULES if path.name == "__init__.py"]
    silent = [
        path for path in packages if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert silent == []


def test_the_checks_see_what_they_look_for() -> None:
    tree = ast.parse('def told(): "told"\nMOST: Final = 1\nx = "what it is told"\n_made = 2')

    assert {name for name in public_names(tree) if has_a_better_term(name)} == {"told", "MOST"}
    assert [text for text in texts(tree) if IDIOMS.search(text)] == ["what it is told"]
