"""What a tariff charges on reactive energy, by the billing month."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.billing.bill_lines import Line, Part
from wattbook.core.billing.demand import Key
from wattbook.core.registry.components import Reactive
from wattbook.core.registry.tariffs import Holidays, Span
from wattbook.core.registry.windows import is_open, slot
from wattbook.core.rollups.reactive import power_factor
from wattbook.core.units import PERCENT

QUARTERS: Final[Mapping[str, pl.DataType | type[pl.DataType]]] = {
    "start_utc": frames.UTC,
    "inductive_kvarh": pl.Float64,
    "capacitive_kvarh": pl.Float64,
    "reactive_kwh": pl.Float64,
    "reactive_s": pl.Float64,
    "covered_s": pl.Float64,
}
"""Of the main meters in each quarter-hour with energy: reactive energy, the active energy and the
time for which it is known, and the time for which energy is."""
NONE: Final = pl.DataFrame(schema=dict(QUARTERS))


def needs_reactive(spans: Sequence[Span]) -> bool:
    """Whether a tariff of the spans charges reactive energy."""
    return any(_components(span) for span in spans)


def quarters(rollups: pl.DataFrame) -> pl.DataFrame:
    """`QUARTERS` from the rollups (`frames.ROLLUPS`) of the main meters' quarter-hours."""
    rows = rollups.drop_nulls("energy_kwh").sort("start_utc", "meter_id")
    sums = rows.group_by("start_utc", maintain_order=True).agg(
        pl.col(name).sum() for name in QUARTERS if name != "start_utc"
    )
    return sums.select(pl.col(name).cast(dtype) for name, dtype in QUARTERS.items())


def lines(
    parts: Sequence[Part],
    energy: pl.DataFrame,
    reactive: pl.DataFrame,
    spans: Sequence[Span],
    holidays: Holidays,
) -> dict[Key, Line]:
    """The line of each component on reactive energy, for each part of a month.

    Parameters
    ----------
    energy
        From `core.billing.charges.quarters`, of the months of the parts.
    reactive
        `QUARTERS` of the same months.

    Notes
    -----
    Billed is the reactive energy of one direction within the windows, less the free percentage of
    the active energy drawn in the time for which reactive power is known. The line is null where
    none is known within windows that open.
    """
    if not needs_reactive(spans):
        return {}
    places = energy.select("start_utc", "day", "quarter", "month", "span")
    rows = places.join(reactive, on="start_utc", how="inner", maintain_order="left")
    found = {}
    for index, span in enumerate(spans):
        for component in _components(span):
            sums = _measured(rows.filter(span=index), component, span, holidays)
            for part in parts:
                if part.index == index:
                    key = (part.month.first, index, component.name)
                    found[key] = _line(part, component, sums.filter(month=part.month.first))
    return found


def _components(span: Span) -> list[Reactive]:
    every = span.tariff.components if span.tariff is not None else ()
    return [each for each in every if isinstance(each, Reactive)]


def _measured(
    own: pl.DataFrame, component: Reactive, span: Span, holidays: Holidays
) -> pl.DataFrame:
    """By month: `kvarh` of the component's direction, `kwh` drawn meanwhile, and the times."""
    assert span.tariff is not None
    place = slot(span.tariff.weekend, holidays.get(span.tariff.id, frozenset()))
    return (
        own.with_columns(slot=place)
        .filter(is_open(component.windows))
        .group_by("month")
        .agg(
            kvarh=pl.col(f"{component.direction}_kvarh").sum(),
            kwh=pl.col("reactive_kwh").clip(lower_bound=0).sum(),
            known_s=pl.col("reactive_s").sum(),
            covered_s=pl.col("covered_s").sum(),
        )
        .with_columns(factor=power_factor(pl.col("kwh"), pl.col("kvarh")))
    )


def _line(part: Part, component: Reactive, sums: pl.DataFrame) -> Line:
    row = sums.row(0, named=True) if sums.height else None
    share = row["known_s"] / row["covered_s"] if row is not None and row["covered_s"] else 0.0
    billed_kvarh = None
    if row is not None and row["known_s"]:
        billed_kvarh = max(0.0, row["kvarh"] - row["kwh"] * component.free_percent / PERCENT)
    elif not part.ever(component):
        billed_kvarh, share = 0.0, 1.0
    factor = row["factor"] if row is not None else None
    price = component.price_per_kvarh
    if (low := component.low_factor) is not None and factor is not None and factor < low.below:
        price = low.price_per_kvarh
    amount = None if billed_kvarh is None else billed_kvarh * price
    made = part.line(
        component,
        quantity=billed_kvarh,
        unit="kvarh",
        price=price,
        amount=amount,
        stands=True,
        standing=amount,
    )
    if row is None or not row["known_s"]:
        return replace(made, reactive_coverage=share)
    return replace(
        made,
        reactive_coverage=min(share, 1.0),
        reactive_kvarh=row["kvarh"],
        reactive_kwh=row["kwh"],
        power_factor=factor,
    )
