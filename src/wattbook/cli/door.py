"""What every command does first: read the settings, open the stores."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from wattbook import logs, settings
from wattbook.wiring import Runtime, open_runtime

T = TypeVar("T")


@asynccontextmanager
async def opened() -> AsyncIterator[Runtime]:
    """The stores that the settings name."""
    config = settings.load()
    # A person sees what comes of it; what a service would note only where that was asked for.
    asked = config.debug or "log_level" in config.model_fields_set
    logs.configure(config.least_severe if asked else "WARNING")
    async with open_runtime(config) as runtime:
        yield runtime


def run(command: Callable[[Runtime], Awaitable[T]]) -> T:
    """Run `command` on the stores."""

    async def whole() -> T:
        async with opened() as runtime:
            return await command(runtime)

    return asyncio.run(whole())
