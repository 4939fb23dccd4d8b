"""What a report says of one site, before it is added to others."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from wattbook.core import frames
from wattbook.core.billing.payments import Payments
from wattbook.core.frames import known_sum
from wattbook.core.meters import presence
from wattbook.core.periods import QUARTER, Period
from wattbook.core.registry import dated
from wattbook.core.registry.entities import CAPACITIES, MeterRole, Site
from wattbook.core.reporting.notices import Notice
from wattbook.core.rollups import gaps, hashing, metrics, profile
from wattbook.core.rollups.completeness import Completeness


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a report is about, and of what was known when."""

    kind: str
    id: str
    name: str
    timezone: str
    period: Period
    sites: tuple[Site, ...]
    factor_set: str
    known_utc: datetime
    """What was known at this instant: the one asked for, or that of the last change."""
    version: str
    final: bool = False
    """Whether it is meant to be filed; else it is a draft."""

    @property
    def entity(self) -> str:
        """As the analytics endpoints name it."""
        return self.kind if self.kind == self.id else f"{self.kind}:{self.id}"

    @property
    def mains(self) -> list[str]:
        """The meters whose sum is the consumption."""
        return [
            meter.id
            for site in self.sites
            for meter in site.meters
            if any(each.role is MeterRole.MAIN for each in (meter, *meter.earlier))
        ]

    @property
    def simulated(self) -> tuple[str, ...]:
        """Sites whose data is made up."""
        return tuple(site.id for site in self.sites if site.simulated)

    @property
    def capacity_kw(self) -> float | None:
        """Most that can be drawn at the end of the period; null where a site has none."""
        return capacity_at(self.sites, self.period.end - QUARTER)

    @property
    def contracted_kw(self) -> float | None:
        """Power contracted or permitted; null where it is not known of every site."""
        return _added([site.contracted_kw for site in self.sites])


def capacity_at(sites: Sequence[Site], at: datetime) -> float | None:
    """What the sites together could draw at an instant; null where it is not known of every one."""
    return _added(
        [
            each.what[CAPACITIES.index("capacity_kw")]
            for site in sites
            for each in dated.capacities_of(site)
            if each.holds(at)
        ]
    )


def _added(powers: Sequence[float | None]) -> float | None:
    known = [power for power in powers if power is not None]
    return sum(known) if len(known) == len(powers) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What a site pays: per step, and over the period."""

    steps: pl.DataFrame
    """`start_utc`, `cost`, `currency`."""
    total: dict[str, Any]
    """`cost`, `currency`, `cost_energy_share`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFigures:
    """All that a report says about one site."""

    site: Site
    rows: pl.DataFrame
    """Of `flows.metrics.of_site`, by hours or quarter-hours."""
    total: dict[str, Any]
    meters: pl.DataFrame
    """`meter_id`, `role`, `kind`, `energy_kwh`, `power_kw_max`, `coverage`."""
    by_step: pl.DataFrame
    """From `by_step`."""
    gaps: pl.DataFrame
    peak: tuple[datetime, float] | None
    money: Money
    payments: Payments
    completeness: Completeness
    """Of the main meters."""
    events: pl.DataFrame
    corrections: pl.DataFrame | None
    """From `core.rollups.gaps.corrected`; null where the store keeps none."""
    readings: int
    """Readings behind the figures of the main meters."""
    demand: pl.DataFrame
    """From `core.rollups.metrics.demand`, of the main meters."""
    known: pl.DataFrame
    """From `core.rollups.load_factor.quarters`, of the main meters."""
    spans: pl.DataFrame
    """`core.meters.presence.SPANS` of its main meters."""
    notices: tuple[Notice, ...] = ()
    """What has to be said of its prices."""


def by_step(quarters: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Energy and known time of each meter in each step, and how much of it is estimated.

    Parameters
    ----------
    quarters
        `frames.ROLLUPS` of the grain `15min`, of main meters.
    steps
        From `core.rollups.profile.steps`.

    Returns
    -------
    polars.DataFrame
        `meter_id`, `step_utc`, `energy_kwh`, `covered_s`, `estimated_kwh`.
    """
    estimated = pl.col("energy_kwh").filter(pl.col("quality") != gaps.MEASURED)
    return (
        profile.stepped(quarters, steps)
        .group_by("meter_id", "step_utc")
        .agg(
            energy_kwh=known_sum("energy_kwh"),
            covered_s=pl.col("covered_s").sum(),
            estimated_kwh=estimated.sum(),
        )
        .sort("meter_id", "step_utc")
    )


def combine_sites(digests: Sequence[SiteFigures], spans: pl.DataFrame) -> pl.DataFrame:
    """The rows of sites added up, bucket by bucket; null where nothing is known."""
    one_currency = pl.col("currency").drop_nulls().n_unique() == 1
    rows = pl.concat(
        (
            each.rows.select(
                "start_utc",
                "end_utc",
                "energy_kwh",
                "power_kw_mean",
                "hashrate_th_mean",
                "hashrate_kwh",
                "hashrate_s",
                "hashes_th",
                "covered_s",
                "quality",
                pl.col("cost").cast(pl.Float64),
                pl.col("currency").cast(pl.String),
            )
            for each in digests
        ),
    )
    sums = (
        rows.with_columns(rank=frames.rank())
        .group_by("start_utc", maintain_order=True)
        .agg(
            end_utc=pl.col("end_utc").first(),
            energy_kwh=known_sum("energy_kwh"),
            power_kw_mean=known_sum("power_kw_mean"),
            hashrate_th_mean=known_sum("hashrate_th_mean"),
            efficiency_j_per_th=hashing.efficiency_of_sums(),
            covered_s=pl.col("covered_s").sum(),
            rank=pl.col("rank").max(),
            cost=pl.when(one_currency).then(known_sum("cost")),
            currency=pl.when(one_currency).then(pl.col("currency").drop_nulls().first()),
        )
        .sort("start_utc")
    )
    return (
        sums.with_columns(expected_s=presence.seconds(spans, sums))
        .with_columns(coverage=metrics.covered(pl.col("covered_s"), pl.col("expected_s")))
        .select(
            "start_utc",
            "end_utc",
            "energy_kwh",
            "power_kw_mean",
            "hashrate_th_mean",
            "efficiency_j_per_th",
            coverage="coverage",
            quality=frames.quality_of(pl.col("rank")),
            cost="cost",
            currency="currency",
        )
    )


def highest(demand: pl.DataFrame) -> tuple[datetime, float] | None:
    """Instant and power [kW] of the highest demand, the first of several; null without any."""
    if demand.is_empty():
        return None
    at, power = demand.row(int(demand["power_kw"].arg_max() or 0))
    return at, power
