# ruff: noqa: PLC0415 -- a command that only shows sites or jobs does not open all stores
"""What every command does first: read the settings, open the stores."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from wattbook import settings
from wattbook.core.errors import UnavailableError, UnknownEntityError
from wattbook.settings import Settings
from wattbook.stores.address import Address
from wattbook.wiring import reading

if TYPE_CHECKING:
    from wattbook.wiring.runtime import Runtime

T = TypeVar("T")


@asynccontextmanager
async def opened(*, create: bool = False) -> AsyncIterator["Runtime"]:
    """The stores that the settings name; with `create` also where there are none yet.

    Raises
    ------
    UnknownEntityError
        There are none, and this command does not create any.
    """
    from wattbook import logs
    from wattbook.wiring.runtime import open_runtime

    config = settings.load()
    # A person sees what comes of it; what a service would note only where that was asked for.
    asked = config.debug or "log_level" in config.model_fields_set
    logs.configure(config.least_severe if asked else "WARNING")
    if not create:
        await check_store(config)
    async with open_runtime(config) as runtime:
        yield runtime


def run(command: Callable[["Runtime"], Awaitable[T]], *, create: bool = False) -> T:
    """Run `command` on the stores."""

    async def whole() -> T:
        async with opened(create=create) as runtime:
            return await command(runtime)

    return asyncio.run(whole())


def read(query: Callable[[Settings], Awaitable[T]]) -> T:
    """What `query` reads of the stores that the settings name, without opening all of them."""

    async def whole() -> T:
        config = settings.load()
        await check_store(config)
        return await query(config)

    return asyncio.run(whole())


async def check_store(config: Settings) -> None:
    """Refuse to go on where there is no store: a command that reads creates none."""
    if await reading.was_created(config):
        return
    if config.postgresql_url is None and config.data_dir.exists() and not config.data_dir.is_dir():
        raise UnavailableError(f"{config.data_dir} is not a folder")
    if config.postgresql_url is not None:
        raise UnknownEntityError(
            f"there is no wattbook store in {Address.of(config.postgresql_url)};"
            " `wattbook migrate` creates one"
        )
    raise UnknownEntityError(
        f"there is no wattbook store in {config.data_dir}: name another folder with --data-dir"
        " or DATA_DIR; `wattbook demo`, `wattbook sites add` and `wattbook ingest` create one"
    )
