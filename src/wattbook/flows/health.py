"""Whether the parts answer."""

import asyncio
from collections.abc import Awaitable
from typing import Final

from wattbook.core.errors import WattbookError
from wattbook.ports.jobs import Broker
from wattbook.ports.readings import ReadingStore
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import RollupStore

CHECK_TIMEOUT_S: Final = 5.0
"""A part that takes longer is as good as away; whoever asks would not wait longer either."""


async def look(
    *,
    registry: Registry,
    readings: ReadingStore,
    rollups: RollupStore,
    broker: Broker | None = None,
) -> dict[str, str]:
    """`ok` or what is wrong, for each part; `broker` only where jobs go through one."""
    asked: dict[str, Awaitable[object]] = {
        "registry": registry.meters(),
        "readings": readings.read([]),
        "rollups": rollups.dirty([]),
    }
    if broker is not None:
        asked["broker"] = broker.check()
    states = await asyncio.gather(*(_state(answer) for answer in asked.values()))
    return dict(zip(asked, states, strict=True))


async def _state(answer: Awaitable[object]) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await answer
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT_S:g} s"
    except WattbookError as error:
        return str(error)
    return "ok"
