"""The words in which a caller brings a series of its own to be forecast."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final

import polars as pl
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from wattbook.core import frames
from wattbook.core.errors import InputError, Problem
from wattbook.core.forecast.history import Quantity
from wattbook.core.forecast.scenario import Addition, Curtailment, Scenario
from wattbook.core.forecast.task import QUANTILES, ForecastTask, ModelName, column
from wattbook.core.periods import EPOCH, MAX_ROWS, Grain, Period
from wattbook.flows.forecast import CustomSeries, horizon_of, number
from wattbook.schemas.fields import Instant, Number

GRAINS: Final = ("15min", "hour", "day")
MAX_QUANTILES: Final = 21
LOWEST, HIGHEST = 0.001, 0.999
"""Of quantiles: beyond there are no errors of the past to tell it by."""
MAX_VALUE: Final = 1e100
"""Of figures: sums of their squares are still numbers."""
Value = Annotated[Number, Field(ge=-MAX_VALUE, le=MAX_VALUE)]
Known = Annotated[float, Field(ge=-MAX_VALUE, le=MAX_VALUE)]
OWN_COLUMNS: Final = ("start_utc", "known_utc", "known_us", "step")
"""So no covariate can be called."""


def split(value: object) -> object:
    """Words between commas, as a query or a command line gives them, are a list."""
    return value.split(",") if isinstance(value, str) else value


def _ascending(value: object) -> object:
    """Quantiles in the order in which they are told."""
    value = split(value)
    if not isinstance(value, list | tuple):
        return value
    try:
        return sorted(value, key=float)
    except (TypeError, ValueError):
        return value


def _whole_steps(grain: Grain) -> Grain:
    if grain not in GRAINS:
        said = f"must be one of {', '.join(GRAINS)}, not {grain}"
        raise PydanticCustomError("bad_grain", "{said}", {"said": said})
    return grain


def _told_apart(levels: tuple[float, ...]) -> tuple[float, ...]:
    if len({column(level) for level in levels}) < len(levels):
        raise PydanticCustomError("bad_quantile", "each only once, to four digits")
    return levels


def _in_words(value: object) -> object:
    """A number as it would be written."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Quantiles = Annotated[
    tuple[Annotated[float, Field(ge=LOWEST, le=HIGHEST)], ...],
    BeforeValidator(_ascending),
    AfterValidator(_told_apart),
    Field(
        min_length=1,
        max_length=MAX_QUANTILES,
        description=f"each from {LOWEST} to {HIGHEST}",
    ),
]
Horizon = Annotated[
    str,
    BeforeValidator(_in_words),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
]
GrainName = Annotated[
    Grain,
    AfterValidator(_whole_steps),
    Field(description="15min, hour or day", json_schema_extra={"enum": list(GRAINS)}),
]
Seed = Annotated[int, Field(ge=0, lt=1 << 31, description="the same seed, the same figures")]


class Words(BaseModel):
    """A part of what is asked; a name that nobody knows is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Point(Words):
    """One row of a series."""

    timestamp: Instant = Field(description="start of the step, ISO 8601 with offset")
    value: Value | None = Field(description="null is a gap")


class Covariate(BaseModel):
    """What else is known of a step: any columns of numbers."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Known | None]

    timestamp: Instant = Field(description="start of the step")
    known: Instant | None = Field(
        None, description="when it was known; all along when left out, as of a calendar"
    )


class CurtailmentIn(Words):
    """A span in which less is drawn."""

    start: Instant
    end: Instant
    left: Annotated[float, Field(ge=0, le=1)] = Field(
        description="share of the figure that is left"
    )


class AdditionIn(Words):
    """More, or less, from an instant on."""

    start: Instant
    value: Value = Field(description="in the unit of the series")


class PriceIn(Words):
    """A price that is foreseen."""

    timestamp: Instant
    price_per_mwh: Value


def _each_once(prices: tuple[PriceIn, ...]) -> tuple[PriceIn, ...]:
    for at, count in Counter(each.timestamp for each in prices).items():
        if count > 1:
            raise ValueError(f"{at.isoformat()} is given {count} times")
    return prices


class ScenarioIn(Words):
    """Conditions under which the forecast is to hold."""

    prices: Annotated[tuple[PriceIn, ...], AfterValidator(_each_once)] = ()
    curtailments: tuple[CurtailmentIn, ...] = ()
    additions: tuple[AdditionIn, ...] = ()


class CustomForecastRequest(Words):
    """A series, in one of three forms, and what is asked of it."""

    series: Annotated[tuple[Point, ...], Field(min_length=1, max_length=MAX_ROWS)] | None = Field(
        None, description="the rows; gaps are null or left out"
    )
    csv: str | None = Field(None, description="the same with the columns timestamp and value")
    meters: Annotated[tuple[str, ...], Field(min_length=1, max_length=1000)] | None = Field(
        None, description="meters whose sum is meant"
    )
    quantity: Quantity = Field(Quantity.LOAD, description="of the meters")
    unit: Annotated[str, Field(max_length=16, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")] = Field(
        "", description="unit of the values, for display"
    )
    horizon: Horizon = Field("7", description="days, or as 24h or 7d; at most FORECAST_DAYS")
    grain: GrainName = Grain.HOUR
    model: ModelName = Field(ModelName.AUTO, description="a model by name, or auto")
    quantiles: Quantiles = QUANTILES
    timezone: str = Field("UTC", description="of days and seasons, an IANA name")
    country: Annotated[str, Field(max_length=16)] | None = Field(
        None, description="whose holidays count, as US or DE-BY"
    )
    covariates: tuple[Covariate, ...] = ()
    scenario: ScenarioIn | None = None
    seed: Seed = 0
    minimum: Value | None = Field(
        None, description="no figure is below it; left out: 0 where no row of the series is below 0"
    )
    maximum: Value | None = Field(
        None, description="no figure is above it, before what a scenario adds; as a capacity"
    )

    @model_validator(mode="after")
    def _one_form(self) -> "CustomForecastRequest":
        if sum(each is not None for each in (self.series, self.csv, self.meters)) != 1:
            raise ValueError("bring one of series, csv or meters")
        if len(set(self.meters or ())) < len(self.meters or ()):
            raise ValueError("meters: each only once")
        low, high = self.minimum, self.maximum
        if low is not None and high is not None and low >= high:
            raise ValueError("minimum must be below maximum")
        return self

    def brought(self, longest_days: int) -> CustomSeries:
        """The same as the flow takes it.

        Raises
        ------
        InputError
            What is wrong with the rows or with the horizon.
        """
        ask = ForecastTask(
            horizon=horizon_of(self.horizon, longest_days),
            grain=self.grain,
            timezone=self.timezone,
            country=self.country,
            quantiles=self.quantiles,
            model=self.model,
            seed=self.seed,
            minimum=self.minimum,
            maximum=self.maximum,
        )
        return CustomSeries(
            rows=self._rows(),
            meter_ids=self.meters or (),
            ask=ask,
            quantity=self.quantity,
            unit=self.unit,
            covariates=self._covariates(),
            scenario=None if self.scenario is None else _scenario(self.scenario),
        )

    @contextmanager
    def in_own_words(self) -> Iterator[None]:
        """What is wrong with the series, by the names under which it was brought."""
        try:
            yield
        except InputError as error:
            yet = [self._named(problem) for problem in error.problems]
            places = [(_place(problem), problem.detail) for problem in yet]
            said = "; ".join(f"{place}: {detail}" if place else detail for place, detail in places)
            raise type(error)(said or str(error), yet) from error

    def _named(self, problem: Problem) -> Problem:
        if self.meters is not None and problem.field in OWN_NAMES:
            return replace(problem, field="meters", row=None)
        return replace(problem, field=OWN_NAMES.get(problem.field or "", problem.field))

    def _rows(self) -> pl.DataFrame | None:
        if self.meters is not None:
            return None
        rows = (
            from_csv(self.csv)
            if self.csv is not None
            else [(point.timestamp, point.value) for point in self.series or ()]
        )
        if not rows:
            detail = "there is no row"
            raise InputError(f"csv: {detail}", [Problem("too_short", detail, field="csv")])
        return pl.DataFrame(
            {
                "start_utc": [at for at, _ in rows],
                "value": [row[1] for row in rows],
            },
            schema={"start_utc": frames.UTC, "value": pl.Float64},
        )

    def _covariates(self) -> pl.DataFrame | None:
        if not self.covariates:
            return None
        names = dict.fromkeys(name for each in self.covariates for name in each.__pydantic_extra__)
        if taken := [name for name in OWN_COLUMNS if name in names]:
            detail = f"no covariate can be called {', '.join(taken)}"
            raise InputError(detail, [Problem("bad_column", detail, field="covariates")])
        rows: list[dict[str, Any]] = [
            {
                "start_utc": each.timestamp,
                "known_utc": each.known or EPOCH,
                **each.__pydantic_extra__,
            }
            for each in self.covariates
        ]
        stamps = dict.fromkeys(("start_utc", "known_utc"), frames.UTC)
        return pl.DataFrame(rows, schema={**stamps, **dict.fromkeys(names, pl.Float64)})


def _scenario(supposed: ScenarioIn) -> Scenario:
    prices = pl.DataFrame(
        [(each.timestamp, each.price_per_mwh) for each in supposed.prices],
        schema={"start_utc": frames.UTC, "price_per_mwh": pl.Float64},
        orient="row",
    )
    return Scenario(
        prices=prices if supposed.prices else None,
        curtailments=tuple(
            Curtailment(period=Period(each.start, each.end), left=each.left)
            for each in supposed.curtailments
        ),
        additions=tuple(
            Addition(start=each.start, value=each.value) for each in supposed.additions
        ),
    )


def from_csv(text: str) -> list[tuple[datetime, float | None]]:
    """The rows of a CSV with the columns `timestamp` and `value`; an empty value is a gap.

    Raises
    ------
    InputError
        With a problem for the first rows that cannot be read.
    """
    reader = csv.DictReader(text.removeprefix("\ufeff").splitlines())
    try:
        _check_header(reader.fieldnames or ())
        return _read(reader)
    except csv.Error as error:
        detail = f"line {reader.line_num + 1} cannot be read: {error}"
        raise InputError(f"csv: {detail}", [Problem("bad_csv", detail, field="csv")]) from error


def _check_header(names: Sequence[str]) -> None:
    lacking = [name for name in ("timestamp", "value") if name not in names]
    if lacking:
        problems = [Problem("bad_column", "the CSV lacks it", field=name) for name in lacking]
        raise InputError(f"the CSV lacks the column {', '.join(lacking)}", problems)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        problems = [Problem("bad_column", "the CSV has it twice", field=name) for name in twice]
        raise InputError(f"the CSV has the column {', '.join(twice)} twice", problems)


def _read(reader: "csv.DictReader[str]") -> list[tuple[datetime, float | None]]:
    rows: list[tuple[datetime, float | None]] = []
    problems = []
    for row, cells in enumerate(reader):
        if None in cells:  # as of 1,5 where a comma divides columns
            said = "there are more values than columns"
            problems.append(Problem("bad_csv", said, field="csv", row=row))
            continue
        at, value = (cells["timestamp"] or "").strip(), (cells["value"] or "").strip()
        try:
            stamp = _INSTANT.validate_python(at)
        except ValueError:
            said = f"{at!r} is not an ISO 8601 time with offset"
            problems.append(Problem("bad_timestamp", said, field="timestamp", row=row))
            continue
        try:
            rows.append((stamp, _figure(value) if value else None))
        except ValueError:
            said = f"{value!r} is not a number within ±{MAX_VALUE:g}"
            problems.append(Problem("bad_value", said, field="value", row=row))
    if problems:
        first = problems[0]
        more = f" ({len(problems)} rows cannot be read)" if len(problems) > 1 else ""
        raise InputError(f"{_place(first)}: {first.detail}{more}", problems[:MAX_LISTED])
    return rows


def _figure(text: str) -> float:
    found = number(text)
    if not abs(found) <= MAX_VALUE:
        raise ValueError(text)
    return found


_INSTANT: Final[TypeAdapter[datetime]] = TypeAdapter(Instant)


def _place(problem: Problem) -> str:
    row = None if problem.row is None else f"row {problem.row}"
    return ", ".join(word for word in (row, problem.field) if word)


OWN_NAMES: Final = {
    "start_utc": "timestamp",
    "known_utc": "known",
    "value": "value",
    "start": "timestamp",
    "end": "timestamp",
}
"""What is called so within is called so by callers; `start` and `end` are those of the series."""
MAX_LISTED: Final = 10
