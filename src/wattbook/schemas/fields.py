"""Fields that bodies, questions and jobs share."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from wattbook.core import when
from wattbook.core.periods import FIRST_YEAR, LAST_YEAR
from wattbook.core.registry.entities import SLUG

DATED: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")


def _written(value: object) -> object:
    # A bare number would be read as seconds since 1970.
    if not isinstance(value, str | datetime) or (isinstance(value, str) and not DATED.match(value)):
        raise ValueError("must be a time with offset, as in 2026-01-01T00:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise ValueError(f"not within {FIRST_YEAR} and {LAST_YEAR}")
    return value.astimezone(UTC)


# Numbers are finite, and text or `true` is none.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


def _slug(value: str) -> str:
    if not SLUG.fullmatch(value):
        said = f"invalid id {value!r}: must match {SLUG.pattern}"
        raise PydanticCustomError("bad_id", "{said}", {"said": said})
    return value


Id = Annotated[
    str,
    Field(min_length=1, max_length=64, description="a slug: `[a-z0-9][a-z0-9._-]{0,63}`"),
    AfterValidator(_slug),
]
Instant = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]


DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")


def _day(value: object) -> object:
    # A bare number would be read as seconds since 1970.
    if not isinstance(value, date) and not (isinstance(value, str) and DAY.fullmatch(value)):
        raise ValueError("must be a date, as in 2026-01-31")
    return value


Day = Annotated[date, BeforeValidator(_day)]


def _when(value: Any) -> date | datetime:  # noqa: ANN401 -- whatever JSON can hold
    if isinstance(value, datetime | date):
        value = value.isoformat()
    if not isinstance(value, str):
        raise ValueError(when.WANTED)  # noqa: TRY004 -- pydantic reports ValueError alone
    return when.parse(value)


_AS_TEXT = PlainSerializer(
    lambda value: value.isoformat().replace("+00:00", "Z"), when_used="json-unless-none"
)
_DATE_OR_INSTANT = WithJsonSchema(
    {"anyOf": [{"type": "string", "format": kind} for kind in ("date", "date-time")]}
)

When = Annotated[date | datetime, PlainValidator(_when), _AS_TEXT, _DATE_OR_INSTANT]
"""A date on the clock of what is asked about, or an instant with offset."""
DayOrInstant = Annotated[
    datetime,
    PlainValidator(lambda value: when.instant(_when(value), "UTC")),
    _AS_TEXT,
    _DATE_OR_INSTANT,
]
"""The same where several places may be meant: a date is a day in UTC."""


class Answer(BaseModel):
    """What is answered, read from an entity."""

    model_config = ConfigDict(from_attributes=True, frozen=True)
