"""What a tariff charges on energy, quarter-hour by quarter-hour."""

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.billing import cycle
from wattbook.core.billing.netting import netted
from wattbook.core.frames import known_sum
from wattbook.core.registry.components import (
    Component,
    ComponentKind,
    Export,
    Flat,
    Indexed,
    OnEnergy,
    Per,
    Percentage,
    Tiered,
    TimeOfUse,
    band_slots,
)
from wattbook.core.registry.tariffs import IMPLICIT, Holidays, Span
from wattbook.core.registry.windows import in_local_time, slot
from wattbook.core.units import KWH_PER_MWH, PERCENT, QUARTERS_PER_HOUR

CHARGES: Final[Mapping[str, pl.DataType | type[pl.DataType]]] = {
    "start_utc": frames.UTC,
    "span": pl.UInt32,
    "month": pl.Date,
    "component": pl.String,
    "kind": pl.String,
    "band": pl.String,
    "currency": pl.String,
    "energy_kwh": pl.Float64,
    "cost": pl.Float64,
}
"""One charge of one component on the energy of one quarter-hour; a tier may cut it in two."""
STANDING: Final = frozenset(
    {
        ComponentKind.DEMAND,
        ComponentKind.DEMAND_STEPS,
        ComponentKind.COINCIDENT_DEMAND,
        ComponentKind.REACTIVE,
        ComponentKind.FIXED,
        ComponentKind.MINIMUM,
    }
)
"""Kinds that no quarter-hour causes by itself."""


def quarters(
    demand: pl.DataFrame,
    timezone: str,
    spans: Sequence[Span],
    exported: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The energy of each quarter-hour in the calendar of its site, with the `span` it lies in.

    Parameters
    ----------
    demand
        From `core.rollups.metrics.demand`, of the main meters.
    spans
        From `core.registry.tariffs.timeline`; energy outside them is left out.
    exported
        The same of meters of what is given back.

    Returns
    -------
    polars.DataFrame
        `start_utc`, `net_kwh` (of the main meters), `energy_kwh` (drawn), `export_kwh` (given
        back), the local `day` and its `quarter`, the first day of the billing `month`, and `span`.
    """
    begins = pl.DataFrame(
        {"span": range(len(spans)), "first": [span.first for span in spans]},
        schema={"span": pl.UInt32, "first": pl.Date},
    )
    months = pl.DataFrame(
        {"month": [first for first, _ in cycle.months(spans)]}, schema={"month": pl.Date}
    )
    # Days do not go back where clocks do: whether they are sorted need not be checked.
    return (
        in_local_time(_both_ways(demand, exported), timezone)
        .join_asof(begins, left_on="day", right_on="first", check_sortedness=False)
        .drop("month")
        .join_asof(months, left_on="day", right_on="month", coalesce=False, check_sortedness=False)
        .filter(pl.col("span").is_not_null(), pl.col("day") < spans[-1].end)
    )


def with_unmeasured(
    energy: pl.DataFrame, starts: pl.Series, timezone: str, spans: Sequence[Span]
) -> pl.DataFrame:
    """`quarters` with those others that begin at `starts`, whose energy is null: not known."""
    absent = starts.unique().to_frame("start_utc").join(energy, on="start_utc", how="anti")
    if absent.is_empty():
        return energy
    unknown = pl.lit(None, dtype=pl.Float64)
    rows = quarters(absent.with_columns(power_kw=unknown), timezone, spans)
    return pl.concat([energy, rows.with_columns(energy_kwh=unknown)]).sort("start_utc")


def _both_ways(demand: pl.DataFrame, exported: pl.DataFrame | None) -> pl.DataFrame:
    """What was drawn and what was given back in each quarter-hour, none of it below zero."""
    net = demand.sort("start_utc").select(
        "start_utc", net_kwh=pl.col("power_kw") / QUARTERS_PER_HOUR
    )
    given = pl.lit(0.0)
    if exported is not None and exported.height:
        counted = exported.select("start_utc", given_kwh=pl.col("power_kw") / QUARTERS_PER_HOUR)
        net = net.join(counted, on="start_utc", how="full", coalesce=True).sort("start_utc")
        given = pl.col("given_kwh").fill_null(0.0)
    return net.select(
        "start_utc",
        "net_kwh",
        energy_kwh=pl.col("net_kwh").clip(lower_bound=0).fill_null(0.0),
        export_kwh=(-pl.col("net_kwh").fill_null(0.0)).clip(lower_bound=0) + given,
    )


def of_energy(
    energy: pl.DataFrame, prices: pl.DataFrame, spans: Sequence[Span], holidays: Holidays
) -> pl.DataFrame:
    """What each quarter-hour is charged by each component: `CHARGES`, sorted by time.

    Parameters
    ----------
    energy
        From `quarters`: whole months, since tiers count from the first of the month.
    prices
        From `core.billing.cost.quarter_prices`, of the site's zone.

    Returns
    -------
    polars.DataFrame
        `cost` is null where a price is not known. Charges that are due by the day or the month
        whatever is drawn are not among them: see `core.billing.bills`.
    """
    own_prices = prices.select("price_per_mwh", "currency", "start_utc")
    indexed = energy.join(own_prices, on="start_utc", how="left", maintain_order="left")
    made = [pl.DataFrame(schema=dict(CHARGES))]
    for index, span in enumerate(spans):
        own = indexed.filter(span=index)
        if own.is_empty():
            continue
        tariff = span.tariff
        if tariff is None:
            made.append(_implicit(own))
            continue
        place = slot(tariff.weekend, holidays.get(tariff.id, frozenset()))
        due = netted(own.with_columns(slot=place), tariff)
        known = {each.name: _charged(each, due, span) for each in tariff.on_energy}
        for each in tariff.components:
            if isinstance(each, Percentage):
                known[each.name] = _percentage(each, known, tariff.currency)
        made += known.values()
    return pl.concat(made).sort("start_utc", maintain_order=True)


def _implicit(own: pl.DataFrame) -> pl.DataFrame:
    """The zone's price both ways; where it has one currency, that is the currency of all hours."""
    own = own.with_columns(energy_kwh="net_kwh")
    currencies = own["currency"].drop_nulls().unique()
    only = currencies[0] if len(currencies) == 1 else None
    currency = pl.col("currency").fill_null(pl.lit(only, pl.String))
    return _rows(own, IMPLICIT, pl.col("price_per_mwh"), currency, per_kwh=KWH_PER_MWH)


def _charged(component: OnEnergy, own: pl.DataFrame, span: Span) -> pl.DataFrame:
    """The charges of one component on energy in one span."""
    assert span.tariff is not None
    currency = pl.lit(span.tariff.currency)
    match component:
        case Flat():
            return _rows(own, component, pl.lit(component.price_per_kwh), currency)
        case Indexed():
            price = pl.when(pl.col("currency") == currency).then(
                pl.col("price_per_mwh") * component.multiplier + component.adder_per_mwh
            )
            return _rows(own, component, price, currency, per_kwh=KWH_PER_MWH)
        case TimeOfUse():
            parts = [
                _rows(
                    own.filter(pl.lit(pl.Series(covered.ravel())).gather("slot")),
                    component,
                    pl.lit(band.price_per_kwh),
                    currency,
                    pl.lit(band.name),
                )
                for band, (_, covered) in zip(
                    component.bands, band_slots(component.bands), strict=True
                )
            ]
            return pl.concat(parts).sort("start_utc")
        case Tiered():
            return _tiered(component, own, span, currency)
        case Export():
            return _credited(component, own, currency)


def _credited(component: Export, own: pl.DataFrame, currency: pl.Expr) -> pl.DataFrame:
    """What is paid for the energy that is given back: an amount below zero."""
    back = own.filter(pl.col("export_kwh") > 0).with_columns(energy_kwh="export_kwh")
    if component.price_per_kwh is not None:
        return _rows(back, component, pl.lit(-component.price_per_kwh), currency)
    price = pl.when(pl.col("currency") == currency).then(
        -(pl.col("price_per_mwh") * component.multiplier + component.adder_per_mwh)
    )
    return _rows(back, component, price, currency, per_kwh=KWH_PER_MWH)


def _tiered(component: Tiered, own: pl.DataFrame, span: Span, currency: pl.Expr) -> pl.DataFrame:
    """Energy by block; limits are for a whole month, in part of one a share of it, or for a day."""
    by_day = component.per is Per.DAY
    reached = pl.col("energy_kwh").cum_sum().over("day" if by_day else "month")
    counted = own.with_columns(
        before=reached - pl.col("energy_kwh"),
        reached=reached,
        share=pl.lit(1.0) if by_day else share_of_month(span, own["month"]),
    )
    parts, floor = [], pl.lit(0.0)
    for block, name in zip(component.blocks, block_names(component), strict=True):
        limit = pl.lit(block.up_to_kwh) * pl.col("share")
        top = pl.col("reached") if block.up_to_kwh is None else pl.min_horizontal("reached", limit)
        inside = (top - pl.max_horizontal("before", floor)).clip(lower_bound=0)
        drawn = counted.with_columns(energy_kwh=inside).filter(pl.col("energy_kwh") > 0)
        price = pl.lit(block.price_per_kwh)
        parts.append(_rows(drawn, component, price, currency, pl.lit(name)))
        floor = limit
    return pl.concat(parts).sort("start_utc", maintain_order=True)


def block_names(component: Tiered) -> list[str]:
    """What the blocks are called on a bill, by their limits for a whole month or day.

    >>> from wattbook.core.registry.components import Block
    >>> blocks = (
    ...     Block(up_to_kwh=1500.0, price_per_kwh=1.0),
    ...     Block(up_to_kwh=None, price_per_kwh=2.0),
    ... )
    >>> block_names(Tiered(name="energy", blocks=blocks))
    ['to 1,500 kWh', 'above 1,500 kWh']
    """
    limits = [block.up_to_kwh for block in component.blocks]
    unit = "kWh a day" if component.per is Per.DAY else "kWh"
    names = [f"to {_said(limit)} {unit}" for limit in limits if limit is not None]
    last = limits[-2] if len(limits) > 1 else None
    return [*names, "all" if last is None else f"above {_said(last)} {unit}"]


def _said(limit: float) -> str:
    """Every digit of a limit that is typed, in groups.

    >>> _said(5e6), _said(0.5)
    ('5,000,000', '0.5')
    """
    return f"{limit:,.15g}"


def share_of_month(span: Span, months: pl.Series) -> pl.Expr:
    """Days of each billing `month` that lie in the span over all days of it."""
    shares = {}
    for month in months.unique():
        first = max(month, span.first)
        end = min(cycle.following(first, span.billing_day), span.end)
        shares[month] = cycle.share(first, end, span.billing_day)
    return pl.col("month").replace_strict(shares, return_dtype=pl.Float64)


def _percentage(each: Percentage, known: dict[str, pl.DataFrame], currency: str) -> pl.DataFrame:
    """The percentage of what the components that it names charge on energy."""
    parts = [known[name] for name in each.of if name in known]
    if not parts:
        return pl.DataFrame(schema=dict(CHARGES))
    sums = (
        pl.concat(parts)
        .group_by("start_utc", maintain_order=True)
        .agg(pl.col("span", "month").first(), cost=known_sum("cost") * each.percent / PERCENT)
        .sort("start_utc")
    )
    nothing = pl.lit(None, pl.Float64)
    return sums.select(
        "start_utc",
        "span",
        "month",
        component=pl.lit(each.name),
        kind=pl.lit(str(each.kind)),
        band=pl.lit(None, pl.String),
        currency=pl.lit(currency),
        energy_kwh=nothing,
        cost="cost",
    )


def _rows(
    own: pl.DataFrame,
    component: Component,
    price: pl.Expr,
    currency: pl.Expr,
    band: pl.Expr | None = None,
    per_kwh: int = 1,
) -> pl.DataFrame:
    return own.select(
        "start_utc",
        "span",
        "month",
        component=pl.lit(component.name),
        kind=pl.lit(str(component.kind)),
        band=pl.lit(None, pl.String) if band is None else band,
        currency=currency,
        energy_kwh="energy_kwh",
        cost=pl.col("energy_kwh") * price / per_kwh,
    )


def quarter_costs(
    energy: pl.DataFrame, charged: pl.DataFrame, spans: Sequence[Span]
) -> pl.DataFrame:
    """What each quarter-hour costs altogether, and whether all of its prices are known.

    Returns
    -------
    polars.DataFrame
        `start_utc`, `currency`, `energy_kwh`, `cost` (the sum of what is known; 0 under a tariff
        without any price on energy), `priced_kwh` (the energy of which every price is known).
    """
    by_span = pl.DataFrame(
        {
            "span": range(len(spans)),
            "own": [span.tariff.currency if span.tariff else None for span in spans],
        },
        schema={"span": pl.UInt32, "own": pl.String},
    )
    sums = charged.group_by("start_utc").agg(
        pl.col("currency").drop_nulls().first(),
        cost=known_sum("cost"),
        known=pl.col("cost").is_not_null().all(),
    )
    free = pl.col("known").is_null()
    return (
        energy.join(sums, on="start_utc", how="left", maintain_order="left")
        .join(by_span, on="span", how="left", maintain_order="left")
        .select(
            "start_utc",
            "energy_kwh",
            currency=pl.coalesce("currency", "own"),
            cost=pl.when(free).then(0.0).otherwise("cost"),
            priced_kwh=pl.when(free | pl.col("known")).then("energy_kwh").otherwise(0.0),
        )
    )


def on_energy(component: Component, before: Sequence[Component]) -> bool:
    """Whether some of what a component charges follows the energy of each quarter-hour."""
    if isinstance(component, Percentage):
        return any(on_energy(each, before) for each in before if each.name in component.of)
    return component.kind not in STANDING
