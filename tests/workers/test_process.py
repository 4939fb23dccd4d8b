"""What a worker process opens is its own, and what could not be opened is tried again."""

import os
import threading

import pytest
import structlog

from wattbook.core.errors import UnavailableError
from wattbook.workers import process


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    yield
    process.leave()
    structlog.reset_defaults()  # a child logs to the stderr of this test


def test_what_failed_to_open_is_tried_again_and_leaves_no_thread(tmp_path) -> None:
    (tmp_path / "data").write_text("in the way")
    before = threading.active_count()
    for _ in range(2):
        with pytest.raises(UnavailableError):
            process.here()
        assert process.work("io") is False  # the jobs wait; the worker lives
    assert threading.active_count() == before

    (tmp_path / "data").unlink()

    assert process.here() is process.here()


def test_what_was_inherited_is_not_used(monkeypatch) -> None:
    parents = process.here()
    own = os.getpid()
    monkeypatch.setattr(parents, "pid", own + 1)  # as it looks after a fork
    process.leave()
    parents.close()

    assert process.here() is not parents
    assert process.here().pid == own
