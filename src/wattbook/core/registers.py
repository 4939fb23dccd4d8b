"""What a cumulative register counted between its readings, and what else it did.

Readings of equal state in a row are one *run*. Whether a change from one run to the next can have
happened is decided by the power that the site can draw, or, where no limit is registered, by what
the register counted at other times. See `docs/methods/rollup.md`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattbook.core.units import US_PER_HOUR, over

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PLAUSIBLE: Final = 2
"""Without a limit of its own, a site draws no more than so many times its capacity."""
MAX_RETURN: Final = 8
"""A dip or a spike has ended when the register is back after at most so many states."""
COMPARED: Final = 8
"""Changes on each side by which a change is limited where no power is registered."""
UNUSUAL: Final = 100
"""A rise that is so many times as fast as every one of them is impossible."""
OWN_COUNT: Final = 10
"""A register that came back rose by so many times what it had counted while it was away."""
MIN_CHANGES: Final = 8
"""States within `COMPARED` on each side from which a resolution can be inferred."""
RESOLUTIONS_KWH: Final = tuple(10.0**power for power in range(-2, 5))
UNITS_KWH: Final = (1.0, 0.1, 0.01, 0.001, 0.0001)
"""Last digits; a register that shows none smaller than 1 kWh may still count tens."""
SMALLEST_SIZE_KWH: Final = 10_000.0
"""Registers have at least four digits."""
COARSE: Final = 2
"""A step of up to so many resolutions after a standstill shows no power."""
FINE: Final = 10
"""A step of fewer resolutions than this is known to no better than a tenth."""
RELATIVE: Final = 1e-9
NEIGHBOURS: Final = 4 * max(MAX_RETURN, COMPARED) + 2
"""A change of one reading can change what is made of so many states to each side.

A return is looked for over `MAX_RETURN` states, twice (dips, then spikes); the limit and the
resolution of each step come from `COMPARED` changes on its sides.
"""


class EventKind(StrEnum):
    """What a register did other than count up."""

    ROLLOVER = "rollover"
    RESET = "reset"
    RETROGRADE = "retrograde"
    IMPLAUSIBLE = "implausible"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted, and what happened."""

    steps: pl.DataFrame
    """The rows that begin a segment, with `end`, `step_kwh`, `last_rank` and `estimated`."""
    events: pl.DataFrame
    """`slot`, `at` [µs], `kind`, `detail`."""


def counted(rows: pl.DataFrame) -> Counted:
    """Segments and events of registers.

    Parameters
    ----------
    rows
        `core.segments.ordered` of registers.

    Notes
    -----
    In this order: *dips* (the state falls and is back, at or above what it was, within
    `MAX_RETURN` states) and *spikes* (an impossible rise, and back) are left out. What is left
    rises as far as is possible (counted), falls by a last digit (nothing), falls and may have
    passed the size (`rollover`), falls (`reset`), or rises by more than is possible
    (`implausible` by the registered limit, else `undetermined`). The last three leave a gap.
    """
    rows = rows.filter(pl.col("register_kwh").is_not_null())
    fresh = (pl.col("slot") != pl.col("slot").shift(1)) | (
        pl.col("register_kwh") != pl.col("register_kwh").shift(1)
    )
    rows = rows.with_columns(run=fresh.fill_null(value=True).cum_sum().cast(pl.Int64) - 1)
    runs = _Runs.of(rows)
    events = _Events()
    kept = _without_returns(runs, events)
    changes = _changes(runs, kept, events)
    steps = _by_row(rows, kept, changes)
    return Counted(steps, events.frame(runs))


@dataclass(frozen=True, slots=True)
class _Runs:
    """States in the order of meter and time."""

    slot: Ints
    value: Floats
    first: Ints
    last: Ints
    rows: Ints
    size: Floats
    limit_kw: Floats
    """The registered limit; NaN where there is none."""
    fastest_kw: Floats
    """The most that the step from each run may have, by the limit or by steps beside it."""
    resolution_kwh: Floats
    """Declared or inferred; NaN where neither."""

    @classmethod
    def of(cls, rows: pl.DataFrame) -> "_Runs":
        runs = rows.group_by("run", maintain_order=True).agg(
            pl.col(
                "slot",
                "register_kwh",
                "register_size_kwh",
                "plausible_kw",
                "register_resolution_kwh",
            ).first(),
            first=pl.col("ts").first(),
            last=pl.col("ts").last(),
            rows=pl.len().cast(pl.Int64),
        )
        hours = over(_next("first") - pl.col("last"), US_PER_HOUR)
        rise = _next("register_kwh") - pl.col("register_kwh")
        rate = pl.when(rise > 0).then(rise / hours)
        runs = runs.with_columns(rate=rate).with_columns(
            fastest=pl.coalesce("plausible_kw", UNUSUAL * _most_beside("rate"))
        )
        return cls(
            slot=runs["slot"].to_numpy(),
            value=runs["register_kwh"].to_numpy(),
            first=runs["first"].to_numpy(),
            last=runs["last"].to_numpy(),
            rows=runs["rows"].to_numpy(),
            size=_floats(runs["register_size_kwh"]),
            limit_kw=_floats(runs["plausible_kw"]),
            fastest_kw=_floats(runs["fastest"]),
            resolution_kwh=_floats(_resolutions(runs)),
        )

    def possible(self, begin: Ints, end: Ints, rise_kwh: Floats) -> Bools:
        """Whether so much can have been counted from the last of one run to the first of another.

        One more of the last digit is always possible, and anything where nothing is known.
        """
        hours = (self.first[end] - self.last[begin]) / US_PER_HOUR
        most = self.fastest_kw[begin] * hours
        unit = np.fmax(self.unit(begin, end), self.resolution_kwh[begin])
        return ~(rise_kwh > most) | (rise_kwh <= unit * (1 + RELATIVE))

    def unit(self, *indices: Ints) -> Floats:
        """The last digit [kWh] that all of these states have in common, at most 1 kWh."""
        found = np.full(indices[0].shape, UNITS_KWH[-1])
        for unit in reversed(UNITS_KWH):
            whole = np.ones(indices[0].shape, dtype=np.bool_)
            for index in indices:
                whole &= _multiple(self.value[index], unit)
            found[whole] = unit
        return found


def _next(column: str) -> pl.Expr:
    return pl.when(pl.col("slot").shift(-1) == pl.col("slot")).then(pl.col(column).shift(-1))


def _most_beside(column: str) -> pl.Expr:
    """The highest of `COMPARED` values before and after each, itself left out."""

    def before(values: pl.Expr) -> pl.Expr:
        return values.shift(1).rolling_max(COMPARED, min_samples=1)

    value = pl.col(column)
    return pl.max_horizontal(before(value), before(value.reverse()).reverse()).over("slot")


def _resolutions(runs: pl.DataFrame) -> pl.Series:
    """The resolution that is declared, or that the states show; null for most meters.

    It is inferred where a register stands still for more than half of its states, and all of at
    least `MIN_CHANGES` of them are multiples of the same power of ten.
    """
    declared = runs["register_resolution_kwh"]
    still = runs["rows"] > 1
    if not (still & declared.is_null()).any():
        return declared

    def around(values: pl.Expr, how: str) -> pl.Expr:
        size = {"window_size": 2 * COMPARED + 1, "min_samples": 1, "center": True}
        found: pl.Expr = getattr(values, f"rolling_{how}")(**size)
        return found.over("slot")

    marks = runs.select(
        "slot",
        *(
            pl.Series(str(unit), _multiple(runs["register_kwh"].to_numpy(), unit)).cast(pl.Int8)
            for unit in RESOLUTIONS_KWH
        ),
        still=still.cast(pl.Float64),
        one=pl.lit(1.0),
    )
    found = pl.lit(None, dtype=pl.Float64)
    for unit in RESOLUTIONS_KWH:
        found = pl.when(around(pl.col(str(unit)), "min") == 1).then(unit).otherwise(found)
    sure = (around(pl.col("one"), "sum") >= MIN_CHANGES) & (around(pl.col("still"), "mean") > 1 / 2)
    inferred = marks.select(pl.when(sure).then(found).alias("inferred"))["inferred"]
    return runs.select(pl.coalesce("register_resolution_kwh", inferred)).to_series()


def _multiple(values: Floats, unit: float) -> Bools:
    count = values / unit
    near: Bools = np.abs(count - np.round(count)) <= RELATIVE * np.fmax(np.abs(count), 1)
    return near


def _floats(series: pl.Series) -> Floats:
    return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()


@dataclass(slots=True)
class _Events:
    """Events as they are found: the run whose first reading shows it, its kind, what it says."""

    found: list[tuple[Ints, str, list[str]]]

    def __init__(self) -> None:
        self.found = []

    def add(self, runs: Ints, kind: EventKind, details: list[str]) -> None:
        if len(runs):
            self.found.append((runs, str(kind), details))

    def frame(self, runs: _Runs) -> pl.DataFrame:
        parts = [
            pl.DataFrame(
                {
                    "slot": runs.slot[which],
                    "at": runs.first[which],
                    "kind": pl.Series([kind], dtype=pl.String).new_from_index(0, len(which)),
                    "detail": details,
                }
            )
            for which, kind, details in self.found
        ]
        return pl.concat([_NO_EVENTS, *parts])


_NO_EVENTS: Final = pl.DataFrame(
    schema={"slot": pl.Int64, "at": pl.Int64, "kind": pl.String, "detail": pl.String}
)


def _without_returns(runs: _Runs, events: _Events) -> Ints:
    """The runs that count: without dips, then without spikes."""
    kept = np.arange(len(runs.value))
    for down in (True, False):
        begin, end = _returns(runs, kept, down=down)
        if not len(begin):
            continue
        out = np.zeros(len(kept) + 1, dtype=np.int64)
        np.add.at(out, begin, 1)
        np.add.at(out, end, -1)
        away, before, back = kept[begin], kept[begin - 1], kept[end]
        if down:
            depth = runs.value[before] - runs.value[away]
            digit = depth <= runs.unit(before, away, back) * (1 + RELATIVE)
            # The last digit came too early once: that is how registers are read, and no fault.
            digit |= depth <= runs.resolution_kwh[before] * (1 + RELATIVE)
            shown, kind, beside = away[~digit], EventKind.RETROGRADE, "higher"
        else:
            shown, kind, beside = away, EventKind.IMPLAUSIBLE, "lower"
        events.add(
            shown,
            kind,
            [f"reads {runs.value[at]} kWh, after and before {beside} readings" for at in shown],
        )
        kept = kept[np.cumsum(out[:-1]) == 0]
    return kept


def _returns(runs: _Runs, kept: Ints, *, down: bool) -> tuple[Ints, Ints]:
    """Where, among the kept runs, dips (or spikes) begin, and where the register is back."""
    value, slot = runs.value[kept], runs.slot[kept]
    rise = np.diff(value)
    same = slot[1:] == slot[:-1]
    if down:
        begin = np.flatnonzero(same & (rise < 0)) + 1
    else:
        rising = np.flatnonzero(same & (rise > 0))
        fits = runs.possible(kept[rising], kept[rising + 1], rise[rising])
        begin = rising[~fits] + 1
    end = np.full(len(begin), -1)
    before = begin - 1
    for far in range(1, MAX_RETURN + 1):
        at = np.minimum(begin + far, len(kept) - 1)
        back = (value[at] >= value[before]) & (slot[at] == slot[begin])
        if not down:
            back &= value[at] < value[begin]
            back &= runs.possible(kept[before], kept[at], value[at] - value[before])
        end[(end < 0) & back & (begin + far < len(kept))] = far
    begin, before, end = begin[end > 0], before[end > 0], (begin + end)[end > 0]
    if down:
        holds = _is_dip(runs, kept, begin, end)
        begin, end = begin[holds], end[holds]
    return begin, end


def _is_dip(runs: _Runs, kept: Ints, begin: Ints, end: Ints) -> Bools:
    """Whether a register that fell came back, rather than being set back and counting on.

    It did if what it rose by since before the fall is possible, and what it would have counted
    since the last reading of the dip is not; or if it had not counted while it was away, and came
    back nearer to the state before than it had fallen, or had fallen by less than half.
    """
    before, away, low, back = (kept[at] for at in (begin - 1, begin, end - 1, end))
    value = runs.value
    rise, jump = value[back] - value[before], value[back] - value[low]
    fall = value[before] - value[low]
    nearer = (rise <= fall) | (fall <= value[before] / 2)
    nearer &= jump >= OWN_COUNT * np.abs(value[low] - value[away])
    holds: Bools = runs.possible(before, back, rise) & (~runs.possible(low, back, jump) | nearer)
    return holds


@dataclass(frozen=True, slots=True)
class _Changes:
    """What happened from each kept run to the next; the last of a meter has no next."""

    step_kwh: Floats
    """NaN where it cannot be known."""
    coarse: Bools
    """Whether the step is known from change to change alone."""
    rough: Bools
    """Whether the step is known to no better than a tenth."""
    unsettled: Bools
    """Whether it is unknown what the standstill of the run itself means."""


def _changes(runs: _Runs, kept: Ints, events: _Events) -> _Changes:
    count = len(kept)
    step = np.full(count, np.nan)
    here = np.flatnonzero(runs.slot[kept][:-1] == runs.slot[kept][1:])
    one, two = kept[here], kept[here + 1]
    rise = runs.value[two] - runs.value[one]
    digit = (rise < 0) & (-rise <= _digit(runs, one, two) * (1 + RELATIVE))
    wrapped = (rise < 0) & ~digit & _may_wrap(runs, one, two, rise)
    fell = (rise < 0) & ~digit & ~wrapped
    beyond = (rise > 0) & ~runs.possible(one, two, rise)
    known = ~np.isnan(runs.limit_kw[one])
    unnamed = fell & _may_wrap_unregistered(runs, one, two)
    amount = np.where(digit, 0.0, np.where(wrapped, rise + runs.size[one], rise))
    step[here] = np.where(fell | beyond, np.nan, amount)
    for mask, kind in (
        (wrapped, EventKind.ROLLOVER),
        (fell & ~unnamed, EventKind.RESET),
        (beyond & known, EventKind.IMPLAUSIBLE),
        (unnamed | (beyond & ~known), EventKind.UNDETERMINED),
    ):
        said = [
            f"from {runs.value[begin]} to {runs.value[end]} kWh"
            for begin, end in zip(one[mask], two[mask], strict=True)
        ]
        events.add(two[mask], kind, said)

    resolution = runs.resolution_kwh[kept]
    stands = runs.rows[kept] > 1
    coarse = stands & (step > 0) & (step <= COARSE * resolution * (1 + RELATIVE))
    continues = np.zeros(count, dtype=np.bool_)
    continues[here + 1] = ~np.isnan(step[here])
    ends = np.ones(count, dtype=np.bool_)
    ends[here] = False
    after_coarse = np.zeros(count, dtype=np.bool_)
    after_coarse[here + 1] = coarse[here]
    starts = ~np.isin(np.arange(count), here + 1)
    return _Changes(
        # Since when the first state of a coarse register stood is not known.
        step_kwh=np.where(coarse & ~continues, np.nan, step),
        coarse=coarse,
        rough=(step > 0) & (step < FINE * resolution),
        unsettled=coarse | (ends & (after_coarse | (~continues & ~starts))),
    )


def _digit(runs: _Runs, one: Ints, two: Ints) -> Floats:
    return np.fmax(runs.unit(one, two), runs.resolution_kwh[one])


def _may_wrap(runs: _Runs, one: Ints, two: Ints, rise: Floats) -> Bools:
    """Whether a register that fell can have passed its size."""
    through = rise + runs.size[one]
    limited = runs.possible(one, two, through) & (
        ~np.isnan(runs.limit_kw[one]) | (through <= runs.size[one] / 2)
    )
    found: Bools = (through >= 0) & limited
    return found


def _may_wrap_unregistered(runs: _Runs, one: Ints, two: Ints) -> Bools:
    """Whether a register of unknown size can have passed a power of ten above its state."""
    high = np.fmax(runs.value[one], 1.0)
    size = np.fmax(10.0 ** np.ceil(np.log10(high)), SMALLEST_SIZE_KWH)
    near = (size - high + runs.value[two]) <= size / 100
    found: Bools = (
        np.isnan(runs.size[one]) & near & runs.possible(one, two, size - high + runs.value[two])
    )
    return found


def _by_row(rows: pl.DataFrame, kept: Ints, changes: _Changes) -> pl.DataFrame:
    """The rows that begin a segment: each with where it ends, and what was counted until then."""
    place = np.full(int(rows["run"].max() or 0) + 1 if rows.height else 0, -1)  # type: ignore[call-overload]
    place[kept] = np.arange(len(kept))
    rows = rows.with_columns(
        place=pl.Series(place).gather(rows["run"]) if rows.height else pl.lit(None, dtype=pl.Int64)
    ).filter(pl.col("place") >= 0)
    about: dict[str, Any] = {
        "change_kwh": changes.step_kwh,
        "coarse": changes.coarse,
        "rough": changes.rough,
        "unsettled": changes.unsettled,
    }
    at = rows["place"]
    first = pl.col("place") != pl.col("place").shift(1)
    last = (pl.col("place") != pl.col("place").shift(-1)).fill_null(value=True)
    next_place = pl.col("place") + 1
    starts = rows.filter(first.fill_null(value=True)).select(
        next_place=pl.col("place"), start="ts", start_rank="rank"
    )
    rows = (
        rows.with_columns(
            **{name: pl.Series(values).gather(at) for name, values in about.items()},
            begins_run=first.fill_null(value=True),
            ends_run=last,
            end=_next("ts"),
            last_rank=_next("rank"),
            next_place=next_place,
        )
        .join(starts, on="next_place", how="left", maintain_order="left")
        .with_columns(
            # A coarse register says what was counted from one change to the next.
            end=pl.when(pl.col("coarse") & pl.col("begins_run")).then("start").otherwise("end"),
            last_rank=pl.when(pl.col("coarse") & pl.col("begins_run"))
            .then("start_rank")
            .otherwise("last_rank"),
            step_kwh=pl.when("coarse")
            .then(pl.when("begins_run").then("change_kwh"))
            .when("ends_run")
            .then("change_kwh")
            .when(~pl.col("unsettled"))
            .then(0.0)
            .fill_nan(None),
            estimated=pl.col("coarse") | (pl.col("ends_run") & pl.col("rough")),
        )
    )
    return rows.filter(pl.col("end").is_not_null(), pl.col("step_kwh").is_not_null())
