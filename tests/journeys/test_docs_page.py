"""The page of the API, in a real browser that can reach this machine only."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.journeys.conftest import Service

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

pytestmark = [
    pytest.mark.process,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


def test_the_docs_page_lists_every_endpoint_without_the_internet(
    start: Callable[..., Service], tmp_path: Path
) -> None:
    service = start()

    page = subprocess.run(
        [
            str(CHROMIUM),
            *FLAGS,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=15000",
            "--dump-dom",
            f"http://127.0.0.1:{service.port}/docs",
        ],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    ).stdout

    for path in ("/api/v1/ingest/telemetry", "/api/v1/metrics/site/", "/readyz"):
        assert path.replace("/", "/\u200b") in page or path in page
