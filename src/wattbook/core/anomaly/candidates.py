"""In which words the rules tell what they found, and what it comes to."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from wattbook.core import periods
from wattbook.core.anomaly import rules
from wattbook.core.anomaly.baseline import HOURS_A_DAY, Baseline
from wattbook.core.anomaly.finding import Candidate, Evidence, Rule
from wattbook.core.anomaly.hours import Hours, MeterInputs, middle
from wattbook.core.anomaly.wording import (
    lasting,
    of_energy,
    of_power,
    of_rate,
    possible_stake,
    power_evidence,
    stake,
)
from wattbook.core.forecast.series import Floats
from wattbook.core.formatting import number, percent
from wattbook.core.registry.entities import MeterRole
from wattbook.core.units import QUARTERS_PER_HOUR, W_PER_KW

if TYPE_CHECKING:
    from datetime import datetime


class CandidateBuilder:
    """Tells of the hours of one meter."""

    def __init__(self, watched: MeterInputs, hours: Hours, usual: Baseline) -> None:
        self.watched, self.hours, self.usual = watched, hours, usual

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
    ) -> Candidate:
        if at_stake_kwh is not None:
            limit_kw = self._limit_kw(begin, end)
            at_stake_kwh = possible_stake(at_stake_kwh, self.hours, begin, end, limit_kw)
        return Candidate(
            rule=rule,
            start_utc=self.hours.at(begin),
            end_utc=self.hours.at(end),
            times=max(times, 1.0) if np.isfinite(times) else 1.0,
            at_stake_kwh=at_stake_kwh,
            cause=cause,
            evidence=evidence,
        )

    def gap(self, rule: Rule, begin: int, end: int) -> Candidate:
        """Hours that were not heard, or not known."""
        heard = float(self.hours.heard[begin:end].mean())
        covered = float(self.hours.coverage[begin:end].mean())
        at_stake = self._stake(begin, end)
        # A register tells afterwards what it counted meanwhile.
        known = covered > rules.MIN_COVERAGE
        silent = "No reading came"
        if 0 < heard < 1:
            silent = f"Only {percent(heard)} % of the readings came"
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
                limit=rules.MIN_COVERAGE,
                more={"readings_share": heard},
            ),
            at_stake_kwh=at_stake,
        )

    def negative(self, rule: Rule, begin: int, end: int) -> Candidate:
        """Hours below zero."""
        least = float(np.nanmin(self.hours.power_kw_min[begin:end]))
        return self._make(
            rule,
            begin,
            end,
            times=float(end - begin),
            cause=f"The power was below zero, down to {of_power(least)}, which a meter of the kind"
            f" `{self.watched.kind}` cannot count.",
            evidence=self._power_evidence(begin, end, limit=0.0),
            at_stake_kwh=self._stake(begin, end),
        )

    def stuck(self, rule: Rule, begin: int, end: int) -> Candidate:
        """Hours that repeat themselves."""
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
            f" {lasting(end - begin)}; three times longer than is usual for it.{beside}",
            evidence=self._power_evidence(begin, end),
            at_stake_kwh=self._stake(begin, end),
        )

    def unpowered(self, rule: Rule, begin: int, end: int) -> Candidate:
        """Hours with a hash rate and no power."""
        rate = middle(self.hours.hashrate_th[begin:end])
        return self._make(
            rule,
            begin,
            end,
            times=float(end - begin),
            cause=f"The machines hashed at {of_rate(rate)} for {lasting(end - begin)}, and the"
            f" meter counted nothing.{self._instead(begin, end)}",
            evidence=self._power_evidence(begin, end, more={"hashrate_th": rate}),
            at_stake_kwh=self._stake(begin, end),
        )

    def zero(self, rule: Rule, begin: int, end: int) -> Candidate:
        """Hours in which nothing was drawn."""
        rate = self.hours.hashrate_th[begin:end]
        beside = ""
        if np.isfinite(rate).any():
            beside = " The hash rate fell with it."
        return self._make(
            rule,
            begin,
            end,
            times=float(end - begin),
            cause=f"Nothing flowed for {lasting(end - begin)}.{self._instead(begin, end)}{beside}",
            evidence=self._power_evidence(begin, end),
            at_stake_kwh=self._stake(begin, end),
        )

    def too_much(self, rule: Rule, begin: int, end: int) -> Candidate:
        """Hours above the capacity."""
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
            at_stake_kwh=self._stake(begin, end),
        )
        return replace(found, evidence=replace(found.evidence, more={"power_kw_max": most}))

    def unhashed(self, rule: Rule, begin: int, end: int) -> Candidate:
        """Hours with power and no hash rate."""
        drawn = middle(self.hours.power_kw[begin:end])
        counted_kwh = float(np.nansum(self.hours.energy_kwh[begin:end]))
        return self._make(
            rule,
            begin,
            end,
            times=float(end - begin),
            cause=f"The site drew {of_power(drawn)} for {lasting(end - begin)},"
            f" {of_energy(counted_kwh)} in all, and its machines reported a hash rate of zero.",
            evidence=self._power_evidence(begin, end, more={"hashrate_th": 0.0}),
            at_stake_kwh=counted_kwh,
        )

    def impossible(self, rule: Rule, begin: int, end: int, low: Floats, high: Floats) -> Candidate:
        """Hours with an efficiency that the machines cannot have."""
        each = middle(self.hours.efficiency_j_per_th[begin:end])
        least, most = middle(low[begin:end]), middle(high[begin:end])
        below = each < least
        limit = least if below else most
        rate = np.nan_to_num(self.hours.hashrate_th[begin:end])
        hashes = rate * self.hours.hashed_share[begin:end]  # of the hour, as the energy is
        needed = limit * hashes / W_PER_KW
        counted = np.nan_to_num(self.hours.efficiency_j_per_th[begin:end]) * hashes / W_PER_KW
        why = (
            "less was counted than the machines need, or the reported hash rate is too high"
            if below
            else "something else drew power, or the reported hash rate is too low"
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

    def sums(
        self, rule: Rule, begin: int, end: int, share: Floats, usual: Floats, allowed: Floats
    ) -> Candidate:
        """Hours in which the meter and those behind it do not add up."""
        seen, normal = middle(share[begin:end]), float(usual[begin])
        limit = float(allowed[begin])
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
            times=abs(seen - normal) / limit,
            cause=f"The meters behind this one counted {percent(seen)} % of its energy for"
            f" {lasting(end - begin)}; {percent(normal)} % is usual. So {who}.",
            evidence=Evidence(
                quantity="share_of_sub_meters", observed=seen, expected=normal, limit=limit
            ),
            at_stake_kwh=stake,
        )

    def shifted(self, rule: Rule, begin: int, end: int, expected: Floats) -> Candidate:
        """Days with another efficiency than the one expected."""
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

    def spike(self, rows: pl.DataFrame) -> Candidate:
        """Quarter-hours that stand out, of `rules.spikes`."""
        power, beside = rows["power_kw"].to_numpy(), rows["beside_kw"].to_numpy()
        off = float((power - beside).sum()) / QUARTERS_PER_HOUR
        top = int(np.argmax(np.abs(power - beside)))
        start: datetime = rows["start_utc"][0]
        return Candidate(
            rule=Rule.SPIKE,
            start_utc=start,
            end_utc=rows["start_utc"][-1] + periods.QUARTER,
            times=abs(power[top] - beside[top]) / (rules.SPIKE_SHARE * self.usual.usual_kw),
            at_stake_kwh=off,
            cause=f"{of_power(power[top])} for {len(power) * 15} minutes, between"
            f" {of_power(beside[top])} before and after.",
            evidence=Evidence(
                quantity="power_kw", observed=float(power[top]), expected=float(beside[top])
            ),
        )

    def level_shift(self, step: int, end: int, amount: float) -> Candidate:
        """The first day on a new level."""
        week = HOURS_A_DAY * 7
        before = middle(self.hours.power_kw[max(step - week, 0) : step])
        after = middle(self.hours.power_kw[step : step + week])
        return self._make(
            Rule.LEVEL_SHIFT,
            step,
            end,
            times=abs(amount) / (rules.LEVEL_SHIFT_SHARE * abs(before)) if before else 1.0,
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

    def _limit_kw(self, begin: int, end: int) -> float | None:
        """Most that the meter can count [kW]: the site's capacity, else the highest known hour.

        A generator is not bound by what its site can draw. None where nothing else is known.
        """
        if self.watched.capacity_kw is not None and self.watched.role is not MeterRole.GENERATION:
            return self.watched.capacity_kw
        others = np.delete(self.hours.power_kw, slice(begin, end))
        known = others[np.isfinite(others)]
        return float(known.max()) if len(known) else None

    def _instead(self, begin: int, end: int) -> str:
        normal = middle(self.usual.expected_kw[begin:end])
        return f" {of_power(normal)} is usual." if np.isfinite(normal) else ""

    def _stake(self, begin: int, end: int) -> float | None:
        """Observed less expected energy [kWh]; null where nothing is to be expected."""
        return stake(self.hours, self.usual, begin, end)
