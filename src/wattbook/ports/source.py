"""What readings are brought from: a service of others that keeps them."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import polars as pl

from wattbook.core.periods import Period


@dataclass(frozen=True, slots=True)
class Stretch:
    """All rows of one span of time."""

    raw: pl.DataFrame
    """`frames.RAW_READINGS`."""
    sha256: str
    """Of the answer in which they came."""
    until_utc: datetime
    """End of the span: before it, nothing is left to be read."""


class Source(Protocol):
    """Holds readings in the order of their time."""

    name: str
    """Where it is: the same source has the same name."""

    async def earliest(self) -> datetime | None:
        """The first stamp that it holds; null where it holds none."""
        ...

    def stretches(self, period: Period) -> AsyncGenerator[Stretch, None]:
        """Spans that follow each other until all of the period is covered, each held at once."""
        ...
