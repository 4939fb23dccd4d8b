"""Redis: the server of `REDIS_URL`, where that is set; otherwise one of our own for the run.

Tests that stop a server have one of their own in any case.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis as driver
from tests.services import debian
from tests.services.exercised import Servers
from tests.services.server import NoServerError, Server

SERVERS = ("redis",)
GIVEN_BY = ("REDIS_URL",)
PROGRAM = "redis-server"
DATABASES = 16
ANSWER_S = 60


def ask(url: str, *words: str) -> Any:
    """What the server answers to one command."""
    with driver.Redis.from_url(url, socket_timeout=ANSWER_S) as client:
        return client.execute_command(*words)


@dataclass(frozen=True, slots=True)
class Redis:
    """A server; `url` is of a database that the tests have to themselves where it is ours."""

    url: str
    own: "Redisd | None" = None

    @property
    def version(self) -> str:
        return str(ask(self.url, "INFO", "server")["redis_version"])

    def empty(self) -> None:
        ask(self.url, "FLUSHDB")

    @property
    def server(self) -> "Redisd":
        """What can be stopped and killed; with it goes all that it holds."""
        if self.own is None:
            pytest.skip("the server of REDIS_URL is not ours to stop")
        return self.own


class Redisd(Server):
    def __init__(self, program: Path) -> None:
        super().__init__()
        self.program = program
        self.api = Redis(f"redis://127.0.0.1:{self.port}/0", own=self)
        try:
            self.start()
        except BaseException:
            self.remove()
            raise

    def command(self) -> Sequence[str | Path]:
        return [
            *(self.program, "--bind", "127.0.0.1", "--port", str(self.port)),
            *("--save", "", "--appendonly", "no", "--dir", self.folder),
            *("--databases", str(DATABASES)),
        ]

    def ready(self) -> bool:
        try:
            return bool(ask(self.api.url, "PING"))
        except (driver.RedisError, OSError):
            return False


def given(url: str) -> Redis:
    server = Redis(url)
    try:
        assert server.version
    except (driver.RedisError, ValueError) as error:
        raise NoServerError(f"REDIS_URL: {error}") from error
    return server


def program() -> tuple[Path, str]:
    """The server's program, and where it is from."""
    if place := shutil.which(PROGRAM):
        return Path(place), place
    debian.install(PROGRAM)
    if place := shutil.which(PROGRAM):
        return Path(place), f"{place}, which apt-get has just installed"
    raise NoServerError(f"{PROGRAM} is installed and not on the path")


def ours(stack: ExitStack) -> tuple[Redis, str]:
    """A server that lives as long as the stack."""
    place, told = program()
    return stack.enter_context(Redisd(place)).api, told


@pytest.fixture(scope="session")
def redis_server(servers: Servers) -> Iterator[Redis]:
    """One server for the run."""
    with ExitStack() as stack:
        try:
            if url := servers.given.get("REDIS_URL"):
                server, place = given(url), "REDIS_URL"
            else:
                server, place = ours(stack)
        except NoServerError as error:
            servers.missing("redis", str(error))
        servers.exercised("redis", server.version, place)
        yield server


@pytest.fixture
def redis(redis_server: Redis) -> Redis:
    """The server, with nothing in its database."""
    redis_server.empty()
    return redis_server


@pytest.fixture(scope="module")
def own_redis(servers: Servers) -> Iterator[Callable[[], Redis]]:
    """Makes servers that a module may stop and kill."""
    with ExitStack() as stack:

        def one() -> Redis:
            try:
                server, place = ours(stack)
            except NoServerError as error:
                servers.missing("redis", str(error))
            servers.exercised("redis", server.version, place)
            return server

        yield one
