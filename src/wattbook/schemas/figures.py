"""Answers of the routes that give series: for the documentation, which is checked against them."""

from datetime import date

from pydantic import AwareDatetime, BaseModel, Field

from wattbook.core.billing.missing import Lack
from wattbook.core.periods import Grain


class Figures(BaseModel):
    """Energy and statistics over a span of time; null is unknown, never zero."""

    energy_kwh: float | None = Field(description="energy [kWh] of the covered time")
    power_kw_mean: float | None = Field(description="mean power [kW]")
    power_kw_min: float | None = Field(description="lowest power [kW]")
    power_kw_max: float | None = Field(description="highest power [kW]")
    power_kw_max_at: AwareDatetime | None = Field(description="when the highest power began")
    hashrate_th_mean: float | None = Field(description="mean hash rate [TH/s]")
    efficiency_j_per_th: float | None = Field(
        description="energy over hashes [J/TH] of the time for which both are known"
    )
    efficiency_time_share: float | None = Field(
        description="share of the covered time for which both are known, 0 to 1; null where a part"
        " was rolled up by a version that did not store it"
    )
    inductive_kvarh: float | None = Field(
        description="reactive energy [kvarh] drawn while reactive power is known"
    )
    capacitive_kvarh: float | None = Field(description="reactive energy [kvarh] given in that time")
    reactive_kwh: float | None = Field(description="energy [kWh] of that time")
    reactive_s: float | None = Field(description="that time [s], of all meters")
    power_factor: float | None = Field(
        description="`reactive_kwh` over the apparent energy that it makes with `inductive_kvarh`"
    )
    readings: int = Field(description="readings stamped within the span")
    coverage: float = Field(description="covered over expected time of all meters, 0 to 1")
    quality: str | None = Field(description="worst quality of the parts")


class Row(Figures):
    """Figures of one bucket."""

    start: AwareDatetime
    end: AwareDatetime
    hashrate_kwh: float | None = Field(description="energy [kWh] while a hash rate is known")
    hashrate_s: float | None = Field(description="that time [s], of all meters")
    hashes_th: float | None = Field(description="hashes [TH] computed in that time")
    temperature_c_mean: float | None
    covered_s: float
    meters: int = Field(description="meters with energy in the bucket")
    revision: int | None
    computed: AwareDatetime | None


class Cost(BaseModel):
    """Cost at the price of each hour."""

    cost: float | None
    currency: str | None
    cost_energy_share: float | None = Field(description="share of the energy that has a price")


class Exceedance(BaseModel):
    """Whether more was drawn than the site's capacity, of several sites: than any one's own."""

    above_capacity: bool | None = Field(
        description="whether a reading of a main meter, or the quarter-hour demand of several, was"
        " above the capacity in force; null where that is not known"
    )


class PricedRow(Row, Exceedance, Cost):
    """Figures of one bucket, with their cost."""


class PricedTotal(Figures, Exceedance, Cost):
    """Figures of the whole period, with their cost."""

    peak_interval_s: int | None = Field(
        description="the longest time [s] for which a main meter has one value at the peak: a peak"
        " is of no shorter time"
    )


class MeterShare(BaseModel):
    """One meter of the site; only `main` ones are part of its figures."""

    meter_id: str
    role: str
    kind: str
    energy_kwh: float | None
    power_kw_max: float | None
    coverage: float


class RegisterEvent(BaseModel):
    """What a register did other than count up."""

    meter_id: str
    at: AwareDatetime
    kind: str
    detail: str


class Span(BaseModel):
    """What a series covers: whole buckets around the period asked for."""

    grain: Grain
    timezone: str
    start: AwareDatetime
    end: AwareDatetime
    as_of: AwareDatetime | None = Field(description="what was known then; null for all that is")


class NoticeOut(BaseModel):
    """A limit of the figures, to be read before them."""

    code: str = Field(
        description="`unknown_zone`, `world_average`, `mixed_boundaries`, `overlapping_rows`"
    )
    detail: str


class SiteMetrics(Span):
    """A site's figures."""

    site_id: str
    notices: list[NoticeOut]
    rows: list[PricedRow]
    total: PricedTotal
    meters: list[MeterShare]
    register_events: list[RegisterEvent]


class GroupRow(Row, Exceedance):
    """Figures of one group in one bucket."""

    group: str | None


class GroupTotal(Figures, Exceedance):
    """Figures of one group over the period."""

    group: str | None
    sites: int


class NetworkTotal(Figures, Exceedance):
    """Figures of all groups over the period."""


class AggregateOut(Span):
    """Totals of the network."""

    by: str
    rows: list[GroupRow]
    total: NetworkTotal
    groups: list[GroupTotal]


class Rollup(BaseModel):
    """One meter over one bucket."""

    meter_id: str
    grain: Grain
    start: AwareDatetime
    energy_kwh: float | None
    power_kw_mean: float | None
    power_kw_min: float | None
    power_kw_max: float | None
    power_kw_max_at: AwareDatetime | None
    hashrate_th_mean: float | None
    hashrate_kwh: float | None = Field(description="energy [kWh] while a hash rate is known")
    hashrate_s: float | None = Field(
        description="that time [s]; null where a version that did not store it rolled up"
    )
    efficiency_j_per_th: float | None = Field(description="energy over hashes of that time [J/TH]")
    efficiency_time_share: float | None = Field(description="that time over `covered_s`, 0 to 1")
    temperature_c_mean: float | None
    temperature_s: float | None = Field(description="time [s] for which it is known")
    readings: int
    expected: int
    bucket_s: int
    covered_s: float
    coverage: float
    quality: str | None
    computed: AwareDatetime
    revision: int
    above_capacity: bool | None = Field(
        description="whether a reading was above the capacity in force; null where the capacity or"
        " the power is not known, or a version that did not store it rolled up"
    )
    inductive_kvarh: float | None = Field(
        description="reactive energy [kvarh] drawn while reactive power is known"
    )
    capacitive_kvarh: float | None = Field(description="reactive energy [kvarh] given in that time")
    reactive_kwh: float | None = Field(description="energy [kWh] of that time")
    reactive_s: float | None = Field(description="that time [s]")


class RollupPage(BaseModel):
    """Some rollups, and the cursor for those that follow."""

    grain: Grain
    start: AwareDatetime
    end: AwareDatetime
    cursor: str | None
    rows: list[Rollup]


class CarbonRow(BaseModel):
    """Emissions of one bucket."""

    start: AwareDatetime
    energy_kwh: float | None
    emitted_kg: float | None = Field(description="emissions [kgCO2e]; null is unknown, never zero")
    intensity_g_per_kwh: float | None = Field(description="emissions over energy [gCO2e/kWh]")
    fallback: str | None = Field(
        description="fallback level of the factor; `none`: no fallback, the mix of the time"
    )
    coverage: float = Field(description="covered over expected time of all meters, 0 to 1")


class CarbonTotal(BaseModel):
    """Emissions of the whole period."""

    coverage: float = Field(description="covered over expected time of all meters, 0 to 1")
    energy_kwh: float | None
    emitted_kg: float | None
    intensity_g_per_kwh: float | None
    fallback: str | None


class FactorShare(BaseModel):
    """One origin of factors, and how much of the energy it was used for."""

    source: str | None
    scope: str | None = Field(description="`lifecycle` or `direct`; null if its zone does not say")
    fallback: str
    energy_share: float
    g_per_kwh: float | None


class CarbonOut(Span):
    """A carbon account."""

    entity_id: str
    notices: list[NoticeOut]
    method: str
    factor_set: str
    rows: list[CarbonRow]
    total: CarbonTotal
    factors: list[FactorShare]


class CostRow(BaseModel):
    """What one component costs in one bucket."""

    start: AwareDatetime
    component: str
    kind: str = Field(description="how the component is charged")
    currency: str | None
    energy_kwh: float | None = Field(description="energy [kWh] that the component is charged on")
    cost: float | None = Field(description="null is unknown, never zero")
    cost_energy_share: float | None = Field(description="share of that energy that has a price")
    coverage: float = Field(description="covered over expected time of all meters, 0 to 1")


class CostTotal(BaseModel):
    """What the rows of one currency come to."""

    currency: str
    cost: float | None


class BillTotal(BaseModel):
    """What the lines of one currency come to."""

    currency: str
    amount: float | None


class PeakOut(BaseModel):
    """The mean demand over one interval."""

    kw: float
    at: AwareDatetime = Field(description="start of the interval")
    minutes: int = Field(description="its length")


class MissingOut(BaseModel):
    """One thing that is not known of a bill."""

    lack: Lack = Field(description="what kind of thing")
    component: str | None = Field(description="null: the whole bill")
    kwh: float | None = Field(description="energy [kWh] concerned, where it is known")
    share: float | None = Field(description="share of the time concerned, 0 to 1")
    interval_s: int | None = Field(
        description="the time [s] for which a meter has one value, where a demand is the mean of a"
        " shorter one"
    )
    demand_kw_most: float | None = Field(
        description="the most that a demand can have been [kW]; null where nothing limits it"
    )
    detail: str = Field(description="the same in words")


class BillLine(BaseModel):
    """One price of one component: `amount` = `quantity` × `price` × `share`."""

    tariff_id: str | None = Field(description="null on days without tariff: the zone's price")
    component: str
    kind: str
    band: str | None = Field(description="band or block of the component")
    first: date = Field(description="first day")
    end: date = Field(description="first day after")
    quantity: float | None
    unit: str = Field(description="`kWh`, `kW`, `kvarh`, `month`, `day`, or a currency")
    price: float | None = Field(description="per unit; the mean, where the price is the zone's")
    share: float = Field(
        description="days over all days of the billing month, for what is due by the month"
    )
    amount: float | None = Field(description="below zero: a credit")
    currency: str | None
    unpriced_kwh: float = Field(description="energy without a price")
    peak_kw: float | None = Field(description="highest demand measured")
    peak_at: AwareDatetime | None = Field(description="start of its interval")
    peaks: list[PeakOut] = Field(description="the intervals whose demand is billed")
    estimated: bool = Field(
        description="whether the demand may have been higher than what is billed: readings are"
        " missing or estimated, or a meter has one value for a longer time"
    )
    demand_kw_most: float | None = Field(
        description="the most that a demand can have been; what is billed where all was measured;"
        " null where nothing limits it"
    )
    demand_interval_s: int | None = Field(
        description="the longest time [s] for which a meter whose demand is billed has one value"
    )
    floor_kw: float | None = Field(description="the least that the ratchet bills")
    floor_month: date | None = Field(description="the month that sets it")
    floor_coverage: float | None = Field(
        description="lowest coverage of the months that the ratchet looks back at"
    )
    reactive_kvarh: float | None = Field(description="reactive energy, before what is free")
    reactive_kwh: float | None = Field(
        description="active energy drawn while reactive power is known"
    )
    power_factor: float | None = Field(description="active over apparent energy of both")
    reactive_coverage: float | None = Field(
        description="share of the time with energy for which reactive power is known, where it is"
        " charged"
    )


class BillOut(BaseModel):
    """What a billing month cost, as far as it is known."""

    month: str = Field(description="2026-01, or the first and last day of a billing month")
    first: date = Field(description="first day, where the site stands")
    end_day: date = Field(description="first day after")
    start: AwareDatetime
    end: AwareDatetime
    energy_kwh: float | None = Field(description="drawn, before netting [kWh]")
    export_kwh: float = Field(description="given back, before netting [kWh]")
    coverage: float = Field(description="covered over expected time of all meters, 0 to 1")
    complete: bool = Field(description="whether all energy and all prices are known")
    missing: list[MissingOut] = Field(description="what is not known; empty when complete")
    holidays: list[date] = Field(description="days of the month that were charged as such")
    totals: list[BillTotal]
    lines: list[BillLine]


class CostOut(Span):
    """What a site pays."""

    entity_id: str
    notices: list[NoticeOut]
    method: str
    spread: bool = Field(description="whether demand and fixed charges are spread over their days")
    energy_kwh: float | None
    coverage: float
    totals: list[CostTotal]
    bills: list[BillOut]
    rows: list[CostRow]
