"""The carbon account of a site, an operator or a zone."""

from typing import Any

from wattbook.cli import door, show
from wattbook.cli.metrics import TABLE
from wattbook.cli.show import Column
from wattbook.cli.span import instant, span
from wattbook.core.periods import Grain
from wattbook.core.text import NOTHING, number, percent, rung
from wattbook.flows import carbon as flow
from wattbook.flows import entities
from wattbook.flows.carbon import Account
from wattbook.wiring import Runtime


def account(
    entity_id: str,
    begin: str,
    end: str | None,
    grain: str,
    factor_set: str,
    as_of: str | None,
    form: str,
) -> None:
    """Energy, emissions and factors of an entity, per bucket and in total."""

    async def work(runtime: Runtime) -> Account:
        entity = await entities.find(entity_id, registry=runtime.registry)
        return await flow.account(
            entity_id,
            span(begin, end, entity.timezone, runtime.clock.now()),
            Grain(grain),
            factor_set=factor_set,
            factors=runtime.factors,
            as_of=None if as_of is None else instant(as_of, entity.timezone, "--as-of"),
            registry=runtime.registry,
            readings=runtime.readings,
            rollups=runtime.rollups,
            grid=runtime.grid,
            clock=runtime.clock,
        )

    found = door.run(work)
    if form == TABLE:
        _print(found)
    elif form == "csv":
        show.csv(found.rows)
    else:
        show.json(
            {
                "entity_id": found.entity,
                "method": "location-based",
                "factor_set": found.factor_set,
                "grain": found.grain,
                "timezone": found.timezone,
                "start": found.period.start,
                "end": found.period.end,
                "notices": show.noticed(found.notices),
                "total": found.total,
                "factors": found.factors.to_dicts(),
                "rows": show.outward(found.rows).to_dicts(),
            }
        )


def shares(found: Account) -> str:
    """The rungs that were used, each with its share of the energy."""
    by_rung: dict[str, float] = {}
    for row in found.factors.iter_rows(named=True):
        by_rung[row["fallback"]] = by_rung.get(row["fallback"], 0.0) + (row["energy_share"] or 0.0)
    said = [f"{rung(name)} ({percent(share)} %)" for name, share in by_rung.items()]
    return ", ".join(said) or NOTHING


def _print(found: Account) -> None:
    show.notices(found.notices)
    total = found.total
    show.say(
        f"energy {number(total['energy_kwh'], 1)} kWh   "
        f"emitted {number(total['emitted_kg'], 1)} kg CO2e   factor: {shares(found)}"
    )
    show.say("")
    rows = found.rows

    def figures(name: str, digits: int) -> list[str]:
        return [number(value, digits) for value in rows[name].to_list()]

    show.table(
        [
            Column(
                "start",
                show.starts(rows["start_utc"].to_list(), found.grain, found.timezone),
                unit=found.timezone,
                total="all",
                right=False,
            ),
            Column("energy", figures("energy_kwh", 1), "kWh", number(total["energy_kwh"], 1)),
            Column("emitted", figures("emitted_kg", 1), "kg CO2e", number(total["emitted_kg"], 1)),
            Column(
                "intensity",
                figures("intensity_g_per_kwh", 1),
                "g/kWh",
                number(total["intensity_g_per_kwh"], 1),
            ),
            Column(
                "coverage",
                [percent(value) for value in rows["coverage"].to_list()],
                "%",
                percent(total["coverage"]),
            ),
            Column(
                "factor",
                [NOTHING if name is None else rung(name) for name in rows["fallback"].to_list()],
                right=False,
                worth=5,
            ),
        ]
    )
    show.say("")
    _sources(found.factors.to_dicts())


def _sources(used: list[dict[str, Any]]) -> None:
    show.table(
        [
            Column("factor", [rung(row["fallback"]) for row in used], right=False),
            Column("share", [percent(row["energy_share"]) for row in used], "% of energy"),
            Column("mean", [number(row["g_per_kwh"], 1) for row in used], "g/kWh"),
            Column("source", [row["source"] or NOTHING for row in used], right=False, folds=True),
        ]
    )
