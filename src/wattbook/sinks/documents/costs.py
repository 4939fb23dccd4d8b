"""The section of a report that shows what was paid, and for what."""

import re
from collections.abc import Iterator
from typing import Any, Final

import polars as pl

from wattbook.core.billing.missing import Lack
from wattbook.core.billing.payments import Group
from wattbook.core.charts import stack
from wattbook.core.formatting import BLANK, MINUS, THIN, Unit, money, number
from wattbook.core.periods import Grain
from wattbook.core.reporting.report import Report
from wattbook.core.units import PERCENT
from wattbook.sinks.documents.blocks import Block, Column, Note, Paragraph, Table
from wattbook.sinks.documents.sections import figure
from wattbook.sinks.documents.wording import clock_of, grouped, share

ENERGY_COLOURS: Final = ("pay0", "pay1", "pay2")
COLOURS: Final = {
    Group.EXPORT: "hash",
    Group.DEMAND: "pay3",
    Group.FIXED: "pay4",
    Group.TAX: "pay5",
}
NAMES: Final = {
    Group.ENERGY: "energy",
    Group.EXPORT: "credit for export",
    Group.DEMAND: "demand",
    Group.FIXED: "fixed charges",
    Group.TAX: "tax",
}
MAX_MISSING: Final = 24
ORDER: Final = [str(group) for group in Group]
COMMA: Final = re.compile(r"(?<=\d),(?=\d{3}\b)")
"""Between thousands, in the name of a step or a block."""
KWH: Final = Unit("kWh", 1, 0)
CENT: Final = 1 / 200
IN_WHOLES: Final = 1000
MAX_DIGITS: Final = 5


def cost(report: Report) -> Iterator[Block]:
    """What was paid by component, and by step, in each currency."""
    if report.costs.is_empty():
        if report.total["energy_kwh"] is not None:
            text = "No price is known for this grid zone and period: the cost is unknown."
            yield Paragraph(text)
        return
    for currency, whole, part in report.costs.iter_rows():
        yield _bill(report, currency, whole, part)
        yield from _stacked(report, currency)
    yield from _missing(report)


def _missing(report: Report) -> Iterator[Block]:
    """What could not be billed, and why: the amounts above are without it."""
    rows, many = report.payments.missing, report.scope.kind != "site"
    if rows.is_empty():
        return
    names = {site.id: site.name for site in report.scope.sites}
    listed = rows.head(MAX_MISSING)
    columns = [
        *([Column("Site", right=False)] if many else []),
        Column("Bill", right=False),
        Column("Component", right=False),
        Column("What is missing", right=False, wide=1),
    ]
    cells = [
        [
            *([names[row["site_id"]]] if many else []),
            row["bill"],
            row["component"] or "all on energy and demand",
            _lacking(row),
        ]
        for row in listed.iter_rows(named=True)
    ]
    caption = "Missing from the bills"
    if rows.height > listed.height:
        caption += f": {listed.height} of {number(rows.height)}"
    yield Table(caption, columns, cells)
    if (rows["lack"] != Lack.ESTIMATED).any():
        yield Note("Nothing was added for what is missing.")


def _lacking(row: dict[str, Any]) -> str:
    """What a bill lacks, in words; an energy as everywhere in the report."""
    if row["kwh"] is not None:
        return f"{number(row['kwh'], 1)}{BLANK}kWh have no price"
    detail: str = row["detail"]
    return grouped(detail.removeprefix(f"{row['component']}: "))


def _bill(report: Report, currency: str, whole: float, part: float) -> Table:
    """Every price that was paid: quantity × price = amount, and the sum of them."""
    lines = _ordered(report.payments.lines.filter(currency=currency))
    unit = money([whole], currency)
    many = report.scope.kind != "site"
    explained = report.payments.missing.height > 0  # by the table of what is missing
    if many:
        lines = _by_group(lines)
    rows = [
        [
            _name(row),
            "" if many else _quantity(row),
            "" if many else _price(row),
            unit.write(row["amount"]),
            number(row["amount"] / whole * PERCENT, 1).replace("-", MINUS)
            if whole and row["amount"] is not None
            else "–",
            "" if explained else row["incomplete"] or "",
        ]
        for row in lines.iter_rows(named=True)
    ]
    known = float(lines["amount"].sum())
    if abs(whole - known) > max(CENT, abs(whole) * 10**-9):
        rest = whole - known
        rows.append(["Not in these lines", "", "", unit.write(rest), "", ""])
    columns = [
        Column("Component", right=False),
        Column("Quantity"),
        Column("Price", currency),
        Column("Amount", currency),
        Column("Share", "%"),
        Column("Incomplete", right=False),
    ]
    foot = ["Total", "", "", unit.write(whole), number(PERCENT, 1), ""]
    known_part = f", for {share(part)} of the energy" if part < 1 - 10**-9 else ""
    used = [at for at in range(len(columns)) if any(row[at] for row in [*rows, foot])]
    return Table(
        f"Cost by component, in {currency}{known_part}",
        [columns[at] for at in used],
        [[row[at] for at in used] for row in rows],
        [[foot[at] for at in used]],
    )


def _ordered(lines: pl.DataFrame) -> pl.DataFrame:
    """By what they are paid for; the prices of one component stand together."""
    place = pl.col("group").replace_strict({name: at for at, name in enumerate(ORDER)})
    first = pl.col("line").min().over("site_id", "group", "component")
    return lines.with_row_index("line").sort(place, first, "line").drop("line")


def _by_group(lines: pl.DataFrame) -> pl.DataFrame:
    """Of several sites: what was paid for energy, demand, fixed charges and tax."""
    names = {str(group): name.capitalize() for group, name in NAMES.items()}
    words = pl.col("incomplete").filter(pl.col("incomplete") != "").unique(maintain_order=True)
    return lines.group_by("group", maintain_order=True).agg(
        component=pl.col("group").first().replace_strict(names),
        band=pl.lit(None, pl.String),
        amount=pl.col("amount").sum(),
        incomplete=words.str.join("; "),
    )


def _name(row: dict[str, object]) -> str:
    name = str(row["component"])
    said = name[:1].upper() + name[1:]
    return f"{said}, {COMMA.sub(THIN, str(row['band']))}" if row["band"] else said


def _quantity(row: dict[str, object]) -> str:
    quantity, unit = row["quantity"], str(row["unit"])
    if _is_difference(row):
        return ""
    if not isinstance(quantity, float):
        return "–"
    whole = quantity == int(quantity)
    digits = 0 if whole or abs(quantity) >= IN_WHOLES else 1
    if unit in {"day", "month", "year"}:
        unit = unit if quantity == 1 else f"{unit}s"
    return f"{number(quantity, digits).replace('-', MINUS)}{BLANK}{unit}"


def _price(row: dict[str, object]) -> str:
    """The price of one of the unit; the mean where it varies."""
    price, unit = row["price"], str(row["unit"])
    if _is_difference(row):
        return ""
    if row["group"] == Group.TAX and isinstance(price, float):
        return f"{number(price * PERCENT, 2)}{THIN}%"
    if isinstance(price, float):
        return f"{number(price, _digits(price)).replace('-', MINUS)}{BLANK}/{BLANK}{unit}"
    quantity, amount = row["quantity"], row["amount"]
    if amount is None:
        return "–"
    if isinstance(quantity, float) and quantity and isinstance(amount, float):
        mean = amount / quantity
        return f"mean {number(mean, _digits(mean)).replace('-', MINUS)}{BLANK}/{BLANK}{unit}"
    return "varies"


def _is_difference(row: dict[str, object]) -> bool:
    """Whether an amount has no quantity of its own, as what is missing to a least bill."""
    return row["unit"] == row.get("currency") and row["group"] != Group.TAX


def _digits(price: float) -> int:
    return 2 if abs(price) >= 1 else next(d for d in range(2, MAX_DIGITS + 1) if _exact(price, d))


def _exact(price: float, digits: int) -> bool:
    """Whether so many digits say the price, or as much of it as is worth saying."""
    return digits == MAX_DIGITS or abs(price - round(price, digits)) < 10**-9


def _stacked(report: Report, currency: str) -> Iterator[Block]:
    """Cost by step, its components above each other; none where it would repeat the energy."""
    rows = report.payments.steps.filter(currency=currency)
    if report.steps.height < MIN_STEPS or rows.is_empty():
        return
    layers = _layers(rows, report.payments.lines.filter(currency=currency))
    if len(layers) == 1 and _one_price(report, currency):
        return
    unit = money([report.costs.filter(currency=currency)["cost"][0]], currency)
    known: dict[object, dict[str, float]] = {}
    for start, group, component, band, _, amount in rows.iter_rows():
        label = _label(group, component, band, layers)
        of_step = known.setdefault(start, {})
        of_step[label] = of_step.get(label, 0.0) + amount
    steps = [
        stack.Step(start, end, known.get(start, {}))
        for start, end in report.steps.select("start_utc", "end_utc").iter_rows()
    ]
    scope = report.scope
    rest = "" if report.grain is Grain.MONTH or not _due(report) else (
        "Demand and fixed charges are due by the month: they are in the table, not in these bars."
    )  # fmt: skip
    yield figure(
        "Cost by component" if len(layers) > 1 else "Cost",
        f"{currency} by {report.grain}, {clock_of(scope.timezone)}",
        f"cost-{currency.lower()}",
        lambda width, name: stack.stack(
            steps,
            layers,
            scope.period,
            scope.timezone,
            report.grain,
            unit,
            of=f"Cost in {currency}",
            name=name,
            width=width,
        ),
        rest,
    )


MIN_STEPS: Final = 2


def _due(report: Report) -> bool:
    groups = set(report.payments.lines["group"])
    return bool(groups & {Group.DEMAND, Group.FIXED})


def _one_price(report: Report, currency: str) -> bool:
    """Whether all energy has about one price, so that cost is energy in another unit."""
    both = report.steps.select("start_utc", "energy_kwh").join(
        report.step_costs.filter(currency=currency), on="start_utc"
    )
    price = (both["cost"] / both["energy_kwh"]).drop_nulls().drop_nans()
    if price.is_empty():
        return True
    low, high = float(price.min() or 0), float(price.max() or 0)  # type: ignore[arg-type]
    return high - low <= abs(high) / 100


def _layers(rows: pl.DataFrame, lines: pl.DataFrame) -> list[tuple[str, str]]:
    """Colour and name of each layer: the bands of energy, then demand, fixed charges, tax."""
    energy = lines.filter(group=Group.ENERGY)
    names = energy.select("component", "band").unique(maintain_order=True).rows()
    if len(names) > len(ENERGY_COLOURS):
        names = [(name, None) for name in dict.fromkeys(name for name, _ in names)]
    if len(names) > len(ENERGY_COLOURS) or energy["site_id"].n_unique() > 1:
        names = [(str(Group.ENERGY), None)]
    layers = [(colour, _said(*name)) for colour, name in zip(ENERGY_COLOURS, names, strict=False)]
    here = set(rows["group"])
    return layers + [(colour, NAMES[group]) for group, colour in COLOURS.items() if group in here]


def _said(component: str, band: str | None) -> str:
    return f"{component}, {band}" if band else component


def _label(group: str, component: str, band: str | None, layers: list[tuple[str, str]]) -> str:
    names = [text for _, text in layers]
    if group != Group.ENERGY:
        return NAMES[Group(group)]
    for text in (_said(component, band), component):
        if text in names:
            return text
    return names[0]
