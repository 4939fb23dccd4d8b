"""IANA time zones that every library knows."""

from functools import cache
from zoneinfo import available_timezones


def known_timezone(name: str) -> bool:
    """Whether `name` is an IANA time zone.

    >>> known_timezone("Europe/Oslo"), known_timezone("../etc/passwd"), known_timezone("localtime")
    (True, False, False)
    """
    return name in _timezones()


@cache
def _timezones() -> frozenset[str]:
    """Names that every library knows: those of this machine alone are not among them."""
    return frozenset(available_timezones() - {"Factory", "localtime", "posixrules"})
