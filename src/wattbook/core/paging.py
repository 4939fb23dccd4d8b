"""Where a page of a list left off, as whoever asks for the next one hands it back."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from wattbook.core.errors import InputError, Problem

BETWEEN: Final = "\n"
DIGITS: Final = 16
"""Of the digest of the filters: by accident two are never the same."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list and the filters that it is asked with: a cursor belongs to both."""

    name: str
    filters: Mapping[str, object]
    """Null: no filter."""
    words: int = 1
    """Of which the rest of a row's key consists, after the first."""

    def after(self, first: datetime | str, *rest: str) -> str:
        """The cursor behind a row, by its key."""
        place = first.isoformat() if isinstance(first, datetime) else first
        said = BETWEEN.join([self.name, self._digest(), place, *rest])
        return base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")

    def read(self, cursor: str) -> tuple[str, ...]:
        """The key of the row behind which to go on.

        Raises
        ------
        InputError
            It is no cursor of ours, or one of another list, or was given out under other filters.
        """
        padded = cursor + "=" * (-len(cursor) % 4)
        try:
            said = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
            name, digest, *key = said.split(BETWEEN, 2 + self.words)
        except (binascii.Error, ValueError) as error:
            raise foreign() from error
        if len(key) != 1 + self.words and name == self.name:
            raise foreign()
        if "\0" in said or not name.isidentifier():
            raise foreign()
        if name != self.name:
            raise _refusal(f"this cursor was given out by the list of {name}, not of {self.name}")
        if digest != self._digest():
            raise _refusal("this cursor was given out under other filters: repeat them with it")
        return tuple(key)

    def read_dated(self, cursor: str) -> tuple[datetime | str, ...]:
        """The same of a list that goes by time: the first of the key is an instant."""
        first, *rest = self.read(cursor)
        try:
            instant = datetime.fromisoformat(first)
        except ValueError as error:
            raise foreign() from error
        if instant.tzinfo is None:
            raise foreign()
        return instant, *rest

    def _digest(self) -> str:
        asked = {name: str(value) for name, value in self.filters.items() if value is not None}
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:DIGITS]


def foreign() -> InputError:
    """Error of what is no cursor of ours."""
    return _refusal("this cursor was not given out by wattbook")


def _refusal(detail: str) -> InputError:
    return InputError(detail, [Problem("bad_cursor", detail, field="cursor")])
