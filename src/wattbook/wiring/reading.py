# ruff: noqa: PLC0415 -- what computes is imported only where the short way does not do
"""The sites, jobs and batches for commands that only show them.

An embedded registry is read with SQLite's own driver; PostgreSQL, and a file of an older schema,
with SQLAlchemy. Such a command imports neither SQLAlchemy nor Polars where it can do without.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from wattbook.core.jobs import Job, JobKind, JobState
from wattbook.core.registry.entities import Site
from wattbook.ports.jobs import JobPage
from wattbook.settings import Settings
from wattbook.stores.sql import sqlite_reader
from wattbook.stores.sql.sqlite_reader import SqliteReader

if TYPE_CHECKING:
    from wattbook.ports.archive import Archive
    from wattbook.ports.jobs import JobStore
    from wattbook.ports.registry import Registry

Found = TypeVar("Found")


async def was_created(settings: Settings) -> bool:
    """Whether there are stores that the settings name, without creating or opening them."""
    if settings.postgresql_url is not None:
        from wattbook.stores.sql.migrate import revision

        return await asyncio.to_thread(revision, settings.postgresql_url) is not None
    return settings.readings_path.exists() or settings.registry_path.exists()


async def sites(settings: Settings) -> tuple[Site, ...]:
    """Every site with everything on it, in the order of ids."""

    async def from_registry(registry: "Registry") -> tuple[Site, ...]:
        from wattbook.flows import sites as flow

        return tuple([site async for site in flow.every(registry)])

    return await _of_registry(settings, SqliteReader.sites, from_registry)


async def site(settings: Settings, site_id: str) -> Site:
    """One site with everything on it; UnknownEntityError if there is none."""
    return await _of_registry(
        settings, lambda reader: reader.site(site_id), lambda registry: registry.site(site_id)
    )


async def jobs(
    settings: Settings,
    *,
    state: JobState | None,
    kind: JobKind | None,
    parent_id: str | None,
    limit: int,
) -> JobPage:
    """The newest jobs."""
    return await _of_jobs(
        settings,
        lambda reader: reader.jobs(state=state, kind=kind, parent_id=parent_id, limit=limit),
        lambda store: store.jobs(state=state, kind=kind, parent_id=parent_id, limit=limit),
    )


async def job(settings: Settings, job_id: str) -> Job:
    """One job; UnknownEntityError if there is none."""
    return await _of_jobs(
        settings, lambda reader: reader.job(job_id), lambda store: store.job(job_id)
    )


@asynccontextmanager
async def open_archive(settings: Settings) -> AsyncIterator["Archive"]:
    """What lists the batches; opens nothing else where they are in a file of DuckDB."""
    if settings.postgresql_url is not None or settings.readings_store == "influxdb":
        from wattbook.wiring.runtime import open_runtime

        async with open_runtime(settings) as runtime:
            yield runtime.archive
        return
    from wattbook.ports.clock import SystemClock
    from wattbook.wiring import duckdb_file

    engine = await asyncio.to_thread(duckdb_file.open_engine, settings)
    try:
        yield duckdb_file.stores_of(engine, SystemClock()).archive
    finally:
        await asyncio.to_thread(engine.close)


async def _of_registry(
    settings: Settings,
    short: Callable[[SqliteReader], Found],
    whole: Callable[["Registry"], Awaitable[Found]],
) -> Found:
    found = await _short(settings, short)
    if found is not None:
        return found
    from wattbook.wiring.runtime import open_registry

    async with open_registry(settings) as registry:
        return await whole(registry)


async def _of_jobs(
    settings: Settings,
    short: Callable[[SqliteReader], Found],
    whole: Callable[["JobStore"], Awaitable[Found]],
) -> Found:
    found = await _short(settings, short)
    if found is not None:
        return found
    from wattbook.wiring.runtime import open_jobs

    async with open_jobs(settings) as store:
        return await whole(store)


async def _short(settings: Settings, work: Callable[[SqliteReader], Found]) -> Found | None:
    if settings.postgresql_url is not None:
        return None
    return await asyncio.to_thread(sqlite_reader.read, settings.registry_path, work)
