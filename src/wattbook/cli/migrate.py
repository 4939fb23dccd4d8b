"""Brings the stores to the newest schema."""

import asyncio

from wattbook import settings
from wattbook.cli import door, show
from wattbook.stores.sql.migrate import Upgrade, upgrade


def run() -> None:
    """Migrate the registry and the readings, and say from what to what."""
    config = settings.load()
    fresh = not config.readings_path.exists()
    done = upgrade(config.registry_url)
    asyncio.run(_open())
    show.say(f"registry  {config.data_dir / 'registry.sqlite'}: {_said(done)}")
    show.say(f"readings  {config.readings_path}: {'created' if fresh else 'up to date'}")


async def _open() -> None:
    async with door.opened():
        pass  # opening migrates


def _said(done: Upgrade) -> str:
    if done.before is None:
        return f"created at revision {done.after}"
    if done.before == done.after:
        return f"up to date at revision {done.after}"
    return f"from revision {done.before} to {done.after}"
