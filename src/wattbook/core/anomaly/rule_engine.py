"""What the rules find at a meter, one after the other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from wattbook.core import periods
from wattbook.core.anomaly import baseline as usually
from wattbook.core.anomaly import rules
from wattbook.core.anomaly.baseline import HOURS_A_DAY, Baseline
from wattbook.core.anomaly.candidates import CandidateBuilder
from wattbook.core.anomaly.finding import Candidate, Evidence, Rule
from wattbook.core.anomaly.hours import Hours, MeterInputs, hours, mask_of, runs
from wattbook.core.forecast.series import Bools
from wattbook.core.periods import Period
from wattbook.core.units import W_PER_KW

BRIDGE: Final = 1
"""Flagged hours with so many others between them are one finding."""
SPIKES_SHARE: Final = 4
"""This part of the budget of false alarms is for spikes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RuleResult:
    """A meter as the rules leave it to the model."""

    hours: Hours
    usual: Baseline
    noticed: tuple[Candidate, ...]
    claimed: Bools
    """Hours of which a rule has said something, or of which a price explains it."""
    doubted: Bools
    """Hours that are not learnt from."""


def apply_rules(watched: MeterInputs, span: Period, per_month: float) -> RuleResult | None:
    """What the rules find at a meter; null where nothing is known of it by the end of the span."""
    all_hours = hours(watched, span)
    if all_hours is None:
        return None
    return _Inquiry(watched, span, all_hours, per_month).ruled()


Tell = Callable[[Rule, int, int], Candidate]
"""Tells of a row of hours: where it begins, and where it ends."""


class _Inquiry:
    """The rules one after the other: an hour of which one speaks is not spoken of again."""

    def __init__(self, watched: MeterInputs, span: Period, hours_: Hours, per_month: float) -> None:
        self.watched, self.span, self.hours, self.per_month = watched, span, hours_, per_month
        self.noticed: list[Candidate] = []
        self.claimed = np.zeros(len(hours_), dtype=np.bool_)

    def ruled(self) -> RuleResult:
        watched, all_hours = self.watched, self.hours
        silent = rules.gap(all_hours)
        below = rules.negative(all_hours)
        price = usually.prices_of(all_hours, watched.prices)
        less = usually.curtailed(all_hours, silent | below, price)
        nothing = rules.zero(all_hours, less | silent)
        repeated = rules.stuck(all_hours, watched, all_hours.power_kw <= 0)
        unpowered, unhashed = rules.hashing(all_hours)
        too_much = rules.above_capacity(all_hours, watched)
        low, high = rules.efficiency_limits(all_hours, watched)
        impossible = rules.efficiency_bounds(all_hours, low, high)
        odd = self._register_hours()
        doubted = silent | below | nothing | repeated | unpowered | too_much | impossible | odd
        sums, share, usual_share, allowed = rules.balance(all_hours, watched)
        shifted, efficiency = rules.efficiency_shift(all_hours, watched, doubted | unhashed | less)
        doubted |= sums | shifted
        self.usual = usually.usual(all_hours, doubted, price)
        self.tell = CandidateBuilder(watched, all_hours, self.usual)

        self._take(Rule.GAP, silent, self.tell.gap)
        self._register()
        self._take(Rule.NEGATIVE, below, self.tell.negative)
        self._take(Rule.STUCK, repeated, self.tell.stuck)
        self._take(Rule.HASH_WITHOUT_ENERGY, unpowered, self.tell.unpowered)
        self._take(Rule.ZERO, self._unexpected(nothing), self.tell.zero)
        self.claimed |= nothing
        self._take(Rule.ABOVE_CAPACITY, too_much, self.tell.too_much)
        self._take(Rule.ENERGY_WITHOUT_HASH, unhashed, self.tell.unhashed)
        self._take(
            Rule.EFFICIENCY_BOUNDS,
            impossible,
            lambda rule, begin, end: self.tell.impossible(rule, begin, end, low, high),
        )
        self._take(
            Rule.SUM_CHECK,
            sums,
            lambda rule, begin, end: self.tell.sums(rule, begin, end, share, usual_share, allowed),
        )
        self._take(
            Rule.EFFICIENCY_SHIFT,
            shifted,
            lambda rule, begin, end: self.tell.shifted(rule, begin, end, efficiency),
        )
        self.claimed |= self.usual.explained
        self._spikes()
        self._level_shifts()
        return RuleResult(
            hours=all_hours,
            usual=self.usual,
            noticed=tuple(self.noticed),
            claimed=self.claimed,
            doubted=doubted | self.usual.explained,
        )

    def _take(self, rule: Rule, mask: Bools, tell: Tell) -> None:
        """Tell of each row of hours that reaches into the span and that no rule has spoken of."""
        free = mask & ~self.claimed
        for begin, end in runs(free, BRIDGE):
            if end > self.hours.judged:
                self.noticed.append(tell(rule, begin, end))
        self.claimed |= mask_of(runs(free, BRIDGE), len(self.hours))

    def _unexpected(self, nothing: Bools) -> Bools:
        """Rows of hours without consumption, from the first to the last of which some is usual."""
        some = ~(self.usual.expected_kw <= rules.ACTIVE_SHARE * self.usual.usual_kw)
        rows = []
        for begin, end in runs(nothing):
            places = begin + np.flatnonzero(some[begin:end])
            if len(places):
                rows.append((int(places[0]), int(places[-1]) + 1))
        return mask_of(rows, len(nothing))

    def _register_hours(self) -> Bools:
        events = rules.register(self.watched)["at_utc"].dt.truncate("1h")
        found: Bools = self.hours.start_utc.is_in(events.implode()).to_numpy()
        return found

    def _register(self) -> None:
        for at, kind, detail in rules.register(self.watched).iter_rows():
            start = periods.floor(at, periods.Grain.QUARTER)
            end = start + periods.QUARTER
            if end <= self.span.start or start >= self.span.end:
                continue
            self.noticed.append(
                Candidate(
                    rule=Rule.REGISTER,
                    start_utc=start,
                    end_utc=end,
                    times=1.0,
                    at_stake_kwh=None,
                    cause=f"The register did not count up: {kind}, {detail}.",
                    evidence=Evidence(
                        quantity="register_kwh", observed=None, expected=None, more={"kind": kind}
                    ),
                )
            )
        self.claimed |= self._register_hours()

    def _spikes(self) -> None:
        share = self.per_month / SPIKES_SHARE
        found = rules.spikes(self.watched, self.span.start, share)
        hour = pl.col("start_utc").dt.truncate("1h")
        free = self.hours.start_utc.filter(pl.Series(~self.claimed))
        found = found.filter(pl.col("start_utc") >= self.span.start, hour.is_in(free.implode()))
        spikes = found.with_columns(
            island=(pl.col("start_utc").diff() > periods.QUARTER).fill_null(value=True).cum_sum()
        )
        for _, rows in spikes.group_by("island", maintain_order=True):
            self.noticed.append(self.tell.spike(rows))
        touched = found["start_utc"].dt.truncate("1h")
        self.claimed |= self.hours.start_utc.is_in(touched.implode()).to_numpy()

    def _level_shifts(self) -> None:
        for step, amount in sorted(self.usual.shifts.items()):
            end = min(step + HOURS_A_DAY, len(self.hours))
            if step < self.hours.judged or self.claimed[step:end].mean() > rules.MAX_CLAIMED_SHARE:
                continue
            self.claimed[step:end] = True
            if not self._registered(step, amount):
                self.noticed.append(self.tell.level_shift(step, end, amount))

    def _registered(self, step: int, amount: float) -> bool:
        """Whether machines that come to at least half of it were registered about that time."""
        power_w = rules.nameplate_w(self.hours, self.watched.fleet)
        before, after = max(step - HOURS_A_DAY, 0), min(step + HOURS_A_DAY, len(power_w) - 1)
        change_kw = (power_w[after] - power_w[before]) / W_PER_KW
        return bool(change_kw * amount > 0 and abs(amount - change_kw) <= abs(amount) / 2)
