"""The core takes frames and returns frames: no clock, log, settings, file, socket or await."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "src" / "wattbook" / "core"
MODULES = sorted(CORE.rglob("*.py"))
NAMES = [str(path.relative_to(CORE)) for path in MODULES]

ALLOWED = {
    *("polars", "numpy", "wattbook"),
    *("__future__", "collections", "dataclasses", "datetime", "decimal", "enum", "functools"),
    *(
        "base64",
        "binascii",
        "csv",
        "hashlib",
        "importlib",
        "itertools",
        "json",
        "math",
        "re",
        "statistics",
        "typing",
        "zoneinfo",
    ),
}
CLOCKS = {"now", "today", "utcnow"}
TALK = {"open", "print", "input", "breakpoint", "exec", "eval", "__import__"}


def imported_roots(tree: ast.AST) -> set[str]:
    """First name of every import, at any depth; a relative one is ours."""
    roots: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add("wattbook" if node.level else (node.module or "").split(".")[0])
    return roots


def called(tree: ast.AST) -> set[str]:
    """Names of the functions called bare, and of the clocks called as methods."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                names.add(node.func.id)
            elif isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
                names.add(node.func.attr)
    return names


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_core_is_pure(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert imported_roots(tree) <= ALLOWED
    assert not any(
        isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.Global) for node in ast.walk(tree)
    )


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_core_asks_no_clock_and_talks_to_nobody(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert called(tree).isdisjoint(CLOCKS | TALK)


def test_the_check_sees_imports_inside_functions() -> None:
    tree = ast.parse("def f():\n import os.path\n from . import units\n from time import time")
    assert imported_roots(tree) == {"os", "wattbook", "time"}
