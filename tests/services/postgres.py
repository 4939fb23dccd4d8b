"""PostgreSQL, with TimescaleDB where the server has it.

The server of `DATABASE_URL`, where that is set; otherwise one of our own for the run. Tests that
stop, kill or fill a server have one of their own in any case.
"""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from adbc_driver_postgresql import dbapi
from tests.services import debian
from tests.services.cluster import OLDEST, Cluster, Mode, newest, sql
from tests.services.exercised import Servers
from tests.services.server import NoServerError

SERVERS = ("postgres", "timescaledb", "own-postgres", "small-disk")
GIVEN_BY = ("DATABASE_URL",)
PACKAGE = "postgresql-15"

Fresh = Callable[[], AbstractContextManager[str]]
"""Makes a database whose URL it gives, and drops it in the end."""


class Postgres:
    """A server, and the databases that tests get on it."""

    def __init__(self, admin_url: str, *, cluster: Cluster | None = None) -> None:
        self.admin_url = admin_url
        self._cluster = cluster
        ((version, self._preloaded),) = sql(
            admin_url,
            "SELECT current_setting('server_version'),"
            " current_setting('shared_preload_libraries', true)",
        )
        self.version: str = version.split()[0]
        self.extensions: dict[str, str] = dict(
            sql(admin_url, "SELECT name, default_version FROM pg_available_extensions")
        )

    @property
    def cluster(self) -> Cluster:
        """What can be stopped and killed, with its folder and its log."""
        if self._cluster is None:
            pytest.skip("the server of DATABASE_URL is not ours to stop")
        return self._cluster

    @property
    def password(self) -> str | None:
        """What the owner of the databases says; unknown where the server is given."""
        return self._cluster.password if self._cluster is not None else None

    def url(self, name: str) -> str:
        """Of a database of this server, for one who is no superuser where the server is ours."""
        parts = urlsplit(self.admin_url)
        if self._cluster is not None:
            owner = f"wattbook:{self._cluster.password}@127.0.0.1:{self._cluster.port}"
            parts = parts._replace(netloc=owner)
        return parts._replace(path=f"/{name}").geturl()

    def create(self, *, like: str | None = None) -> str:
        """URL of a new database: empty, or like one to which nobody connects any more."""
        name = f"wattbook_test_{secrets.token_hex(6)}"
        owner = "OWNER wattbook" if self._cluster is not None else ""
        template = ""
        if like is not None:
            other = urlsplit(like).path.removeprefix("/")
            template = f"TEMPLATE {other}"
            sql(  # the workers of TimescaleDB look into every database that lets them
                self.admin_url,
                f"ALTER DATABASE {other} ALLOW_CONNECTIONS false",
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                f" WHERE datname = '{other}'",
            )
        sql(self.admin_url, f"CREATE DATABASE {name} {owner} {template}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database, whoever is still connected; none where the server is down."""
        if self._cluster is None or self._cluster.process is not None:
            name = urlsplit(url).path.removeprefix("/")
            sql(self.admin_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @contextmanager
    def fresh(self, *, timescaledb: bool = False, like: str | None = None) -> Iterator[str]:
        """URL of a database, empty or a copy, which is dropped in the end."""
        url = self.create(like=like)
        try:
            if timescaledb:
                sql(url, "CREATE EXTENSION timescaledb")
            yield url
        finally:
            self.drop(url)

    def no_timescale(self) -> str:
        """Why there is no TimescaleDB, as far as one can tell without trying."""
        if self._cluster is not None and self._cluster.timescale:
            return self._cluster.timescale
        if "timescaledb" not in self.extensions:
            return f"PostgreSQL {self.version} offers no such extension"
        if "timescaledb" not in (self._preloaded or "timescaledb"):  # null: not ours to see
            return "it is not in shared_preload_libraries of the server"
        return ""

    def start(self) -> None:
        self.cluster.start()

    def stop(self, mode: Mode = "fast") -> None:
        """End the server as an operator would."""
        self.cluster.shut(mode)

    def restart(self, mode: Mode = "fast") -> None:
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """End the server as a power cut would."""
        self.cluster.kill()


def given(url: str) -> Postgres:
    plain, schemes = re.subn(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url)
    if not schemes:
        raise NoServerError("DATABASE_URL is no URL of a PostgreSQL server")
    try:
        return Postgres(plain)
    except dbapi.Error as error:
        raise NoServerError(f"DATABASE_URL: {error}") from error


def programs() -> tuple[Path, str]:
    """Folder of the server's programs, and where they are from."""
    if place := newest():
        return place, str(place)
    try:
        debian.install(PACKAGE)
    except NoServerError as error:
        raise NoServerError(
            f"no initdb of PostgreSQL {OLDEST} or newer is here; {error}"
        ) from error
    if place := newest():
        return place, f"{place}, which apt-get has just installed"
    raise NoServerError(f"{PACKAGE} is installed and has no initdb")


def found(looked_for: tuple[Path, str] | NoServerError) -> tuple[Path, str]:
    if isinstance(looked_for, NoServerError):
        raise looked_for
    return looked_for


def ours(stack: ExitStack, binaries: Path, **options: Any) -> Postgres:
    """A server that lives as long as the stack."""
    cluster = stack.enter_context(Cluster(binaries, **options))
    return Postgres(cluster.admin_url, cluster=cluster)


@pytest.fixture(scope="session")
def postgres_programs() -> tuple[Path, str] | NoServerError:
    """What `programs` finds, looked for once."""
    try:
        return programs()
    except NoServerError as error:
        return error


@pytest.fixture(scope="session")
def postgres(request, servers: Servers) -> Iterator[Postgres]:
    """One server for the run. Whoever stops or kills a server takes `own_postgres` instead."""
    with ExitStack() as stack:
        try:
            if url := servers.given.get("DATABASE_URL"):
                server, place = given(url), "DATABASE_URL"
            else:
                binaries, place = found(request.getfixturevalue("postgres_programs"))
                server = ours(stack, binaries)
        except NoServerError as error:
            servers.missing("postgres", str(error))
        servers.exercised("postgres", server.version, place)
        yield server


@pytest.fixture(scope="session")
def fresh_database(postgres: Postgres) -> Fresh:
    """`with fresh_database() as url`: an empty database at every call."""
    return postgres.fresh


@pytest.fixture(scope="session")
def fresh_timescale_database(request, servers: Servers) -> Fresh:
    """The same with the extension."""
    try:
        postgres: Postgres = request.getfixturevalue("postgres")
    except pytest.skip.Exception:
        servers.missing("timescaledb", "there is no PostgreSQL that could load it")
    if reason := postgres.no_timescale():
        servers.missing("timescaledb", reason)
    try:
        with postgres.fresh(timescaledb=True) as url:
            ((version,),) = sql(
                url, "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"
            )
    except dbapi.Error as error:
        servers.missing("timescaledb", str(error))
    servers.exercised("timescaledb", version, f"PostgreSQL {postgres.version}")
    return lambda: postgres.fresh(timescaledb=True)


@pytest.fixture
def database(fresh_database: Fresh) -> Iterator[str]:
    """URL of an empty database for one test."""
    with fresh_database() as url:
        yield url


@pytest.fixture(scope="module")
def module_database(fresh_database: Fresh) -> Iterator[str]:
    """URL of a database that the tests of a module share."""
    with fresh_database() as url:
        yield url


@pytest.fixture
def timescale_database(fresh_timescale_database: Fresh) -> Iterator[str]:
    with fresh_timescale_database() as url:
        yield url


@pytest.fixture(scope="module")
def own_postgres(servers: Servers, postgres_programs) -> Iterator[Callable[..., Postgres]]:
    """Makes servers that a module may stop, kill and fill: the options are those of `Cluster`."""
    with ExitStack() as stack:

        def one(**options: Any) -> Postgres:
            options["settings"] = {"shared_buffers": "32MB"} | options.get("settings", {})
            try:
                binaries, place = found(postgres_programs)
                server = ours(stack, binaries, **options)
            except NoServerError as error:
                name = "small-disk" if "disk_mb" in options else "own-postgres"
                servers.missing(name, str(error))
            servers.exercised("own-postgres", server.version, place)
            if "disk_mb" in options:
                servers.exercised("small-disk", f"{options['disk_mb']} MB", "tmpfs")
            return server

        yield one
