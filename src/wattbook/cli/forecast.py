"""Forecasts: a table with its chart, a picture, and how the models fared on the past."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl

from wattbook.answers import forecast as documents
from wattbook.cli import ask, jobs, local, show
from wattbook.cli.ask import TABLE, Document
from wattbook.cli.show import NOTHING, Column, number, percent
from wattbook.core import frames
from wattbook.core.charts.forecast import About, outlook
from wattbook.core.errors import InputError, Problem, UnavailableError
from wattbook.core.forecast.history import Quantity
from wattbook.core.formatting import unit_of
from wattbook.core.jobs import JobKind, error_of
from wattbook.core.periods import Grain
from wattbook.flows import forecast as flow
from wattbook.jobs.forecasts import Forecast
from wattbook.ports.forecasts import ForecastSpec
from wattbook.schemas.problems import failure_from
from wattbook.sinks.documents import render_png
from wattbook.wiring.runtime import Runtime

BAR: Final = 28
"""Letters of a row's chart."""
HOURS_SHOWN: Final = timedelta(days=3)
"""A table of so long is by hours unless another grain is asked for; a longer one by days."""
BEFORE: Final = 2
"""A picture shows at most so many times the horizon of what was before."""
PICTURES: Final = (".svg", ".png")
LONGEST: Final = 10_000
"""Days, beyond any FORECAST_DAYS: the service knows its own limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the command line asks for."""

    entity: str
    horizon: str
    grain: Grain
    model: str
    quantity: Quantity
    fresh: bool
    reach: timedelta

    @property
    def params(self) -> Forecast:
        """The same as a job takes it."""
        return Forecast.model_validate(
            {
                "entity_id": self.entity,
                "quantity": self.quantity,
                "grain": self.grain,
                "model": self.model,
            }
        )


def run(
    entity: str,
    horizon: str,
    grain: str | None,
    model: str,
    plot: Path | None,
    form: str,
    url: str | None,
    *,
    hashrate: bool,
    fresh: bool,
) -> None:
    """Show the newest forecast of an entity; make it where there is none that is new enough."""
    if plot is not None and plot.suffix.lower() not in PICTURES:
        detail = f"--plot: unsupported image format {plot.name!r}; use {' or '.join(PICTURES)}"
        raise InputError(detail, [Problem("bad_option", detail, field="plot")])
    reach = flow.horizon_of(horizon, LONGEST)
    wish = Wish(
        entity=entity,
        horizon=horizon,
        grain=Grain(grain or ("hour" if reach <= HOURS_SHOWN else "day")),
        model=model,
        quantity=Quantity.HASHRATE if hashrate else Quantity.LOAD,
        fresh=fresh,
        reach=reach,
    )
    found = _here(wish) if url is None else _there(wish, url)
    if plot is not None:
        _draw(found, _history(found, wish, url), plot)
    if form == TABLE:
        _print(found)
    elif form == "csv":
        show.csv(found["rows"])
    else:
        show.json(found)


def _here(wish: Wish) -> Document:
    """The forecast of the stores here: the newest, or one that is made now."""

    async def look(runtime: Runtime) -> tuple[Forecast, str | None]:
        days = runtime.settings.forecast_days
        flow.horizon_of(wish.horizon, days)  # refuses what is too long
        asked = await flow.with_full_name(wish.params.series, ports=runtime)
        max_age = timedelta(hours=runtime.settings.model_retrain_interval)
        found = await flow.find_stored(
            asked, max_age, forecasts=runtime.forecasts, clock=runtime.clock
        )
        if found is None or wish.fresh:
            # An error is shown at once, and not by a job.
            await flow.check(asked, timedelta(days=days), ports=runtime)
            found = None
        return Forecast.from_series(asked), None if found is None else found.run_id

    told, run_id = local.run(look)
    if run_id is None:
        run_id = _ended(jobs.run_here(JobKind.FORECAST, told.model_dump(mode="json")))

    async def answer(runtime: Runtime) -> bytes:
        made = await runtime.forecasts.run(str(run_id))
        by = documents.hashrate if wish.quantity is Quantity.HASHRATE else documents.load
        return (await by(made, wish.reach, runtime)).json()

    document: Document = orjson.loads(local.run(answer))
    return document


def _there(wish: Wish, url: str) -> Document:
    """The forecast of a service, which makes it where none is new enough."""
    query = {
        "entity_id": wish.entity,
        "grain": wish.grain,
        "model": wish.model,
        "horizon": wish.horizon,
    }
    if wish.fresh:
        job = jobs.submit(url, JobKind.FORECAST, wish.params.model_dump(mode="json"), 0)
        _ended(jobs.watch(url, job["job_id"]))
    found: Document = ask.get(url, f"/forecast/{wish.quantity}", query)
    if "rows" not in found:  # a job makes it
        _ended(jobs.watch(url, found["job_id"]))
        found = ask.get(url, f"/forecast/{wish.quantity}", query)
    return found


def _ended(job: Document) -> str:
    """The run that a job made."""
    if job["state"] != "succeeded":
        raise error_of(job["job_id"], job["state"], failure_from(job))
    return str(job["result"]["run_id"])


def backtest(entity: str | None, grain: str, model: str, url: str | None) -> None:
    """Forecast again and show how each model fared on the past of each series."""
    told: dict[str, Any] = {"grain": grain, "model": model}
    if entity is not None:
        is_network = entity.startswith(f"{flow.NETWORK}:")
        told["entity_id"] = entity
        told["quantity"] = str(Quantity.HASHRATE if is_network else Quantity.LOAD)
        if url is None:
            told |= local.run(lambda runtime: _checked(entity, told, runtime))
    job = jobs.run_to_end(JobKind.RETRAIN, told, url)
    if job["state"] != "succeeded":
        raise error_of(job["job_id"], job["state"], failure_from(job))
    ids = [job["job_id"]]
    if job["children"]:
        children = jobs.list_all(url, None, None, job["job_id"], 1000)["jobs"]
        ids = [child["job_id"] for child in children]
    runs = [_run(run_id, url) for run_id in ids]
    for each in sorted(runs, key=lambda run: (str(run["entity_id"]), run["grain"], run["model"])):
        _leaderboard(each)


async def _checked(entity: str, told: Document, runtime: Runtime) -> Document:
    asked = ForecastSpec(
        entity_id=entity, grain=Grain(told["grain"]), quantity=Quantity(told["quantity"])
    )
    days = timedelta(days=runtime.settings.forecast_days)
    checked = await flow.check(asked, days, ports=runtime)
    return {"entity_id": checked.entity_id, "quantity": str(checked.quantity)}


def _run(run_id: str, url: str | None) -> Document:
    """A run without its rows."""
    if url is not None:
        found: Document = ask.get(url, f"/forecast/runs/{ask.step(run_id)}")
        return found

    async def here(runtime: Runtime) -> Document:
        return documents.document_of(await runtime.forecasts.run(run_id))

    return local.run(here)


def _history(found: Document, wish: Wish, url: str | None) -> Document:
    """What was known before the forecast, and the capacity, for the picture."""
    since = datetime.fromisoformat(found["origin"]) - BEFORE * wish.reach
    if url is not None:
        query = {"since": since.isoformat(), "quantity": wish.quantity}
        path = f"/forecast/runs/{ask.step(found['run_id'])}/history"
        told: Document = ask.get(url, path, query)
        return told

    async def here(runtime: Runtime) -> bytes:
        run_id = found["run_id"]
        return (await documents.history(run_id, wish.quantity, since, runtime)).json()

    known: Document = orjson.loads(local.run(here))
    return known


def _draw(found: Document, history: Document, path: Path) -> None:
    rows = found["rows"]
    first = rows[0]["start"]
    before = [row for row in history["rows"] if row["start"] < first]
    column = _column(found)
    capacity = history["capacity"]
    figures = [*(row["value"] for row in before), *(row["mean"] for row in rows), capacity]
    unit = unit_of(column, figures)
    kind, _, name = str(found["entity_id"]).partition(":")
    what = "Hash rate" if column == "hashrate_th" else "Load"
    about = About(
        title=f"{what} of {kind} {name}, by the {found['grain']}",
        origin=datetime.fromisoformat(found["origin"]),
        made=datetime.fromisoformat(found["known_utc"]),
        now=datetime.now(UTC),
        model=f"basis: {_basis(found)}",
        capacity=capacity,
    )
    chart = outlook(
        _frame(before, ["value"]),
        _frame(rows, list(rows[0])[1:]),
        Grain(found["grain"]),
        found["timezone"],
        unit,
        about,
    )
    content = render_png(chart.svg) if path.suffix.lower() == ".png" else chart.svg.encode()
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from error
    show.say(str(path), err=True)


def _frame(rows: list[Document], columns: list[str]) -> pl.DataFrame:
    figures = {name: pl.Series([row[name] for row in rows], dtype=pl.Float64) for name in columns}
    starts = [datetime.fromisoformat(row["start"]) for row in rows]
    return pl.DataFrame({"start_utc": pl.Series(starts, dtype=frames.UTC), **figures})


def _column(found: Document) -> str:
    return "hashrate_th" if found["unit"] == Quantity.HASHRATE.unit else "power_kw"


def _basis(run: Document) -> str:
    """The basis, with the model where it says more."""
    basis, model = str(run["basis"]), str(run["model"])
    return basis if basis == model else f"{basis} ({model})"


def _print(found: Document) -> None:
    rows = found["rows"]
    levels = [name for name in rows[0] if name not in ("start", "mean")]
    unit = unit_of(_column(found), [row[name] for row in rows for name in ("mean", levels[-1])])
    show.say(
        f"{found['entity_id']} {found['quantity']}   basis: {_basis(found)}   known until"
        f" {_minute(found['origin'])} UTC   made {_minute(found['known_utc'])} UTC"
    )
    if found["reason"] is not None:
        show.say(found["reason"])
    show.say("")
    held = ", ".join(
        f"{each['band']}: {percent(each['measured'])} of {percent(each['nominal'])} %"
        for each in found["coverage"]
    )
    starts = show.starts([row["start"] for row in rows], found["grain"], found["timezone"])
    show.table(
        [
            Column("start", starts, unit=found["timezone"], right=False),
            Column("mean", [unit.write(row["mean"]) for row in rows], unit.name),
            *(Column(name, [unit.write(row[name]) for row in rows], unit.name) for name in levels),
            Column(f"{levels[0]} to {levels[-1]}", _bars(rows, levels), right=False, worth=5),
        ]
    )
    show.say("")
    show.say(f"Observed coverage of {levels[0]} to {levels[-1]}, by lead time: {held or NOTHING}")


MINUTE: Final = len("2026-01-01T00:00")


def _minute(instant: str) -> str:
    return instant[:MINUTE].replace("T", " ")


def _bars(rows: list[Document], levels: list[str]) -> list[str]:
    """Where the outer quantiles and the mean of each row lie between the least and the most.

    Of quantiles that are not known the mean alone is shown.
    """
    outer = [(row["mean"], row[levels[0]], row[levels[-1]]) for row in rows]
    known = [value for row in outer for value in row if value is not None]
    least, most = min(known, default=0.0), max(known, default=1.0)
    extent = (most - least) or 1.0

    def place(value: float) -> int:
        return int((value - least) / extent * (BAR - 1) + 1 / 2)

    bars = []
    for mean, begin, end in outer:
        cells = [" "] * BAR
        if begin is not None and end is not None:
            cells[place(begin) : place(end) + 1] = "─" * (place(end) - place(begin) + 1)
        if mean is not None:
            cells[min(max(place(mean), 0), BAR - 1)] = "●"
        bars.append("".join(cells))
    return bars


def _leaderboard(run: Document) -> None:
    board = run["leaderboard"]
    title = f"{run['entity_id']} {run['quantity']} by {run['grain']}: {_basis(run)}"

    def figures(name: str, digits: int) -> list[str]:
        return [number(row[name], digits) for row in board]

    show.say(title)
    if run["reason"] is not None:
        show.say(run["reason"])
    show.table(
        [
            Column("model", [row["model"] for row in board], right=False),
            Column("lead", [row["band"] for row in board], right=False),
            Column("MASE", figures("mase", 3)),
            Column("rMAE", figures("rmae", 3)),
            Column("pinball", figures("pinball", 2), run["unit"]),
            Column("held", [percent(row["coverage"]) for row in board], "%"),
            Column("width", figures("width", 1), run["unit"]),
            Column("origins", figures("origins", 0), worth=5),
        ]
    )
    show.say("")
