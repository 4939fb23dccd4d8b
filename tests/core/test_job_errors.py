"""An error of a job is stored by its kind, and raised again with everything it said."""

import pytest

from wattbook.core.errors import (
    KINDS,
    ConflictError,
    Failure,
    InputError,
    Problem,
    UnknownEntityError,
)
from wattbook.core.jobs import error_of

NO_HORIZON = Problem("bad_horizon", "must be 1 to 31 days", field="horizon")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_error_comes_back_as_itself(kind: str) -> None:
    error = KINDS[kind]("the message", [NO_HORIZON])

    again = Failure.from_error(error).to_error()

    assert (type(again), str(again), again.problems) == (KINDS[kind], "the message", (NO_HORIZON,))


@pytest.mark.parametrize(
    ("failure", "kind", "message"),
    [
        (Failure("invalid_input", "too short", (NO_HORIZON,)), InputError, "too short"),
        (Failure("unknown_entity", "no such site"), UnknownEntityError, "no such site"),
        (Failure("unavailable", "killed"), ConflictError, "the job j is failed: killed"),
        (Failure("internal", "KeyError: 'x'"), ConflictError, "the job j is failed: KeyError: 'x'"),
        (None, ConflictError, "the job j is failed"),
    ],
    ids=["input", "unknown", "unavailable", "internal", "none"],
)
def test_a_caller_gets_the_error_that_the_caller_can_mend(failure, kind, message) -> None:
    error = error_of("j", "failed", failure)

    assert (type(error), str(error)) == (kind, message)
    assert error.problems == (() if failure is None else failure.problems)
