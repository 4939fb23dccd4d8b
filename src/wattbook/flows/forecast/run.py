"""Forecasts of sites, operators, zones and networks, and of series that callers bring."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from wattbook import __version__
from wattbook.core import manifest, periods
from wattbook.core.errors import (
    Problem,
    UnknownEntityError,
    input_error,
)
from wattbook.core.forecast import history
from wattbook.core.forecast import series as judging
from wattbook.core.forecast.task import Donor, ForecastResult, ForecastTask, ModelName
from wattbook.core.periods import Period
from wattbook.flows.forecast.custom import CustomSeries
from wattbook.flows.forecast.request import ask_of
from wattbook.flows.forecast.target import (
    YOUNG,
    Ports,
    Sources,
    Subject,
    donors_of,
    load_history,
    prices_of,
    subject,
)
from wattbook.ports import forecaster
from wattbook.ports.forecasts import ForecastSpec, Run
from wattbook.ports.registry import Registry

STEPS: Final = forecaster.STEPS + 2
"""Those of the models, before them the history that is read, and behind them what is kept."""
Progress = Callable[[int, int], None]
"""Takes steps done, and steps in all."""
"""What a job failed of that is told to the caller as it is."""


class Course:
    """Tells how far a forecast is: its history read, the models' steps, and kept."""

    def __init__(self, tell: Progress | None) -> None:
        self._tell = tell
        self._done = 0

    def step(self) -> None:
        """One more is done."""
        self.reach(self._done + 1)

    def reach(self, done: int) -> None:
        """So many are done, whatever was left out."""
        self._done = done
        if self._tell is not None:
            self._tell(done, STEPS)


async def make(
    run_id: str,
    asked: ForecastSpec,
    horizon: timedelta,
    *,
    ports: Ports,
    progress: Progress | None = None,
) -> Run:
    """Forecast an entity and keep the run; done twice, it is kept once.

    `progress` is told steps, and must not raise.
    """
    assert asked.entity_id is not None
    course = Course(progress)
    of = await subject(asked.entity_id, asked.quantity, ports=ports)
    rows = await load_history(of, asked.grain, ports=ports)
    ask = await ask_of(asked, of, horizon, rows, ports=ports)
    prices = await prices_of(of, rows, ask, ports=ports)
    course.step()

    donors: list[Donor] = []
    if ask.model is ModelName.GLOBAL or rows["start_utc"][-1] - rows["start_utc"][0] < YOUNG:
        donors = await donors_of(of, asked, ports=ports)
    outlook = await ports.forecaster.forecast(
        rows, ask, covariates=prices, donors=donors, step=course.step
    )
    course.reach(STEPS - 1)

    asked = replace(asked, entity_id=of.entity_id, quantity=of.quantity)
    more = [] if prices is None else [manifest.line("covariates", _text(prices))]
    more += [manifest.line("donor", _text(each.history)) for each in donors]
    run = await asyncio.to_thread(_run, run_id, asked, ask, rows, outlook, ports.clock.now(), more)
    run = replace(run, meter_ids=tuple(of.meter_ids))
    await ports.forecasts.keep(run)
    course.reach(STEPS)
    return run


async def learnt_from(brought: CustomSeries, *, ports: Sources) -> pl.DataFrame:
    """The history of a series that a caller brought, if it can be forecast.

    Raises
    ------
    InputError
        With each thing that is wrong with it.
    """
    rows, country = brought.rows, brought.ask.country
    if country is not None and not await asyncio.to_thread(ports.calendar.knows, country):
        raise input_error(
            "unknown_calendar", f"no public holidays of {country!r} are known", "country"
        )
    if rows is None:
        rows = await load_history(
            await _selected(brought, ports.registry), brought.ask.grain, ports=ports
        )
    await asyncio.to_thread(judging.series, rows, brought.ask, covariates=brought.covariates)
    return rows


async def make_custom(
    run_id: str, brought: CustomSeries, *, ports: Ports, progress: Progress | None = None
) -> Run:
    """Forecast a series that a caller brought, and keep the run; done twice, it is kept once."""
    course = Course(progress)
    rows = await learnt_from(brought, ports=ports)
    ask = brought.ask
    course.step()

    outlook = await ports.forecaster.forecast(
        rows, ask, covariates=brought.covariates, scenario=brought.scenario, step=course.step
    )
    course.reach(STEPS - 1)

    asked = ForecastSpec(
        entity_id=None,
        quantity=brought.quantity,
        grain=ask.grain,
        model=ask.model,
        quantiles=ask.quantiles,
        seed=ask.seed,
    )
    more = [
        manifest.line("covariates", _text(brought.covariates)),
        manifest.line("scenario", manifest.call(brought.scenario)),
    ]
    run = await asyncio.to_thread(_run, run_id, asked, ask, rows, outlook, ports.clock.now(), more)
    unit = asked.quantity.unit if brought.meter_ids else brought.unit
    run = replace(run, meter_ids=brought.meter_ids, unit=unit)
    await ports.forecasts.keep(run)
    course.reach(STEPS)
    return run


async def _selected(brought: CustomSeries, registry: Registry) -> Subject:
    meters = (await registry.meters()).filter(pl.col("meter_id").is_in(brought.meter_ids))
    if missing := sorted(set(brought.meter_ids) - set(meters["meter_id"])):
        problems = [
            Problem("unknown_meter", f"no meter {name!r} is registered", field="meters")
            for name in missing
        ]
        raise UnknownEntityError(f"no meter {', '.join(missing)} is registered", problems)
    return Subject(
        entity_id=None,
        quantity=brought.quantity,
        meters=meters,
        timezone=brought.ask.timezone,
    )


def _run(
    run_id: str,
    asked: ForecastSpec,
    ask: ForecastTask,
    rows: pl.DataFrame,
    outlook: ForecastResult,
    now: datetime,
    more: Sequence[str] = (),
) -> Run:
    starts = outlook.rows["start_utc"]
    end = periods.after(starts[-1], ask.grain, ask.timezone)
    settings = [manifest.line("ask", ask), *more]
    return Run(
        run_id=run_id,
        asked=asked,
        timezone=ask.timezone,
        unit=asked.quantity.unit,
        basis=outlook.basis,
        reason=outlook.reason,
        model=outlook.model,
        parameters=outlook.parameters,
        leaderboard=_plain(outlook.leaderboard),
        coverage=_plain(outlook.coverage),
        trained=outlook.trained,
        period=Period(starts[0], end),
        fingerprint=history.fingerprint(rows, settings).sha256,
        version=__version__,
        known_utc=now,
        rows=outlook.rows,
    )


def _plain(table: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows whose numbers JSON can hold: what is not finite is not known."""
    floats = pl.selectors.float()
    return table.with_columns(pl.when(floats.is_finite()).then(floats)).to_dicts()


def _text(table: pl.DataFrame | None) -> str:
    return "" if table is None else table.write_csv()
