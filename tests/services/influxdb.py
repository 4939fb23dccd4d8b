"""InfluxDB 2: the server of `INFLUXDB_URL`, where that is set; otherwise one of our own.

Its program is the one that `INFLUXD` names, or `influxd` on the path, or the one in `PLACE`.
"""

import json
import os
import secrets
import shutil
import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.services.exercised import Servers
from tests.services.server import NoServerError, Server

SERVERS = ("influxdb",)
GIVEN_BY = ("INFLUXDB_URL", "INFLUXDB_TOKEN", "INFLUXDB_ORG")
PLACE = Path("/opt/influxdb2/influxd")
ANSWER_S = 120
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class InfluxDB:
    """A server, and the buckets that tests get on it."""

    url: str
    token: str
    org: str
    own: "Influxd | None" = None

    def call(self, method: str, path: str, body: object = None, **headers: str) -> bytes:
        """What the server answers; text is sent as it is, anything else as JSON."""
        data = body if isinstance(body, str) else json.dumps(body)
        request = urllib.request.Request(
            self.url.rstrip("/") + path,
            method=method,
            data=None if body is None else data.encode(),
            headers={"Authorization": f"Token {self.token}"} | headers,
        )
        with DIRECT.open(request, timeout=ANSWER_S) as answer:
            told: bytes = answer.read()
        return told

    @property
    def version(self) -> str:
        told = json.loads(self.call("GET", "/health")).get("version", "2, of unknown version")
        return str(told).removeprefix("v")

    @property
    def org_id(self) -> str:
        (org,) = json.loads(self.call("GET", f"/api/v2/orgs?org={quote(self.org)}"))["orgs"]
        return str(org["id"])

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Name of an empty bucket, which is deleted in the end."""
        name = f"wattbook-test-{secrets.token_hex(6)}"
        bucket = {"orgID": self.org_id, "name": name, "retentionRules": []}
        made = json.loads(self.call("POST", "/api/v2/buckets", bucket))
        try:
            yield name
        finally:
            if self.own is None or self.own.process is not None:
                self.call("DELETE", f"/api/v2/buckets/{made['id']}")

    @property
    def server(self) -> "Influxd":
        """What can be stopped and killed, with its folder and its log."""
        if self.own is None:
            pytest.skip("the server of INFLUXDB_URL is not ours to stop")
        return self.own


class Influxd(Server):
    stop_signal = signal.SIGINT  # it has no handler for SIGTERM

    def __init__(self, program: Path) -> None:
        super().__init__()
        self.program = program
        self.api = InfluxDB(
            f"http://127.0.0.1:{self.port}", secrets.token_hex(16), "wattbook", own=self
        )
        try:
            self.start()
            self.api.call("POST", "/api/v2/setup", self._setup())
        except BaseException:
            self.remove()
            raise

    def _setup(self) -> dict[str, str]:
        password = secrets.token_hex(8)
        own = {"org": self.api.org, "token": self.api.token}
        return {"username": "wattbook", "password": password, "bucket": "first", **own}

    def command(self) -> Sequence[str | Path]:
        return [
            *(self.program, "run", "--reporting-disabled"),
            *("--http-bind-address", f"127.0.0.1:{self.port}"),
            *("--bolt-path", self.folder / "bolt", "--sqlite-path", self.folder / "sqlite"),
            *("--engine-path", self.folder / "engine"),
        ]

    def ready(self) -> bool:
        try:
            told = json.loads(self.api.call("GET", "/health"))
        except OSError:
            return False
        return bool(told.get("status") == "pass")


def given(servers: Servers) -> InfluxDB:
    wanting = [name for name in GIVEN_BY if name not in servers.given]
    if wanting:
        raise NoServerError(f"INFLUXDB_URL is set without {' and '.join(wanting)}")
    url, token, org = (servers.given[name] for name in GIVEN_BY)
    server = InfluxDB(url, token, org)
    try:
        assert server.org_id
    except (OSError, KeyError, ValueError) as error:
        raise NoServerError(f"INFLUXDB_URL: {error}") from error
    return server


def program() -> Path:
    named = os.environ.get("INFLUXD")
    found = named or shutil.which("influxd") or (str(PLACE) if PLACE.exists() else None)
    if found is None:
        raise NoServerError(f"no INFLUXDB_URL, no INFLUXD, no influxd on the path or at {PLACE}")
    return Path(found)


def ours(stack: ExitStack) -> InfluxDB:
    """A server that lives as long as the stack."""
    try:
        return stack.enter_context(Influxd(program())).api
    except OSError as error:
        raise NoServerError(str(error)) from error


@pytest.fixture(scope="session")
def influxdb(servers: Servers) -> Iterator[InfluxDB]:
    """One server for the run: `url`, `token`, `org`, `version`."""
    with ExitStack() as stack:
        try:
            server = given(servers) if "INFLUXDB_URL" in servers.given else ours(stack)
        except NoServerError as error:
            servers.missing("influxdb", str(error))
        place = str(server.own.program) if server.own else "INFLUXDB_URL"
        servers.exercised("influxdb", server.version, place)
        yield server


@pytest.fixture(scope="session")
def fresh_bucket(influxdb: InfluxDB) -> Callable[[], AbstractContextManager[str]]:
    """`with fresh_bucket() as name`: an empty bucket at every call."""
    return influxdb.fresh


@pytest.fixture
def bucket(influxdb: InfluxDB) -> Iterator[str]:
    """Name of an empty bucket for one test."""
    with influxdb.fresh() as name:
        yield name


@pytest.fixture(scope="module")
def own_influxdb(servers: Servers) -> Iterator[Callable[[], InfluxDB]]:
    """Makes servers that a module may stop and kill."""
    with ExitStack() as stack:

        def one() -> InfluxDB:
            try:
                server = ours(stack)
            except NoServerError as error:
                servers.missing("influxdb", str(error))
            servers.exercised("influxdb", server.version, str(server.server.program))
            return server

        yield one
