"""Celery on Redis: a message is a doorbell, the truth about a job is in its row.

Nothing that computes is imported before a worker's processes are forked: the threads of Polars and
DuckDB do not survive it.
"""

from typing import Final

from celery import Celery
from celery.signals import worker_process_shutdown, worker_shutting_down

from wattbook.flows.jobs import QUEUES
from wattbook.settings import load
from wattbook.sinks.celery.bell import PRIORITIES, RING
from wattbook.workers.shutdown import SHUTTING_DOWN

VISIBILITY_S: Final = 6 * 3600
"""A message that nobody acknowledged comes again after this: much later than a lease runs out."""
TICK_S: Final = 5.0

settings = load()
app = Celery("wattbook", broker=settings.broker_url)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": VISIBILITY_S, **PRIORITIES},
    task_default_queue=QUEUES[0],
    task_create_missing_queues=True,
    beat_schedule={"tick": {"task": "wattbook.tick", "schedule": TICK_S}},
)


@app.task(name=RING)  # type: ignore[untyped-decorator]  # of a library without types
def work(job_id: str) -> None:
    """Work on a job, unless somebody else does."""
    from wattbook.workers import child  # noqa: PLC0415 -- after the fork

    child.here().work_on(job_id)


@app.task(name="wattbook.tick", expires=TICK_S)  # type: ignore[untyped-decorator]
def tick() -> None:
    """Submit what the schedules want, and ring for whatever waits."""
    from wattbook.workers import child  # noqa: PLC0415 -- after the fork

    child.here().tick(app)


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _give_back(**_: object) -> None:
    SHUTTING_DOWN.set()


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def _leave(**_: object) -> None:
    from wattbook.workers import child  # noqa: PLC0415 -- after the fork

    child.leave()
