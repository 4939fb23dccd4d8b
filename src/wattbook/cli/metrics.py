"""Figures of a site and of the network."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from wattbook.cli import door, show
from wattbook.cli.show import Column, number, percent
from wattbook.cli.span import instant, span
from wattbook.core.errors import InputError, Problem
from wattbook.core.periods import Grain
from wattbook.flows import entities
from wattbook.flows import metrics as flow
from wattbook.wiring import Runtime

TABLE: Final = "table"


def form(*, as_json: bool, as_csv: bool) -> str:
    """`table`, `json` or `csv`."""
    if as_json and as_csv:
        detail = "--json or --csv, not both"
        raise InputError(detail, [Problem("bad_option", detail, field="csv")])
    return "json" if as_json else "csv" if as_csv else TABLE


def site(
    site_id: str, begin: str, end: str | None, grain: str, as_of: str | None, form: str
) -> None:
    """A site's figures per bucket and in total."""

    async def work(runtime: Runtime) -> flow.Series:
        found = await entities.find(f"site:{site_id}", registry=runtime.registry)
        return await flow.of_site(
            site_id,
            span(begin, end, found.timezone, runtime.clock.now()),
            Grain(grain),
            as_of=None if as_of is None else instant(as_of, found.timezone, "--as-of"),
            registry=runtime.registry,
            readings=runtime.readings,
            rollups=runtime.rollups,
            grid=runtime.grid,
            calendar=runtime.calendar,
            clock=runtime.clock,
        )

    found = door.run(work)
    if form == "csv":
        show.csv(found.rows)
    elif form == "json":
        show.json(
            {
                "site_id": site_id,
                **about(found),
                "notices": show.noticed(found.notices),
                "total": _outward(found.total),
                "meters": show.outward(found.meters).to_dicts(),
                "register_events": show.outward(found.events).to_dicts(),
                "rows": show.outward(found.rows).to_dicts(),
            }
        )
    else:
        show.notices(found.notices)
        _table(found)
        if found.events.height:
            kinds = found.events["kind"].value_counts(sort=True).iter_rows()
            said = ", ".join(f"{count} × {kind}" for kind, count in kinds)
            show.say(f"the registers showed: {said} (--json lists them)")


def network(
    by: str,
    begin: str,
    end: str | None,
    grain: str,
    timezone: str,
    as_of: str | None,
    form: str,
) -> None:
    """The network's figures: per bucket, or per zone or operator."""

    async def work(runtime: Runtime) -> flow.Network:
        return await flow.aggregate(
            span(begin, end, timezone, runtime.clock.now()),
            Grain(grain),
            by=by,
            timezone=timezone,
            as_of=None if as_of is None else instant(as_of, timezone, "--as-of"),
            registry=runtime.registry,
            readings=runtime.readings,
            rollups=runtime.rollups,
            clock=runtime.clock,
        )

    found = door.run(work)
    if form == "csv":
        show.csv(found.series.rows)
    elif form == "json":
        show.json(
            {
                "by": by,
                **about(found.series),
                "total": _outward(found.series.total),
                "groups": [_outward(total) for total in found.totals],
                "rows": show.outward(found.series.rows).to_dicts(),
            }
        )
    elif by == "none":
        _table(found.series)
    else:
        _groups(by, found)


def about(found: flow.Series) -> dict[str, Any]:
    """What the figures cover."""
    return {
        "grain": found.grain,
        "timezone": found.timezone,
        "start": found.period.start,
        "end": found.period.end,
    }


def _outward(total: Mapping[str, object]) -> dict[str, object]:
    return {name.removesuffix("_utc"): value for name, value in total.items()}


def _table(found: flow.Series) -> None:
    rows, total = found.rows, found.total
    currency = str(total.get("currency") or "")

    def figures(name: str, digits: int) -> list[str]:
        return [number(value, digits) for value in _values(rows, name)]

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
            Column("mean", figures("power_kw_mean", 1), "kW", number(total["power_kw_mean"], 1)),
            Column("peak", figures("power_kw_max", 1), "kW", number(total["power_kw_max"], 1)),
            Column(
                "hash rate",
                figures("hashrate_th_mean", 0),
                "TH/s",
                number(total["hashrate_th_mean"], 0),
                worth=4,
            ),
            Column(
                "efficiency",
                figures("efficiency_j_per_th", 2),
                "J/TH",
                number(total["efficiency_j_per_th"], 2),
                worth=6,
            ),
            *_of_the_time(rows, total),
            Column("inlet", figures("temperature_c_mean", 1), "°C", total="", worth=2),
            Column(
                "coverage",
                [percent(value) for value in _values(rows, "coverage")],
                "%",
                percent(total["coverage"]),
            ),
            Column(
                "quality",
                [str(value or show.NOTHING) for value in _values(rows, "quality")],
                total=str(total["quality"] or show.NOTHING),
                right=False,
                worth=3,
            ),
            Column("cost", figures("cost", 2), currency, number(total.get("cost"), 2), worth=5),
        ]
    )


def _of_the_time(rows: pl.DataFrame, total: Mapping[str, Any]) -> list[Column]:
    """For what share of the covered time the efficiency holds, where it is not all of it."""
    share = total["efficiency_time_share"]
    if total["efficiency_j_per_th"] is None or share == 1:
        return []
    shares = [percent(value) for value in _values(rows, "efficiency_time_share")]
    return [Column("of time", shares, "%", percent(share), worth=5)]


def _values(rows: pl.DataFrame, name: str) -> list[Any]:
    return rows[name].to_list() if name in rows.columns else [None] * rows.height


def _groups(by: str, found: flow.Network) -> None:
    groups: list[dict[str, Any]] = [dict(total) for total in found.totals]
    whole = found.series.total

    def figures(name: str, digits: int) -> list[str]:
        return [number(group[name], digits) for group in groups]

    sites = [group["sites"] for group in groups]
    show.table(
        [
            Column(by, [str(group["group"]) for group in groups], total="all", right=False),
            Column("sites", [number(count) for count in sites], total=number(sum(sites))),
            Column("energy", figures("energy_kwh", 1), "kWh", number(whole["energy_kwh"], 1)),
            Column("mean", figures("power_kw_mean", 1), "kW", number(whole["power_kw_mean"], 1)),
            Column("peak", figures("power_kw_max", 1), "kW", number(whole["power_kw_max"], 1)),
            Column(
                "efficiency",
                figures("efficiency_j_per_th", 2),
                "J/TH",
                number(whole["efficiency_j_per_th"], 2),
                worth=6,
            ),
            Column(
                "coverage",
                [percent(group["coverage"]) for group in groups],
                "%",
                percent(whole["coverage"]),
            ),
        ]
    )
