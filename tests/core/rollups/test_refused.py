"""Which refused rows are about a site, and in which period they were stamped."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from wattbook.core import frames
from wattbook.core.periods import Period
from wattbook.core.rollups import gaps

BEGIN = datetime(2026, 4, 2, tzinfo=UTC)
DAY = Period(BEGIN, BEGIN + timedelta(days=1))
LATER = BEGIN + timedelta(days=90)


def rejects(stamp: str) -> pl.DataFrame:
    """One refused row as it came in long after its stamp."""
    row = {
        "batch_id": "b",
        "row": 0,
        "reason": "negative_energy",
        "detail": "",
        "raw": f'{{"meter_id": "m", "timestamp": "{stamp}", "energy_kwh": -5}}',
        "received_utc": LATER,
    }
    schema = frames.BATCH_REJECTS.schema
    return pl.DataFrame([{name: row.get(name) for name in schema}], schema=schema)


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-04-02T10:15:00Z",
        "2026-04-02T10:15Z",
        "2026-04-02 10:15:00 Z",
        "2026-04-02T12:15+02:00",
        "2026-04-02 12:15:00.5+0200",
    ],
)
def test_a_refused_row_counts_where_it_is_stamped_however_that_is_written(stamp: str) -> None:
    found = gaps.refused(rejects(stamp), ["m"], [], DAY)

    assert found.select("reason", "rows").rows() == [("negative_energy", 1)]


def test_a_refused_row_whose_stamp_cannot_be_read_counts_where_it_came_in() -> None:
    unreadable = rejects("yesterday")

    assert gaps.refused(unreadable, ["m"], [], DAY).is_empty()
    arrived = Period(LATER, LATER + timedelta(days=1))
    assert gaps.refused(unreadable, ["m"], [], arrived)["rows"].to_list() == [1]
