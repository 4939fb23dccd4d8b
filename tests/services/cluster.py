"""A PostgreSQL cluster of our own, from the newest programs here; never the system's."""

import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from adbc_driver_postgresql import dbapi
from tests.services.server import NoServerError, Server

OLDEST = 14
MIB = 1 << 20
Mode = Literal["smart", "fast", "immediate"]
SIGNALS: dict[Mode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}
# As a server that somebody else has set up may well be: in a zone half an hour beside UTC's hours,
# and (see `_initdb`) with a collation that is not the order of bytes.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "timezone": "Asia/Kolkata",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
TIMESCALE = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "4",
}


def sql(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Rows of the last statement; each is committed by itself."""
    with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def told_by(*command: str | Path) -> str:
    """What a command prints; nothing where it does not run."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def major(binaries: Path) -> int:
    """The major version of the programs in a folder, 0 where there are none."""
    found = re.search(r"\(PostgreSQL\) (\d+)", told_by(binaries / "postgres", "--version"))
    return int(found[1]) if found and (binaries / "initdb").exists() else 0


def newest() -> Path | None:
    """The folder of the newest programs on this machine."""
    places = {*Path("/usr/lib/postgresql").glob("*/bin")}
    if on_path := shutil.which("initdb"):
        places.add(Path(on_path).resolve().parent)
    found = max(places, key=major, default=None)
    return found if found and major(found) >= OLDEST else None


def has_timescale(binaries: Path) -> bool:
    folder = told_by(binaries / "pg_config", "--pkglibdir") or binaries.parent / "lib"
    return any(Path(folder).glob("timescaledb.*"))


def account() -> dict[str, Any]:
    """As whom the server runs: it refuses root."""
    if os.geteuid():
        return {}
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        raise NoServerError("root may not run it, and there is no user postgres") from None
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def mounted(folder: Path, size_mb: int) -> Path:
    """A disk that is full after so many megabytes."""
    if os.geteuid():
        raise NoServerError("a small disk is a mount, and only root may mount")
    folder.mkdir()
    size = f"size={size_mb}m"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NoServerError(f"a small disk cannot be mounted: {done.stderr.strip()}")
    return folder


class Cluster(Server):
    """Databases belong to `wattbook`, who is no superuser; every connection needs a password.

    With `disk_mb`, its data are on a disk of that size; with `wal_apart`, the log that is written
    ahead is not. Where that log finds no room, the server ends; elsewhere a statement is refused.
    """

    def __init__(
        self,
        binaries: Path,
        *,
        disk_mb: int | None = None,
        wal_apart: bool = False,
        settings: dict[str, str] | None = None,
    ) -> None:
        super().__init__(**account())
        self.binaries = binaries
        self.password, self._admin = secrets.token_hex(8), secrets.token_hex(8)
        self.timescale = ""
        """Why TimescaleDB, which is installed, is not loaded."""
        try:
            disk = mounted(self.folder / "disk", disk_mb) if disk_mb else self.folder
            self.data = disk / "data"
            self._own(self.folder, disk)
            self._initdb(self.folder / "wal" if wal_apart else None, small=disk_mb is not None)
            place = {"port": str(self.port), "unix_socket_directories": str(self.folder)}
            self._configure(SETTINGS | place | (settings or {}))
            self._begin()
        except BaseException:
            self.remove()
            raise

    def _own(self, *places: Path) -> None:
        for place in places:
            if self._account:
                shutil.chown(place, "postgres", "postgres")

    def _initdb(self, wal: Path | None, *, small: bool) -> None:
        secret = self.folder / "password"
        secret.write_text(self._admin)
        self._own(secret)
        command: list[str | Path] = [
            *(self.binaries / "initdb", "--pgdata", self.data, "--username=postgres"),
            *("--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C"),
            *("--data-checksums", "--no-sync"),
            *([f"--waldir={wal}"] if wal else []),
            *(["--wal-segsize=1"] if small else []),
        ]
        done = self.run([*command, "--locale-provider=icu", "--icu-locale=en-US"])
        if done.returncode:  # it is PostgreSQL 14, or was built without ICU
            done = self.run(command)
        secret.unlink()
        if done.returncode:
            raise NoServerError(f"initdb: {done.stderr.strip() or done.stdout.strip()}")

    def _configure(self, settings: dict[str, str]) -> None:
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def _begin(self) -> None:
        """Start for the first time, with TimescaleDB where that can be loaded."""
        if has_timescale(self.binaries):
            conf = self.data / "postgresql.conf"
            without = conf.read_text()
            self._configure(TIMESCALE)
            try:
                self.start()
            except NoServerError as error:
                self.timescale = f"its library does not load: {error}"
                conf.write_text(without)
        if self.process is None:
            self.start()
        sql(self.admin_url, f"CREATE ROLE wattbook LOGIN PASSWORD '{self.password}'")

    @property
    def admin_url(self) -> str:
        return f"postgresql://postgres:{self._admin}@127.0.0.1:{self.port}/postgres"

    def command(self) -> Sequence[str | Path]:
        return [self.binaries / "postgres", "-D", self.data]

    def ready(self) -> bool:
        try:
            told = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        # A server that was killed has left its file; the state is the eighth line.
        return told[:1] == [str(self.pid)] and [line.strip() for line in told[7:8]] == ["ready"]

    def shut(self, mode: Mode = "fast") -> None:
        self.stop(SIGNALS[mode])

    def fill(self, *, leaving_mb: int = 2) -> None:
        """Fill its small disk; with nothing left, the next checkpoint would end the server."""
        free = shutil.disk_usage(self.data).free
        with (self.data.parent / "ballast").open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, free - leaving_mb * MIB)

    def empty(self) -> None:
        """Give back what `fill` took."""
        (self.data.parent / "ballast").unlink()
