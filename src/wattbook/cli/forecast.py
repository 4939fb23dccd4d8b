"""Forecasts: a table with its chart, a picture, and how the models fared on the past."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from wattbook import duties
from wattbook.cli import door, jobs, show
from wattbook.cli.metrics import TABLE
from wattbook.cli.show import NOTHING, Column, number, percent
from wattbook.core.charts.outlook import outlook
from wattbook.core.errors import InputError, Problem, UnavailableError
from wattbook.core.jobs import JobKind
from wattbook.core.periods import Grain
from wattbook.core.text import unit_of
from wattbook.core.training import Quantity
from wattbook.flows import forecast as flow
from wattbook.ports.forecasts import Asked, Run
from wattbook.wiring import Runtime

BAR: Final = 28
"""Letters of a row's chart."""
HOURS_SHOWN: Final = timedelta(days=3)
"""A table of so long is by hours unless another grain is asked for; a longer one by days."""
BEFORE: Final = 2
"""A picture shows at most so many times the horizon of what was before."""
PICTURES: Final = (".svg", ".png")


@dataclass(frozen=True, slots=True)
class Seen:
    """A run, its rows that are shown, and what was known before them."""

    run: Run
    rows: pl.DataFrame
    history: pl.DataFrame


def run(
    entity: str,
    horizon: str,
    grain: str | None,
    model: str,
    plot: Path | None,
    form: str,
    *,
    hashrate: bool,
    fresh: bool,
) -> None:
    """Show the newest forecast of an entity; make it where there is none that is new enough."""
    if plot is not None and plot.suffix.lower() not in PICTURES:
        detail = (
            f"--plot: {plot.name} is no picture that wattbook draws; want {' or '.join(PICTURES)}"
        )
        raise InputError(detail, [Problem("bad_option", detail, field="plot")])
    quantity = Quantity.HASHRATE if hashrate else Quantity.LOAD

    async def look(runtime: Runtime) -> tuple[duties.Forecast, Run | None, timedelta]:
        reach = flow.horizon_of(horizon, runtime.settings.forecast_days)
        told = duties.Forecast.model_validate(
            {
                "entity_id": entity,
                "quantity": quantity,
                "grain": grain or (Grain.HOUR if reach <= HOURS_SHOWN else Grain.DAY),
                "model": model,
            }
        )
        asked = await flow.named(duties.asked(told), ports=runtime)
        max_age = timedelta(hours=runtime.settings.model_retrain_interval)
        found = await flow.stored(asked, max_age, forecasts=runtime.forecasts, clock=runtime.clock)
        if found is None or fresh:
            days = timedelta(days=runtime.settings.forecast_days)
            await flow.check(asked, days, ports=runtime)  # told at once, and not by a job
            found = None
        return duties.series(duties.Forecast, asked), found, reach

    told, found, reach = door.run(look)
    run_id = found.run_id if found is not None else _made(told)
    seen = door.run(lambda runtime: _seen(run_id, reach, quantity, runtime))
    if plot is not None:
        door.run(lambda runtime: _draw(seen, plot, runtime))
    if form == TABLE:
        _print(seen, quantity)
    elif form == "csv":
        show.csv(seen.rows)
    else:
        show.json(_document(seen, quantity))


def backtest(entity: str | None, grain: str, model: str) -> None:
    """Forecast anew and show how each model fared on the past of each series."""
    told: dict[str, Any] = {"grain": grain, "model": model}
    if entity is not None:

        async def look(runtime: Runtime) -> str:
            quantity = Quantity.HASHRATE if entity.startswith(f"{flow.NETWORK}:") else Quantity.LOAD
            asked = Asked(entity_id=entity, grain=Grain(grain), quantity=quantity)
            days = timedelta(days=runtime.settings.forecast_days)
            checked = await flow.check(asked, days, ports=runtime)
            told["quantity"] = str(checked.quantity)
            return str(checked.entity_id)

        told["entity_id"] = door.run(look)
    job = jobs.run_here(JobKind.RETRAIN, told)
    if job["state"] != "succeeded":
        raise flow.failure(job["job_id"], job["state"], job["error"])

    async def made(runtime: Runtime) -> list[Run]:
        ids = [job["job_id"]]
        if job["children"]:
            children = await runtime.jobs.jobs(parent_id=job["job_id"], limit=1000)
            ids = [child.job_id for child in children.jobs]
        found = [await runtime.forecasts.run(run_id) for run_id in ids]
        return sorted(found, key=lambda each: str(each.asked))

    for each in door.run(made):
        _leaderboard(each)


def _made(told: duties.Forecast) -> str:
    """The run that a job makes here and now."""
    job = jobs.run_here(JobKind.FORECAST, told.model_dump(mode="json"))
    if job["state"] != "succeeded":
        raise flow.failure(job["job_id"], job["state"], job["error"])
    return str(job["result"]["run_id"])


async def _seen(run_id: str, reach: timedelta, quantity: Quantity, runtime: Runtime) -> Seen:
    found = await runtime.forecasts.run(run_id)
    rows = flow.ahead(found, reach, runtime.clock.now())
    of = await flow.subject(str(found.asked.entity_id), quantity, ports=runtime)
    history = await flow.history(of, found.asked.grain, ports=runtime)
    since = found.period.start - BEFORE * reach
    start = pl.col("start_utc")
    before = history.filter(start >= since, start < rows["start_utc"][0])
    if quantity is Quantity.HASHRATE:
        made = await flow.hashing(found, rows, ports=runtime)
        found = replace(found, unit=quantity.unit)
        if made.scale is not None:
            before = before.with_columns(pl.col("value") * made.scale)
        rows = made.rows
    return Seen(found, rows, before)


async def _draw(seen: Seen, path: Path, runtime: Runtime) -> None:
    run = seen.run
    column = "hashrate_th" if run.unit == Quantity.HASHRATE.unit else "power_kw"
    unit = unit_of(column, [*seen.history["value"], *seen.rows[seen.rows.columns[-1]]])
    chart = outlook(seen.history, seen.rows, run.asked.grain, run.timezone, unit)
    content = chart.svg.encode()
    if path.suffix.lower() == ".png":
        content = await asyncio.to_thread(runtime.picture, chart.svg)
    try:
        await asyncio.to_thread(path.write_bytes, content)
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from error
    show.say(str(path), err=True)


def _print(seen: Seen, quantity: Quantity) -> None:
    run, rows = seen.run, seen.rows
    column = "hashrate_th" if quantity is Quantity.HASHRATE else "power_kw"
    levels = rows.columns[2:]
    unit = unit_of(column, rows[levels[-1]])
    show.say(
        f"{run.asked.entity_id} {quantity}   basis: {_basis(run)}   known until"
        f" {run.period.start:%Y-%m-%d %H:%M} UTC   made {run.known_utc:%Y-%m-%d %H:%M} UTC"
    )
    if run.reason is not None:
        show.say(run.reason)
    show.say("")
    held = ", ".join(
        f"{each['band']}: {percent(each['measured'])} of {percent(each['nominal'])} %"
        for each in run.coverage
    )
    starts = show.starts(rows["start_utc"].to_list(), run.asked.grain, run.timezone)
    show.table(
        [
            Column("start", starts, unit=run.timezone, right=False),
            Column("mean", [unit.write(value) for value in rows["mean"]], unit.name),
            *(
                Column(name, [unit.write(each) for each in rows[name]], unit.name)
                for name in levels
            ),
            Column(f"{levels[0]} to {levels[-1]}", _bars(rows, levels), right=False, worth=5),
        ]
    )
    show.say("")
    show.say(f"The outer quantiles held of late, by lead time: {held or NOTHING}")


def _basis(run: Run) -> str:
    """What it rests on, with the model where that is another word."""
    return str(run.basis) if run.basis == str(run.model) else f"{run.basis} ({run.model})"


def _bars(rows: pl.DataFrame, levels: list[str]) -> list[str]:
    """Where the outer quantiles and the mean of each row lie between the least and the most.

    Of quantiles that are not known the mean alone is shown.
    """
    outer = rows.select("mean", low=levels[0], high=levels[-1])
    known = [value for row in outer.rows() for value in row if value is not None]
    least, most = min(known, default=0.0), max(known, default=1.0)
    extent = (most - least) or 1.0

    def place(value: float) -> int:
        return int((value - least) / extent * (BAR - 1) + 1 / 2)

    bars = []
    for mean, begin, end in outer.rows():
        cells = [" "] * BAR
        if begin is not None and end is not None:
            cells[place(begin) : place(end) + 1] = "─" * (place(end) - place(begin) + 1)
        if mean is not None:
            cells[min(max(place(mean), 0), BAR - 1)] = "●"
        bars.append("".join(cells))
    return bars


def _leaderboard(run: Run) -> None:
    board = run.leaderboard
    asked = run.asked
    title = f"{asked.entity_id} {asked.quantity} by {asked.grain}: {_basis(run)}"

    def figures(name: str, digits: int) -> list[str]:
        return [number(row[name], digits) for row in board]

    show.say(title)
    if run.reason is not None:
        show.say(run.reason)
    show.table(
        [
            Column("model", [row["model"] for row in board], right=False),
            Column("lead", [row["band"] for row in board], right=False),
            Column("MASE", figures("mase", 3)),
            Column("rMAE", figures("rmae", 3)),
            Column("pinball", figures("pinball", 2), run.unit),
            Column("held", [percent(row["coverage"]) for row in board], "%"),
            Column("width", figures("width", 1), run.unit),
            Column("origins", figures("origins", 0), worth=5),
        ]
    )
    show.say("")


def _document(seen: Seen, quantity: Quantity) -> dict[str, Any]:
    run = seen.run
    return {
        "run_id": run.run_id,
        "entity_id": run.asked.entity_id,
        "quantity": quantity,
        "unit": run.unit,
        "grain": run.asked.grain,
        "timezone": run.timezone,
        "basis": run.basis,
        "reason": run.reason,
        "model": run.model,
        "origin": run.period.start,
        "known_utc": run.known_utc,
        "leaderboard": list(run.leaderboard),
        "coverage": list(run.coverage),
        "rows": show.outward(seen.rows).to_dicts(),
    }
