"""Where a page of rows, newest first, left off."""

import base64
import binascii
from datetime import datetime

from wattbook.core.errors import InputError, Problem


def after(at: datetime, key: str) -> str:
    """The cursor behind a row."""
    return base64.urlsafe_b64encode(f"{at.isoformat()} {key}".encode()).decode()


def read(cursor: str) -> tuple[datetime, str]:
    """The instant and the key of the row behind which to go on.

    Raises
    ------
    InputError
        It is no cursor of ours.
    """
    try:
        at, key = base64.urlsafe_b64decode(cursor).decode().split(" ", 1)
        found = datetime.fromisoformat(at), key
    except (binascii.Error, ValueError) as error:
        raise _foreign() from error
    if found[0].tzinfo is None or "\0" in key:
        raise _foreign()
    return found


def _foreign() -> InputError:
    detail = "this cursor was not given out by wattbook"
    return InputError(detail, [Problem("bad_cursor", detail, field="cursor")])
