"""What can go wrong is named in the words of the domain."""

import inspect

import pytest

from wattbook.core import errors
from wattbook.core.errors import InputError, Problem, WattbookError

EVERY = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, WattbookError)
]


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_error_is_one_of_wattbook_s_and_carries_its_problems(kind) -> None:
    problem = Problem("bad_unit", "power_kw can be given in kW", field="power_kw")

    error = kind("cannot be used", [problem])

    assert isinstance(error, WattbookError)
    assert (str(error), error.problems) == ("cannot be used", (problem,))


def test_an_error_needs_no_problems() -> None:
    assert InputError("nothing to say").problems == ()


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_the_drawn_tree_shows_every_error_below_its_parent(kind) -> None:
    drawn = str(errors.__doc__).splitlines()
    depth = {line.split("── ")[-1].split()[0]: line.index("── ") for line in drawn if "──" in line}

    if kind is not WattbookError:
        parent = kind.__mro__[1]
        assert depth[kind.__name__] == depth.get(parent.__name__, depth["InputError"] - 4) + 4
