"""The carbon account of a site, an operator, a zone or the network."""

from typing import Any

from wattbook.answers import analytics
from wattbook.answers.encode import Answer
from wattbook.cli import ask, show
from wattbook.cli.ask import Document, Question
from wattbook.cli.show import Column
from wattbook.core.carbon.factors import fallback_name
from wattbook.core.formatting import NOTHING, number, percent
from wattbook.core.periods import Grain
from wattbook.wiring.runtime import Runtime


def account(
    entity_id: str,
    begin: str,
    end: str | None,
    grain: str,
    factor_set: str,
    as_of: str | None,
    form: str,
    url: str | None,
) -> None:
    """Energy, emissions and factors of an entity, per bucket and in total."""
    bounds, known = ask.bounds(begin, end), ask.optional("--as-of", as_of)

    async def here(runtime: Runtime) -> Answer:
        return await analytics.carbon(entity_id, bounds, Grain(grain), factor_set, known, runtime)

    query = {
        "start": begin,
        "end": end,
        "grain": grain,
        "factors": factor_set,
        "as_of": as_of,
    }
    path = f"/analytics/carbon/{ask.step(entity_id)}"
    Question(path=path, query=query, here=here).show(url, form, _print)


def shares(factors: list[dict[str, Any]]) -> str:
    """The rungs that were used, each with its share of the energy."""
    by_level: dict[str, float] = {}
    for row in factors:
        by_level[row["fallback"]] = by_level.get(row["fallback"], 0.0) + (
            row["energy_share"] or 0.0
        )
    said = [f"{fallback_name(name)} ({percent(share)} %)" for name, share in by_level.items()]
    return ", ".join(said) or NOTHING


def _print(found: Document) -> None:
    show.notices(found["notices"])
    total = found["total"]
    show.say(
        f"energy {number(total['energy_kwh'], 1)} kWh   "
        f"emitted {number(total['emitted_kg'], 1)} kg CO2e   factor: {shares(found['factors'])}"
    )
    show.say("")
    rows = found["rows"]

    def figures(name: str, digits: int) -> list[str]:
        return [number(row[name], digits) for row in rows]

    show.table(
        [
            Column(
                "start",
                show.starts([row["start"] for row in rows], found["grain"], found["timezone"]),
                unit=found["timezone"],
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
                [percent(row["coverage"]) for row in rows],
                "%",
                percent(total["coverage"]),
            ),
            Column(
                "factor",
                [
                    NOTHING if row["fallback"] is None else fallback_name(row["fallback"])
                    for row in rows
                ],
                right=False,
                worth=5,
            ),
        ]
    )
    show.say("")
    _sources(found["factors"])


def _sources(used: list[dict[str, Any]]) -> None:
    show.table(
        [
            Column("factor", [fallback_name(row["fallback"]) for row in used], right=False),
            Column("share", [percent(row["energy_share"]) for row in used], "% of energy"),
            Column("mean", [number(row["g_per_kwh"], 1) for row in used], "g/kWh"),
            Column("source", [row["source"] or NOTHING for row in used], right=False, folds=True),
        ]
    )
