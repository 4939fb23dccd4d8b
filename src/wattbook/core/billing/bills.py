"""The bill of a billing month: a line for each component of each tariff and each of its prices."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import NamedTuple, TypeAlias

import polars as pl

from wattbook.core.billing import billed_demand, demand_bounds
from wattbook.core.billing import reactive as reactive_energy
from wattbook.core.billing.bill_lines import Line, Month, Part, known, within
from wattbook.core.billing.charges import block_names
from wattbook.core.billing.demand import Key
from wattbook.core.billing.missing import Lack, Missing, missing_from
from wattbook.core.frames import known_sum
from wattbook.core.registry.components import (
    CoincidentDemand,
    Demand,
    DemandSteps,
    Export,
    Fixed,
    Flat,
    Indexed,
    Minimum,
    OnEnergy,
    Per,
    Percentage,
    Reactive,
    Tiered,
    TimeOfUse,
    band_slots,
)
from wattbook.core.registry.tariffs import IMPLICIT, Holidays, Span
from wattbook.core.units import PERCENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a month cost, as far as it is known."""

    month: Month
    energy_kwh: float | None
    """Drawn, before netting."""
    export_kwh: float = 0.0
    """Given back, before netting."""
    holidays: tuple[date, ...]
    lines: tuple[Line, ...]

    @property
    def complete(self) -> bool:
        """Whether all energy of the month is known, and all its prices."""
        return all(each.lack is Lack.ESTIMATED for each in self.missing)

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What is not known, so that amounts may be too low or absent; empty when complete."""
        return missing_from(self.month, self.lines)

    @property
    def totals(self) -> dict[str, float | None]:
        """Sum of the amounts that are known, by currency: currencies are never added."""
        currencies = sorted({line.currency for line in self.lines if line.currency is not None})
        return {
            each: known(line.amount for line in self.lines if line.currency == each)
            for each in currencies
        }


def build_bills(
    months: Sequence[Month],
    energy: pl.DataFrame,
    charged: pl.DataFrame,
    spans: Sequence[Span],
    holidays: Holidays,
    since: date,
    *,
    load: pl.DataFrame,
    timezone: str,
    not_measured: pl.DataFrame = demand_bounds.NONE,
    reactive: pl.DataFrame = reactive_energy.NONE,
) -> list[Bill]:
    """The bill of each month from `since`; ratchets look at those before.

    Parameters
    ----------
    months
        All months from `core.billing.billed_demand.reach` on, without gap.
    energy
        From `core.billing.charges.quarters`, of all these months.
    charged
        From `core.billing.charges.of_energy`, of the months from `since` on.
    spans
        The same as for both of them; they cover the months.
    load, not_measured
        As for `core.billing.billed_demand.lines`.
    reactive
        `core.billing.reactive.QUARTERS`.
    """
    drawn, exported = _added(energy, "energy_kwh"), _added(energy, "export_kwh")
    parts = [
        Part(month, index, span, drawn.get((month.first, index)), holidays)
        for month in months
        for index, span in within(month, spans)
    ]
    demands = billed_demand.lines(parts, energy, spans, holidays, load, timezone, not_measured)
    demands |= reactive_energy.lines(parts, energy, reactive, spans, holidays)
    sums = _sums(charged)
    return [
        _bill(month, list(own), sums, demands, exported)
        for month, own in groupby(parts, key=lambda part: part.month)
        if month.first >= since
    ]


class _Sum(NamedTuple):
    """What one price of a component came to in a part of a month."""

    currency: str | None
    priced_kwh: float
    unpriced_kwh: float
    cost: float | None


Sums: TypeAlias = Mapping[tuple[date, int, str, str | None], list[_Sum]]
"""What each price came to, by month, span, component and band."""


def _added(energy: pl.DataFrame, column: str) -> dict[tuple[date, int], float]:
    """Energy [kWh] that is known, by month and span."""
    sums = energy.group_by("month", "span").agg(pl.col(column).sum())
    return {(month, span): kwh for month, span, kwh in sums.iter_rows()}


def _sums(charged: pl.DataFrame) -> Sums:
    has_price = pl.col("cost").is_not_null()
    rows = charged.group_by("month", "span", "component", "band", "currency").agg(
        priced_kwh=pl.col("energy_kwh").filter(has_price).sum(),
        unpriced_kwh=pl.col("energy_kwh").filter(~has_price).sum(),
        cost=known_sum("cost"),
    )
    found = defaultdict(list)
    for month, span, component, band, *rest in rows.sort("currency").iter_rows():
        found[month, span, component, band].append(_Sum(*rest))
    return found


def _bill(
    month: Month,
    parts: Sequence[Part],
    sums: Sums,
    demands: Mapping[Key, Line],
    exported: Mapping[tuple[date, int], float],
) -> Bill:
    return Bill(
        month=month,
        energy_kwh=known(part.energy_kwh for part in parts),
        export_kwh=sum(exported.get((month.first, part.index), 0.0) for part in parts),
        holidays=tuple(day for part in parts for day in part.free),
        lines=tuple(line for part in parts for line in _lines(part, sums, demands)),
    )


def _lines(part: Part, sums: Sums, demands: Mapping[Key, Line]) -> list[Line]:
    """The lines of a part of a month, in the order of the tariff's components."""
    tariff = part.span.tariff
    lines: list[Line] = []
    for component in (IMPLICIT,) if tariff is None else tariff.components:
        match component:
            case Demand() | DemandSteps() | CoincidentDemand() | Reactive():
                lines.append(demands[part.month.first, part.index, component.name])
            case Fixed():
                lines.append(_fixed_line(part, component))
            case Minimum():
                lines.append(_minimum_line(part, component, lines))
            case Percentage():
                lines.append(_percentage_line(part, component, lines))
            case _:
                lines += _energy_lines(part, component, sums)
    return lines


def _fixed_line(part: Part, component: Fixed) -> Line:
    by_day = component.per is Per.DAY
    quantity = float(len(part.days)) if by_day else 1.0
    share = 1.0 if by_day else part.share
    amount = quantity * component.price * share
    return part.line(
        component,
        quantity=quantity,
        unit=str(component.per),
        price=component.price,
        share=share,
        amount=amount,
        stands=True,
        standing=amount,
    )


def _minimum_line(part: Part, component: Minimum, lines: Sequence[Line]) -> Line:
    """What is missing to the least amount; unknown where one of the lines before it is."""
    by_day = component.per is Per.DAY
    least = component.amount * (len(part.days) if by_day else part.share)
    counted = [line for line in lines if line.component in component.of]
    whole_sum = None
    if all(line.amount is not None and not line.unpriced_kwh for line in counted):
        whole_sum = known(line.amount for line in counted)
    amount = None if whole_sum is None else max(0.0, least - whole_sum)
    return part.line(
        component,
        quantity=amount,
        unit=_currency(part),
        price=None if amount is None else 1.0,
        amount=amount,
        stands=True,
        standing=amount,
    )


def _currency(part: Part) -> str:
    assert part.span.tariff is not None
    return part.span.tariff.currency


def _percentage_line(part: Part, component: Percentage, lines: Sequence[Line]) -> Line:
    """The percentage of the lines before it that are of the components it names."""
    rate = component.percent / PERCENT
    taxed = [line for line in lines if line.component in component.of]
    base, standing = known(line.amount for line in taxed), known(line.standing for line in taxed)
    return part.line(
        component,
        quantity=base,
        unit=_currency(part),
        price=rate,
        amount=None if base is None else base * rate,
        stands=any(line.stands for line in taxed),
        standing=None if standing is None else standing * rate,
    )


def _energy_lines(part: Part, component: OnEnergy, sums: Sums) -> Iterator[Line]:
    """A line for each price of a component on energy; null where no energy is known."""
    for band, price in _prices(component, part):
        found = sums.get((part.month.first, part.index, component.name, band), [])
        for each in found or [_Sum(None, 0.0, 0.0, None if price is None else 0.0)]:
            silent = part.energy_kwh is None
            amount = each.cost if price is None else each.priced_kwh * price
            mean = _mean_price(each.cost, each.priced_kwh)
            yield part.line(
                component,
                band=band,
                quantity=None if silent else each.priced_kwh,
                unit="kWh",
                price=mean if price is None else price,
                amount=None if silent else amount,
                currency=each.currency,
                unpriced_kwh=each.unpriced_kwh,
            )


def _mean_price(cost: float | None, energy_kwh: float) -> float | None:
    """What a kilowatt-hour cost on the mean; null where there is none."""
    return None if cost is None or not energy_kwh else cost / energy_kwh


def _prices(component: OnEnergy, part: Part) -> list[tuple[str | None, float | None]]:
    """The bands of a component that the days can have, and their prices."""
    match component:
        case Flat():
            return [(None, component.price_per_kwh)]
        case Indexed():
            return [(None, None)]
        case Export():
            price = component.price_per_kwh
            return [(None, None if price is None else -price)]
        case TimeOfUse():
            by_name = {band.name: band.price_per_kwh for band in component.bands}
            return [
                (name, by_name[name])
                for name, covered in band_slots(component.bands)
                if any(covered[month - 1].any() for month in part.months)
            ]
        case Tiered():
            prices = [block.price_per_kwh for block in component.blocks]
            return list(zip(block_names(component), prices, strict=True))
