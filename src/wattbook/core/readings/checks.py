"""Which rows are invalid, and why: a check for every reject reason."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.grid.conditions import MAX_INTERVAL
from wattbook.core.readings.companions import VALUES, has_value
from wattbook.core.registry.entities import ZONE, MeterFlow, MeterKind, MeterRole
from wattbook.core.units import CURRENCY, SECONDS_PER_HOUR

EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
"""A stamp before this is a clock that was never set, not a reading."""
FUTURE_TOLERANCE: Final = timedelta(minutes=5)
"""A meter's clock may run ahead by this much."""
GRID_AHEAD: Final = timedelta(days=8)
"""Day-ahead prices and forecasts of a zone are known before their time."""
MAX_INTERVAL_S: Final = int(MAX_INTERVAL.total_seconds())
NETTED: Final = ("power_kw", "energy_kwh")
"""What a net meter counts both ways."""
TWO_WAY: Final = (
    "; if the meter counts both ways and this was given back, set the meter's flow to 'net'"
)
NOBODY: Final = (
    "meter_id: neither a meter nor a site is named (of line protocol, INFLUXDB_METER_TAG says which"
    " tag names the meter)"
)
Check = tuple["RejectReason", pl.Expr, pl.Expr]
"""A reason, the condition under which a row keeps clear of it, and what to say otherwise."""


class RejectReason(StrEnum):
    """Why a row was refused: the closed list."""

    BAD_ROW = "bad_row"
    OTHER_MEASUREMENT = "other_measurement"
    UNKNOWN_SITE = "unknown_site"
    UNKNOWN_METER = "unknown_meter"
    BAD_TIMESTAMP = "bad_timestamp"
    FUTURE_TIMESTAMP = "future_timestamp"
    TOO_OLD = "too_old"
    REMOVED_PERIOD = "removed_period"
    NOT_A_NUMBER = "not_a_number"
    NOT_FINITE = "not_finite"
    NO_VALUE = "no_value"
    NEGATIVE_ENERGY = "negative_energy"
    ABOVE_CAPACITY = "above_capacity"
    BAD_UNIT = "bad_unit"
    BAD_QUALITY = "bad_quality"
    BAD_ZONE = "bad_zone"
    UNKNOWN_ZONE = "unknown_zone"
    BAD_INTERVAL = "bad_interval"
    BAD_CURRENCY = "bad_currency"
    DUPLICATE_IN_BATCH = "duplicate_in_batch"
    IMPLAUSIBLE = "implausible"
    BATCH_REFUSED = "batch_refused"


class IntervalLabel(StrEnum):
    """Which end of an interval a source stamps."""

    START = "start"
    END = "end"


def _finite(column: str) -> pl.Expr:
    return pl.col(column).is_finite().fill_null(value=True)


def _at_least_zero(column: str) -> pl.Expr:
    return (pl.col(column) >= 0).fill_null(value=True)


def _signed(column: str) -> pl.Expr:
    """At least zero, or a flow that a net meter may count backwards."""
    if column not in NETTED:
        return _at_least_zero(column)
    return _at_least_zero(column) | (pl.col("flow") == str(MeterFlow.NET)).fill_null(value=False)


def _may_net() -> pl.Expr:
    """Whether a row is one that a meter declared as net could send."""
    below = pl.any_horizontal(~_at_least_zero(name) for name in NETTED)
    return below & (pl.col("kind") != str(MeterKind.REGISTER)).fill_null(value=False)


def _names(bad: Sequence[tuple[str, pl.Expr]], say: str) -> pl.Expr:
    """A detail that lists the columns for which the condition holds, with their values."""
    parts = [
        pl.when(fails.fill_null(value=True)).then(pl.format(f"{name} {say}", pl.col(name)))
        for name, fails in bad
    ]
    return pl.concat_str(parts, separator="; ", ignore_nulls=True)


def _time_checks(column: str, sent: str, ahead: timedelta) -> list[Check]:
    at, text = pl.col(column), pl.col(sent)
    shown = pl.when(text.is_null()).then(pl.lit("nothing")).otherwise(text.cast(pl.String))
    return [
        (
            RejectReason.BAD_TIMESTAMP,
            at.is_not_null(),
            pl.format(f"{sent}: must be an ISO 8601 date and time with offset, but is {{}}", shown),
        ),
        (
            RejectReason.FUTURE_TIMESTAMP,
            (at <= pl.col("known_utc") + ahead).fill_null(value=False),
            pl.format(f"{sent}: {{}} is in the future", shown),
        ),
        (
            RejectReason.TOO_OLD,
            (at >= EARLIEST).fill_null(value=False),
            pl.format(f"{sent}: {{}} is before {EARLIEST:%Y-%m-%d}", shown),
        ),
    ]


def _reading_checks() -> list[Check]:
    """The checks of a reading, in their order."""
    return [
        *_meter_checks(),
        *_time_checks("ts_utc", "timestamp", FUTURE_TOLERANCE),
        _unit_check(),
        _period_check(),
        *_value_checks(),
        _limit_check(),
        (
            RejectReason.BAD_QUALITY,
            pl.col("quality").is_in(frames.QUALITIES).fill_null(value=True),
            pl.format("quality: {} is none of " + ", ".join(frames.QUALITIES), "quality"),
        ),
    ]


def _meter_checks() -> list[Check]:
    """That the meter is known."""
    site = pl.col("main_id").is_null() & pl.col("site_id").is_not_null()
    return [
        (
            RejectReason.UNKNOWN_SITE,
            pl.col("site_known") | pl.col("slot").is_not_null(),
            pl.format("site_id: no site {} is registered", "site_id"),
        ),
        (
            RejectReason.UNKNOWN_METER,
            pl.col("slot").is_not_null(),
            pl.when(pl.col("meter_id").is_not_null())
            .then(pl.format("meter_id: no meter {} is registered", "meter_id"))
            .when(site)
            .then(pl.format("site_id: {} has no single main meter; name the meter", "site_id"))
            .otherwise(pl.lit(NOBODY)),
        ),
    ]


def _unit_check() -> Check:
    return (
        RejectReason.BAD_UNIT,
        ~pl.col("reactive_kvarh").is_not_null() | pl.col("reactive_power_kvar").is_not_null(),
        pl.format(
            "reactive_kvarh: a meter of kind {} has no interval to divide it by; send"
            " reactive_power_kvar [kvar]",
            "kind",
        ),
    )


def _period_check() -> Check:
    return (
        RejectReason.REMOVED_PERIOD,
        (pl.col("ts_utc") >= pl.col("readings_from_utc")).fill_null(value=True),
        pl.format(
            "timestamp: the readings of {} before {} were removed, and what follows from them"
            " stays as it is",
            "meter_id",
            pl.col("readings_from_utc").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        ),
    )


def _value_checks() -> list[Check]:
    """That there is a value that the meter's kind can have."""
    kind = pl.col("kind")
    energy = list(VALUES.values())
    companions = [name for name in frames.READING_VALUES if name not in energy]
    alone = pl.all_horizontal(pl.col(name).is_null() for name in energy) & pl.any_horizontal(
        pl.col(name).is_not_null() for name in companions
    )
    column = kind.replace_strict({str(each): name for each, name in VALUES.items()}, default=None)
    physical = (*energy, "hashrate_th")
    return [
        (
            RejectReason.NOT_FINITE,
            pl.all_horizontal(_finite(name) for name in frames.READING_VALUES),
            _names([(name, ~_finite(name)) for name in frames.READING_VALUES], "is {}"),
        ),
        (
            RejectReason.NO_VALUE,
            has_value() | alone | pl.col("cleared"),
            pl.format(
                "{}: a meter of kind {} needs it, unless a row has only " + " or ".join(companions),
                column,
                kind,
            ),
        ),
        (
            RejectReason.NEGATIVE_ENERGY,
            pl.all_horizontal(_signed(name) for name in physical),
            pl.concat_str(
                _names([(name, ~_signed(name)) for name in physical], "is {}, below zero"),
                pl.when(_may_net()).then(pl.lit(TWO_WAY)).otherwise(pl.lit("")),
            ),
        ),
    ]


def _limit_check() -> Check:
    """That no more than the site can draw was drawn."""
    kind, limit = pl.col("kind"), pl.col("plausible_kw")
    hours = pl.col("expected_interval_s") / SECONDS_PER_HOUR
    drawing = ~pl.col("role").is_in([str(MeterRole.GENERATION), str(MeterRole.EXPORT)])
    return (
        RejectReason.IMPLAUSIBLE,
        ~(
            drawing
            & (
                (pl.col("power_kw") > limit).fill_null(value=False)
                | (
                    (kind == str(MeterKind.INTERVAL)) & (pl.col("energy_kwh") > limit * hours)
                ).fill_null(value=False)
                | (pl.col("reactive_power_kvar").abs() > limit).fill_null(value=False)
            )
        ).fill_null(value=False),
        pl.concat_str(
            [
                pl.format("power_kw is {}", "power_kw"),
                pl.format("energy_kwh is {} in {} s", "energy_kwh", "expected_interval_s"),
                pl.format("reactive_power_kvar is {}", "reactive_power_kvar"),
                pl.format(
                    "above the plausible {} kW of the site (plausible_kw, by default 2 ×"
                    " capacity_kw)",
                    limit,
                ),
            ],
            separator=", ",
            ignore_nulls=True,
        ),
    )


def _grid_checks() -> list[Check]:
    named = pl.col("zone").str.contains(f"^(?:{ZONE.pattern})$").fill_null(value=False)
    length = pl.col("interval_s")
    currency = pl.col("currency").str.contains(f"^(?:{CURRENCY.pattern})$")
    return [
        (
            RejectReason.BAD_ZONE,
            named,
            pl.format("zone: invalid zone {}", pl.col("zone").fill_null("nothing")),
        ),
        (RejectReason.UNKNOWN_ZONE, pl.col("canonical").is_not_null(), pl.col("unknown")),
        *_time_checks("start_utc", "start", GRID_AHEAD),
        (
            RejectReason.BAD_INTERVAL,
            length.is_between(1, MAX_INTERVAL_S),
            pl.format(f"interval_s: {{}} is not within 1 and {MAX_INTERVAL_S}", length),
        ),
        (
            RejectReason.NOT_FINITE,
            pl.all_horizontal(_finite(name) for name in frames.GRID_VALUES),
            _names([(name, ~_finite(name)) for name in frames.GRID_VALUES], "is {}"),
        ),
        (
            RejectReason.NO_VALUE,
            pl.any_horizontal(pl.col(name).is_not_null() for name in frames.GRID_VALUES),
            pl.lit("no load, generation, price or intensity is given"),
        ),
        (
            RejectReason.BAD_CURRENCY,
            currency.fill_null(value=True),
            pl.format("currency: {} is not an ISO 4217 code", "currency"),
        ),
        (
            RejectReason.NEGATIVE_ENERGY,
            _at_least_zero("load_mw") & _at_least_zero("carbon_g_per_kwh"),
            _names(
                [(name, ~_at_least_zero(name)) for name in ("load_mw", "carbon_g_per_kwh")],
                "is {}, below zero",
            ),
        ),
    ]


READING_CHECKS: Final = _reading_checks()
GRID_CHECKS: Final = _grid_checks()
