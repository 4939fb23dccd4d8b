"""What is typed most often loads nothing that computes."""

import subprocess
import sys

import pytest

HEAVY = ("alembic", "duckdb", "fastapi", "httpx", "numpy", "polars", "pyarrow", "sqlalchemy")
COUNT = """
import sys
from wattbook.cli.main import app
try:
    app(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""


@pytest.mark.parametrize("words", [("--help",), ("metrics", "--help"), ("sites", "list")])
def test_help_and_the_list_of_sites_import_no_heavy_module(run, site, words):
    done = subprocess.run(
        [sys.executable, "-c", COUNT.format(heavy=HEAVY), *words],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "[]"


def test_the_light_list_is_that_of_the_registry(run, site):
    # The registry's own answer is what --json shows.
    light, whole = run("sites", "list").stdout, run("sites", "show", site).stdout

    assert "oslo-1  Oslo 1" in light
    assert "Oslo 1" in whole
