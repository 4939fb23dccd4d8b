"""Sites as JSON, the same that `POST /api/v1/sites` takes."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from wattbook.core.entities import FleetItem, Meter, Supply
from wattbook.core.errors import InvalidEntityError, Problem
from wattbook.flows.sites import Draft

PARTS: Final = {"meters": Meter, "supplies": Supply, "fleet": FleetItem}
DRAFT: Final = TypeAdapter(Draft)


def draft(body: object, where: str = "") -> Draft:
    """The site that `body` describes.

    Raises
    ------
    InvalidEntityError
        Naming every field that is unknown, absent or wrong.
    """
    if not isinstance(body, Mapping):
        raise _invalid([Problem("bad_site", "want an object", field=where or "site")])
    problems = _strangers(body, Draft, where)
    whole: dict[str, Any] = dict(body)
    for name, kind in PARTS.items():
        parts = whole.get(name) or []
        if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
            raise _invalid([Problem("bad_site", "want a list of objects", field=where + name)])
        for index, part in enumerate(parts):
            problems += _strangers(part, kind, f"{where}{name}[{index}].")
        blank = {} if kind is Meter else {"id": ""}
        whole[name] = [{**blank, **part, "site_id": ""} for part in parts]
    try:
        made = DRAFT.validate_python(whole)
    except ValidationError as error:
        raise _invalid(problems + [_problem(fault, where) for fault in error.errors()]) from error
    if problems:
        raise _invalid(problems)
    return made


def _strangers(body: Mapping[str, object], kind: type, where: str) -> list[Problem]:
    known = {field.name for field in fields(kind)}
    return [
        Problem("unknown_field", "there is no such field", field=f"{where}{name}")
        for name in body
        if name not in known
    ]


def _problem(fault: Any, where: str) -> Problem:  # noqa: ANN401 -- pydantic's own
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"])
    said = str(fault["msg"])
    return Problem("bad_field", said[:1].lower() + said[1:], field=where + path.removeprefix("."))


def _invalid(problems: list[Problem]) -> InvalidEntityError:
    said = "; ".join(f"{each.field}: {each.detail}" for each in problems)
    return InvalidEntityError(said, problems)
