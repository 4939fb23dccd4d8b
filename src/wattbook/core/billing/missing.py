"""What is not known of a bill, in a form that every door can show."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from wattbook.core.billing.bill_lines import Line, Month, whole
from wattbook.core.formatting import BLANK, spoken
from wattbook.core.registry.components import ComponentKind
from wattbook.core.units import SECONDS_PER_MINUTE


class Lack(StrEnum):
    """What a bill lacks."""

    ENERGY = "energy"
    PRICE = "price"
    DEMAND = "demand"
    RATCHET = "ratchet"
    PEAKS = "peaks"
    REACTIVE = "reactive_power"
    AMOUNT = "amount"
    ESTIMATED = "estimated_demand"


WORDS = {
    Lack.ENERGY: "energy is missing for {share:.1f} % of the time",
    Lack.PRICE: "{component}: {kwh:.1f} kWh have no price",
    Lack.DEMAND: "{component}: no demand is known within its windows",
    Lack.RATCHET: "{component}: a month that the ratchet looks back at has gaps, or was removed",
    Lack.PEAKS: "{component}: a peak of the grid, or what was drawn in it, is not known",
    Lack.REACTIVE: "{component}: reactive power is missing for {share:.1f} % of the time",
    Lack.AMOUNT: "{component}: its amount is not known",
    Lack.ESTIMATED: "{component}: {cause}; {most}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """One thing that is not known of a bill; `kwh` of energy, or `share` of the time."""

    lack: Lack
    component: str | None = None
    kwh: float | None = None
    share: float | None = None
    interval_s: int | None = None
    """The time for which a meter has one value, where the demand is the mean of a shorter one."""
    demand_kw_most: float | None = None
    """The most that a demand can have been; null where nothing limits it."""

    @property
    def detail(self) -> str:
        """The same in words."""
        return WORDS[self.lack].format(
            component=self.component,
            kwh=self.kwh,
            share=None if self.share is None else self.share * 100,
            cause=self._cause,
            most=self._most,
        )

    @property
    def _cause(self) -> str:
        if self.interval_s is None:
            return "readings are missing or estimated"
        return f"a meter has one value for {spoken(self.interval_s).replace(BLANK, ' ')}"

    @property
    def _most(self) -> str:
        if self.demand_kw_most is None:
            return "how high the demand was is not known"
        return f"the demand may have been up to {self.demand_kw_most:.1f} kW"


def missing_from(month: Month, lines: Sequence[Line]) -> tuple[Missing, ...]:
    """Everything that is not known of a month and its lines."""
    found = [] if whole(month.coverage) else [_uncovered(month)]
    found += [each for line in lines for each in _of_line(line)]
    return tuple(dict.fromkeys(found))


def _uncovered(month: Month) -> Missing:
    return Missing(lack=Lack.ENERGY, share=1 - month.coverage)


def _of_line(line: Line) -> Iterator[Missing]:
    if line.unpriced_kwh:
        yield Missing(lack=Lack.PRICE, component=line.component, kwh=line.unpriced_kwh)
    elif line.reactive_coverage is not None:
        if not whole(line.reactive_coverage):
            share = 1 - line.reactive_coverage
            yield Missing(lack=Lack.REACTIVE, component=line.component, share=share)
    elif line.amount is None:
        yield Missing(lack=_why(line), component=line.component)
    gaps = line.floor_coverage is not None and not whole(line.floor_coverage)
    if gaps and not line.floor_lost:
        yield Missing(lack=Lack.RATCHET, component=line.component)
    if line.estimated:
        shortest = min((each.minutes for each in line.peaks), default=0) * SECONDS_PER_MINUTE
        length = line.demand_interval_s
        longer = length if length is not None and length > shortest else None
        yield Missing(
            lack=Lack.ESTIMATED,
            component=line.component,
            interval_s=longer,
            demand_kw_most=line.demand_kw_most,
        )


def _why(line: Line) -> Lack:
    """Why a line has no amount."""
    if line.kind == ComponentKind.COINCIDENT_DEMAND:
        return Lack.PEAKS
    if line.kind in (ComponentKind.DEMAND, ComponentKind.DEMAND_STEPS):
        return Lack.RATCHET if line.floor_lost else Lack.DEMAND
    return Lack.AMOUNT
