"""What a worker process opens is its own, and what could not be opened is tried again."""

import os
import threading

import pytest
import structlog

from wattbook.core.errors import UnavailableError
from wattbook.workers import child


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    yield
    child.leave()
    structlog.reset_defaults()  # a child logs to the stderr of this test


def test_what_failed_to_open_is_tried_again_and_leaves_no_thread(tmp_path) -> None:
    (tmp_path / "data").write_text("in the way")
    before = threading.active_count()
    for _ in range(2):
        with pytest.raises(UnavailableError):
            child.here()
        assert child.work("io") is False  # the jobs wait; the worker lives
    assert threading.active_count() == before

    (tmp_path / "data").unlink()

    assert child.here() is child.here()


def test_what_was_inherited_is_not_used(monkeypatch) -> None:
    parents = child.here()
    own = os.getpid()
    monkeypatch.setattr(parents, "pid", own + 1)  # as it looks after a fork
    child.leave()
    parents.close()

    assert child.here() is not parents
    assert child.here().pid == own
