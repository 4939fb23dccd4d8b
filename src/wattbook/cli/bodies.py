"""Sites and tariffs as JSON, the same that the HTTP API takes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter, ValidationError

from wattbook.core.entities import FleetItem, Meter, Supply
from wattbook.core.errors import InvalidEntityError, Problem
from wattbook.core.tariffs import Component, Tariff
from wattbook.flows.sites import Draft

PARTS: Final = {"meters": Meter, "supplies": Supply, "fleet": FleetItem}
DRAFT: Final = TypeAdapter(Draft)
FIELDS: Final = [field.name for field in fields(Tariff)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentTariff(Tariff):
    """A tariff as it is written; the kind of a component says which fields it has."""

    id: str = ""
    site_id: str = ""
    components: tuple[Annotated[Component, Field(discriminator="kind")], ...]


SENT: Final = TypeAdapter(SentTariff)
CHOSEN: Final = 2
"""The step at which a component's kind stands, after `components` and the number."""


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


def tariffs(body: object) -> list[Tariff]:
    """The tariff, or the list of them, that `body` describes.

    Raises
    ------
    InvalidEntityError
        Naming every field that is unknown, absent or wrong.
    """
    made: list[Tariff] = []
    problems: list[Problem] = []
    for at, each in enumerate(body if isinstance(body, list) else [body]):
        where = f"tariffs[{at}]"
        if not isinstance(each, Mapping):
            problems.append(Problem("bad_tariff", "want an object", field=where))
            continue
        try:
            sent = SENT.validate_json(json.dumps(_said(each)), strict=True)
        except ValidationError as error:
            problems += [_problem(_without_kind(fault), f"{where}.") for fault in error.errors()]
            continue
        problems += _unread(each, sent, where)
        made.append(Tariff(**{name: getattr(sent, name) for name in FIELDS}))
    if problems:
        raise _invalid(problems)
    return made


def _said(body: Mapping[str, object]) -> dict[str, object]:
    """An id that is null is left out; the site is the one that the tariff is put on."""
    kept = {name: value for name, value in body.items() if name != "site_id"}
    return kept if kept.get("id", "") is not None else {**kept, "id": ""}


def _without_kind(fault: Any) -> dict[str, Any]:  # noqa: ANN401 -- pydantic's own
    """Where a component is wrong; the kind that was chosen is a step there, and no field."""
    place = fault["loc"]
    if "discriminator" in fault.get("ctx", {}):
        place = (*place, "kind")
    elif place[:1] == ("components",) and len(place) > CHOSEN:
        place = (*place[:CHOSEN], *place[CHOSEN + 1 :])
    return {**fault, "loc": place}


def _unread(given: object, made: object, where: str) -> list[Problem]:
    """Fields that were given and mean nothing, at any depth."""
    if isinstance(given, Sequence) and isinstance(made, tuple):
        pairs = zip(given, made, strict=True)
        return [
            problem
            for at, (one, other) in enumerate(pairs)
            for problem in _unread(one, other, f"{where}[{at}]")
        ]
    if not (isinstance(given, Mapping) and is_dataclass(made) and not isinstance(made, type)):
        return []
    found = _strangers(given, type(made), f"{where}.")
    for field in fields(made):
        if field.name in given:
            value = getattr(made, field.name)
            found += _unread(given[field.name], value, f"{where}.{field.name}")
    return found


def of_tariff(tariff: Tariff) -> dict[str, Any]:
    """A tariff as it is sent and answered."""
    return {name: value for name, value in asdict(tariff).items() if name != "site_id"}


def _strangers(body: Mapping[str, object], kind: type, where: str) -> list[Problem]:
    known = {field.name for field in fields(kind)} - {"site_id"}
    return [
        Problem("unknown_field", "there is no such field", field=f"{where}{name}")
        for name in body
        if name not in known
    ]


def _problem(fault: Any, where: str) -> Problem:  # noqa: ANN401 -- pydantic's own
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"])
    said = str(fault["msg"])
    return Problem(
        "bad_field", said[:1].lower() + said[1:], field=(where + path.removeprefix(".")).rstrip(".")
    )


def _invalid(problems: list[Problem]) -> InvalidEntityError:
    said = "; ".join(f"{each.field}: {each.detail}" for each in problems)
    return InvalidEntityError(said, problems)
