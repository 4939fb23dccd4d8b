"""What if: a price that is foreseen, a curtailment that is agreed, racks that are added."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from wattbook.core import manifest
from wattbook.core.errors import InputError, Problem
from wattbook.core.periods import Period


@manifest.named("Curtailment", "period left")
@dataclass(frozen=True, slots=True, kw_only=True)
class Curtailment:
    """A span in which less is drawn."""

    period: Period
    left: float
    """Share of the power that is left, from 0 to 1."""


@manifest.named("Addition", "start value")
@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """More, or less, from an instant on, in the unit of the history."""

    start: datetime
    value: float


@manifest.named("Scenario", "prices curtailments additions")
@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A condition under which a forecast holds."""

    prices: pl.DataFrame | None = None
    """`start_utc`, `price_per_mwh`: takes the place of the prices that are known ahead."""
    curtailments: tuple[Curtailment, ...] = ()
    additions: tuple[Addition, ...] = ()


def check(scenario: Scenario) -> None:
    """Refuse an invalid scenario.

    Raises
    ------
    InputError
        A share that is none, or prices without their columns.
    """
    problems = [
        Problem("bad_share", f"{each.left} is not between 0 and 1", field="left", row=row)
        for row, each in enumerate(scenario.curtailments)
        if not 0 <= each.left <= 1
    ]
    problems += [
        Problem("bad_timestamp", "an instant needs an offset", field="start", row=row)
        for row, each in enumerate(scenario.additions)
        if each.start.tzinfo is None
    ]
    if scenario.prices is not None:
        problems += [
            Problem("bad_column", "the prices lack it", field=name)
            for name in ("start_utc", "price_per_mwh")
            if name not in scenario.prices.columns
        ]
    if problems:
        raise InputError("; ".join(f"{each.field}: {each.detail}" for each in problems), problems)


def under(rows: pl.DataFrame, scenario: Scenario, columns: Sequence[str]) -> pl.DataFrame:
    """A forecast as it is under the scenario: what is added, and then what is curtailed of it.

    A step belongs to a span in which it begins. Where spans overlap, the least is left.
    """
    start = pl.col("start_utc")
    added = pl.sum_horizontal(
        pl.lit(0.0),
        *(
            pl.when(start >= each.start).then(each.value).otherwise(0.0)
            for each in scenario.additions
        ),
    )
    left = pl.min_horizontal(
        pl.lit(1.0),
        *(
            pl.when((start >= each.period.start) & (start < each.period.end))
            .then(each.left)
            .otherwise(1.0)
            for each in scenario.curtailments
        ),
    )
    return rows.with_columns([((pl.col(name) + added) * left).alias(name) for name in columns])
