"""An Isolation Forest: how few random cuts it takes to set an hour apart from all others.

References
----------
.. [1] F. T. Liu, K. M. Ting, and Z.-H. Zhou, "Isolation Forest," ICDM 2008.
"""

from typing import Final

import numpy as np

from wattbook.core.forecast.series import Bools, Floats

TREES: Final = 100
SAMPLES: Final = 256
"""Of so many hours each tree is grown, as in [1]_."""


def isolation(table: Floats, learnt: Bools, seed: int) -> Floats:
    """The anomaly score of [1]_ of each row, 0 to 1, from those that are learnt; NaN unjudged.

    A row is judged where its first column is known; what else is not known of it is taken for the
    middle of what was learnt, which sets nothing apart.
    """
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415 -- slow

    judged = np.isfinite(table[:, 0])
    learnt = learnt & judged
    found = np.full(len(table), np.nan)
    if not learnt.any():  # a meter that counts nothing has no ratio to what is usual
        return found
    told = np.isfinite(table[learnt]).any(axis=0)
    filled = table[:, told]
    filled = np.where(np.isfinite(filled), filled, np.nanmedian(filled[learnt], axis=0))
    forest = IsolationForest(
        n_estimators=TREES, max_samples=min(SAMPLES, int(learnt.sum())), random_state=seed
    )
    forest.fit(filled[learnt])
    found[judged] = -forest.score_samples(filled[judged])
    return found
