"""A command that shows what is registered imports nothing that computes."""

import subprocess
import sys

import pytest

COMPUTING = ("fastapi", "holidays", "httpx", "jinja2", "scipy", "statsforecast", "typst")
SQL = ("aiosqlite", "alembic", "sqlalchemy")
FRAMES = ("duckdb", "numpy", "polars", "pyarrow")  # PyArrow imports NumPy
WHOLE = ("structlog", "wattbook.api", "wattbook.jobs", "wattbook.wiring.runtime")
NONE_OF_ALL = (*COMPUTING, *SQL, *FRAMES, *WHOLE)
IMPORTED = """
import sys
from wattbook.cli.main import app
try:
    app(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print(sorted({forbidden!r} & sys.modules.keys()), file=sys.stderr)
"""


def imported(forbidden: tuple[str, ...], *words: str) -> str:
    """Which of the modules a command imports."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED.format(forbidden=set(forbidden)), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1]


@pytest.fixture
def job(run, site) -> str:
    result = run("jobs", "run", "cleanup")
    assert result.exit_code == 0, result.output
    return str(site)


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("metrics", "--help"),
        ("zones", "oslo"),
        ("zones", "--json"),
        ("sites",),
        ("sites", "list"),
        ("sites", "list", "--json"),
        ("sites", "show", "oslo-1"),
        ("sites", "show", "oslo-1", "--json"),
        ("sites", "meters"),
        ("sites", "tariffs", "oslo-1"),
        ("sites", "tariffs", "oslo-1", "--json"),
        ("jobs", "list"),
        ("jobs", "list", "--kind", "cleanup", "--json"),
    ],
    ids=" ".join,
)
def test_a_command_that_shows_sites_jobs_or_zones_imports_nothing_that_computes(job, words):
    assert imported(NONE_OF_ALL, *words) == "[]"


@pytest.mark.parametrize("words", [("batches",), ("batches", "--json")], ids=" ".join)
def test_batches_import_what_reads_their_file_and_nothing_else(run, site, words):
    assert run("migrate").exit_code == 0

    assert imported((*COMPUTING, *SQL, *WHOLE), *words) == "[]"


@pytest.mark.parametrize("words", [("sites", "list"), ("zones", "oslo")], ids=" ".join)
def test_the_check_sees_what_a_command_imports(site, words):
    assert imported((*NONE_OF_ALL, "wattbook.cli.show"), *words) == "['wattbook.cli.show']"
