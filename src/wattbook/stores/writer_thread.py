"""How writes wait for their turn and share transactions, whatever keeps them."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, TypeVar

GROUP_ROWS: Final = 200_000
"""Batches that wait are committed together, up to so many rows."""
IDLE_S: Final = 2.0
"""Quiet of this length is told to whom it concerns."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Run = Callable[[Any, list[Item]], list[Result]]
"""Writes items on a connection, as part of a transaction; one result for each."""


@dataclass(slots=True)
class PendingWrite(Generic[Item, Result]):
    """Something to write: `rows` of it can share a transaction with its like."""

    run: Run[Item, Result]
    item: Item
    rows: int
    done: "Future[Result]" = field(default_factory=Future)


AnyWork = PendingWrite[Any, Any]


class WriterThread:
    """A thread that writes, one transaction after the other.

    `transact` carries out a run with the items of a group, commits, and returns the results.
    """

    def __init__(
        self,
        name: str,
        transact: Callable[[Run[Any, Any], list[Any]], list[Any]],
        *,
        idle: Callable[[], None] | None = None,
    ) -> None:
        self._transact = transact
        self._idle = idle
        self._queue: SimpleQueue[AnyWork | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    async def write(self, run: Run[Item, Result], item: Item, rows: int) -> Result:
        """Have `item` committed, together with others that wait for the same `run`.

        When this returns, the transaction is on disk.
        """
        work = PendingWrite(run, item, rows)
        self._queue.put(work)
        # Once handed over, the write happens; a caller that goes away must not make it half known.
        return await asyncio.shield(asyncio.wrap_future(work.done))

    async def settled(self) -> None:
        """Wait until everything that was handed over before is on disk."""
        await self.write(_nothing, None, 0)

    def close(self) -> None:
        """Finish what waits."""
        self._queue.put(None)
        self._thread.join()

    def _loop(self) -> None:
        held: AnyWork | None = None
        last = False
        while not last:
            try:
                first = held or self._queue.get(timeout=IDLE_S)
            except Empty:
                if self._idle is not None:
                    self._idle()
                continue
            if first is None:
                break
            group, held, last = self._gather(first)
            self._commit(group)

    def _gather(self, first: AnyWork) -> tuple[list[AnyWork], AnyWork | None, bool]:
        """What can be committed with `first`, the first that cannot, and whether to stop."""
        group, rows = [first], first.rows
        while rows < GROUP_ROWS:
            try:
                after = self._queue.get_nowait()
            except Empty:
                return group, None, False
            if after is None:
                return group, None, True
            if after.run != first.run:
                return group, after, False
            group.append(after)
            rows += after.rows
        return group, None, False

    def _commit(self, group: Sequence[AnyWork]) -> None:
        try:
            results = self._transact(group[0].run, [work.item for work in group])
        except Exception as error:  # noqa: BLE001  the writer must outlive whatever one group does
            if len(group) > 1:
                for work in group:
                    self._commit([work])
                return
            group[0].done.set_exception(error)
            return
        for work, result in zip(group, results, strict=True):
            work.done.set_result(result)


def _nothing(_: object, items: list[None]) -> list[None]:
    return items
