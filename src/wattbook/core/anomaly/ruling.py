"""What the rules find at a meter, one after the other, and in which words they tell it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from wattbook.core import periods
from wattbook.core.anomaly import rules
from wattbook.core.anomaly import usual as usually
from wattbook.core.anomaly.finding import Evidence, Noticed, Rule
from wattbook.core.anomaly.hours import Hours, Watched, hours, mask_of, middle, runs
from wattbook.core.anomaly.usual import HOURS_A_DAY, Usual
from wattbook.core.anomaly.words import lasting, of_energy, of_power, of_rate, power_evidence, stake
from wattbook.core.forecast.series import Bools, Floats
from wattbook.core.periods import Period
from wattbook.core.text import number, percent
from wattbook.core.units import QUARTERS_PER_HOUR, W_PER_KW

if TYPE_CHECKING:
    from datetime import datetime

BRIDGE: Final = 1
"""Flagged hours with so many others between them are one finding."""
SPIKES_SHARE: Final = 4
"""This part of the budget of false alarms is for spikes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ruled:
    """A meter as the rules leave it to the model."""

    hours: Hours
    usual: Usual
    noticed: tuple[Noticed, ...]
    claimed: Bools
    """Hours of which a rule has said something, or of which a price explains it."""
    doubted: Bools
    """Hours that are not learnt from."""


def by_rules(watched: Watched, span: Period, per_month: float) -> Ruled | None:
    """What the rules find at a meter; null where nothing is known of it by the end of the span."""
    all_hours = hours(watched, span)
    if all_hours is None:
        return None
    return _Bench(watched, span, all_hours, per_month).ruled()


Tell = Callable[[Rule, int, int], Noticed]
"""Tells of a row of hours: where it begins, and where it ends."""


class _Bench:
    """The rules one after the other: an hour of which one speaks is not spoken of again."""

    def __init__(self, watched: Watched, span: Period, hours_: Hours, per_month: float) -> None:
        self.watched, self.span, self.hours, self.per_month = watched, span, hours_, per_month
        self.noticed: list[Noticed] = []
        self.claimed = np.zeros(len(hours_), dtype=np.bool_)

    def ruled(self) -> Ruled:
        watched, all_hours = self.watched, self.hours
        silent = rules.gap(all_hours)
        below = rules.negative(all_hours)
        price = usually.prices_of(all_hours, watched.prices)
        less = usually.curtailed(all_hours, silent | below, price)
        nothing = rules.zero(all_hours, less | silent)
        repeated = rules.stuck(all_hours, watched, all_hours.power_kw <= 0)
        unpowered, unhashed = rules.hashing(all_hours)
        too_much = rules.above_capacity(all_hours, watched.capacity_kw)
        low, high = rules.efficiency_limits(all_hours, watched)
        impossible = rules.efficiency_bounds(all_hours, low, high)
        odd = self._register_hours()
        doubted = silent | below | nothing | repeated | unpowered | too_much | impossible | odd
        sums, share, usual_share, allowed = rules.balance(all_hours, watched)
        shifted, efficiency = rules.efficiency_shift(all_hours, watched, doubted | unhashed | less)
        doubted |= sums | shifted
        self.usual = usually.usual(all_hours, doubted, price)

        self._take(Rule.GAP, silent, self._gap)
        self._register()
        self._take(Rule.NEGATIVE, below, self._negative)
        self._take(Rule.STUCK, repeated, self._stuck)
        self._take(Rule.HASH_WITHOUT_ENERGY, unpowered, self._unpowered)
        self._take(Rule.ZERO, nothing, self._zero)
        self._take(Rule.ABOVE_CAPACITY, too_much, self._too_much)
        self._take(Rule.ENERGY_WITHOUT_HASH, unhashed, self._unhashed)
        self._take(
            Rule.EFFICIENCY_BOUNDS,
            impossible,
            lambda rule, begin, end: self._impossible(rule, begin, end, low, high),
        )
        self._take(
            Rule.SUM_CHECK,
            sums,
            lambda rule, begin, end: self._sums(rule, begin, end, share, usual_share, allowed),
        )
        self._take(
            Rule.EFFICIENCY_SHIFT,
            shifted,
            lambda rule, begin, end: self._shifted(rule, begin, end, efficiency),
        )
        self.claimed |= self.usual.explained
        self._spikes()
        self._level_shifts()
        return Ruled(
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

    def _make(
        self,
        rule: Rule,
        begin: int,
        end: int,
        *,
        times: float,
        cause: str,
        evidence: Evidence,
        at_stake_kwh: float | None = None,
    ) -> Noticed:
        return Noticed(
            rule=rule,
            start_utc=self.hours.at(begin),
            end_utc=self.hours.at(end),
            times=max(times, 1.0) if np.isfinite(times) else 1.0,
            at_stake_kwh=at_stake_kwh,
            cause=cause,
            evidence=evidence,
        )

    def _gap(self, rule: Rule, begin: int, end: int) -> Noticed:
        heard = float(self.hours.heard[begin:end].mean())
        covered = float(self.hours.coverage[begin:end].mean())
        at_stake = self.stake(begin, end)
        known = covered > rules.THIN  # a register tells afterwards what it counted meanwhile
        silent = "No reading came" if not heard else f"Only {percent(heard)} % of the readings came"
        cause = f"{silent} for {lasting(end - begin)}."
        if known:
            counted_kwh = float(np.nansum(self.hours.energy_kwh[begin:end]))
            cause += (
                f" Their energy is known in total, {of_energy(counted_kwh)}, but not how it was"
                " distributed over the hours."
            )
        elif at_stake is not None:
            cause += f" {of_energy(-at_stake)} would have been expected and is not counted."
        return self._make(
            rule,
            begin,
            end,
            times=float(end - begin),
            cause=cause,
            evidence=Evidence(
                quantity="coverage",
                observed=covered if not known else heard,
                expected=1.0,
                limit=rules.THIN,
                more={"readings_share": heard},
            ),
            at_stake_kwh=at_stake,
        )

    def _negative(self, rule: Rule, begin: int, end: int) -> Noticed:
        least = float(np.nanmin(self.hours.power_kw_min[begin:end]))
        return self._make(
            rule,
            begin,
            end,
            times=float(end - begin),
            cause=f"The power was below zero, down to {of_power(least)}, which a meter of the kind"
            f" `{self.watched.kind}` cannot count.",
            evidence=self._power_evidence(begin, end, limit=0.0),
            at_stake_kwh=self.stake(begin, end),
        )

    def _stuck(self, rule: Rule, begin: int, end: int) -> Noticed:
        rate = self.hours.hashrate_th[begin:end]
        known = rate[np.isfinite(rate)]
        beside = ""
        if len(known):
            went_on = len(np.unique(known)) > 1
            beside = (
                f" Meanwhile the hash rate moved from {of_rate(known.min())} to"
                f" {of_rate(known.max())}."
                if went_on
                else " The hash rate stands still, too, as it never did for long."
            )
        held = float(self.hours.power_kw[begin])
        return self._make(
            rule,
            begin,
            end,
            times=(end - begin) / rules.STUCK_HOURS,
            cause=f"The meter repeated {of_power(held)} to the last digit for"
            f" {lasting(end - begin)}; it does not use to do so for a third as long.{beside}",
            evidence=self._power_evidence(begin, end),
            at_stake_kwh=self.stake(begin, end),
        )

    def _unpowered(self, rule: Rule, begin: int, end: int) -> Noticed:
        rate = middle(self.hours.hashrate_th[begin:end])
        return self._make(
            rule,
            begin,
            end,
            times=float(end - begin),
            cause=f"The machines hashed at {of_rate(rate)} for {lasting(end - begin)}, and the"
            f" meter counted nothing.{self._instead(begin, end)}",
            evidence=self._power_evidence(begin, end, more={"hashrate_th": rate}),
            at_stake_kwh=self.stake(begin, end),
        )

    def _zero(self, rule: Rule, begin: int, end: int) -> Noticed:
        rate = self.hours.hashrate_th[begin:end]
        beside = ""
        if np.isfinite(rate).any():
            beside = " The hash rate fell with it."
        return self._make(
            rule,
            begin,
            end,
            times=float(end - begin),
            cause=f"Nothing was drawn for {lasting(end - begin)}."
            f"{self._instead(begin, end)}{beside}",
            evidence=self._power_evidence(begin, end),
            at_stake_kwh=self.stake(begin, end),
        )

    def _too_much(self, rule: Rule, begin: int, end: int) -> Noticed:
        most = float(np.nanmax(self.hours.power_kw_max[begin:end]))
        capacity = self.watched.capacity_kw
        assert capacity is not None
        found = self._make(
            rule,
            begin,
            end,
            times=most / capacity,
            cause=f"The power reached {of_power(most)}; the site can draw no more than"
            f" {of_power(capacity)}.",
            evidence=self._power_evidence(begin, end, limit=capacity),
            at_stake_kwh=self.stake(begin, end),
        )
        return replace(found, evidence=replace(found.evidence, more={"power_kw_max": most}))

    def _unhashed(self, rule: Rule, begin: int, end: int) -> Noticed:
        drawn = middle(self.hours.power_kw[begin:end])
        counted_kwh = float(np.nansum(self.hours.energy_kwh[begin:end]))
        return self._make(
            rule,
            begin,
            end,
            times=float(end - begin),
            cause=f"The site drew {of_power(drawn)} for {lasting(end - begin)},"
            f" {of_energy(counted_kwh)} in all, and its machines told a hash rate of nothing.",
            evidence=self._power_evidence(begin, end, more={"hashrate_th": 0.0}),
            at_stake_kwh=counted_kwh,
        )

    def _impossible(self, rule: Rule, begin: int, end: int, low: Floats, high: Floats) -> Noticed:
        each = middle(self.hours.efficiency_j_per_th[begin:end])
        least, most = middle(low[begin:end]), middle(high[begin:end])
        below = each < least
        limit = least if below else most
        rate = np.nan_to_num(self.hours.hashrate_th[begin:end])
        needed = limit * rate * self.hours.coverage[begin:end] / W_PER_KW
        counted = np.nan_to_num(self.hours.energy_kwh[begin:end])
        why = (
            "less was counted than the machines need, or more hash rate was told than there was"
            if below
            else "something else drew power, or less hash rate was told than there was"
        )
        return self._make(
            rule,
            begin,
            end,
            times=limit / each if below else each / limit,
            cause=f"{number(each, 1)} J/TH for {lasting(end - begin)}: the machines that stand"
            f" there have between {number(least, 1)} and {number(most, 1)} J/TH, so {why}.",
            evidence=Evidence(
                quantity="efficiency_j_per_th",
                observed=each,
                expected=middle(self.hours.efficiency_j_per_th[: self.hours.judged]),
                limit=limit,
            ),
            at_stake_kwh=float((counted - needed).sum()),
        )

    def _sums(
        self, rule: Rule, begin: int, end: int, share: Floats, usual: Floats, allowed: float
    ) -> Noticed:
        seen, normal = middle(share[begin:end]), float(usual[begin])
        parts = share[begin:end] * self.hours.energy_kwh[begin:end]
        stake = float(np.nansum(self.hours.energy_kwh[begin:end] - parts / normal))
        who = (
            "the meter counted too little, or those behind it too much"
            if seen > normal
            else "those behind it counted too little, or something else drew power"
        )
        return self._make(
            rule,
            begin,
            end,
            times=abs(seen - normal) / allowed,
            cause=f"The meters behind this one counted {percent(seen)} % of its energy for"
            f" {lasting(end - begin)}; {percent(normal)} % is usual. So {who}.",
            evidence=Evidence(
                quantity="share_of_sub_meters", observed=seen, expected=normal, limit=allowed
            ),
            at_stake_kwh=stake,
        )

    def _shifted(self, rule: Rule, begin: int, end: int, expected: Floats) -> Noticed:
        seen = middle(self.hours.efficiency_j_per_th[begin:end])
        normal = middle(expected[begin:end])
        part = slice(begin, end)
        needed = expected[part] * self.hours.hashrate_th[part] * self.hours.coverage[part]
        stake = float(np.nansum(self.hours.energy_kwh[part] - needed / W_PER_KW))
        less = seen < normal
        return self._make(
            rule,
            begin,
            end,
            times=abs(seen / normal - 1) / rules.SHIFT_SHARE,
            cause=f"{number(seen, 2)} J/TH instead of {number(normal, 2)} for"
            f" {lasting(end - begin)}, {percent(abs(seen / normal - 1))} %"
            f" {'less' if less else 'more'}, and no change of the machines is registered:"
            f" {'energy that is not counted' if less else 'another load'}, other settings, or a"
            " wrong hash rate.",
            evidence=Evidence(
                quantity="efficiency_j_per_th",
                observed=seen,
                expected=normal,
                limit=rules.SHIFT_SHARE,
            ),
            at_stake_kwh=stake,
        )

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
                Noticed(
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
            self.noticed.append(self._spike(rows))
        touched = found["start_utc"].dt.truncate("1h")
        self.claimed |= self.hours.start_utc.is_in(touched.implode()).to_numpy()

    def _spike(self, rows: pl.DataFrame) -> Noticed:
        power, beside = rows["power_kw"].to_numpy(), rows["beside_kw"].to_numpy()
        off = float((power - beside).sum()) / QUARTERS_PER_HOUR
        top = int(np.argmax(np.abs(power - beside)))
        start: datetime = rows["start_utc"][0]
        return Noticed(
            rule=Rule.SPIKE,
            start_utc=start,
            end_utc=rows["start_utc"][-1] + periods.QUARTER,
            times=abs(power[top] - beside[top]) / (self.usual.usual_kw / rules.SPIKE_SHARE),
            at_stake_kwh=off,
            cause=f"{of_power(power[top])} for {len(power) * 15} minutes, between"
            f" {of_power(beside[top])} before and after.",
            evidence=Evidence(
                quantity="power_kw", observed=float(power[top]), expected=float(beside[top])
            ),
        )

    def _level_shifts(self) -> None:
        for step, amount in sorted(self.usual.shifts.items()):
            end = min(step + HOURS_A_DAY, len(self.hours))
            if step < self.hours.judged or self.claimed[step:end].mean() > rules.THIN:
                continue
            self.claimed[step:end] = True
            if not self._registered(step, amount):
                self.noticed.append(self._level_shift(step, end, amount))

    def _registered(self, step: int, amount: float) -> bool:
        """Whether machines that come to at least half of it were registered about that time."""
        power_w = rules.nameplate_w(self.hours, self.watched.fleet)
        before, after = max(step - HOURS_A_DAY, 0), min(step + HOURS_A_DAY, len(power_w) - 1)
        change_kw = (power_w[after] - power_w[before]) / W_PER_KW
        return bool(change_kw * amount > 0 and abs(amount - change_kw) <= abs(amount) / 2)

    def _level_shift(self, step: int, end: int, amount: float) -> Noticed:
        week = HOURS_A_DAY * 7
        before = middle(self.hours.power_kw[max(step - week, 0) : step])
        after = middle(self.hours.power_kw[step : step + week])
        return self._make(
            Rule.LEVEL_SHIFT,
            step,
            end,
            times=abs(amount) / (abs(before) / rules.SPIKE_SHARE) if before else 1.0,
            cause=f"The level changed for good, from {of_power(before)} to {of_power(after)}, and"
            " no machines are registered that would explain it: some were added or taken away, or"
            " the meter was changed.",
            evidence=Evidence(quantity="power_kw", observed=after, expected=before),
            at_stake_kwh=amount * (end - step),
        )

    def _power_evidence(
        self, begin: int, end: int, limit: float | None = None, more: dict[str, float] | None = None
    ) -> Evidence:
        return power_evidence(self.hours, self.usual, begin, end, limit, more)

    def _instead(self, begin: int, end: int) -> str:
        normal = middle(self.usual.expected_kw[begin:end])
        return f" {of_power(normal)} is usual." if np.isfinite(normal) else ""

    def stake(self, begin: int, end: int) -> float | None:
        """Observed less expected energy [kWh]; null where nothing is to be expected."""
        return stake(self.hours, self.usual, begin, end)
