"""What makes forecasts."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

import polars as pl

from wattbook.core.forecast.scenario import Scenario
from wattbook.core.forecast.task import Donor, ForecastResult, ForecastTask

STEPS: Final = 6
"""At most: prepared, naive, a regression, all regressions, trees loaded, trees grown."""
Step = Callable[[], None]


class Forecaster(Protocol):
    """Tries models on the past of a series and answers with the best of them."""

    async def forecast(
        self,
        history: pl.DataFrame,
        ask: ForecastTask,
        *,
        origin: datetime | None = None,
        covariates: pl.DataFrame | None = None,
        scenario: Scenario | None = None,
        donors: Sequence[Donor] = (),
        step: Step | None = None,
    ) -> ForecastResult:
        """What comes after `history` (`start_utc`, `value`, `excluded`); the same, the same answer.

        From `donors` is learnt where the history is too short to learn from.

        `step` is called after each of at most `STEPS`; it must not raise.

        Raises
        ------
        InputError
            With each thing that is wrong with the history or with what is asked.
        UnavailableError
            The models are not installed, or the process that computed was killed.
        """
        ...
