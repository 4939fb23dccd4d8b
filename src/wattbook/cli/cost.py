"""The bills of a site, and what it pays by."""

import json
from pathlib import Path
from typing import Any, Final

from wattbook.cli import bodies, door, show
from wattbook.cli.metrics import TABLE
from wattbook.cli.show import NOTHING, Column, number, percent
from wattbook.cli.sites import tariff_table
from wattbook.cli.span import instant, span
from wattbook.core.bills import Bill
from wattbook.core.entities import Site
from wattbook.core.errors import Problem, UndecodableError
from wattbook.core.lines import Line, whole
from wattbook.core.periods import Grain
from wattbook.flows import cost as flow
from wattbook.flows import tariffs as paying
from wattbook.flows.cost import Account
from wattbook.wiring import Runtime

QUANTITY_DIGITS: Final = 1
PRICE_DIGITS: Final = 5


def account(
    site_id: str,
    begin: str,
    end: str | None,
    grain: str,
    as_of: str | None,
    form: str,
    *,
    spread: bool,
) -> None:
    """The bill of every month of the period; or, as JSON and CSV, the rows of the grain too."""

    async def work(runtime: Runtime) -> Account:
        timezone = (await runtime.registry.site(site_id)).timezone
        return await flow.account(
            f"site:{site_id}",
            span(begin, end, timezone, runtime.clock.now()),
            Grain(grain),
            spread=spread,
            as_of=None if as_of is None else instant(as_of, timezone, "--as-of"),
            registry=runtime.registry,
            readings=runtime.readings,
            rollups=runtime.rollups,
            grid=runtime.grid,
            calendar=runtime.calendar,
            clock=runtime.clock,
        )

    found = door.run(work)
    if form == TABLE:
        show.notices(found.notices)
        for at, bill in enumerate(found.bills):
            if at:
                show.say("")
            _print(bill)
    elif form == "csv":
        show.csv(found.rows)
    else:
        show.json(
            {
                "entity_id": f"site:{found.site_id}",
                "method": flow.METHOD,
                "grain": found.grain,
                "timezone": found.timezone,
                "start": found.period.start,
                "end": found.period.end,
                "spread": found.spread,
                "energy_kwh": found.energy_kwh,
                "coverage": found.coverage,
                "notices": show.noticed(found.notices),
                "totals": found.totals,
                "bills": [flow.told(bill) for bill in found.bills],
                "rows": show.outward(found.rows).to_dicts(),
            }
        )


def _print(bill: Bill) -> None:
    """One bill; money is rounded here and nowhere else."""
    coverage = percent(bill.month.coverage)
    state = "complete" if bill.complete else f"incomplete: {'; '.join(_unknown(bill))}"
    show.say(
        f"{bill.month.first:%Y-%m}   energy {number(bill.energy_kwh, 1)} kWh"
        f"   coverage {coverage} %   {state}"
    )
    lines = bill.lines
    totals = [f"{number(amount, 2)}" for amount in bill.totals.values()]
    show.table(
        [
            Column("component", [_name(line) for line in lines], total="total", right=False),
            Column("from", [f"{line.first:%F}" for line in lines], right=False, worth=4),
            Column("quantity", [number(line.quantity, QUANTITY_DIGITS) for line in lines]),
            Column("unit", [line.unit for line in lines], right=False),
            Column("price", [number(line.price, PRICE_DIGITS) for line in lines]),
            Column("share", [percent(line.share) for line in lines], "%", worth=6),
            Column("amount", [number(line.amount, 2) for line in lines], total="\n".join(totals)),
            Column(
                "currency",
                [line.currency or NOTHING for line in lines],
                total="\n".join(bill.totals),
                right=False,
            ),
        ]
    )
    for said in _ratchets(bill):
        show.say(said)


def _name(line: Line) -> str:
    return line.component if line.band is None else f"{line.component}, {line.band}"


def _unknown(bill: Bill) -> list[str]:
    """What is not known of a bill, in words."""
    said = [] if whole(bill.month.coverage) else ["energy is missing"]
    unpriced_kwh = max((line.unpriced_kwh for line in bill.lines), default=0.0)
    if unpriced_kwh:
        said.append(f"{number(unpriced_kwh, QUANTITY_DIGITS)} kWh have no price")
    if any(line.amount is None and not line.unpriced_kwh for line in bill.lines):
        said.append("an amount is not known")
    if any(
        line.floor_coverage is not None and not whole(line.floor_coverage) for line in bill.lines
    ):
        said.append("a month that a ratchet looks back at has gaps")
    return said


def _ratchets(bill: Bill) -> list[str]:
    """The demands that a ratchet raised, in words."""
    return [
        f"{line.component}: {number(line.peak_kw, QUANTITY_DIGITS)} kW were measured;"
        f" the ratchet bills for {line.floor_month:%Y-%m}"
        for line in bill.lines
        if line.floor_month is not None and line.quantity == line.floor_kw
    ]


def tariffs(site_id: str, file: Path | None, *, replace: bool, as_json: bool) -> None:
    """What a site pays by, after what the file holds was added."""
    sent = [] if file is None else bodies.tariffs(_read(file))

    async def work(runtime: Runtime) -> Site:
        if file is None:
            return await runtime.registry.site(site_id)
        placed = await paying.put(
            site_id,
            sent,
            only=replace,
            registry=runtime.registry,
            calendar=runtime.calendar,
            now=runtime.clock.now(),
        )
        return placed.site

    found = door.run(work).tariffs
    if as_json:
        show.json([bodies.of_tariff(each) for each in found])
    elif not found:
        show.say(f"{site_id} has no tariff: it pays the price of its zone")
    else:
        tariff_table(found)


def _read(file: Path) -> Any:  # noqa: ANN401 -- whatever JSON can hold
    try:
        return json.loads(file.read_text("utf-8"))
    except (ValueError, OSError) as error:
        detail = f"{file} is not JSON: {error}"
        raise UndecodableError(detail, [Problem("bad_file", detail)]) from error
