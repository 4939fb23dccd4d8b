"""One worker process: an event loop and the stores, opened when the first message comes."""

import asyncio
import os
import socket
import threading
from collections.abc import Awaitable
from datetime import timedelta
from typing import Final, TypeVar

import structlog
from celery import Celery

from wattbook import logs
from wattbook.core.errors import WattbookError
from wattbook.core.jobs import JobKind, Outcome, queue_of
from wattbook.flows import schedules
from wattbook.flows.jobs import Worker
from wattbook.jobs import registry
from wattbook.settings import load
from wattbook.sinks.celery.notifier import Bell
from wattbook.wiring.runtime import open_runtime
from wattbook.workers import shutdown

log = structlog.get_logger()

POLL_INTERVAL_S: Final = 0.25
TURN_S: Final = 30.0
"""After this another message gets its turn: it may be for another queue."""

Done = TypeVar("Done")


class Child:
    """A loop in a thread, and the stores that live on it."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        settings = load()
        logs.configure(settings.least_severe)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._opened = open_runtime(settings)
        try:
            self._runtime = self._wait_for(self._opened.__aenter__())
        except BaseException:
            self._end_loop()
            raise
        self._schedules = registry.build_schedules(settings)
        self._worker = Worker(
            self._runtime.jobs,
            registry.build_handlers(self._runtime),
            name=f"{socket.gethostname()}:{self.pid}",
            lease=timedelta(seconds=settings.job_lease_s),
            bell=self._runtime.bell,
        )
        self._bell: Bell | None = None
        self._listening = asyncio.run_coroutine_threadsafe(_listen(self._worker), self._loop)

    def work(self, queue: str) -> bool:
        """Work on the jobs of a queue; whether any may be left."""
        kinds = [kind for kind in JobKind if queue_of(kind) == queue]
        return self._wait_for(self._work(kinds))

    def tick(self, app: Celery) -> None:
        """Submit what the schedules want, and ring for whatever waits."""
        self._bell = self._bell or Bell(app)
        self._wait_for(self._tick(self._bell))

    def close(self) -> None:
        """Close the stores and end the loop."""
        self._listening.cancel()
        self._wait_for(self._opened.__aexit__(None, None, None))
        self._end_loop()

    async def _work(self, kinds: list[JobKind]) -> bool:
        now = asyncio.get_running_loop().time
        until = now() + TURN_S
        while not self._worker.halt.is_set():
            claim = await self._worker.claim(kinds)
            if claim is None:
                return False
            if await self._worker.carry_out(claim) is Outcome.GIVEN_BACK or now() > until:
                return True
        return False

    async def _tick(self, bell: Bell) -> None:
        jobs = self._runtime.jobs
        await schedules.tick(self._schedules, await jobs.now(), jobs=jobs, bell=bell)

    def _wait_for(self, work: Awaitable[Done]) -> Done:
        async def whole() -> Done:
            return await work

        return asyncio.run_coroutine_threadsafe(whole(), self._loop).result()

    def _end_loop(self) -> None:
        self._wait_for(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _listen(worker: Worker) -> None:
    while not shutdown.begun():  # noqa: ASYNC110 -- another process says it
        await asyncio.sleep(POLL_INTERVAL_S)
    worker.halt.set()


_opened: Child | None = None


def here() -> Child:
    """What this process has opened; not what it inherited, whose threads stayed with the parent."""
    global _opened  # noqa: PLW0603 -- one for each process
    if _opened is None or _opened.pid != os.getpid():
        _opened = Child()
    return _opened


def work(queue: str) -> bool:
    """Work on the jobs of a queue; whether any may be left."""
    try:
        return here().work(queue)
    except WattbookError as error:  # the jobs stay where they are, and the next tick rings
        log.warning("job_store_unavailable", reason=str(error))
        return False


def tick(app: Celery) -> None:
    """Submit what the schedules want, and ring for whatever waits."""
    try:
        here().tick(app)
    except WattbookError as error:
        log.warning("schedule_tick_failed", reason=str(error))


def leave() -> None:
    """Close what this process opened, if it did."""
    global _opened  # noqa: PLW0603 -- one for each process
    if _opened is not None and _opened.pid == os.getpid():
        _opened.close()
    _opened = None
