"""Asks for a document of the HTTP API: of a service, or of the stores here and now."""

import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import quote

from wattbook.cli import local, show
from wattbook.core import periods, when
from wattbook.core.errors import InputError, Problem
from wattbook.core.when import Bounds, When

if TYPE_CHECKING:
    from wattbook.answers.encode import Answer
    from wattbook.wiring.runtime import Runtime

Document = dict[str, Any]
Here: TypeAlias = "Callable[[Runtime], Awaitable[Answer]]"

TABLE: Final = "table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A GET of the API, and what answers it without a service; both give the same document."""

    path: str
    query: Mapping[str, object]
    here: Here

    def document(self, url: str | None) -> Document:
        """The document, as the API sends it."""
        if url is None:
            document: Document = json.loads(local.run(self.here).json())
            return document
        from wattbook.cli.client import Service  # noqa: PLC0415 -- only who asks a service pays

        with Service(url) as service:
            return service.get(self.path, self.query)

    def csv(self, url: str | None) -> bytes:
        """The rows as CSV."""
        if url is None:
            return local.run(self.here).csv()
        from wattbook.cli.client import CSV, Service  # noqa: PLC0415 -- as above

        with Service(url) as service:
            return service.get_bytes(self.path, self.query, CSV)

    def show(self, url: str | None, form: str, table: Callable[[Document], None]) -> None:
        """Print the answer as JSON, as CSV, or with `table`."""
        if form == "csv":
            sys.stdout.write(self.csv(url).decode())
        elif form == "json":
            show.json(self.document(url))
        else:
            table(self.document(url))


def get(url: str, path: str, query: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401
    """The document of a service."""
    from wattbook.cli.client import Service  # noqa: PLC0415 -- only who asks a service pays

    with Service(url) as service:
        return service.get(path, query)


def send(url: str, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401
    """What a service answers to a body."""
    from wattbook.cli.client import Service  # noqa: PLC0415 -- as above

    with Service(url) as service:
        return service.send(method, path, body)


def delete(url: str, path: str, query: Mapping[str, object]) -> Any:  # noqa: ANN401
    """What a service answers where something is deleted."""
    from wattbook.cli.client import Service  # noqa: PLC0415 -- as above

    with Service(url) as service:
        return service.delete(path, query)


def step(name: str) -> str:
    """A name as one step of a path."""
    return quote(name, safe=":")


def form(*, as_json: bool, as_csv: bool) -> str:
    """`table`, `json` or `csv`."""
    if as_json and as_csv:
        detail = "use --json or --csv, not both"
        raise InputError(detail, [Problem("bad_option", detail, field="csv")])
    return "json" if as_json else "csv" if as_csv else TABLE


def bounds(begin: str, end: str | None) -> Bounds:
    """The period between `--from` and `--to`."""
    first = _when("--from", begin)
    last = optional("--to", end)
    if last is not None and type(first) is type(last) and last <= first:
        raise periods.invalid("to", f"--to ({last}) must be after --from ({first})")
    return Bounds(first, last)


def optional(option: str, text: str | None) -> When | None:
    """What an option says, where it is given."""
    return None if text is None else _when(option, text)


def _when(option: str, text: str) -> When:
    try:
        return when.parse(text)
    except ValueError as error:
        raise periods.invalid(option.removeprefix("--"), f"{option} {text}: {error}") from error
