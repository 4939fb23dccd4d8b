"""The words in which a caller brings a series of its own to be forecast."""

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import polars as pl
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from wattbook.core import frames
from wattbook.core.errors import InputError, Problem
from wattbook.core.forecast.outlook import QUANTILES, Ask, ModelName
from wattbook.core.forecast.scenario import Addition, Curtailment, Scenario
from wattbook.core.periods import EPOCH, MAX_ROWS, Grain, Period
from wattbook.core.training import Quantity
from wattbook.flows.forecast import Brought, horizon_of

GRAINS: Final = ("quarter", "hour", "day")
MOST_QUANTILES: Final = 21
Value = Annotated[float, Field(allow_inf_nan=False)]


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


Quantiles = Annotated[
    tuple[Annotated[float, Field(gt=0, lt=1)], ...],
    BeforeValidator(_ascending),
    Field(min_length=1, max_length=MOST_QUANTILES, description="each between 0 and 1"),
]
GrainName = Annotated[
    Grain,
    Field(description="quarter, hour or day", json_schema_extra={"enum": list(GRAINS)}),
]
Seed = Annotated[int, Field(ge=0, lt=1 << 31, description="the same seed, the same figures")]


class Words(BaseModel):
    """A part of what is asked; a name that nobody knows is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Point(Words):
    """One row of a series."""

    timestamp: AwareDatetime = Field(description="start of the step, ISO 8601 with offset")
    value: Value | None = Field(description="null is a gap")


class Covariate(BaseModel):
    """What else is known of a step: any columns of numbers."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Value | None]

    timestamp: AwareDatetime = Field(description="start of the step")
    known: AwareDatetime | None = Field(
        None, description="when it was known; all along when left out, as of a calendar"
    )


class Curtailed(Words):
    """A span in which less is drawn."""

    start: AwareDatetime
    end: AwareDatetime
    left: Annotated[float, Field(ge=0, le=1)] = Field(
        description="share of the figure that is left"
    )


class Added(Words):
    """More, or less, from an instant on."""

    start: AwareDatetime
    value: Value = Field(description="in the unit of the series")


class Priced(Words):
    """A price that is foreseen."""

    timestamp: AwareDatetime
    price_per_mwh: Value


class Supposed(Words):
    """Conditions under which the forecast is to hold."""

    prices: tuple[Priced, ...] = ()
    curtailments: tuple[Curtailed, ...] = ()
    additions: tuple[Added, ...] = ()


class Custom(Words):
    """A series, in one of three forms, and what is asked of it."""

    series: Annotated[tuple[Point, ...], Field(min_length=1, max_length=MAX_ROWS)] | None = Field(
        None, description="the rows; gaps are null or left out"
    )
    csv: str | None = Field(None, description="the same with the columns timestamp and value")
    meters: Annotated[tuple[str, ...], Field(min_length=1, max_length=1000)] | None = Field(
        None, description="meters whose sum is meant"
    )
    quantity: Quantity = Field(Quantity.LOAD, description="of the meters")
    unit: Annotated[str, Field(max_length=16)] = Field("", description="of the rows, to be told")
    horizon: float | str = Field(7, description="days, or as 24h or 7d; at most FORECAST_DAYS")
    grain: GrainName = Grain.HOUR
    model: ModelName = Field(ModelName.AUTO, description="a model by name, or auto")
    quantiles: Quantiles = QUANTILES
    timezone: str = Field("UTC", description="of days and seasons, an IANA name")
    country: Annotated[str, Field(max_length=16)] | None = Field(
        None, description="whose holidays count, as US or DE-BY"
    )
    covariates: tuple[Covariate, ...] = ()
    scenario: Supposed | None = None
    seed: Seed = 0

    @model_validator(mode="after")
    def _one_form(self) -> "Custom":
        if sum(each is not None for each in (self.series, self.csv, self.meters)) != 1:
            raise ValueError("bring one of series, csv or meters")
        return self

    def brought(self, longest_days: int) -> Brought:
        """The same as the flow takes it.

        Raises
        ------
        InputError
            What is wrong with the rows or with the horizon.
        """
        if self.grain not in GRAINS:
            detail = f"want one of {', '.join(GRAINS)}, not {self.grain}"
            raise InputError(f"grain: {detail}", [Problem("bad_grain", detail, field="grain")])
        ask = Ask(
            horizon=horizon_of(self.horizon, longest_days),
            grain=self.grain,
            timezone=self.timezone,
            country=self.country,
            quantiles=self.quantiles,
            model=self.model,
            seed=self.seed,
        )
        return Brought(
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
                "start_utc": [at.astimezone(UTC) for at, _ in rows],
                "value": [row[1] for row in rows],
            },
            schema={"start_utc": frames.UTC, "value": pl.Float64},
        )

    def _covariates(self) -> pl.DataFrame | None:
        if not self.covariates:
            return None
        names = dict.fromkeys(name for each in self.covariates for name in each.__pydantic_extra__)
        rows: list[dict[str, Any]] = [
            {
                "start_utc": each.timestamp.astimezone(UTC),
                "known_utc": (each.known or EPOCH).astimezone(UTC),
                **each.__pydantic_extra__,
            }
            for each in self.covariates
        ]
        stamps = dict.fromkeys(("start_utc", "known_utc"), frames.UTC)
        return pl.DataFrame(rows, schema={**stamps, **dict.fromkeys(names, pl.Float64)})


def _scenario(supposed: Supposed) -> Scenario:
    prices = pl.DataFrame(
        [(each.timestamp.astimezone(UTC), each.price_per_mwh) for each in supposed.prices],
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
    reader = csv.DictReader(text.splitlines())
    lacking = [name for name in ("timestamp", "value") if name not in (reader.fieldnames or ())]
    if lacking:
        problems = [Problem("bad_column", "the CSV lacks it", field=name) for name in lacking]
        raise InputError(f"the CSV lacks the column {', '.join(lacking)}", problems)
    rows: list[tuple[datetime, float | None]] = []
    problems = []
    for row, cells in enumerate(reader):
        at, value = (cells["timestamp"] or "").strip(), (cells["value"] or "").strip()
        try:
            stamp = datetime.fromisoformat(at).astimezone(UTC) if OFFSET.search(at) else None
        except (ValueError, OverflowError):
            stamp = None
        if stamp is None:
            said = f"{at!r} is no ISO 8601 time with offset"
            problems.append(Problem("bad_timestamp", said, field="timestamp", row=row))
            continue
        try:
            rows.append((stamp, float(value) if value else None))
        except ValueError:
            said = f"{value!r} is no number"
            problems.append(Problem("bad_value", said, field="value", row=row))
    if problems:
        first = problems[0]
        more = f" ({len(problems)} rows cannot be read)" if len(problems) > 1 else ""
        raise InputError(f"csv row {first.row}: {first.detail}{more}", problems[:MOST_TOLD])
    return rows


def _place(problem: Problem) -> str:
    row = None if problem.row is None else f"row {problem.row}"
    return ", ".join(word for word in (row, problem.field) if word)


OWN_NAMES: Final = {"start_utc": "timestamp", "known_utc": "known", "value": "value"}
"""What is called so within is called so by callers."""
OFFSET: Final = re.compile(r"(?:[Zz]|[+-]\d\d:?\d\d)$")
MOST_TOLD: Final = 10
