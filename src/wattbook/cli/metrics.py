"""Figures of a site and of the network."""

from collections import Counter
from typing import Any

from wattbook.answers import analytics
from wattbook.answers.encode import Answer
from wattbook.cli import ask, show
from wattbook.cli.ask import Document, Question
from wattbook.cli.show import Column, number, percent
from wattbook.core.formatting import BLANK, spoken
from wattbook.core.periods import QUARTER_S, Grain
from wattbook.wiring.runtime import Runtime


def site(
    site_id: str,
    begin: str,
    end: str | None,
    grain: str,
    as_of: str | None,
    form: str,
    url: str | None,
) -> None:
    """A site's figures per bucket and in total."""
    bounds, known = ask.bounds(begin, end), ask.optional("--as-of", as_of)

    async def here(runtime: Runtime) -> Answer:
        return await analytics.of_site(site_id, bounds, Grain(grain), known, runtime)

    query = {"start": begin, "end": end, "grain": grain, "as_of": as_of}
    Question(path=f"/metrics/site/{ask.step(site_id)}", query=query, here=here).show(
        url, form, _site
    )


def network(
    by: str,
    begin: str,
    end: str | None,
    grain: str,
    timezone: str,
    as_of: str | None,
    form: str,
    url: str | None,
) -> None:
    """The network's figures: per bucket, and per zone, operator or site."""
    bounds, known = ask.bounds(begin, end), ask.optional("--as-of", as_of)

    async def here(runtime: Runtime) -> Answer:
        return await analytics.of_network(bounds, Grain(grain), by, timezone, known, runtime)

    query = {
        "start": begin,
        "end": end,
        "grain": grain,
        "by": by,
        "timezone": timezone,
        "as_of": as_of,
    }
    Question(path="/metrics/aggregate", query=query, here=here).show(url, form, _network)


def _site(found: Document) -> None:
    show.notices(found["notices"])
    _buckets(found)
    length = found["total"]["peak_interval_s"]
    if length is not None and length > QUARTER_S:
        words = spoken(length).replace(BLANK, " ")
        show.say(f"peak: a main meter has one value for {words}; no shorter peak is known")
    kinds = Counter(each["kind"] for each in found["register_events"])
    if kinds:
        said = ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common())
        show.say(f"register events: {said} (--json lists them)")


def _network(found: Document) -> None:
    if found["by"] == "none":
        _buckets(found)
        return
    _groups(found)
    if len({row["start"] for row in found["rows"]}) > 1:
        show.say("")
        _by_bucket(found)


def _buckets(found: Document) -> None:
    rows, total = found["rows"], found["total"]
    currency = str(total.get("currency") or "")

    def figures(name: str, digits: int) -> list[str]:
        return [number(row.get(name), digits) for row in rows]

    show.table(
        [
            _starts(found, total="all"),
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
            *_above(rows, total),
            *_of_the_time(rows, total),
            *_power_factor(rows, total),
            Column("inlet", figures("temperature_c_mean", 1), "°C", total="", worth=2),
            _coverage(rows, total),
            Column(
                "quality",
                [str(row["quality"] or show.NOTHING) for row in rows],
                total=str(total["quality"] or show.NOTHING),
                right=False,
                worth=3,
            ),
            Column("cost", figures("cost", 2), currency, number(total.get("cost"), 2), worth=5),
        ]
    )
    if not total["readings"]:
        show.say(f"no readings from {found['start']} to {found['end']}", err=True)


def _above(rows: list[dict[str, Any]], total: dict[str, Any]) -> list[Column]:
    """In which rows more was drawn than the capacity of a site, where that is so in any."""
    if not any(row["above_capacity"] for row in rows):
        return []
    words = {True: "yes", False: "no", None: show.NOTHING}
    values = [words[row["above_capacity"]] for row in rows]
    whole = words[total["above_capacity"]] if total else ""
    return [Column("above capacity", values, total=whole, right=False)]


def _power_factor(rows: list[dict[str, Any]], total: dict[str, Any]) -> list[Column]:
    """Active over apparent energy, where the reactive power of any row is known."""
    factors = [row.get("power_factor") for row in rows]
    if all(each is None for each in factors):
        return []
    whole = number(total.get("power_factor"), 3)
    return [Column("power factor", [number(each, 3) for each in factors], total=whole, worth=4)]


def _of_the_time(rows: list[dict[str, Any]], total: dict[str, Any]) -> list[Column]:
    """For what share of the covered time the efficiency holds, where it is not all of it."""
    share = total["efficiency_time_share"]
    if total["efficiency_j_per_th"] is None or share == 1:
        return []
    shares = [percent(row["efficiency_time_share"]) for row in rows]
    return [Column("of time", shares, "%", percent(share), worth=5)]


def _groups(found: Document) -> None:
    groups: list[dict[str, Any]] = found["groups"]
    whole = found["total"]

    def figures(name: str, digits: int) -> list[str]:
        return [number(group[name], digits) for group in groups]

    sites = [group["sites"] for group in groups]
    show.table(
        [
            Column(found["by"], [_named(group) for group in groups], total="all", right=False),
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
            *_above(groups, whole),
            _coverage(groups, whole),
        ]
    )


def _by_bucket(found: Document) -> None:
    """A line for every bucket and group: the buckets of one group follow each other."""
    rows = found["rows"]
    show.table(
        [
            Column(found["by"], [_named(row) for row in rows], right=False),
            _starts(found),
            *(
                Column(name, [number(row[column], 1) for row in rows], unit)
                for name, column, unit in (
                    ("energy", "energy_kwh", "kWh"),
                    ("mean", "power_kw_mean", "kW"),
                    ("peak", "power_kw_max", "kW"),
                )
            ),
            Column(
                "efficiency",
                [number(row["efficiency_j_per_th"], 2) for row in rows],
                "J/TH",
                worth=6,
            ),
            *_above(rows, {}),
            Column("coverage", [percent(row["coverage"]) for row in rows], "%"),
        ]
    )


def _named(group: dict[str, Any]) -> str:
    return str(group["group"] or show.NOTHING)


def _starts(found: Document, total: str = "") -> Column:
    starts = [row["start"] for row in found["rows"]]
    return Column(
        "start",
        show.starts(starts, found["grain"], found["timezone"]),
        unit=found["timezone"],
        total=total,
        right=False,
    )


def _coverage(rows: list[dict[str, Any]], total: dict[str, Any]) -> Column:
    return Column(
        "coverage", [percent(row["coverage"]) for row in rows], "%", percent(total["coverage"])
    )
