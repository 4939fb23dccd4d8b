"""Models in processes of their own, so that the service answers while they compute.

Nothing that computes is imported here before a process has been told how many threads it may use.
"""

import asyncio
import os
import signal
import subprocess
import sys
import traceback
from contextlib import suppress
from datetime import datetime
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING, Any, Final

from wattbook.core.errors import UnavailableError, WattbookError, missing_package

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from wattbook.core.anomaly.detection import Detection
    from wattbook.core.anomaly.hours import MeterInputs
    from wattbook.core.forecast.scenario import Scenario
    from wattbook.core.forecast.task import Donor, ForecastResult, ForecastTask
    from wattbook.core.periods import Period
    from wattbook.ports.forecaster import Step

THREADS: Final = (
    "POLARS_MAX_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
"""Each process computes on one core; the others are for the service."""
NICE: Final = 10
"""Who waits for an answer goes before who computes for long."""
STOP_TIMEOUT_S: Final = 5.0
STEP: Final = "step"
"""What a task takes that tells how far it is."""


WORK: Final = {"forecast": "wattbook.models.auto", "detect": "wattbook.models.detector"}
"""Where each thing that can be asked for is; imported when it is, for that is slow."""


def spare_cores() -> int:
    """How many cores there are beside the one for the service; at least one."""
    ours = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(ours - 1, 1)


class WorkerProcess:
    """One process, and the line to it.

    Begun anew and not forked: the threads of Polars and DuckDB do not survive that. Nor by
    `multiprocessing`, which refuses it to the processes of Celery.
    """

    def __init__(self) -> None:
        self._line, theirs = Pipe()
        end = theirs.fileno()
        self._process = subprocess.Popen(  # noqa: S603 -- ourselves
            (sys.executable, "-m", "wattbook.models.process_pool", str(end)),
            env=os.environ | dict.fromkeys(THREADS, "1"),
            pass_fds=(end,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        theirs.close()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(self, task: "Task", step: "Step | None" = None) -> Any:  # noqa: ANN401 -- pickled
        """What the process makes of a task, with a `step` for each of its own.

        Raises what was raised there.
        """
        try:
            self._line.send(task)
            while (told := self._line.recv()) is None:
                if step is not None:
                    step()
            done, answer = told
        except (EOFError, OSError) as error:
            self.kill()
            code = self._process.returncode
            raise UnavailableError(f"the process that computed was killed ({code})") from error
        if done:
            return answer
        raise answer

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait(STOP_TIMEOUT_S)


Task = tuple[str, tuple[Any, ...], dict[str, Any]]
"""What is to be done, of `WORK`, and with what."""


class Pool:
    """`ports.forecaster.Forecaster` and `ports.detector.Detector` in processes of its own.

    They are started when they are first needed.
    """

    def __init__(self, processes: int) -> None:
        self._free: asyncio.Queue[WorkerProcess | None] = asyncio.Queue()
        for _ in range(processes):
            self._free.put_nowait(None)
        self._seats: set[WorkerProcess] = set()

    @property
    def pids(self) -> list[int]:
        """The numbers of its processes."""
        return [seat.pid for seat in self._seats if seat.alive]

    async def forecast(
        self,
        history: "pl.DataFrame",
        ask: "ForecastTask",
        *,
        origin: datetime | None = None,
        covariates: "pl.DataFrame | None" = None,
        scenario: "Scenario | None" = None,
        donors: "Sequence[Donor]" = (),
        step: "Step | None" = None,
    ) -> "ForecastResult":
        """What comes after `history`; who no longer waits for it ends the process."""
        told = {
            "origin": origin,
            "covariates": covariates,
            "scenario": scenario,
            "donors": donors,
            STEP: None,
        }
        outlook: ForecastResult = await self._done(("forecast", (history, ask), told), step)
        return outlook

    async def detect(
        self, watched: "MeterInputs", span: "Period", *, per_month: float, seed: int = 0
    ) -> "Detection | None":
        """What is unusual at a meter; who no longer waits for it ends the process."""
        told = {"per_month": per_month, "seed": seed}
        judged: Detection | None = await self._done(("detect", (watched, span), told))
        return judged

    async def _done(self, task: Task, step: "Step | None" = None) -> Any:  # noqa: ANN401 -- whatever the task makes
        seat = await self._free.get()
        try:
            seat = await self._ready(seat)
            heard = None if step is None else partial(_heard, asyncio.get_running_loop(), step)
            asking = asyncio.ensure_future(asyncio.to_thread(seat.ask, task, heard))
            try:
                return await asyncio.shield(asking)
            except asyncio.CancelledError:
                await asyncio.to_thread(seat.kill)
                with suppress(UnavailableError):
                    await asking
                raise
        finally:
            self._free.put_nowait(seat)

    async def close(self) -> None:
        """End the processes."""
        for seat in self._seats:
            await asyncio.to_thread(seat.kill)
        self._seats.clear()

    async def _ready(self, seat: WorkerProcess | None) -> WorkerProcess:
        if seat is not None and seat.alive:
            return seat
        if seat is not None:
            self._seats.discard(seat)
        fresh = await asyncio.to_thread(WorkerProcess)
        self._seats.add(fresh)
        return fresh


def _heard(loop: asyncio.AbstractEventLoop, step: "Step") -> None:
    loop.call_soon_threadsafe(step)


def _serve(line: Connection) -> None:
    """Work on tasks until the other end of the line is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which ends us
    os.nice(NICE)
    while True:
        try:
            name, args, told = line.recv()
        except EOFError:
            return
        answer: tuple[bool, Any]
        try:
            if STEP in told:
                told[STEP] = partial(line.send, None)
            answer = (True, getattr(import_module(WORK[name]), name)(*args, **told))
        except WattbookError as error:
            answer = (False, error)
        except ModuleNotFoundError as error:
            answer = (False, missing_package(error.name))
        except Exception as error:  # noqa: BLE001 -- whatever it was, it is told where it is awaited
            broken = RuntimeError(f"{type(error).__name__}: {error}")
            broken.add_note(traceback.format_exc())  # goes along, into the log
            answer = (False, broken)
        try:
            line.send(answer)
        except OSError:  # nobody waits any more
            return


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
