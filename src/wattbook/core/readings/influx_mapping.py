"""How InfluxDB's measurements, tags and fields are called here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from wattbook.core.errors import InputError, Problem
from wattbook.core.registry.entities import SENT_VALUES

COLUMNS: Final = (*SENT_VALUES, "quality")
"""Columns of a reading that a field can fill."""
METER_TAG: Final = "meter_id"
OTHER_METER_TAG: Final = "device_id"
SITE_TAG: Final = "site_id"


def _own_names() -> dict[str, str]:
    return {name: name for name in COLUMNS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """Which measurement holds readings, which tag names the meter, and which field is which column.

    Parameters
    ----------
    measurement
        The one that holds readings; null where every measurement may.
    meter_tag
        The tag with the meter's id. Where a point lacks it, `device_id` is read, and else
        `site_id`, which means the site's main meter.
    fields
        Column by name of field; fields that are not in it mean nothing here.
    """

    measurement: str | None = None
    meter_tag: str = METER_TAG
    fields: Mapping[str, str] = field(default_factory=_own_names)

    def __post_init__(self) -> None:
        """Refuse what is no column, and two fields for one column.

        Raises
        ------
        InputError
            With one problem for each invalid field.
        """
        columns = list(self.fields.values())
        problems = [
            Problem("bad_mapping", f"{column!r} is none of {', '.join(COLUMNS)}", field=name)
            for name, column in self.fields.items()
            if column not in COLUMNS
        ] + [
            Problem("bad_mapping", f"{column} has a field already", field=name)
            for index, (name, column) in enumerate(self.fields.items())
            if column in columns[:index]
        ]
        if not self.meter_tag:
            problems.append(Problem("bad_mapping", "the tag with the meter's id has no name"))
        if problems:
            said = "; ".join(
                f"{problem.field}: {problem.detail}" if problem.field else problem.detail
                for problem in problems
            )
            raise InputError(f"the names cannot be used: {said}", problems)

    @property
    def meter_tags(self) -> tuple[str, ...]:
        """Tags that may hold the meter's id; the first that a point has counts."""
        return tuple(dict.fromkeys((self.meter_tag, OTHER_METER_TAG)))

    @property
    def tags(self) -> frozenset[str]:
        """Tags that mean something here."""
        return frozenset({*self.meter_tags, SITE_TAG})


def parse_fields(text: str) -> dict[str, str]:
    """Column by name of field, from `column=field` pairs with commas between them.

    A column that is not named keeps its own name.

    >>> parse_fields("power_kw=kw, hashrate_th=th")["kw"]
    'power_kw'
    >>> parse_fields("power_kw=kw")["energy_kwh"]
    'energy_kwh'

    Raises
    ------
    InputError
        With one problem for each invalid pair.
    """
    named: dict[str, str] = {}
    problems = []
    for pair in filter(None, (part.strip() for part in text.split(","))):
        column, _, name = (part.strip() for part in pair.partition("="))
        if not name:
            problems.append(Problem("bad_mapping", f"{pair}: must be column=field"))
        elif column not in COLUMNS:
            problems.append(Problem("bad_mapping", f"{column!r} is none of {', '.join(COLUMNS)}"))
        elif column in named or name in named.values():
            problems.append(Problem("bad_mapping", f"{pair}: mapped twice"))
        else:
            named[column] = name
    if problems:
        raise InputError("; ".join(problem.detail for problem in problems), problems)
    taken = set(named.values())
    own = {name: name for name in COLUMNS if name not in named and name not in taken}
    return {**{name: column for column, name in named.items()}, **own}
