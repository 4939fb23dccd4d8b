"""Addresses of PostgreSQL, as libpq reads them: each driver gets the same one."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote

from wattbook.core.errors import InputError, Problem

PORT: Final = 5432
SCHEMES: Final = ("postgresql://", "postgres://")
URL: Final = re.compile(
    r"postgres(?:ql)?://"
    r"(?:(?P<login>[^@/?#]*)@)?(?P<hosts>[^@/?#]*)(?:/(?P<name>[^@/?#]*))?(?:\?(?P<query>[^@#]*))?"
)
HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:]*)(?::(?P<port>\d{1,5}))?")
NOT_ENCODED: Final = re.compile(r"\s|%(?![0-9A-Fa-f]{2})|%00")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is and who asks; each part percent-encoded. As text it shows no secret."""

    login: str = field(repr=False)
    hosts: str
    name: str
    query: tuple[tuple[str, str], ...] = field(repr=False, default=())

    @classmethod
    def of(cls, url: str) -> "Address":
        """The parts of an address.

        Raises
        ------
        InputError
            It is none. It may hold a password, so nothing of it is repeated.
        """
        if not url.strip().startswith(SCHEMES):
            raise _none("it begins otherwise")
        found = URL.fullmatch(url.strip())
        if found is None or NOT_ENCODED.search(url.strip()):
            raise _none("a part of it is not percent-encoded")
        for host in found["hosts"].split(","):
            whole = HOST.fullmatch(host)
            if whole is None or int(whole["port"] or PORT) not in range(1, 65_536):
                raise _none("its port is not a number from 1 to 65535")
        pairs = [pair.partition("=") for pair in (found["query"] or "").split("&") if pair]
        if not all(name and is_ for name, is_, _ in pairs):
            raise _none("after its ? it wants name=value&name=value")
        query = tuple((name, value.replace("+", "%2B")) for name, _, value in pairs)
        return cls(found["login"] or "", found["hosts"], found["name"] or "", query)

    @classmethod
    def at(cls, host: str, port: int, name: str, user: str, password: str | None) -> "Address":
        """The address of parts that are not encoded; a `host` may be the folder of a socket."""
        login = quote(user, "") if password is None else f"{quote(user, '')}:{quote(password, '')}"
        is_ipv6 = ":" in host and not host.startswith(("[", "/"))
        place = f"[{host}]" if is_ipv6 else quote(host, "[]:,")
        return cls(login, f"{place}:{port}", quote(name, ""))

    def asking(self, **wanted: str) -> "Address":
        """The same with these parameters, where it does not name them itself."""
        named = {name for name, _ in self.query}
        more = ((name, quote(value, "")) for name, value in wanted.items() if name not in named)
        return Address(self.login, self.hosts, self.name, (*self.query, *more))

    def without(self, names: Collection[str]) -> "Address":
        """The same without these parameters."""
        query = tuple(pair for pair in self.query if pair[0] not in names)
        return Address(self.login, self.hosts, self.name, query)

    def parameter(self, name: str) -> str | None:
        """What it says under a name after its `?`; the last one counts."""
        return next((unquote(value) for own, value in reversed(self.query) if own == name), None)

    @property
    def url(self) -> str:
        """The address for a driver, with its secrets."""
        login = f"{self.login}@" if self.login else ""
        query = "&".join(f"{name}={value}" for name, value in self.query)
        return f"postgresql://{login}{self.hosts}/{self.name}{'?' if query else ''}{query}"

    def __str__(self) -> str:
        """Which database it is, without user, password and parameters."""
        host = unquote(self.hosts) or self.parameter("host") or "localhost"
        port = self.parameter("port") or PORT
        name = unquote(self.name) or self.parameter("dbname") or ""
        return f"PostgreSQL at {host}{'' if _has_port(self.hosts) else f':{port}'}/{name}"


def _has_port(hosts: str) -> bool:
    whole = HOST.fullmatch(hosts)  # of several hosts each speaks for itself
    return whole is None or whole["port"] is not None


def _none(why: str) -> InputError:
    detail = (
        f"no address of PostgreSQL, as in postgresql://user:password@host:5432/name: {why}"
        " (in a user or a password @ : / ? # % are %40 %3A %2F %3F %23 %25)"
    )
    return InputError(detail, [Problem("bad_url", detail, field="database_url")])
