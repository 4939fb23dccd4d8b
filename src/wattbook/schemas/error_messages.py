"""What is wrong with a body, in plain words: every fault that pydantic finds, under our names."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, get_args

from pydantic import BaseModel

from wattbook.core.errors import Problem

Fault = Mapping[str, Any]

ALTERNATIVES: Final = re.compile(r"\^\(([\w|-]+)\)\$")
TIME: Final = "must be a time with offset, as in 2026-01-01T00:00:00Z"
CLOSE: Final = 0.5
"""Names that resemble each other so much are suggested for each other."""


def problems_from(faults: Iterable[Fault], body: object, where: str = "") -> list[Problem]:
    """All faults, each with the place `where` it is: `meters[0].id`."""
    return [
        Problem(_reason(fault), message_of(fault, body), field=place(fault, body, where) or None)
        for fault in faults
    ]


def message_of(fault: Fault, body: object = None) -> str:
    """One fault in plain words."""
    kind = str(fault["type"])
    if kind == "extra_forbidden":
        return f"unknown field{_suggestion(fault, body)}"
    if kind.startswith(("datetime_", "timezone_")):
        return TIME
    if kind.startswith("date_"):
        return "must be a date, as in 2026-01-01"
    write = WORDS.get(kind)
    return _plain(str(fault["msg"])) if write is None else write(fault.get("ctx", {}))


def _reason(fault: Fault) -> str:
    kind = str(fault["type"])
    return "unknown_field" if kind == "extra_forbidden" else kind


def _plain(message: str) -> str:
    """A message of a check of ours, without what pydantic writes before it."""
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _one_of(names: str) -> str:
    return f"must be one of {names.replace(chr(39), '').replace(' or ', ', ')}"


def _matching(context: Fault) -> str:
    pattern = str(context["pattern"])
    alternatives = ALTERNATIVES.fullmatch(pattern)
    if alternatives is not None:
        return _one_of(alternatives[1].replace("|", ", "))
    if pattern in (r"^\P{Cc}+$", r"^\P{Cc}*$"):
        return "must be text on one line"
    return f"must match {pattern.removeprefix('^').removesuffix('$')}"


WORDS: Final[dict[str, Callable[[Fault], str]]] = {
    "missing": lambda _: "is required",
    "enum": lambda context: _one_of(str(context["expected"])),
    "literal_error": lambda context: _one_of(str(context["expected"])),
    "union_tag_invalid": lambda context: _one_of(str(context["expected_tags"])),
    "union_tag_not_found": lambda _: "is required",
    "string_pattern_mismatch": _matching,
    "string_type": lambda _: "must be text",
    "string_too_short": lambda context: (
        "must not be empty"
        if context["min_length"] == 1
        else f"must have at least {context['min_length']} characters"
    ),
    "string_too_long": lambda context: f"must have at most {context['max_length']} characters",
    "int_type": lambda _: "must be a whole number",
    "int_parsing": lambda _: "must be a whole number",
    "int_from_float": lambda _: "must be a whole number",
    "float_type": lambda _: "must be a number",
    "float_parsing": lambda _: "must be a number",
    "finite_number": lambda _: "must be a finite number",
    "bool_type": lambda _: "must be true or false",
    "bool_parsing": lambda _: "must be true or false",
    "greater_than": lambda context: f"must be above {context['gt']:g}",
    "greater_than_equal": lambda context: f"must be at least {context['ge']:g}",
    "less_than": lambda context: f"must be below {context['lt']:g}",
    "less_than_equal": lambda context: f"must be at most {context['le']:g}",
    "list_type": lambda _: "must be a list",
    "tuple_type": lambda _: "must be a list",
    "dict_type": lambda _: "must be an object",
    "model_type": lambda _: "must be an object",
    "model_attributes_type": lambda _: "must be an object",
    "too_short": lambda context: f"must have at least {context['min_length']} entries",
    "too_long": lambda context: f"must have at most {context['max_length']} entries",
    "json_invalid": lambda context: f"not valid JSON: {context['error']}",
}


def _suggestion(fault: Fault, body: object) -> str:
    """The field that was likely meant, if one of the same object resembles the unknown one."""
    *way, name = fault["loc"]
    there: object = body
    tag = None
    for part in way:
        if (isinstance(there, Mapping) and part in there) or (
            isinstance(there, Sequence) and isinstance(part, int) and part < len(there)
        ):
            there = there[part]
        else:
            tag = part  # the kind that was chosen for a part
    if not isinstance(there, Mapping):
        return ""
    fields = _fields_like(frozenset(map(str, there)), tag)
    close = difflib.get_close_matches(str(name), fields - there.keys(), n=1, cutoff=CLOSE)
    return f"; did you mean {close[0]}?" if close else ""


def _fields_like(names: frozenset[str], tag: object) -> frozenset[str]:
    """The fields of the body with the most of these names, among those of kind `tag` if any."""
    models = [
        model for model in _descendants(BaseModel) if model.model_config.get("extra") == "forbid"
    ]
    of_kind = [
        model
        for model in models
        if "kind" in model.model_fields and tag in get_args(model.model_fields["kind"].annotation)
    ]
    known = [frozenset(model.model_fields) for model in of_kind or models]
    return max(known, key=lambda fields: (len(fields & names), -len(fields)), default=frozenset())


def _descendants(model: type[BaseModel]) -> Iterable[type[BaseModel]]:
    for each in model.__subclasses__():
        yield each
        yield from _descendants(each)


def place(fault: Fault, body: object, where: str) -> str:
    """Where the fault is; the kind that was chosen for a part is a step there, and no field."""
    way = list(fault["loc"])
    context = fault.get("ctx", {})
    if "discriminator" in context:
        way.append(str(context["discriminator"]).strip("'"))
    path, there = where, body
    for at, part in enumerate(way):
        if isinstance(there, Mapping):
            if isinstance(part, str) and part not in there and at < len(way) - 1:
                continue
            there = there.get(part)
        elif isinstance(there, Sequence) and not isinstance(there, str) and isinstance(part, int):
            there = there[part] if part < len(there) else None
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path
