"""What makes forecasts."""

from datetime import datetime
from typing import Protocol

import polars as pl

from wattbook.core.forecast.outlook import Ask, Outlook
from wattbook.core.forecast.scenario import Scenario


class Forecaster(Protocol):
    """Tries models on the past of a series and answers with the best of them."""

    async def forecast(
        self,
        history: pl.DataFrame,
        ask: Ask,
        *,
        origin: datetime | None = None,
        covariates: pl.DataFrame | None = None,
        scenario: Scenario | None = None,
    ) -> Outlook:
        """What comes after `history` (`start_utc`, `value`, `excluded`); the same, the same answer.

        Raises
        ------
        InputError
            With each thing that is wrong with the history or with what is asked.
        UnavailableError
            The models are not installed, or the process that computed was killed.
        """
        ...
