"""A report is compared with the same period a year earlier, or with the one before."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from wattbook.core import frames, periods
from wattbook.core.meters import presence
from wattbook.core.periods import Grain, Period
from wattbook.core.reporting.comparison import candidates, compare

T = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALWAYS = presence.spans(pl.DataFrame([{"meter_id": "m"}], schema=frames.METERS.schema))
"""One meter that is there all the time."""


def civil(first: str, end: str, timezone: str = "Europe/Oslo") -> Period:
    here = periods.zone(timezone)
    return Period(*(datetime.fromisoformat(day).replace(tzinfo=here) for day in (first, end)))


@pytest.mark.parametrize(
    ("asked", "year", "before"),
    [
        (("2026-03-01", "2026-04-01"), ("2025-03-01", "2025-04-01"), ("2026-02-01", "2026-03-01")),
        (("2026-01-01", "2026-04-01"), ("2025-01-01", "2025-04-01"), ("2025-10-01", "2026-01-01")),
        (("2026-06-21", "2026-06-24"), ("2025-06-21", "2025-06-24"), ("2026-06-18", "2026-06-21")),
        (("2024-02-29", "2024-03-01"), ("2023-02-28", "2023-03-01"), ("2024-02-28", "2024-02-29")),
    ],
)
def test_months_are_compared_with_months_and_days_with_days(asked, year, before) -> None:
    found = list(candidates(civil(*asked), "Europe/Oslo"))

    assert found == [(civil(*year), True), (civil(*before), False)]


def quarters(energies: Sequence[float | None], covered_s: float = 900.0) -> pl.DataFrame:
    rows = [
        {
            "meter_id": "m",
            "start_utc": T + at * periods.QUARTER,
            "energy_kwh": energy,
            "covered_s": 0.0 if energy is None else covered_s,
        }
        for at, energy in enumerate(energies)
    ]
    return pl.DataFrame(rows, schema_overrides={"start_utc": frames.UTC, "energy_kwh": pl.Float64})


def test_the_earlier_figures_by_hand() -> None:
    # Four quarter-hours of 10 kWh, then four of 20: 120 kWh in 2 h, 60 kW, at most 80 kW.
    earlier = Period(T, T + 2 * HOUR)
    now = Period(T + 48 * HOUR, T + 50 * HOUR)

    found = compare(
        quarters([10.0] * 4 + [20.0] * 4),
        earlier,
        ALWAYS,
        yearly=False,
        buckets=periods.buckets(now, Grain.HOUR),
        earlier=periods.buckets(earlier, Grain.HOUR),
    )

    assert found is not None
    assert (found.energy_kwh, found.power_kw_mean, found.power_kw_max) == (120.0, 60.0, 80.0)
    assert found.coverage == 1.0
    assert found.load.rows() == [(now.start, 40.0), (now.start + HOUR, 80.0)]


def test_a_period_of_which_too_little_is_known_is_no_measure() -> None:
    earlier = Period(T, T + 2 * HOUR)
    buckets = periods.buckets(earlier, Grain.HOUR)

    rows = quarters([10.0] * 6 + [None] * 2)  # 6 of 8 quarter-hours

    assert compare(rows, earlier, ALWAYS, yearly=True, buckets=buckets, earlier=buckets) is None
