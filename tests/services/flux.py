"""Whether a Flux query is one: InfluxData's own checker of syntax and types, run by node."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.services.exercised import Servers
from tests.services.server import NoServerError

SERVERS = ("flux",)
PACKAGE, VERSION = "@influxdata/flux-lsp-node", "0.8.40"
CHECKER = Path(__file__).with_name("flux.cjs")
INSTALL_S = 90


class FluxError(ValueError):
    """It is no valid query; the text says why."""


def installed() -> Path:
    """The folder of the package, outside the repository; fetched once."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise NoServerError("node and npm are not both on the path")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wattbook"
    place = cache / f"flux-{VERSION}"
    if place.exists():
        return place
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        command = ["npm", "install", "--prefix", folder, "--ignore-scripts", "--no-audit"]
        try:
            done = subprocess.run(
                [*command, "--no-fund", "--loglevel=error", f"{PACKAGE}@{VERSION}"],
                capture_output=True,
                text=True,
                timeout=INSTALL_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NoServerError(f"npm took more than {INSTALL_S} s") from None
        if done.returncode:
            raise NoServerError(f"npm: {done.stderr.strip()}")
        made = Path(folder) / "made"
        made.mkdir()
        (Path(folder) / "node_modules").rename(made / "node_modules")
        if not place.exists():
            made.rename(place)
    return place


@pytest.fixture(scope="session")
def flux_is_valid(servers: Servers) -> Iterator[Callable[[str], bool]]:
    """Says that a query is valid, or raises `FluxError` with the reason."""
    try:
        place = installed()
    except (NoServerError, OSError) as error:
        servers.missing("flux", str(error))
    with subprocess.Popen(
        ["node", CHECKER],
        env=os.environ | {"NODE_PATH": str(place / "node_modules")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as node:
        assert node.stdin is not None
        assert node.stdout is not None
        questions, answers = node.stdin, node.stdout

        def is_valid(query: str) -> bool:
            questions.write(json.dumps(query) + "\n")
            questions.flush()
            if errors := json.loads(answers.readline()):
                raise FluxError("; ".join(errors))
            return True

        servers.exercised("flux", VERSION, f"{PACKAGE}, in {place}")
        yield is_valid
        questions.close()
