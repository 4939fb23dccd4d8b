"""Telling workers that jobs wait."""

import asyncio
import threading
from collections import Counter
from typing import Final

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from wattbook.core.errors import UnavailableError
from wattbook.core.jobs import JobKind, queue_of

log = structlog.get_logger()

RING: Final = "wattbook.work"
TIMEOUT_S: Final = 2
ENOUGH: Final = 64
"""Where so many messages wait, all workers are busy: each looks for more when it has finished."""
MAX_ATTEMPTS: Final = 2
"""A broker that was started anew is noticed by the first message that does not get through."""


class Bell:
    """`ports.jobs.WorkerNotifier` over a Celery broker; who rings never waits for it.

    Where it cannot be reached the ring is lost, and the schedule's next tick rings again.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._wanted: Counter[str] = Counter()
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None

    async def ring(self, kind: JobKind, times: int = 1) -> None:
        """Send so many messages soon, but not more than there can be workers."""
        queue = queue_of(kind)
        with self._news:
            self._wanted[queue] = min(self._wanted[queue] + times, ENOUGH)
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep_sending, daemon=True)
                self._thread.start()
            self._news.notify()

    async def check(self) -> None:
        """Raise UnavailableError where the broker does not answer."""
        await asyncio.to_thread(self._connect)

    def _connect(self) -> None:
        connection = self._app.connection_for_write()
        failures = (OperationalError, OSError, *connection.connection_errors)
        try:
            with connection:
                connection.ensure_connection(max_retries=1, timeout=TIMEOUT_S)
        except failures as error:
            raise UnavailableError(f"the broker does not answer: {error}") from error

    def _keep_sending(self) -> None:
        while True:
            with self._news:
                while not self._wanted:
                    self._news.wait()
                wanted, self._wanted = self._wanted, Counter()
            for queue, times in wanted.items():
                send(self._app, queue, times)


def send(app: Celery, queue: str, times: int = 1) -> None:
    """Put messages into a queue, as far as there are not enough in it."""
    for left in reversed(range(MAX_ATTEMPTS)):
        try:
            with app.producer_pool.acquire(block=True) as producer:
                declared = producer.channel.queue_declare(
                    queue=queue, durable=True, auto_delete=False
                )
                for _ in range(min(times, ENOUGH - declared.message_count)):
                    app.send_task(RING, [queue], queue=queue, retry=False, producer=producer)
        except (OperationalError, OSError, *app.connection_for_write().connection_errors) as error:
            if not left:
                log.warning("broker_unavailable", queue=queue, reason=str(error))
        else:
            return


def at(broker_url: str) -> Bell:
    """A bell of one who only rings."""
    app = Celery("wattbook", broker=broker_url, set_as_current=False)
    app.conf.broker_transport_options = {
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
        "max_retries": 1,  # else the first connection is tried for ever
        "interval_start": 0,
    }
    return Bell(app)
