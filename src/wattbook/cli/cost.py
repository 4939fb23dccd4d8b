"""The bills of a site, and what it pays by."""

from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from wattbook.answers import analytics
from wattbook.answers import sites as documents
from wattbook.answers.encode import Answer
from wattbook.cli import ask, json_input, local, show
from wattbook.cli.ask import Document, Question
from wattbook.cli.show import NOTHING, Column, number, percent
from wattbook.cli.sites import show_tariffs
from wattbook.core.formatting import BLANK, spoken
from wattbook.core.periods import Grain, zone
from wattbook.core.units import SECONDS_PER_MINUTE
from wattbook.flows import tariffs as paying
from wattbook.wiring.runtime import Runtime

QUANTITY_DIGITS: Final = 1
PRICE_DIGITS: Final = 5
MONTH: Final = len("2026-01")


def account(
    site_id: str,
    begin: str,
    end: str | None,
    grain: str,
    as_of: str | None,
    form: str,
    url: str | None,
    *,
    spread: bool,
) -> None:
    """The bill of every month of the period; or, as JSON and CSV, the rows of the grain too."""
    bounds, known = ask.bounds(begin, end), ask.optional("--as-of", as_of)
    entity_id = f"site:{site_id}"

    async def here(runtime: Runtime) -> Answer:
        return await analytics.cost(entity_id, bounds, Grain(grain), known, runtime, spread=spread)

    query = {"start": begin, "end": end, "grain": grain, "spread": spread, "as_of": as_of}
    Question(path=f"/analytics/cost/{ask.step(entity_id)}", query=query, here=here).show(
        url, form, _print
    )


def _print(found: Document) -> None:
    show.notices(found["notices"])
    for at, bill in enumerate(found["bills"]):
        if at:
            show.say("")
        _bill(bill, found["timezone"])


def _bill(bill: Document, timezone: str) -> None:
    """One bill; money is rounded here and nowhere else."""
    coverage = percent(bill["coverage"])
    missing = "; ".join(each["detail"] for each in bill["missing"])
    state = "complete" if bill["complete"] else "incomplete"
    back = f"   given back {number(bill['export_kwh'], 1)} kWh" if bill["export_kwh"] else ""
    show.say(
        f"{bill['month']}   energy {number(bill['energy_kwh'], 1)} kWh{back}"
        f"   coverage {coverage} %   {state}{f': {missing}' if missing else ''}"
    )
    lines = bill["lines"]
    totals = [number(total["amount"], 2) for total in bill["totals"]]
    show.table(
        [
            Column("component", [_name(line) for line in lines], total="total", right=False),
            Column("from", [line["first"] for line in lines], right=False, worth=4),
            Column("quantity", [number(line["quantity"], QUANTITY_DIGITS) for line in lines]),
            Column("unit", [line["unit"] for line in lines], right=False),
            Column("price", [number(line["price"], PRICE_DIGITS) for line in lines]),
            Column("share", [percent(line["share"]) for line in lines], "%", worth=6),
            Column(
                "amount", [number(line["amount"], 2) for line in lines], total="\n".join(totals)
            ),
            Column(
                "currency",
                [line["currency"] or NOTHING for line in lines],
                total="\n".join(total["currency"] for total in bill["totals"]),
                right=False,
            ),
        ]
    )
    for note in _notes(bill, timezone):
        show.say(note)


def _name(line: Document) -> str:
    name, band = str(line["component"]), line["band"]
    return name if band is None else f"{name}, {band}"


def _notes(bill: Document, timezone: str) -> list[str]:
    """What stands behind the table: demands, what ratchets made of them, and shares of a month."""
    notes = [_measured(line, zone(timezone)) for line in bill["lines"] if line["peaks"]]
    notes += [_reactive(line) for line in bill["lines"] if line["reactive_kvarh"] is not None]
    if any(line["share"] != 1 for line in bill["lines"]):
        notes.append(
            "share: days of the line over all days of its billing month; what is due by the month"
            " is due for that share of it"
        )
    return notes


def _reactive(line: Document) -> str:
    """The reactive energy of a line, before what is free, and the active energy."""
    kvarh, kwh = (number(line[name], 1) for name in ("reactive_kvarh", "reactive_kwh"))
    said = f"{line['component']}: {kvarh} kvarh with {kwh} kWh"
    if line["power_factor"] is not None:
        said += f", a power factor of {number(line['power_factor'], 3)}"
    return said


def _measured(line: Document, where: ZoneInfo) -> str:
    """The demand of a line, when it was, and the floor that a ratchet sets."""
    peaks = line["peaks"]
    each = [f"{number(peak['kw'], QUANTITY_DIGITS)} kW" for peak in peaks]
    when = [f"{datetime.fromisoformat(peak['at']).astimezone(where):%F %H:%M}" for peak in peaks]
    minutes = f"{peaks[0]['minutes']} minutes"
    if len(peaks) == 1:
        said = f"{each[0]} over {minutes} from {when[0]}"
    else:
        mean = sum(peak["kw"] for peak in peaks) / len(peaks)
        listed = ", ".join(f"{kw} at {at}" for kw, at in zip(each, when, strict=True))
        said = f"{number(mean, QUANTITY_DIGITS)} kW, the mean over {minutes} of {listed}"
    if line["floor_month"] is not None:
        raised = "is billed" if line["quantity"] == line["floor_kw"] else "is lower"
        said += (
            f"; the ratchet's floor of {number(line['floor_kw'], QUANTITY_DIGITS)} kW, set in"
            f" {line['floor_month'][:MONTH]}, {raised}"
        )
    length = line["demand_interval_s"]
    if length is not None and length > peaks[0]["minutes"] * SECONDS_PER_MINUTE:
        said += f"; a meter has one value for {spoken(length).replace(BLANK, ' ')}"
    if line["estimated"]:
        said += f"; {_at_most(line)}"
    return f"{line['component']}: {said}"


def _at_most(line: Document) -> str:
    if line["demand_kw_most"] is None:
        return "how high it was is not known"
    most = number(line["demand_kw_most"], QUANTITY_DIGITS)
    return f"it may have been up to {most} kW"


def tariffs(site_id: str, file: Path, url: str | None, *, replace: bool, as_json: bool) -> None:
    """Add the tariffs of a file to a site, or replace its own, and show all that it has."""
    sent = json_input.read(file)
    path = f"/sites/{ask.step(site_id)}/tariffs"

    async def here(runtime: Runtime) -> list[Document]:
        placed = await paying.put(
            site_id,
            json_input.tariffs(sent),
            only=replace,
            registry=runtime.registry,
            calendar=runtime.calendar,
            now=runtime.clock.now(),
        )
        return documents.tariffs_of(placed.site)

    json_input.tariffs(sent)  # refused before anything is opened or sent
    if url is None:
        found = local.run(here)
    else:
        every = sent if isinstance(sent, list) else [sent]
        found = ask.send(url, "PUT" if replace else "POST", path, every)
    show_tariffs(site_id, found, as_json=as_json)
