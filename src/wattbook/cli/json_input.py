"""Sites and tariffs from files: the bodies that the HTTP API takes, with its words for mistakes."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from wattbook.core.errors import InvalidEntityError, Problem, UndecodableError
from wattbook.core.registry.declared import SentMeter
from wattbook.core.registry.tariffs import Tariff
from wattbook.flows.sites import Draft
from wattbook.schemas.error_messages import problems_from
from wattbook.schemas.sites import MeterIn, SiteIn
from wattbook.schemas.tariffs import TariffIn, uncommented

METERS: Final = TypeAdapter(list[MeterIn])
STDIN: Final = Path("-")
TARIFFS: Final = TypeAdapter(list[TariffIn])


def draft(body: object, where: str = "") -> Draft:
    """The site that `body` describes.

    Raises
    ------
    InvalidEntityError
        Naming every field that is unknown, absent or wrong.
    """
    try:
        return SiteIn.model_validate(body).draft()
    except ValidationError as error:
        raise _invalid(error, body, where) from error


def tariffs(body: object) -> list[Tariff]:
    """The tariff, or the list of them, that `body` describes.

    Raises
    ------
    InvalidEntityError
        Naming every field that is unknown, absent or wrong.
    """
    body = uncommented(body)
    whole = body if isinstance(body, list) else [body]
    try:
        return [each.entity() for each in TARIFFS.validate_python(whole)]
    except ValidationError as error:
        raise _invalid(error, whole, "tariffs") from error


def meters(body: object) -> list[SentMeter]:
    """The meter, or the list of them, that `body` describes.

    Raises
    ------
    InvalidEntityError
        Naming every field that is unknown, absent or wrong.
    """
    whole = body if isinstance(body, list) else [body]
    try:
        return [each.entity() for each in METERS.validate_python(whole)]
    except ValidationError as error:
        raise _invalid(error, whole, "meters") from error


def read(file: Path) -> Any:  # noqa: ANN401 -- whatever JSON can hold
    """The JSON of a file; `-` is the standard input."""
    try:
        return json.loads(sys.stdin.read() if file == STDIN else file.read_text("utf-8"))
    except OSError as error:
        detail = f"{file} cannot be read: {error.strerror}"
        raise UndecodableError(detail, [Problem("bad_file", detail)]) from error
    except ValueError as error:
        detail = f"{file} is not JSON: {error}"
        raise UndecodableError(detail, [Problem("bad_file", detail)]) from error


def _invalid(error: ValidationError, body: object, where: str) -> InvalidEntityError:
    problems = problems_from(error.errors(), body, where)
    said = "; ".join(f"{each.field}: {each.detail}" for each in problems)
    return InvalidEntityError(said, problems)
