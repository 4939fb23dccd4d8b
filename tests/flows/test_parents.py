"""Meters behind a meter are those that were behind it at the time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from tests.flows.report_examples import draw
from tests.flows.test_anomaly import HISTORY, HOUR, Ports, T, all_of, asked, load, ports
from tests.flows.test_dated import a_meter, declare

from wattbook.core.anomaly import behind
from wattbook.core.anomaly.finding import Rule
from wattbook.core.registry.entities import MeterRole
from wattbook.flows import anomaly as flow

__all__ = ["ports"]  # a fixture

MOVED = T + (HISTORY - 48) * HOUR
NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)


def hours(meter_id: str, energy_kwh: float, count: int = 24) -> pl.DataFrame:
    first = NOON - 12 * timedelta(hours=1)
    return pl.DataFrame(
        {
            "meter_id": [meter_id] * count,
            "start_utc": [first + at * timedelta(hours=1) for at in range(count)],
            "energy_kwh": [energy_kwh] * count,
            "coverage": [1.0] * count,
        }
    )


def test_a_meter_counts_behind_another_while_it_is_behind_it():
    """60 and 40 kWh an hour behind `main`; at 12:30 the second one moves behind `other`."""
    moved = NOON + timedelta(minutes=30)
    earlier = a_meter("b", role=MeterRole.SUB, parent="s.main", valid_to=moved)
    later = replace(earlier, parent="s.other", valid_from=moved, valid_to=None, earlier=(earlier,))
    meters = [a_meter("main"), a_meter("other"), later,
              a_meter("a", role=MeterRole.SUB, parent="s.main")]  # fmt: skip
    counted = pl.concat([hours("s.a", 60.0), hours("s.b", 40.0)])

    main = behind.parts(meters, "s.main", counted)
    other = behind.parts(meters, "s.other", counted)

    # the hour from 12:00, in which it moved, is compared with nothing
    assert main["energy_kwh"].to_list() == [100.0] * 12 + [60.0] * 11
    assert main["behind"].n_unique() == 2
    assert other["energy_kwh"].to_list() == [40.0] * 11


@pytest.mark.slow
async def test_a_meter_that_moved_behind_another_one_leaves_no_finding(ports: Ports) -> None:
    """Two halls of 100 kW behind a main meter; two days before the span, one gets its own."""
    await halls(ports, moved=True)

    await flow.look(asked(), ports=ports)

    assert await of_rule(ports, Rule.SUM_CHECK) == []


@pytest.mark.slow
async def test_a_hall_that_no_longer_draws_through_its_parent_is_found_without_a_date(
    ports: Ports,
) -> None:
    """The same, but nobody declared that the meter moved: its main meter counts half."""
    await halls(ports, moved=False)

    await flow.look(asked(), ports=ports)

    assert await of_rule(ports, Rule.SUM_CHECK)


async def of_rule(ports: Ports, rule: Rule) -> list[object]:
    return [each for each in await all_of(ports) if each.rule is rule]


async def halls(ports: Ports, *, moved: bool) -> None:
    main, other = a_meter("main"), a_meter("other")
    names = ("a", "b")
    subs = [a_meter(name, role=MeterRole.SUB, parent="s.main") for name in names]
    await ports.world.add("s", main, other, *subs, timezone="UTC")
    first, second = np.array(load(seed=1)), np.array(load(seed=2))
    at = HISTORY - 48
    through_main = first + np.where(np.arange(len(second)) < at, second, 0.0)
    through_other = np.where(np.arange(len(second)) < at, 5.0, second)
    for name, values in (
        ("main", through_main),
        ("other", through_other),
        ("a", first),
        ("b", second),
    ):
        await draw(ports.world, f"s.{name}", T, [float(each) for each in values])
    if moved:
        sub = replace(subs[1], parent="s.other")
        await declare(ports.world, sub, valid_from=MOVED)
