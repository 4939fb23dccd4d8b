"""One worker process: an event loop and the stores, opened when the first job comes."""

import asyncio
import os
import socket
import threading
from collections.abc import Awaitable
from functools import cache
from typing import Final, TypeVar

from celery import Celery

from wattbook import duties, logs
from wattbook.flows import schedules
from wattbook.flows.jobs import LEASE, Running, work_on
from wattbook.settings import load
from wattbook.sinks.celery.bell import Bell
from wattbook.wiring import Runtime, open_runtime
from wattbook.workers.shutdown import SHUTTING_DOWN

LOOK_S: Final = 0.5

Done = TypeVar("Done")


class Child:
    """A loop in a thread, and the stores that live on it."""

    def __init__(self) -> None:
        settings = load()
        logs.configure(settings.log_level)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._opened = open_runtime(settings)
        self._runtime: Runtime = self._wait_for(self._opened.__aenter__())
        self._name = f"{socket.gethostname()}:{os.getpid()}"

    def work_on(self, job_id: str) -> None:
        """Claim a job and carry it out; nothing where it is not to be had."""
        self._wait_for(self._work_on(job_id))

    def tick(self, app: Celery) -> None:
        """Submit what the schedules want, and ring for whatever waits."""
        jobs, clock = self._runtime.jobs, self._runtime.clock
        self._wait_for(schedules.tick(duties.schedules(), jobs=jobs, bell=Bell(app), clock=clock))

    def close(self) -> None:
        """Close the stores and end the loop."""
        self._wait_for(self._opened.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _work_on(self, job_id: str) -> None:
        jobs = self._runtime.jobs
        claim = await jobs.claim(self._name, LEASE, job_id=job_id)
        if claim is None:
            return
        running = Running(claim, checkpoint=dict(claim.job.checkpoint or {}))
        listening = asyncio.create_task(_listen(running))
        try:
            await work_on(running, duties.of(self._runtime)[claim.job.kind], jobs=jobs)
        finally:
            listening.cancel()

    def _wait_for(self, work: Awaitable[Done]) -> Done:
        async def whole() -> Done:
            return await work

        return asyncio.run_coroutine_threadsafe(whole(), self._loop).result()


async def _listen(running: Running) -> None:
    while not SHUTTING_DOWN.is_set():  # noqa: ASYNC110 -- another process sets it
        await asyncio.sleep(LOOK_S)
    running.shutting_down = True


@cache
def here() -> Child:
    """What this process has opened."""
    return Child()


def leave() -> None:
    """Close what this process opened, if it did."""
    if here.cache_info().currsize:
        here().close()
        here.cache_clear()
