"""What can go wrong, in the words of the domain.

::

    WattbookError
    ├── InputError                  the caller sent something unusable
    │   ├── FrameMismatchError      a frame lacks columns or has other types
    │   ├── UndecodableError        a body or file that is not what it says it is
    │   ├── UnknownFormatError      a format or an encoding that wattbook does not read
    │   ├── TooLargeError           a body beyond the limit
    │   ├── InvalidPeriodError      a span of time that is invalid
    │   └── InvalidEntityError      a site, meter, supply or fleet entry that is invalid
    ├── UnknownEntityError          nothing is registered under this id
    ├── RemovedError                it was there, and a clean-up removed it
    ├── ConflictError               the id is taken, or another state was expected
    ├── ChangedError                it is not any more what the caller's `If-Match` names
    ├── UnsupportedError            this store cannot do this
    ├── UnavailableError            a store or service cannot be reached
    │   └── StoreLockedError               another process holds the store
    └── DamagedStoreError           a file of a store is damaged
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where: a `field` or a `row` of the input."""

    reason: str
    detail: str
    field: str | None = None
    row: int | None = None


class WattbookError(Exception):
    """The root of every error that wattbook raises on purpose."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


Raised = TypeVar("Raised", bound=WattbookError)


def renamed(error: Raised, names: Mapping[str, str]) -> Raised:
    """The same error, with the fields that it is about under the names of the caller."""
    named = [
        replace(problem, field=names.get(problem.field or "", problem.field))
        for problem in error.problems
    ]
    return type(error)(str(error), named)


class InputError(WattbookError):
    """The caller sent something that cannot be used."""


class FrameMismatchError(InputError):
    """A frame lacks columns of its contract or has them with other types."""


class UndecodableError(InputError):
    """A body or a file is not what it says it is."""


class UnknownFormatError(InputError):
    """A format or an encoding that wattbook does not read."""


class TooLargeError(InputError):
    """A body is larger than the limit."""


class InvalidPeriodError(InputError):
    """A span of time, a grain or a time zone that is invalid."""


class InvalidEntityError(InputError):
    """A site, meter, supply or fleet entry that is invalid."""


class UnknownEntityError(WattbookError):
    """Nothing is registered under this id."""


class RemovedError(WattbookError):
    """It was there, and a clean-up removed it."""


class ConflictError(WattbookError):
    """The id is taken, or the thing is in another state than the request expects."""


class ChangedError(WattbookError):
    """The thing is not any more what the request's `If-Match` names."""


class UnsupportedError(WattbookError):
    """What a store declares that it cannot do."""


class UnavailableError(WattbookError):
    """A store or a service cannot be reached, or is held by another process."""


def missing_package(package: str | None, extra: str | None = None) -> UnavailableError:
    """What is raised where a package is not installed; `extra` is what brings it.

    >>> str(missing_package("asyncpg", "postgres")).partition(":")[0]
    'the package asyncpg is missing'
    """
    way = f"pip install '.[{extra}]'" if extra else "pip install ."
    return UnavailableError(
        f"the package {package} is missing: run `{way}` in the checkout of wattbook"
        " (of a wheel, its path takes the place of the dot)"
    )


class DamagedStoreError(WattbookError):
    """A file of a store is damaged: trying again does not help."""


class StoreLockedError(UnavailableError):
    """Another process has the store open."""

    def __init__(
        self, message: str, problems: Sequence[Problem] = (), *, holder: int | None = None
    ) -> None:
        super().__init__(message, problems)
        self.holder = holder


KINDS: Final[Mapping[str, type[WattbookError]]] = {
    "invalid_input": InputError,
    "frame_mismatch": FrameMismatchError,
    "undecodable": UndecodableError,
    "unknown_format": UnknownFormatError,
    "too_large": TooLargeError,
    "invalid_period": InvalidPeriodError,
    "invalid_entity": InvalidEntityError,
    "unknown_entity": UnknownEntityError,
    "removed": RemovedError,
    "conflict": ConflictError,
    "changed": ChangedError,
    "unsupported": UnsupportedError,
    "unavailable": UnavailableError,
    "store_locked": StoreLockedError,
    "damaged_store": DamagedStoreError,
}
"""The name of each kind of error where errors are stored or sent."""
INTERNAL: Final = "internal"
"""The kind of every error that is none of `KINDS`."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it is stored with a job: without its Python class."""

    kind: str
    """A key of `KINDS`, or `INTERNAL`."""
    detail: str
    problems: tuple[Problem, ...] = ()

    @classmethod
    def from_error(cls, error: BaseException) -> "Failure":
        """What to store of an error.

        >>> Failure.from_error(UnavailableError("the database does not answer"))
        Failure(kind='unavailable', detail='the database does not answer', problems=())
        >>> Failure.from_error(KeyError("x")).detail
        "KeyError: 'x'"
        """
        for kind, raised in KINDS.items():
            if type(error) is raised:
                return cls(kind, str(error), getattr(error, "problems", ()))
        return cls(INTERNAL, f"{type(error).__name__}: {error}")

    def to_error(self) -> WattbookError:
        """The error that was stored; an internal one as a plain `WattbookError`."""
        return KINDS.get(self.kind, WattbookError)(self.detail, self.problems)


def input_error(reason: str, detail: str, field_: str) -> InputError:
    """An error with one problem, of one field."""
    return InputError(f"{field_}: {detail}", [Problem(reason, detail, field=field_)])
