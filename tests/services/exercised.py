"""Which real servers a run of the tests exercised, and which not and why: the table at its end.

A server joins with a file of its own here, which names its `SERVERS` and the variables it is
`GIVEN_BY`, and with a line in `tests/conftest.py`. A test that asks for one is marked `services`.
"""

import os
from typing import NoReturn
from urllib.parse import urlsplit

import pytest
from tests.services.server import sweep

NOT = "not exercised"
UNASKED = "no test of this run asked for it"
REQUIRED = "REQUIRE_SERVICES"

Row = tuple[str, str]
"""Version and place of what was exercised; or `NOT`, and why."""
ROWS = pytest.StashKey[dict[str, Row]]()
GIVEN = pytest.StashKey[dict[str, str]]()


def required() -> list[str]:
    return [name.strip() for name in os.environ.get(REQUIRED, "").split(",") if name.strip()]


def named(config: pytest.Config, attribute: str) -> list[str]:
    """What the plugins have under a name, in the order of the plugins."""
    plugins = [plugin for _, plugin in config.pluginmanager.list_name_plugin()]
    return [name for plugin in plugins for name in getattr(plugin, attribute, ())]


def host_of(name: str, value: str) -> str | None:
    """The host of what may be a URL."""
    try:
        return urlsplit(value).hostname if "://" in value else None
    except ValueError as error:
        raise pytest.UsageError(f"{name} cannot be used: {error}") from error


@pytest.hookimpl(tryfirst=True)  # before pytest-socket reads which hosts may be asked
def pytest_configure(config: pytest.Config) -> None:
    known = named(config, "SERVERS")
    if unknown := [name for name in required() if name not in known]:
        raise pytest.UsageError(
            f"{REQUIRED} names {', '.join(unknown)}, but the servers are {', '.join(known)}"
        )
    config.stash[ROWS] = dict.fromkeys(known, (NOT, UNASKED))
    given = {name: os.environ[name] for name in named(config, "GIVEN_BY") if os.environ.get(name)}
    config.stash[GIVEN] = given
    hosts = {host for name in given if (host := host_of(name, given[name]))}
    if hosts and config.option.allow_hosts is not None:
        config.option.allow_hosts = ",".join([config.option.allow_hosts, *sorted(hosts)])


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "servers" in getattr(item, "fixturenames", ()):
            item.add_marker("services")


@pytest.fixture(scope="session", autouse=True)
def _given_to_the_tests_alone(pytestconfig):
    """What names a server for the tests is no setting of the service under test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in pytestconfig.stash[GIVEN]:
            patch.delenv(name)
        yield


class Servers:
    """What the fixtures say here, the table says at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self.given = config.stash[GIVEN]
        self._rows = config.stash[ROWS]

    def exercised(self, name: str, version: str, place: str) -> None:
        if self._rows[name][1] == UNASKED:
            self._rows[name] = (version, place)

    def missing(self, name: str, reason: str) -> NoReturn:
        """Skip the test; a run that requires this server fails in the end."""
        self._rows[name] = (NOT, " ".join(reason.split()))
        pytest.skip(f"{name} {NOT}: {reason}")


@pytest.fixture(scope="session")
def servers(pytestconfig) -> Servers:
    sweep()
    return Servers(pytestconfig)


def lacking(rows: dict[str, Row]) -> list[str]:
    """Those that are required, were asked for, and could not be had."""
    return [name for name in required() if rows[name][0] == NOT and rows[name][1] != UNASKED]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """A worker of pytest-xdist hands over its rows; one that lacked something is believed."""
    output: dict[str, dict[str, Row]] = getattr(node, "workeroutput", {})
    rows: dict[str, Row] = node.config.stash[ROWS]  # type: ignore[attr-defined]  # a WorkerController
    for name, row in output.get("servers", {}).items():
        if row[1] != UNASKED and (row[0] == NOT or rows[name][1] == UNASKED):
            rows[name] = (row[0], row[1])


def pytest_sessionfinish(session: pytest.Session) -> None:
    rows = session.config.stash[ROWS]
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["servers"] = rows
    elif lacking(rows) and session.exitstatus in {
        pytest.ExitCode.OK,
        pytest.ExitCode.NO_TESTS_COLLECTED,
    }:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    rows = config.stash[ROWS]
    terminalreporter.section("real servers")
    if all(row == (NOT, UNASKED) for row in rows.values()):
        terminalreporter.line(f"none: {UNASKED.replace('it', 'one')}")
        return
    wide, wider = max(map(len, rows)), max(len(version) for version, _ in rows.values())
    for name, (version, told) in rows.items():
        terminalreporter.line(f"{name:{wide}} | {version:{wider}} | {told}")
    for name in lacking(rows):
        terminalreporter.line(f"{REQUIRED} lists {name}: the run has failed", red=True, bold=True)
