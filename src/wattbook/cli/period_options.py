"""`--from` and `--to`: dates where the site stands, or instants."""

from datetime import UTC, date, datetime

from wattbook.core import periods
from wattbook.core.periods import Period

DATE_LENGTH = len("2026-01-01")


def span(begin: str, end: str | None, timezone: str, now: datetime) -> Period:
    """The period between two options; until `now` where no end is given.

    Raises
    ------
    InvalidPeriodError
        Names the invalid option.
    """
    first = instant(begin, timezone, "--from")
    last = now if end is None else instant(end, timezone, "--to")
    if last <= first:
        raise periods.invalid("end", f"--to ({last:%FT%TZ}) must be after --from ({first:%FT%TZ})")
    return Period(first, last)


def instant(text: str, timezone: str, option: str) -> datetime:
    """A date is its first instant in the time zone; anything else must carry its offset."""
    try:
        if len(text) == DATE_LENGTH:
            return periods.midnight(date.fromisoformat(text), timezone)
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    want = "must be a date (2026-01-01) or an instant with offset (2026-01-01T00:00:00Z)"
    raise periods.invalid(option.removeprefix("--"), f"{option} {text}: {want}")
