"""Bills of random tariffs are those of an independent, slow calculation."""

from datetime import date, datetime
from functools import cache
from random import Random
from typing import Any

import pytest
from tests.core.billing import slow_bill
from tests.core.billing.examples import paid, tariff

from wattbook.core.registry.components import (
    Band,
    Basis,
    Block,
    Component,
    Demand,
    DemandSteps,
    Export,
    Fixed,
    Flat,
    Minimum,
    Per,
    Percentage,
    Ratchet,
    Step,
    Tiered,
    TimeOfUse,
)
from wattbook.core.registry.tariffs import Netting
from wattbook.core.registry.windows import DayKind, Window

FIRST = date(2026, 1, 1)


def draw(seed: int) -> slow_bill.Draw:
    """Energy of a quarter-hour: a profile with noise, spikes, and now and then below zero."""

    @cache
    def energy(at: datetime) -> float:
        noise = Random(f"{seed} {at}")
        kwh = 5 + 5 * (8 <= at.hour < 18) + noise.uniform(-2, 2)
        if noise.random() < 0.01:
            kwh += noise.uniform(0, 60)
        if at.hour in (11, 12, 13) and noise.random() < 0.4:
            kwh -= 20
        return kwh

    return energy


def any_window(random: Random) -> Window:
    clock = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in (0, 15, 30, 45)]
    start, end = random.sample(clock, 2)
    days = random.sample(list(DayKind), random.randint(1, 3))
    return Window(start=start, end=end, days=tuple(days))


def any_ratchet(random: Random) -> Ratchet | None:
    if random.random() < 0.3:
        return None
    months = tuple(sorted(random.sample(range(1, 5), random.randint(1, 4))))
    return Ratchet(
        percent=random.choice([50.0, 80.0, 100.0]),
        months=random.randint(1, 3),
        peak_months=random.choice([months, tuple(range(1, 13))]),
        basis=random.choice(list(Basis)),
    )


def measuring(random: Random) -> dict[str, Any]:
    minutes = random.choice([15, 30, 60])
    return {
        "interval_minutes": minutes,
        "sliding_minutes": random.choice([None, 15]) if minutes > 15 else None,
        "peaks": random.choice([1, 1, 3]),
        "windows": random.choice([(), (Window(start="08:00", end="20:00"),)]),
    }


def any_components(random: Random) -> list[Component]:
    rest = Band(name="rest", price_per_kwh=0.1, rest=True)
    peak = Band(name="peak", price_per_kwh=0.3, windows=(any_window(random),))
    limit = random.choice([20.0, 400.0, 9_000.0])
    blocks = (Block(up_to_kwh=limit, price_per_kwh=0.1), Block(up_to_kwh=None, price_per_kwh=0.2))
    steps = (Step(up_to_kw=60.0, price_per_month=10.0), Step(up_to_kw=None, price_per_month=30.0))
    found: list[Component] = [
        Flat(name="flat", price_per_kwh=0.05),
        TimeOfUse(name="energy", bands=(peak, rest)),
        Tiered(name="levy", blocks=blocks, per=random.choice(list(Per))),
        Export(name="feed-in", price_per_kwh=0.08),
        Demand(
            name="demand",
            price_per_kw_month=7.0,
            ratchet=any_ratchet(random),
            minimum_kw=random.choice([0.0, 100.0]),
            **measuring(random),
        ),
        DemandSteps(name="capacity", steps=steps, **measuring(random)),
        Fixed(name="meter", price=3.0, per=random.choice(list(Per))),
    ]
    chosen = random.sample(found, random.randint(2, len(found)))
    names = tuple(each.name for each in chosen)
    least = random.choice([100.0, 10_000.0])
    chosen.append(Minimum(name="minimum", amount=least, of=names, per=random.choice(list(Per))))
    return [*chosen, Percentage(name="tax", percent=25.0, of=(*names, "minimum"))]


@pytest.mark.parametrize("seed", range(12))
def test_a_bill_is_that_of_a_slow_calculation(seed: int) -> None:
    random = Random(seed)
    billing_day = random.choice([1, 1, 18, 31])
    starts = slow_bill.bill_starts(FIRST, date(2026, 5, 1), billing_day)
    begins, end = starts[0], starts[random.randint(2, len(starts) - 1)]
    terms = tariff(
        *any_components(random),
        valid_from=begins,
        billing_day=billing_day,
        netting=random.choice(list(Netting)),
        holidays=(date(2026, 1, 6), date(2026, 3, 6)),
    )
    since, energy = starts[starts.index(end) - 1], draw(seed)

    (bill,) = paid([terms], energy, since, end).bills

    assert bill.complete
    assert bill.totals["EUR"] == pytest.approx(slow_bill.total(terms, energy, begins, end))
