"""What judges the figures of a meter."""

from typing import Protocol

from wattbook.core.anomaly.detection import Detection
from wattbook.core.anomaly.hours import MeterInputs
from wattbook.core.periods import Period


class Detector(Protocol):
    """Finds what is unusual, by rules and by what it learns of the meter itself."""

    async def detect(
        self, watched: MeterInputs, span: Period, *, per_month: float, seed: int = 0
    ) -> Detection | None:
        """What is unusual in the span; the same, the same answer. Null where nothing is known.

        Raises
        ------
        UnavailableError
            The process that computed was killed.
        """
        ...
