"""Figures of findings in a sentence, and what a finding comes to."""

from typing import Final

import numpy as np

from wattbook.core.anomaly.baseline import HOURS_A_DAY, Baseline
from wattbook.core.anomaly.finding import Evidence
from wattbook.core.anomaly.hours import Hours, middle
from wattbook.core.formatting import number, percent, unit_of


def of_energy(kwh: float) -> str:
    """An energy in the unit that suits it."""
    return unit_of("energy_kwh", [abs(kwh)]).say(kwh)


def of_power(kw: float) -> str:
    """A power in the unit that suits it."""
    return unit_of("power_kw", [abs(kw)]).say(kw)


def of_rate(th: float) -> str:
    """A hash rate in the unit that suits it."""
    return unit_of("hashrate_th", [abs(th)]).say(th)


def lasting(hours: int) -> str:
    """How long it lasted.

    >>> lasting(1), lasting(30), lasting(72)
    ('1 hour', '30 hours', '3 days')
    """
    if hours > HOURS_A_DAY and hours % HOURS_A_DAY == 0:
        return f"{hours // HOURS_A_DAY} days"
    return f"{number(hours)} hour{'s' if hours > 1 else ''}"


def compared(observed: float, expected: float) -> str:
    """How much more or less it is.

    >>> compared(75, 100), compared(110, 100), compared(350, 100)
    ('25.0 % less', '10.0 % more', '3.5 times as much')
    """
    ratio = observed / expected
    if ratio >= MANIFOLD:
        return f"{number(ratio, 1)} times as much"
    return f"{percent(abs(ratio - 1))} % {'more' if ratio > 1 else 'less'}"


MANIFOLD: Final = 2


def stake(hours: Hours, usual: Baseline, begin: int, end: int) -> float | None:
    """Observed less expected energy [kWh]; null where nothing is to be expected."""
    expected = usual.expected_kw[begin:end]
    known = np.isfinite(expected)
    if not known.any():
        return None
    observed = np.nan_to_num(hours.energy_kwh[begin:end])
    return float((observed - expected)[known].sum())


def possible_stake(
    amount_kwh: float, hours: Hours, begin: int, end: int, limit_kw: float | None
) -> float:
    """`amount_kwh` as far as it is physically possible.

    What is at stake is what was counted less what should have been counted, and that lies between
    nothing and what can be drawn at `limit_kw` all the time. So the amount lies between the counted
    energy less that most, and the counted energy.
    """
    counted_kwh = float(np.nansum(hours.energy_kwh[begin:end]))
    most_kwh = np.inf if limit_kw is None else limit_kw * (end - begin)
    return float(np.clip(amount_kwh, counted_kwh - most_kwh, max(counted_kwh, 0.0)))


def power_evidence(
    hours: Hours,
    usual: Baseline,
    begin: int,
    end: int,
    limit: float | None = None,
    more: dict[str, float] | None = None,
) -> Evidence:
    """The power of some hours beside what was to be expected, and the nearest that was normal."""
    observed = hours.power_kw[begin:end]
    expected = usual.expected_kw[begin:end]
    off = np.abs(observed - expected)
    top = begin + int(np.nanargmax(off)) if np.isfinite(off).any() else begin
    return Evidence(
        quantity="power_kw",
        observed=known(middle(observed)),
        expected=known(middle(expected)),
        nearest=usual.nearest_kw(top, float(hours.power_kw[top])),
        limit=limit,
        more=more or {},
    )


def known(value: float) -> float | None:
    """Null for what is not known."""
    return value if np.isfinite(value) else None
