"""HTTP is decided in one table, and errors are drawn in one tree.

An error that is missing from the table once reached a client as a bare 500 without a reason.
"""

import re

import pytest

from wattbook.api.problems import STATUS, TITLES
from wattbook.core import errors
from wattbook.core.errors import WattbookError

DRAWN = re.compile(r"^ *([│├└─ ]*)(\w+Error)\b(?: {2,}(\S.*))?$", re.MULTILINE)
INDENT = 4


def family(root: type[WattbookError]) -> list[type[WattbookError]]:
    """`root` and everything that derives from it, within wattbook."""
    found = [root]
    for child in root.__subclasses__():
        found += family(child)
    return [each for each in found if each.__module__.startswith("wattbook.")]


ERRORS = family(WattbookError)


def tree() -> dict[str, str | None]:
    """Name of each error drawn in the module's docstring, and of the one above it."""
    above: list[str] = []
    drawn: dict[str, str | None] = {}
    for branch, name, _ in DRAWN.findall(errors.__doc__ or ""):
        depth = len(branch) // INDENT
        del above[depth:]
        drawn[name] = above[-1] if above else None
        above.append(name)
    return drawn


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_a_status_with_a_title(error: type[WattbookError]) -> None:
    assert error in STATUS
    assert STATUS[error] in TITLES


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_is_drawn_below_its_parent(error: type[WattbookError]) -> None:
    parent = None if error is WattbookError else error.__bases__[0].__name__
    assert tree().get(error.__name__, "not drawn") == parent


def test_the_tree_and_the_table_hold_no_error_that_is_gone() -> None:
    names = {error.__name__ for error in ERRORS}
    assert set(tree()) == names
    assert {error.__name__ for error in STATUS} == names


def test_every_drawn_error_says_what_it_means() -> None:
    lines = DRAWN.findall(errors.__doc__ or "")
    assert [name for _, name, meaning in lines[1:] if not meaning] == []


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_but_the_root_has_one_name_where_it_is_stored(error) -> None:
    names = [name for name, kind in errors.KINDS.items() if kind is error]
    assert len(names) == (0 if error is WattbookError else 1)
