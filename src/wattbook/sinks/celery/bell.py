"""Telling workers that there is a job."""

import asyncio
from typing import Final

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from wattbook.core.jobs import Job
from wattbook.flows.jobs import queue_of

log = structlog.get_logger()

RING: Final = "wattbook.work"
TIMEOUT_S: Final = 2
PRIORITIES: Final = {"queue_order_strategy": "priority", "priority_steps": list(range(10))}


class Bell:
    """`ports.jobs.Bell` over a Celery broker: one that cannot be reached is rung again later."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    async def ring(self, job: Job) -> None:
        """Send the job's id to the workers."""
        try:
            await asyncio.to_thread(self._send, job)
        except (OperationalError, OSError) as error:
            log.warning("broker_out_of_reach", job_id=job.job_id, reason=str(error))

    def _send(self, job: Job) -> None:
        self._app.send_task(
            RING,
            [job.job_id],
            queue=queue_of(job.kind),
            # Celery on Redis takes 0 for the most urgent.
            priority=max(0, min(9, 5 - job.priority)),
            retry=False,
        )


def at(broker_url: str) -> Bell:
    """A bell of one who only rings."""
    app = Celery("wattbook", broker=broker_url)
    app.conf.broker_transport_options = {
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
        **PRIORITIES,
    }
    return Bell(app)
