"""What a cumulative register counted between its readings, and what else it did.

Readings of equal state in a row are one *run*. Whether a change from one run to the next can have
happened is decided by the power that the site can draw, or, where no limit is registered, by what
the register counted at other times. See `docs/methods/rollup.md`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import polars as pl

from wattbook.core.readings.register_states import (
    COMPARED,
    RELATIVE,
    UNUSUAL,
    Bools,
    Floats,
    Ints,
    States,
    following,
)
from wattbook.core.units import US_PER_HOUR, over

PLAUSIBLE: Final = 2
"""Without a limit of its own, a site draws no more than so many times its capacity."""
MAX_RETURN: Final = 8
"""A dip or a spike has ended when the register is back after at most so many states."""
OWN_COUNT: Final = 10
"""A register that came back rose by so many times what it had counted while it was away."""
SMALLEST_SIZE_KWH: Final = 10_000
"""Registers have at least four digits."""
COARSE: Final = 2
"""A step of up to so many resolutions after a standstill shows no power."""
FINE: Final = 10
"""A step of fewer resolutions than this is known to no better than a tenth."""
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
        `core.readings.segments.ordered` of registers.

    Notes
    -----
    In this order: *dips* (the state falls and is back, at or above what it was, within
    `MAX_RETURN` states) and *spikes* (an impossible rise, and back) are left out. What is left
    rises as far as is possible (counted), falls by a last digit (nothing), falls and may have
    passed the size (`rollover`), falls (`reset`), or rises by more than is possible
    (`implausible` by the registered limit, else `undetermined`). The last three leave a gap.
    """
    rows = rows.filter(pl.col("register_kwh").is_not_null())
    steady = _steady(rows)
    if steady.all():
        return Counted(_plain_steps(rows), _NO_EVENTS)
    odd = counted_by_state(rows.filter(~steady))
    if not steady.any():
        return odd
    plain = _plain_steps(rows.filter(steady))
    return Counted(pl.concat([plain, odd.steps.select(plain.columns)]), odd.events)


def _steady(rows: pl.DataFrame) -> pl.Series:
    """Rows of registers that only rise, always, and never by more than is possible.

    Most do. What was counted is then their difference, at a tenth of the work.
    """
    rise = following("register_kwh") - pl.col("register_kwh")
    rate = rise / over(following("ts") - pl.col("ts"), US_PER_HOUR)
    by_slot = (
        rows.select("slot", "plausible_kw", "register_resolution_kwh", rise=rise, rate=rate)
        .group_by("slot")
        .agg(
            pl.col("plausible_kw", "register_resolution_kwh").first(),
            least=pl.col("rise").min(),
            slowest=pl.col("rate").min(),
            fastest=pl.col("rate").max(),
        )
    )
    limit = pl.coalesce("plausible_kw", UNUSUAL * pl.col("slowest")) * (1 - RELATIVE)
    steady = (pl.col("least") > 0) & (pl.col("fastest") <= limit)
    known = by_slot.select(
        "slot",
        steady=steady.fill_null(pl.col("least").is_null())
        & pl.col("register_resolution_kwh").is_null(),
    )
    return rows.select("slot").join(known, on="slot", how="left", maintain_order="left")["steady"]


def _plain_steps(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        end=following("ts"),
        last_rank=following("rank"),
        step_kwh=following("register_kwh") - pl.col("register_kwh"),
        estimated=pl.lit(value=False),
    ).filter(pl.col("end").is_not_null())


def counted_by_state(rows: pl.DataFrame) -> Counted:
    """The same as `counted`, for registers that do more than rise."""
    fresh = (pl.col("slot") != pl.col("slot").shift(1)) | (
        pl.col("register_kwh") != pl.col("register_kwh").shift(1)
    )
    rows = rows.with_columns(run=fresh.fill_null(value=True).cum_sum().cast(pl.Int64) - 1)
    states = States.of(rows)
    events = _Events()
    kept = _without_returns(states, events)
    changes = _changes(states, kept, events)
    steps = _by_row(rows, kept, changes)
    return Counted(steps, events.frame(states))


@dataclass(slots=True)
class _Events:
    """Events as they are found: the run whose first reading shows it, its kind, what it says."""

    found: list[tuple[Ints, str, list[str]]]

    def __init__(self) -> None:
        self.found = []

    def add(self, runs: Ints, kind: EventKind, details: list[str]) -> None:
        if len(runs):
            self.found.append((runs, str(kind), details))

    def frame(self, states: States) -> pl.DataFrame:
        parts = [
            pl.DataFrame(
                {
                    "slot": states.slot[which],
                    "at": states.first[which],
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


def _without_returns(states: States, events: _Events) -> Ints:
    """The runs that count: without dips, then without spikes."""
    kept = np.arange(len(states.value))
    for down in (True, False):
        begin, end = _returns(states, kept, down=down)
        if not len(begin):
            continue
        out = np.zeros(len(kept) + 1, dtype=np.int64)
        np.add.at(out, begin, 1)
        np.add.at(out, end, -1)
        away, before, back = kept[begin], kept[begin - 1], kept[end]
        if down:
            depth = states.value[before] - states.value[away]
            digit = depth <= states.unit(before, away, back) * (1 + RELATIVE)
            # The last digit came too early once: that is how registers are read, and no fault.
            digit |= depth <= states.resolution_kwh[before] * (1 + RELATIVE)
            shown, kind, beside = away[~digit], EventKind.RETROGRADE, "higher"
        else:
            shown, kind, beside = away, EventKind.IMPLAUSIBLE, "lower"
        events.add(
            shown,
            kind,
            [f"reads {states.value[at]} kWh, after and before {beside} readings" for at in shown],
        )
        kept = kept[np.cumsum(out[:-1]) == 0]
    return kept


def _returns(states: States, kept: Ints, *, down: bool) -> tuple[Ints, Ints]:
    """Where, among the kept runs, dips (or spikes) begin, and where the register is back."""
    value, slot = states.value[kept], states.slot[kept]
    rise = np.diff(value)
    same = slot[1:] == slot[:-1]
    if down:
        begin = np.flatnonzero(same & (rise < 0)) + 1
    else:
        rising = np.flatnonzero(same & (rise > 0))
        fits = states.possible(kept[rising], kept[rising + 1], rise[rising])
        begin = rising[~fits] + 1
    end = np.full(len(begin), -1)
    before = begin - 1
    for far in range(1, MAX_RETURN + 1):
        at = np.minimum(begin + far, len(kept) - 1)
        back = (value[at] >= value[before]) & (slot[at] == slot[begin])
        if not down:
            back &= value[at] < value[begin]
            back &= states.possible(kept[before], kept[at], value[at] - value[before])
        end[(end < 0) & back & (begin + far < len(kept))] = far
    begin, before, end = begin[end > 0], before[end > 0], (begin + end)[end > 0]
    if down:
        holds = _is_dip(states, kept, begin, end)
        begin, end = begin[holds], end[holds]
    return begin, end


def _is_dip(states: States, kept: Ints, begin: Ints, end: Ints) -> Bools:
    """Whether a register that fell came back, rather than being set back and counting on.

    It did if what it rose by since before the fall is possible, and what it would have counted
    since the last reading of the dip is not; or if it had not counted while it was away, and came
    back nearer to the state before than it had fallen, or had fallen by less than half.
    """
    before, away, low, back = (kept[at] for at in (begin - 1, begin, end - 1, end))
    value = states.value
    rise, jump = value[back] - value[before], value[back] - value[low]
    fall = value[before] - value[low]
    nearer = (rise <= fall) | (fall <= value[before] / 2)
    nearer &= jump >= OWN_COUNT * np.abs(value[low] - value[away])
    holds: Bools = states.possible(before, back, rise) & (
        ~states.possible(low, back, jump) | nearer
    )
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


def _changes(states: States, kept: Ints, events: _Events) -> _Changes:
    count = len(kept)
    step = np.full(count, np.nan)
    here = np.flatnonzero(states.slot[kept][:-1] == states.slot[kept][1:])
    step[here] = _steps_kwh(states, kept[here], kept[here + 1], events)

    resolution = states.resolution_kwh[kept]
    stands = states.rows[kept] > 1
    coarse = stands & (step > 0) & (step <= COARSE * resolution * (1 + RELATIVE))
    continues, after_coarse = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
    ends, starts = np.ones(count, dtype=np.bool_), np.ones(count, dtype=np.bool_)
    continues[here + 1] = ~np.isnan(step[here])
    after_coarse[here + 1] = coarse[here]
    ends[here] = starts[here + 1] = False
    return _Changes(
        # Since when the first state of a coarse register stood is not known.
        step_kwh=np.where(coarse & ~continues, np.nan, step),
        coarse=coarse,
        rough=(step > 0) & (step < FINE * resolution),
        unsettled=coarse | (ends & (after_coarse | (~continues & ~starts))),
    )


def _steps_kwh(states: States, one: Ints, two: Ints, events: _Events) -> Floats:
    """What was counted from each state to the next, NaN where it cannot be known."""
    rise = states.value[two] - states.value[one]
    digit = (rise < 0) & (-rise <= _digit(states, one, two) * (1 + RELATIVE))
    wrapped = (rise < 0) & ~digit & _may_wrap(states, one, two, rise)
    fell = (rise < 0) & ~digit & ~wrapped
    beyond = (rise > 0) & ~states.possible(one, two, rise)
    known = ~np.isnan(states.limit_kw[one])
    unnamed = fell & _may_wrap_unregistered(states, one, two)
    for mask, kind in (
        (wrapped, EventKind.ROLLOVER),
        (fell & ~unnamed, EventKind.RESET),
        (beyond & known, EventKind.IMPLAUSIBLE),
        (unnamed | (beyond & ~known), EventKind.UNDETERMINED),
    ):
        said = [
            f"from {states.value[begin]} to {states.value[end]} kWh"
            for begin, end in zip(one[mask], two[mask], strict=True)
        ]
        events.add(two[mask], kind, said)
    counted_kwh = np.where(digit, 0, np.where(wrapped, rise + states.size[one], rise))
    return np.where(fell | beyond, np.nan, counted_kwh)


def _digit(states: States, one: Ints, two: Ints) -> Floats:
    return np.fmax(states.unit(one, two), states.resolution_kwh[one])


def _may_wrap(states: States, one: Ints, two: Ints, rise: Floats) -> Bools:
    """Whether a register that fell can have passed its size."""
    through = rise + states.size[one]
    limited = states.possible(one, two, through) & (
        ~np.isnan(states.limit_kw[one]) | (through <= states.size[one] / 2)
    )
    found: Bools = (through >= 0) & limited
    return found


def _may_wrap_unregistered(states: States, one: Ints, two: Ints) -> Bools:
    """Whether a register of unknown size can have passed a power of ten above its state."""
    high = np.fmax(states.value[one], 1)
    size = np.fmax(10 ** np.ceil(np.log10(high)), SMALLEST_SIZE_KWH)
    near = (size - high + states.value[two]) <= size / 100
    found: Bools = (
        np.isnan(states.size[one])
        & near
        & states.possible(one, two, size - high + states.value[two])
    )
    return found


def _by_row(rows: pl.DataFrame, kept: Ints, changes: _Changes) -> pl.DataFrame:
    """The rows that begin a segment: each with where it ends, and what was counted until then."""
    rows = _placed(rows, kept, changes)
    # A coarse register says what was counted from one change to the next.
    jumps = pl.col("coarse") & pl.col("begins")
    return rows.with_columns(
        end=pl.when(jumps).then("change_ts").otherwise(following("ts")),
        last_rank=pl.when(jumps).then("change_rank").otherwise(following("rank")),
        step_kwh=pl.when("coarse")
        .then(pl.when("begins").then("change_kwh"))
        .when("ends")
        .then("change_kwh")
        .when(~pl.col("unsettled"))
        .then(0.0)
        .fill_nan(None),
        estimated=pl.col("coarse") | (pl.col("ends") & pl.col("rough")),
    ).filter(pl.col("end").is_not_null(), pl.col("step_kwh").is_not_null())


def _placed(rows: pl.DataFrame, kept: Ints, changes: _Changes) -> pl.DataFrame:
    """Rows of the kept states, with what is known of the state and of the change that ends it."""
    states = pl.DataFrame(
        {
            "run": kept,
            "change_kwh": changes.step_kwh,
            "coarse": changes.coarse,
            "rough": changes.rough,
            "unsettled": changes.unsettled,
        }
    )
    run = pl.col("run")
    kept_rows = rows.join(states, on="run", how="inner", maintain_order="left").with_columns(
        begins=(run != run.shift(1)).fill_null(value=True),
        ends=(run != run.shift(-1)).fill_null(value=True),
    )
    firsts = kept_rows.filter("begins").select(
        "run", change_ts=following("ts"), change_rank=following("rank")
    )
    return kept_rows.join(firsts, on="run", how="left", maintain_order="left")
