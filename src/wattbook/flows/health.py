"""Whether the parts answer."""

from collections.abc import Awaitable

from wattbook.core.errors import WattbookError
from wattbook.ports.readings import ReadingStore
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import RollupStore


async def look(
    *, registry: Registry, readings: ReadingStore, rollups: RollupStore
) -> dict[str, str]:
    """`ok` or what is wrong, for each part."""
    asked: dict[str, Awaitable[object]] = {
        "registry": registry.meters(),
        "readings": readings.read([]),
        "rollups": rollups.dirty([]),
    }
    return {name: await _state(answer) for name, answer in asked.items()}


async def _state(answer: Awaitable[object]) -> str:
    try:
        await answer
    except WattbookError as error:
        return str(error)
    return "ok"
