"""Where a page of rows, newest first, left off."""

import base64
import binascii
from datetime import datetime

from wattbook.core.errors import InputError, Problem

BETWEEN = "\n"


def after(at: datetime, *key: str) -> str:
    """The cursor behind a row, by its time and the rest of its key."""
    return base64.urlsafe_b64encode(BETWEEN.join([at.isoformat(), *key]).encode()).decode()


def read(cursor: str, keys: int = 1) -> tuple[datetime | str, ...]:
    """The instant and the `keys` words of the row behind which to go on.

    Raises
    ------
    InputError
        It is no cursor of ours.
    """
    try:
        at, *key = base64.urlsafe_b64decode(cursor).decode().split(BETWEEN, keys)
        instant = datetime.fromisoformat(at)
    except (binascii.Error, ValueError) as error:
        raise _foreign() from error
    if instant.tzinfo is None or len(key) != keys or any("\0" in word for word in key):
        raise _foreign()
    return instant, *key


def _foreign() -> InputError:
    detail = "this cursor was not given out by wattbook"
    return InputError(detail, [Problem("bad_cursor", detail, field="cursor")])
