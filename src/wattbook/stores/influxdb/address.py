"""Addresses of buckets, as `wattbook copy` takes them."""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from wattbook.core.errors import InputError, Problem

SCHEMES: Final = {"influxdb": "http", "influxdbs": "https"}
URL: Final = re.compile(
    r"(?P<scheme>influxdbs?)://(?:(?P<token>[^@/?#\s]+)@)?"
    r"(?P<host>(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:@/?#\s]+)(?::\d{1,5})?)"
    r"/(?P<org>[^/?#\s]+)/(?P<bucket>[^/?#\s]+)/?"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a bucket is: the server, the organization, the name; the token where it is told."""

    url: str
    org: str
    bucket: str
    token: str | None = field(repr=False, default=None)

    @staticmethod
    def is_meant(url: str) -> bool:
        """Whether this is to be the address of a bucket, though it may be wrong."""
        return url.strip().partition("://")[0].lower() in SCHEMES

    @classmethod
    def of(cls, url: str) -> "Address":
        """The parts of an address.

        Raises
        ------
        InputError
            It is none. It may hold a token, so nothing of it is repeated.
        """
        found = URL.fullmatch(url.strip())
        if found is None:
            detail = (
                "no address of a bucket, as in influxdb://host:8086/organization/bucket"
                " (influxdbs:// for https; in a name / ? # % and blanks are %2F %3F %23 %25 %20)"
            )
            raise InputError(detail, [Problem("bad_url", detail)])
        token = found["token"]
        return cls(
            f"{SCHEMES[found['scheme']]}://{found['host']}",
            unquote(found["org"]),
            unquote(found["bucket"]),
            None if token is None else unquote(token),
        )
