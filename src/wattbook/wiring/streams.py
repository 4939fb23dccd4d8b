"""Servers that readings come from and jobs are announced to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from wattbook.core.errors import InputError, missing_package
from wattbook.ports.jobs import Broker
from wattbook.ports.source import Source
from wattbook.settings import Settings

if TYPE_CHECKING:
    from wattbook.clients.influxdb.server import Influx


@asynccontextmanager
async def open_source(settings: Settings) -> AsyncIterator[Source]:
    """The bucket that INFLUXDB_BUCKET names, as a source of readings.

    Raises
    ------
    InputError
        It is not named, or it is where the readings are kept.
    """
    if missing := settings.influxdb_missing:
        raise InputError(f"there is no bucket to pull from: set {', '.join(missing)}")
    naming = settings.naming
    if settings.readings_store == "influxdb" and naming.measurement in (None, "readings"):
        raise InputError(
            "INFLUXDB_BUCKET is where the readings are kept (READINGS_STORE=influxdb);"
            " to pull from it, name another measurement in INFLUXDB_MEASUREMENT"
        )
    async with _bucket(settings) as influx:
        from wattbook.sources.influxdb.bucket import Bucket  # noqa: PLC0415 -- an extra

        yield Bucket(influx, naming)


@asynccontextmanager
async def _bucket(settings: Settings) -> AsyncIterator["Influx"]:
    try:
        from wattbook.clients.influxdb import server  # noqa: PLC0415 -- an extra
    except ModuleNotFoundError as error:
        raise missing_package(error.name, "influxdb") from error

    assert settings.influxdb_token is not None
    place = server.Place(
        url=str(settings.influxdb_url),
        token=settings.influxdb_token.get_secret_value().strip(),
        org=str(settings.influxdb_org),
        bucket=str(settings.influxdb_bucket),
    )
    async with server.opened(place, patience_s=settings.influxdb_retry_s) as influx:
        yield influx


def _bell(settings: Settings) -> Broker | None:
    if settings.broker_url is None:
        return None
    try:
        from wattbook.sinks.celery import notifier  # noqa: PLC0415 -- an extra
    except ModuleNotFoundError as error:
        raise missing_package(error.name, "celery") from error
    return notifier.at(settings.broker_url)
