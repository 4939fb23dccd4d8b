"""What is known beside a bucket."""

from typing import NoReturn

import polars as pl

from wattbook.core.errors import UnsupportedError
from wattbook.core.periods import Period
from wattbook.ports.stats import Stats


class BesideStats:
    """`ports.stats.Stats` of the store beside a bucket, in which the receipts are."""

    def __init__(self, store: Stats) -> None:
        self._store = store

    async def received(self, period: Period) -> NoReturn:  # noqa: ARG002
        """Nothing."""
        raise UnsupportedError("receipts are in InfluxDB, where they are not counted by day")

    async def events(self, period: Period) -> pl.DataFrame:
        """What registers did other than count up, by UTC day."""
        return await self._store.events(period)
