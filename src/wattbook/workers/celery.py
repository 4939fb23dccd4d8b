"""Celery on Redis: a message is a doorbell, the truth about a job is in its row.

Nothing that computes is imported before a worker's processes are forked: the threads of Polars and
DuckDB do not survive it.
"""

from typing import Final

from celery import Celery
from celery.signals import worker_process_shutdown, worker_shutting_down

from wattbook.core.jobs import QUEUES
from wattbook.settings import load
from wattbook.sinks.celery.notifier import RING, send
from wattbook.workers import shutdown

VISIBILITY_S: Final = 6 * 3600
"""A message that nobody acknowledged comes again after this: by then others have rung anyway."""
TICK_S: Final = 5.0
STALE_S: Final = 60.0

settings = load()
app = Celery("wattbook", broker=settings.broker_url)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # a broker that is away comes back
    broker_transport_options={"visibility_timeout": VISIBILITY_S},
    task_default_queue=QUEUES[0],
    task_create_missing_queues=True,
    beat_schedule={"tick": {"task": "wattbook.tick", "schedule": TICK_S}},
    beat_scheduler="celery.beat:Scheduler",  # which slots are done is in the table of jobs
)


@app.task(name=RING)  # type: ignore[untyped-decorator]  # of a library without types
def work(queue: str) -> None:
    """Work on the jobs of a queue until none is left for this process."""
    from wattbook.workers import process  # noqa: PLC0415 -- after the fork

    if process.work(queue):
        send(app, queue)


@app.task(name="wattbook.tick", expires=STALE_S)  # type: ignore[untyped-decorator]
def tick() -> None:
    """Submit what the schedules want, and ring for whatever waits."""
    from wattbook.workers import process  # noqa: PLC0415 -- after the fork

    process.tick(app)


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _give_back(**_: object) -> None:
    shutdown.begin()


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def _leave(**_: object) -> None:
    from wattbook.workers import process  # noqa: PLC0415 -- after the fork

    process.leave()
