"""The page of a report, in a real browser: it needs nothing else, and nothing in it goes wrong."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.journeys.conftest import Service
from tests.journeys.test_docs_page import CHROMIUM, FLAGS

pytestmark = [
    pytest.mark.process,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def page(
    start: Callable[..., Service], run: Callable[..., tuple[int, str]], tmp_path: Path
) -> Path:
    service = start()
    service.register("s", name="<script>alert(1)</script> ⚡ 中文")
    rows = [
        {"site_id": "s", "timestamp": (START + timedelta(minutes=at)).isoformat(), "power_kw": 60}
        for at in range(600)
    ]
    status, receipt = service.call("POST", "/ingest/telemetry", rows)
    assert (status, receipt["accepted"]) == (200, 600)
    service.stop()
    path = tmp_path / "report.html"
    code, said = run(
        "report", "s", "--from", "2026-01-01", "--to", "2026-01-08", "--out", str(path),
        DATA_DIR=str(tmp_path / "data"),
    )  # fmt: skip
    assert code == 0, said
    return path


def opened(page: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            str(CHROMIUM),
            *FLAGS,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--enable-logging=stderr",
            "--virtual-time-budget=5000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )


def test_a_report_opens_without_requests_and_without_complaints(page: Path, tmp_path: Path) -> None:
    shown = opened(page, tmp_path)

    # The page forbids itself every request, so that one would be a complaint.
    assert "default-src 'none'" in shown.stdout
    assert "CONSOLE" not in shown.stderr
    assert "data-quality" in shown.stdout
    assert shown.stdout.count("<svg") >= 4


def test_a_request_or_a_script_would_be_a_complaint(page: Path, tmp_path: Path) -> None:
    text = page.read_text("utf-8")
    forged = tmp_path / "forged.html"
    forged.write_text(text.replace("</main>", '<img src="x.png"><script>1</script></main>'))

    assert opened(forged, tmp_path).stderr.count("CONSOLE") == 2
