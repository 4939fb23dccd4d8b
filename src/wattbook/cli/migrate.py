"""Brings the stores to the newest schema."""

import asyncio

from wattbook import settings
from wattbook.cli import show
from wattbook.wiring import runtime
from wattbook.wiring.runtime import Migrated


def run() -> None:
    """Migrate readings and registry, and say from what to what."""
    for done in asyncio.run(runtime.migrate(settings.load())):
        show.say(f"{done.store}: {_said(done)}")


def _said(done: Migrated) -> str:
    if done.before is None:
        return f"created at schema {done.after}"
    if done.before == done.after:
        return f"up to date at schema {done.after}"
    return f"from schema {done.before} to {done.after}"
