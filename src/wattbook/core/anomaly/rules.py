"""What can be said of an hour without having learnt much: the checks of a utility's validation.

Each returns the hours at which something is wrong; `STEPS` tells which goes first.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import polars as pl

from wattbook.core.anomaly.baseline import HOURS_A_DAY
from wattbook.core.anomaly.hours import (
    Hours,
    MeterInputs,
    mask_of,
    middle,
    on_grid,
    runs,
    spread,
)
from wattbook.core.anomaly.threshold import HOURS_A_MONTH, Tail
from wattbook.core.forecast.series import Bools, Floats, Ints
from wattbook.core.periods import QUARTER_S
from wattbook.core.readings.registers import EventKind
from wattbook.core.registry.entities import MeterKind
from wattbook.core.units import QUARTERS_PER_HOUR, SECONDS_PER_HOUR

MIN_COVERAGE: Final = 0.5
"""Share of an hour's time, or of its readings: with no more than this the hour is a gap."""
MAX_STILL_SHARE: Final = 0.5
"""A hash rate that repeats itself in fewer hours than this share normally moves."""
MAX_CLAIMED_SHARE: Final = 0.5
"""A level shift is not reported if other findings cover more than this share of its first day."""
ZERO_SHARE: Final = 0.001
"""A power or a hash rate up to this share of its median is zero."""
ACTIVE_SHARE: Final = 0.05
"""A power or a hash rate above this share of its median is in use."""
DRAWING_SHARE: Final = 0.2
"""A power above this share of its median, without a hash rate, is `energy_without_hash`."""
STUCK_HOURS: Final = 6
TIMES_THE_LONGEST: Final = 3
"""A repetition counts where it is so many times as long as is usual for the meter."""
REGISTER_TOLERANCE: Final = 0.02
"""The power of a register is above the capacity only beyond this share of it: stamps jitter."""
SPIKE_SIGMAS: Final = 12
SPIKE_SHARE: Final = 0.25
"""A spike differs from the readings around it by more than this share of the median power."""
LEVEL_SHIFT_SHARE: Final = 0.25
"""A level shift is as severe as it is large beside this share of the former level."""
SPIKE_QUARTERS: Final = 2
"""It lasts no longer than so many."""
SIDE: Final = 3
"""So many quarter-hours on each side tell what it stands out from."""
MIN_OF_BEST: Final = 0.75
"""J/TH of the fleet's best machine, times this, is the lowest possible: settings and cold."""
MAX_OF_WORST: Final = 1.5
"""J/TH of the fleet's worst machine, times this, is the highest possible: heat and cooling."""
MIN_OF_ANY: Final = 0.5
"""As `MIN_OF_BEST`, of the best machine on the market, where the fleet is not registered."""
MAX_OF_ANY: Final = 2
"""As `MAX_OF_WORST`, of the worst machine known, where the fleet is not registered."""
SHIFT_SHARE: Final = 1 / 33
"""Efficiency shifts by more than this share: 1 J/TH of 33."""
SHIFT_SIGMAS: Final = 6
SHIFT_DAYS: Final = 28
MIN_DAYS: Final = 7
MIN_HOURS: Final = 12
"""So many hours of a day must be known."""
BALANCE_SHARE: Final = 0.02
"""Meters behind a meter do not add up if they differ from the usual by more than this share."""
BALANCE_COVERAGE: Final = 0.9
"""Share of an hour that must be known to compare a meter with those behind it."""
DOUBTFUL: Final = (
    EventKind.RESET,
    EventKind.RETROGRADE,
    EventKind.IMPLAUSIBLE,
    EventKind.UNDETERMINED,
)


def gap(hours: Hours) -> Bools:
    """Hours of which half or less is known, or in which hardly any reading came."""
    found: Bools = (hours.coverage <= MIN_COVERAGE) | (hours.heard < MIN_COVERAGE)
    return found


def negative(hours: Hours) -> Bools:
    """Hours in which less than nothing was drawn: no kind of meter counts so."""
    found: Bools = (hours.power_kw < 0) | (hours.power_kw_min < 0)
    return found


def zero(hours: Hours, explained: Bools) -> Bools:
    """Hours without consumption, in a row longer than is usual for the meter.

    What is none is a thousandth of the middle of all that is some.
    """
    least = ZERO_SHARE * middle(hours.power_kw[hours.power_kw > 0])
    nothing = (hours.power_kw <= least) & ~explained
    return _unheard_of(nothing, hours, 1, 1)


def _unheard_of(mask: Bools, hours: Hours, least: int, times: int) -> Bools:
    """The rows of hours that are longer than those that are usual for the meter.

    Usual is a row as long as more than one a month was in the history: a fault that the history
    holds is no habit. A row that goes on into the span says nothing about itself; one that has
    gone on ever since the meter is known is what it does.
    """
    found = runs(mask)
    before = sorted((end - begin for begin, end in found if end < hours.judged), reverse=True)
    months = max(round(hours.judged / HOURS_A_MONTH), 1)
    longest = before[months] if len(before) > months else 0
    long_ = [
        (begin, end)
        for begin, end in found
        if begin > 1 and end - begin > times * longest and end - begin >= least
    ]
    return mask_of([each for each in long_ if each[1] >= hours.judged], len(hours))


def stuck(hours: Hours, watched: MeterInputs, nothing: Bools) -> Bools:
    """Hours in which a meter repeats itself to the last digit, for longer than it ever did.

    A steady load is not a stuck meter: a row of figures that are the same in all digits must last
    for six hours, and three times as long as is usual. Where a hash rate is told with
    them, it must have moved on, or stand still as it never did.
    """
    same = _repeated(hours, watched) & ~nothing & (hours.coverage > MIN_COVERAGE)
    long_ = _unheard_of(same, hours, STUCK_HOURS, TIMES_THE_LONGEST)
    rate = hours.hashrate_th
    still = _same_as_before(rate)
    known = np.isfinite(rate)
    usually_still = still[known & ~long_ & hours.in_history()]
    if not len(usually_still):
        return long_
    moves = float(usually_still.mean()) < MAX_STILL_SHARE
    kept = [
        (begin, end)
        for begin, end in runs(long_)
        if not known[begin:end].any() or moves or not still[begin + 1 : end].all()
    ]
    return mask_of(kept, len(hours))


def _repeated(hours: Hours, watched: MeterInputs) -> Bools:
    """Hours whose every quarter, or every reading where these are rarer, is that before it."""
    if watched.expected_interval_s > SECONDS_PER_HOUR:
        return np.zeros(len(hours), dtype=np.bool_)
    if watched.expected_interval_s > QUARTER_S:  # an hour's quarters are shares of one reading
        flat = hours.power_kw_min == hours.power_kw_max
        rare: Bools = flat & _same_as_before(hours.power_kw)
        return rare
    power = pl.col("power_kw_mean")
    same = (
        (power == power.shift(1))
        & (pl.col("power_kw_min") == pl.col("power_kw_max"))
        & (pl.col("readings") > 0)
    )
    by_hour = (
        watched.quarters.sort("start_utc")
        .with_columns(same=same.fill_null(value=False))
        .group_by(start_utc=pl.col("start_utc").dt.truncate("1h"))
        .agg(same=pl.col("same").sum())
    )
    found: Bools = on_grid(hours, by_hour, "same") == QUARTERS_PER_HOUR
    return found


def _same_as_before(values: Floats) -> Bools:
    found = np.zeros(len(values), dtype=np.bool_)
    found[1:] = values[1:] == values[:-1]
    return found


def above_capacity(hours: Hours, watched: MeterInputs) -> Bools:
    """Hours in which more was drawn than the capacity of the site.

    The power of a register follows from two stamps, which jitter: it is above if it is so by more
    than `REGISTER_TOLERANCE`.
    """
    if watched.capacity_kw is None:
        return np.zeros(len(hours), dtype=np.bool_)
    jitter = 1 + REGISTER_TOLERANCE if watched.kind is MeterKind.REGISTER else 1
    found: Bools = hours.power_kw_max > watched.capacity_kw * jitter
    return found


def hashing(hours: Hours) -> tuple[Bools, Bools]:
    """Hours with a hash rate and no power, and hours with power and no hash rate.

    A hash rate that is not told is none that is zero.
    """
    rate, power = hours.hashrate_th, hours.power_kw
    usual_th = middle(rate[rate > 0])
    usual_kw = middle(power[power > 0])
    hashes, idle = rate > ACTIVE_SHARE * usual_th, rate <= ZERO_SHARE * usual_th
    draws, nothing = power > DRAWING_SHARE * usual_kw, power <= ZERO_SHARE * usual_kw
    return hashes & nothing, idle & draws


def nameplate(hours: Hours, fleet: pl.DataFrame) -> tuple[Floats, Floats, Floats]:
    """Efficiency [J/TH] of the machines that stand there: of all, of the best, of the worst."""
    at = hours.start_utc.to_physical().to_numpy()
    power, rate = np.zeros(len(hours)), np.zeros(len(hours))
    best, worst = np.full(len(hours), np.nan), np.full(len(hours), np.nan)
    whole = fleet.filter(pl.col("hashrate_th") > 0, pl.col("power_w") > 0, pl.col("count") > 0)
    for row in _dated(whole):
        there = _there(row, at)
        each = row["power_w"] / row["hashrate_th"]
        power[there] += row["count"] * row["power_w"]
        rate[there] += row["count"] * row["hashrate_th"]
        best[there] = np.fmin(best[there], each)
        worst[there] = np.fmax(worst[there], each)
    all_of_them = np.full(len(hours), np.nan)
    np.divide(power, rate, out=all_of_them, where=rate > 0)
    return all_of_them, best, worst


def nameplate_w(hours: Hours, fleet: pl.DataFrame) -> Floats:
    """Power [W] of all machines that stand there."""
    at = hours.start_utc.to_physical().to_numpy()
    power = np.zeros(len(hours))
    for row in _dated(fleet.filter(pl.col("power_w") > 0)):
        power[_there(row, at)] += row["count"] * row["power_w"]
    return power


def _dated(fleet: pl.DataFrame) -> Iterator[dict[str, Any]]:
    return fleet.with_columns(
        first=pl.col("valid_from_utc").to_physical(), last=pl.col("valid_to_utc").to_physical()
    ).iter_rows(named=True)


def _there(row: dict[str, Any], at: Ints) -> Bools:
    there: Bools = at >= row["first"]
    return there if row["last"] is None else there & (at < row["last"])


def efficiency_limits(hours: Hours, watched: MeterInputs) -> tuple[Floats, Floats]:
    """The lowest and the highest efficiency [J/TH] that the machines can have; NaN: not known."""
    _, best, worst = nameplate(hours, watched.fleet)
    low, high = best * MIN_OF_BEST, worst * MAX_OF_WORST
    if watched.machines_j_per_th is not None:
        least, most = watched.machines_j_per_th
        low = np.where(np.isfinite(low), low, least * MIN_OF_ANY)
        high = np.where(np.isfinite(high), high, most * MAX_OF_ANY)
    return low, high


def efficiency_bounds(hours: Hours, low: Floats, high: Floats) -> Bools:
    """Hours in which the machines would be better, or worse, than they can be."""
    rate, power = hours.hashrate_th, hours.power_kw
    busy = rate > ACTIVE_SHARE * middle(rate[rate > 0])
    at_work = busy & (power > ACTIVE_SHARE * middle(power[power > 0]))
    each = hours.efficiency_j_per_th
    return at_work & ((each < low) | (each > high))


def efficiency_shift(hours: Hours, watched: MeterInputs, doubted: Bools) -> tuple[Bools, Floats]:
    """Days on which more, or less, was drawn for the same hash rate than in the weeks before.

    Returns the hours of these days, and the efficiency [J/TH] that was to be expected of each
    hour. Days are counted back from the end. What is compared is the efficiency over that of the
    nameplates of the time, so that new machines that were registered are no shift.
    """
    plate, _, _ = nameplate(hours, watched.fleet)
    plate = np.where(np.isfinite(plate), plate, 1.0)
    unknown = doubted | (hours.coverage < MIN_COVERAGE)
    each = np.where(unknown, np.nan, hours.efficiency_j_per_th / plate)
    count, lead = len(hours), len(hours) % HOURS_A_DAY
    nothing = np.zeros(count, dtype=np.bool_)
    by_day = each[lead:].reshape(-1, HOURS_A_DAY)
    days = np.array([middle(day) for day in by_day])
    days[np.isfinite(by_day).sum(axis=1) < MIN_HOURS] = np.nan
    before = np.array([_lately(days, at) for at in range(len(days))])
    off = days / before - 1
    sure = spread(off[: max((hours.judged - lead) // HOURS_A_DAY, 0)])
    if not np.isfinite(sure):
        return nothing, np.full(count, np.nan)
    far = np.abs(off) > max(SHIFT_SHARE, SHIFT_SIGMAS * sure)
    expected = np.concatenate([np.full(lead, np.nan), np.repeat(before, HOURS_A_DAY)]) * plate
    return np.concatenate([nothing[:lead], np.repeat(far, HOURS_A_DAY)]), expected


def _lately(days: Floats, at: int) -> float:
    """The middle of the weeks before a day, if enough of them is known."""
    before = days[max(at - SHIFT_DAYS, 0) : at]
    return middle(before) if np.isfinite(before).sum() >= MIN_DAYS else float("nan")


def balance(hours: Hours, watched: MeterInputs) -> tuple[Bools, Floats, Floats, Floats]:
    """Hours in which a meter and those behind it do not add up as they did.

    Returns them; the share of its energy that the meters behind it counted, and the share that
    they usually do; and by how much it may be off. Usual is what was while the same meters were
    behind it.
    """
    off = np.zeros(len(hours), dtype=np.bool_)
    usual, allowed = np.full(len(hours), np.nan), np.full(len(hours), np.nan)
    parts = on_grid(hours, watched.parts, "energy_kwh")
    behind = np.nan_to_num(on_grid(hours, watched.parts, "behind"), nan=-1.0)
    whole = hours.coverage >= BALANCE_COVERAGE
    energy = np.where(whole & (hours.power_kw > 0), hours.energy_kwh, np.nan)
    share = parts / energy
    history = np.zeros(len(hours), dtype=np.bool_)
    history[hours.in_history()] = True
    for each in np.unique(behind[np.isfinite(share)]):
        same = behind == each
        before = share[same & history]
        if np.isfinite(before).sum() < MIN_DAYS * HOURS_A_DAY:
            continue
        usual[same] = middle(before)
        allowed[same] = max(BALANCE_SHARE, SHIFT_SIGMAS * spread(before))
        off[same] = np.abs(share[same] - usual[same]) > allowed[same]
    return off, share, usual, allowed


def spikes(watched: MeterInputs, judged_from: object, per_month: float) -> pl.DataFrame:
    """Quarter-hours that stand out from those on both sides.

    Parameters
    ----------
    watched
        The meter.
    judged_from
        Start of the span: what lies before is learnt from.
    per_month
        So many a month may come by themselves.

    Returns
    -------
    polars.DataFrame
        `start_utc`, `power_kw`, `beside_kw`: no longer than half an hour in a row, off by twelve
        times what is usual, by a quarter of the level, and by more than chance brings.
    """
    rows = watched.quarters.filter(pl.col("power_kw_mean").is_not_null()).sort("start_utc")
    power = rows["power_kw_mean"].to_numpy()
    none = rows.select("start_utc", power_kw="power_kw_mean", beside_kw="power_kw_mean").clear()
    if watched.expected_interval_s > QUARTER_S or len(power) < HOURS_A_DAY * QUARTERS_PER_HOUR:
        return none
    beside, off = _standing_out(power)
    before = (rows["start_utc"] < judged_from).to_numpy()
    tail = Tail.of(off[before], HOURS_A_DAY * QUARTERS_PER_HOUR)
    if tail is None:
        return none
    sigma = spread((power - beside)[before])
    far = (
        (off > SPIKE_SIGMAS * sigma)
        & (off > SPIKE_SHARE * middle(power[power > 0]))
        & (tail.events_per_month(off) <= per_month)
    )
    short = [each for each in runs(far) if each[1] - each[0] <= SPIKE_QUARTERS]
    return rows.select("start_utc", power_kw="power_kw_mean", beside_kw=pl.Series(beside)).filter(
        pl.Series(mask_of(short, len(power)))
    )


def _standing_out(power: Floats) -> tuple[Floats, Floats]:
    """What lies beside each value, and by how much it is beyond that of both sides.

    A side is the median of three; between two levels nothing stands out.
    """
    empty = np.full(SIDE, np.nan)
    wide = np.concatenate([empty, power, empty])
    threes = np.sort(np.lib.stride_tricks.sliding_window_view(wide, SIDE), axis=1)[:, SIDE // 2]
    left, right = threes[: len(power)], threes[SIDE + 1 :]
    to_left, to_right = power - left, power - right
    least = np.where(np.abs(to_left) < np.abs(to_right), to_left, to_right)
    beside = power - least
    return beside, np.where(to_left * to_right > 0, np.abs(least), 0.0)


def register(watched: MeterInputs) -> pl.DataFrame:
    """What a register did that no register should: `at_utc`, `kind`, `detail`."""
    if watched.kind is not MeterKind.REGISTER:
        return watched.events.clear().select("at_utc", "kind", "detail")
    odd = pl.col("kind").is_in([str(kind) for kind in DOUBTFUL])
    return watched.events.filter(odd).select("at_utc", "kind", "detail").sort("at_utc", "kind")
