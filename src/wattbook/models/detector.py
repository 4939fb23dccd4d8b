"""What is unusual at one meter: the rules first, then a forest on what they leave."""

from threadpoolctl import threadpool_limits

from wattbook.core.anomaly import features, ruling, verdict
from wattbook.core.anomaly.hours import Watched
from wattbook.core.anomaly.usual import HOURS_A_DAY
from wattbook.core.anomaly.verdict import Judged
from wattbook.core.periods import Period
from wattbook.models import installed
from wattbook.models.isolation import isolation


def judge(watched: Watched, span: Period, *, per_month: float, seed: int = 0) -> Judged | None:
    """What is unusual at a meter over a span, learnt from what was before it."""
    ruled = ruling.by_rules(watched, span, per_month)
    if ruled is None:
        return None
    history = verdict.learnt(ruled)
    apart = None
    if history.sum() >= verdict.LEAST_DAYS * HOURS_A_DAY and installed("sklearn"):
        with threadpool_limits(1):  # jobs run beside each other
            apart = isolation(features.table(ruled.hours, ruled.usual), history, seed)
    return verdict.judged(ruled, apart, per_month)
