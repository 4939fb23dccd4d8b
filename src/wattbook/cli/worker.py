"""Starts a Celery worker with the options that wattbook's jobs need."""

import importlib.util
import os
import sys

from wattbook import settings
from wattbook.core.errors import InputError, missing_package
from wattbook.core.jobs import QUEUES


def run(slots: int | None, queue: str | None) -> None:
    """Work on jobs until told to stop.

    Raises
    ------
    InputError
        No broker is set: the service works on jobs itself.
    UnavailableError
        Celery is not installed.
    """
    config = settings.load()
    if config.broker_url is None:
        raise InputError(
            "without REDIS_URL the service works on jobs itself: `wattbook serve` is enough"
        )
    if importlib.util.find_spec("celery") is None:
        raise missing_package("celery", "celery")
    words = (
        *("-m", "celery", "-A", "wattbook.workers.celery", "worker"),
        f"--queues={queue or ','.join(QUEUES)}",
        f"--concurrency={slots or config.job_slots}",
        f"--loglevel={config.least_severe}",
    )
    os.execv(sys.executable, (sys.executable, *words))  # noqa: S606 -- signals reach Celery itself
