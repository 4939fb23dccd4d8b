"""What is said when all rows of a store are asked for whose readings are in a bucket."""

from collections.abc import Sequence
from typing import NoReturn

import polars as pl

from wattbook.core.archive import TABLES, Table
from wattbook.core.errors import UnsupportedError
from wattbook.core.periods import Period


class NoArchive:
    """`ports.archive.Archive` that refuses: half of the rows would be missing."""

    holds: frozenset[str] = frozenset()

    async def contents(self, tables: Sequence[Table] = TABLES) -> pl.DataFrame:  # noqa: ARG002
        """Nothing."""
        _refuse()

    async def cut(
        self,
        table: Table,  # noqa: ARG002
        owner: str,  # noqa: ARG002
        period: Period,  # noqa: ARG002
        rows: int,  # noqa: ARG002
    ) -> list[Period]:
        """Nothing."""
        _refuse()

    async def take(
        self,
        table: Table,  # noqa: ARG002
        owners: Sequence[str],  # noqa: ARG002
        period: Period,  # noqa: ARG002
    ) -> pl.DataFrame:
        """Nothing."""
        _refuse()

    async def put(
        self,
        table: Table,  # noqa: ARG002
        owners: Sequence[str],  # noqa: ARG002
        period: Period,  # noqa: ARG002
        rows: pl.DataFrame,  # noqa: ARG002
    ) -> None:
        """Nothing."""
        _refuse()


def _refuse() -> NoReturn:
    raise UnsupportedError(
        "the readings are in InfluxDB (READINGS_STORE=influxdb), from which rows are not copied:"
        " `influx backup` saves them, `wattbook pull` brings them into another store, and with"
        " READINGS_STORE=auto all that is beside them is copied"
    )
