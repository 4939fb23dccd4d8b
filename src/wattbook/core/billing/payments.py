"""What sites pay for, component by component: the lines that add up to the cost of a report."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.billing.bill_lines import Line, whole
from wattbook.core.billing.bills import Bill
from wattbook.core.formatting import number, percent
from wattbook.core.frames import known_sum
from wattbook.core.periods import Period
from wattbook.core.rollups.profile import stepped


class Group(StrEnum):
    """What a component of a tariff is paid for."""

    ENERGY = "energy"
    EXPORT = "export"
    """A credit for energy given back."""
    DEMAND = "demand"
    """Also reactive energy, which loads the grid as demand does."""
    FIXED = "fixed"
    TAX = "tax"


GROUPS: Final = {
    "export": Group.EXPORT,
    "demand": Group.DEMAND,
    "demand_steps": Group.DEMAND,
    "coincident_demand": Group.DEMAND,
    "reactive": Group.DEMAND,
    "fixed": Group.FIXED,
    "minimum": Group.FIXED,
    "percentage": Group.TAX,
}
"""By the kind of a component; every other kind is paid on energy."""
LINES: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "site_id": pl.String,
    "group": pl.String,
    "component": pl.String,
    "band": pl.String,
    "quantity": pl.Float64,
    "unit": pl.String,
    "price": pl.Float64,
    "amount": pl.Float64,
    "currency": pl.String,
    "incomplete": pl.String,
}
STEPS: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "start_utc": frames.UTC,
    "group": pl.String,
    "component": pl.String,
    "band": pl.String,
    "currency": pl.String,
    "cost": pl.Float64,
}
MISSING: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "site_id": pl.String,
    "bill": pl.String,
    "lack": pl.String,
    "component": pl.String,
    "kwh": pl.Float64,
    "share": pl.Float64,
    "detail": pl.String,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Payments:
    """What is paid for what."""

    lines: pl.DataFrame
    """`LINES`: the quantity of a demand is added up over months, so its unit is `kW × month`."""
    steps: pl.DataFrame
    """`STEPS`: the cost of each component by step; what is due by the month is at its start."""
    missing: pl.DataFrame
    """`MISSING`: what each bill lacks, and why; of whole months."""
    whole_months: bool
    """Whether demand and fixed charges are included: they belong to whole months."""


NONE: Final = Payments(
    lines=pl.DataFrame(schema=LINES),
    steps=pl.DataFrame(schema=STEPS),
    missing=pl.DataFrame(schema=MISSING),
    whole_months=False,
)


def group_of(kind: str) -> Group:
    """What a component of this kind is paid for."""
    return GROUPS.get(kind, Group.ENERGY)


def of_bills(site_id: str, bills: Sequence[Bill]) -> pl.DataFrame:
    """The lines of whole months, those of one price of one component added up: `LINES`."""
    found: dict[tuple[str, str, str | None, str, str | None], list[Line]] = {}
    lost: dict[int, str] = {}
    for bill in bills:
        for line in bill.lines:
            group = group_of(line.kind)
            key = (group, line.component, line.band, _unit(line), line.currency)
            found.setdefault(key, []).append(line)
            lost[id(line)] = _why_incomplete(line, bill)
    rows = [
        {
            "site_id": site_id,
            "group": group,
            "component": component,
            "band": band,
            "quantity": _sum(line.quantity for line in lines),
            "unit": unit,
            "price": lines[0].price if len({line.price for line in lines}) == 1 else None,
            "amount": _sum(line.amount for line in lines),
            "currency": currency,
            "incomplete": "; ".join(dict.fromkeys(filter(None, (lost[id(e)] for e in lines)))),
        }
        for (group, component, band, unit, currency), lines in found.items()
    ]
    return pl.DataFrame(rows, schema=LINES)


def missing_of(site_id: str, bills: Sequence[Bill]) -> pl.DataFrame:
    """What each bill lacks: `MISSING`."""
    rows = [
        {
            "site_id": site_id,
            "bill": bill.month.name,
            "lack": each.lack,
            "component": each.component,
            "kwh": each.kwh,
            "share": each.share,
            "detail": each.detail,
        }
        for bill in bills
        for each in bill.missing
    ]
    return pl.DataFrame(rows, schema=MISSING)


def of_charges(site_id: str, charged: pl.DataFrame) -> pl.DataFrame:
    """The charges on energy of a period that is not whole months, as lines: `LINES`."""
    known = pl.col("cost").is_not_null()
    energy = pl.col("energy_kwh")
    rows = charged.group_by("kind", "component", "band", "currency", maintain_order=True).agg(
        priced_kwh=energy.filter(known).sum(),
        unpriced_kwh=energy.filter(~known).sum(),
        amount=known_sum("cost"),
    )
    return pl.DataFrame(
        [
            {
                "site_id": site_id,
                "group": group_of(row["kind"]),
                "component": row["component"],
                "band": row["band"],
                "quantity": row["priced_kwh"],
                "unit": "kWh",
                "price": row["amount"] / row["priced_kwh"]
                if row["priced_kwh"] and row["amount"] is not None
                else None,
                "amount": row["amount"],
                "currency": row["currency"],
                "incomplete": _unpriced(row["unpriced_kwh"]),
            }
            for row in rows.iter_rows(named=True)
        ],
        schema=LINES,
    )


def by_step(charged: pl.DataFrame, standing: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """The cost of each component, and band, in each step: `STEPS`.

    Parameters
    ----------
    charged
        `core.billing.charges.CHARGES` of the period.
    standing
        From `core.billing.cost.spread_standing_charges` of whole months: `start_utc`,
        `component`, `kind`, `currency`, `cost`.
    steps
        `start_utc` of each, sorted.
    """
    columns = ["start_utc", "kind", "component", "band", "currency", "cost"]
    rows = pl.concat(
        [
            charged.select(columns),
            standing.with_columns(band=pl.lit(None, pl.String)).select(columns),
        ]
    )
    group = pl.col("kind").replace_strict(dict(GROUPS), default=str(Group.ENERGY))
    return (
        stepped(rows.drop_nulls("cost").with_columns(group=group), steps)
        .group_by("step_utc", "group", "component", "band", "currency", maintain_order=True)
        .agg(cost=pl.col("cost").sum())
        .rename({"step_utc": "start_utc"})
        .select(pl.col(name).cast(dtype) for name, dtype in STEPS.items())
        .sort("start_utc", maintain_order=True)
    )


def within(charged: pl.DataFrame, period: Period) -> pl.DataFrame:
    """The charges of quarter-hours that begin in the period."""
    return charged.filter(pl.col("start_utc").is_between(period.start, period.end, closed="left"))


def together(parts: Sequence[Payments]) -> Payments:
    """What several sites pay."""
    known = [each for each in parts if each.lines.height] or [NONE]
    return Payments(
        lines=pl.concat(each.lines for each in known),
        steps=pl.concat(each.steps for each in known),
        missing=pl.concat(each.missing for each in known),
        whole_months=all(each.whole_months for each in known),
    )


def _unit(line: Line) -> str:
    demand = group_of(line.kind) is Group.DEMAND and line.unit == "kW"
    return "kW × month" if demand else line.unit


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _why_incomplete(line: Line, bill: Bill) -> str:
    """What is not known of a line, in words; empty where all is."""
    month = f"{bill.month.first:%B}"
    if line.unpriced_kwh:
        return _unpriced(line.unpriced_kwh)
    if line.floor_lost or (line.floor_coverage is not None and not whole(line.floor_coverage)):
        return f"{month}: the months that set the least demand are incomplete"
    if line.reactive_coverage is not None and not whole(line.reactive_coverage):
        return f"{month}: {percent(line.reactive_coverage)} % of the reactive power"
    if line.amount is None:
        return f"{month}: nothing is known"
    if not whole(bill.month.coverage) and line.kind != "fixed":
        return f"{month}: {percent(bill.month.coverage)} % of the energy data"
    return ""


def _unpriced(energy_kwh: float | None) -> str:
    return f"{number(energy_kwh)} kWh have no price" if energy_kwh else ""
