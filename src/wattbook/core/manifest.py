"""How settings are written in the manifest of a fingerprint.

A fingerprint is the SHA-256 of a manifest, and is stored with reports and forecasts. So the names
in a manifest are stored names: a type states them with `named`, and they stay when a class or a
field gets another name in Python.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

from wattbook.core.former_words import MANIFEST_WORDS

Thing = TypeVar("Thing", bound=type)


@dataclass(frozen=True, slots=True)
class Entry:
    """The names of a type in manifests."""

    name: str
    fields: Mapping[str, str]
    """The name in manifests of each attribute, in the order of the manifest."""
    later: Mapping[str, object] = field(default_factory=dict)
    """Attributes that are left out while they have this value.

    These were added after fingerprints of the type were stored. A setting that nobody made leaves
    the fingerprint as it was before the setting existed.
    """


ENTRIES: Final[dict[type, Entry]] = {}
"""Every type that may stand in a manifest."""


def named(
    name: str, names: str, *, later: Mapping[str, object] | None = None
) -> Callable[[Thing], Thing]:
    """State how a dataclass is written in manifests.

    Parameters
    ----------
    name
        Name of the type.
    names
        A name for each of its fields, in their order, separated by spaces.
    later
        By these names: the values that are left out, see `Entry`.

    Raises
    ------
    ValueError
        If there are more or fewer names than fields.
    """

    def state(thing: Thing) -> Thing:
        attributes = [each.name for each in fields(thing)]
        listed = dict(zip(attributes, names.split(), strict=True))
        left_out = {each: later[as_] for each, as_ in listed.items() if later and as_ in later}
        ENTRIES[thing] = Entry(name, listed, left_out)
        return thing

    return state


def line(name: str, value: object) -> str:
    """A line that states a setting: equal settings have equal lines.

    Raises
    ------
    TypeError
        If the value is, or holds, a dataclass without `named`.
    """
    return f"{name} {_members(value) if _is_record(value) else text(value)}"


def pairs(members: Mapping[str, object]) -> str:
    """`name=value` for each of the members.

    >>> pairs({"id": "hall-1", "capacity_kw": 100.0})
    "id='hall-1' capacity_kw=100.0"
    """
    return " ".join(f"{name}={text(value)}" for name, value in members.items())


def text(value: object) -> str:
    """A value as manifests have it.

    >>> text(date(2026, 1, 31)), text({"b", "a"}), text((1, None)), text("x")
    ('2026-01-31', "['a', 'b']", '[1, None]', "'x'")
    """
    if isinstance(value, datetime | date):
        return value.isoformat()
    if _is_record(value):
        return f"({_entry(value).name} {_members(value)})"
    if isinstance(value, set | frozenset):
        return f"[{', '.join(sorted(map(text, value)))}]"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(text, value))}]"
    if isinstance(value, StrEnum):
        return repr(MANIFEST_WORDS.get(value, str(value)))
    return repr(str(value)) if isinstance(value, str) else repr(value)


def call(value: object) -> str:
    """A value in the form of the constructor call that makes it, under the manifest's names."""
    if _is_record(value):
        entry = _entry(value)
        members = (
            f"{name}={call(getattr(value, attribute))}" for attribute, name in entry.fields.items()
        )
        return f"{entry.name}({', '.join(members)})"
    import polars as pl  # noqa: PLC0415 -- dates and tariffs alone do not need Polars

    if isinstance(value, pl.DataFrame):
        return repr(value.write_csv())
    if isinstance(value, tuple):
        return f"({', '.join(map(call, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, StrEnum):
        word = MANIFEST_WORDS.get(value, str(value))
        return f"<{type(value).__name__}.{value.name}: {word!r}>"
    return repr(value)


def _is_record(value: object) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _entry(value: object) -> Entry:
    entry = ENTRIES.get(type(value))
    if entry is None:
        raise TypeError(f"{type(value).__name__} has no names for manifests: see manifest.named")
    return entry


def _members(value: Any) -> str:  # noqa: ANN401 -- any dataclass
    entry = _entry(value)
    members = {name: getattr(value, attribute) for attribute, name in entry.fields.items()}
    left_out = {entry.fields[attribute]: default for attribute, default in entry.later.items()}
    return pairs(
        {
            name: each
            for name, each in members.items()
            if name not in left_out or each != left_out[name]
        }
    )
