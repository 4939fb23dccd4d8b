"""What is unusual at one meter: the rules first, then a forest on what they leave."""

from threadpoolctl import threadpool_limits

from wattbook.core.anomaly import detection, features, rule_engine
from wattbook.core.anomaly.baseline import HOURS_A_DAY
from wattbook.core.anomaly.detection import Detection
from wattbook.core.anomaly.hours import MeterInputs
from wattbook.core.periods import Period
from wattbook.models import installed
from wattbook.models.isolation import isolation


def detect(
    watched: MeterInputs, span: Period, *, per_month: float, seed: int = 0
) -> Detection | None:
    """What is unusual at a meter over a span, learnt from what was before it."""
    ruled = rule_engine.apply_rules(watched, span, per_month)
    if ruled is None:
        return None
    history = detection.learnt(ruled)
    apart = None
    if history.sum() >= detection.MIN_DAYS * HOURS_A_DAY and installed("sklearn"):
        with threadpool_limits(1):  # jobs run beside each other
            apart = isolation(features.table(ruled.hours, ruled.usual), history, seed)
    return detection.detect(ruled, apart, per_month)
