"""How recomputations wait for each other within a process."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, TypeVar
from weakref import WeakValueDictionary

MAX_GROUPS: Final = 4
"""Turns that one process has at once: each needs memory, and in PostgreSQL a connection."""

Name = TypeVar("Name", str, int)


class NamedLocks:
    """One turn at a time for each name."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(MAX_GROUPS)
        self._locks: WeakValueDictionary[str | int, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, names: Collection[Name]) -> AsyncIterator[None]:
        """Wait until nobody has one of these, and have them all.

        They are taken in one order, so that two who want the same never wait for each other.
        """
        async with AsyncExitStack() as held:
            for name in sorted(set(names)):
                await held.enter_async_context(self._locks.setdefault(name, asyncio.Lock()))
            await held.enter_async_context(self._places)
            yield
