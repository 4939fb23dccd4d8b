"""The components of a tariff: each says what is charged, on what, and at what price."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from wattbook.core import manifest
from wattbook.core.registry.windows import MONTHS, Slots, Window, slots


class ComponentKind(StrEnum):
    """How a component of a tariff is charged."""

    FLAT = "flat"
    TIME_OF_USE = "time_of_use"
    TIERED = "tiered"
    INDEXED = "indexed"
    EXPORT = "export"
    DEMAND = "demand"
    DEMAND_STEPS = "demand_steps"
    COINCIDENT_DEMAND = "coincident_demand"
    REACTIVE = "reactive"
    FIXED = "fixed"
    MINIMUM = "minimum"
    PERCENTAGE = "percentage"

    def __repr__(self) -> str:
        """The word alone, as messages list them."""
        return repr(self.value)


class Per(StrEnum):
    """How often a price is due, or a limit counts from zero: each billing month, or each day."""

    MONTH = "month"
    DAY = "day"


class Basis(StrEnum):
    """Which demands of earlier months a ratchet takes its percentage of."""

    MEASURED = "measured"
    BILLED = "billed"


class Direction(StrEnum):
    """Which reactive energy is charged: drawn (inductive), or given (capacitive)."""

    INDUCTIVE = "inductive"
    CAPACITIVE = "capacitive"


@manifest.named("Flat", "kind name price_per_kwh")
@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """One price for every kilowatt-hour."""

    kind: Literal[ComponentKind.FLAT] = ComponentKind.FLAT
    name: str
    price_per_kwh: float


@manifest.named(
    "Band",
    "name price_per_kwh windows rest",
    later={"rest": False},
)
@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The price of the kilowatt-hours drawn in some windows, or in the rest of the time."""

    name: str
    price_per_kwh: float
    windows: tuple[Window, ...] = ()
    rest: bool = False
    """Whether the band is all the time that no other band covers."""


@manifest.named("TimeOfUse", "kind name bands")
@dataclass(frozen=True, slots=True, kw_only=True)
class TimeOfUse:
    """A price by local time; the bands cover every quarter-hour of the year exactly once."""

    kind: Literal[ComponentKind.TIME_OF_USE] = ComponentKind.TIME_OF_USE
    name: str
    bands: tuple[Band, ...]


@manifest.named("Block", "up_to_kwh price_per_kwh")
@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The price of the kilowatt-hours of a billing month or day up to a limit; null: of all."""

    up_to_kwh: float | None
    price_per_kwh: float


@manifest.named(
    "Tiered",
    "kind name blocks per",
    later={"per": Per.MONTH},
)
@dataclass(frozen=True, slots=True, kw_only=True)
class Tiered:
    """A price by how much the site drew in the billing month, or in the day, so far."""

    kind: Literal[ComponentKind.TIERED] = ComponentKind.TIERED
    name: str
    blocks: tuple[Block, ...]
    per: Per = Per.MONTH


@manifest.named("Indexed", "kind name multiplier adder_per_mwh")
@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """The zone's price of the hour, times a multiplier, plus an adder."""

    kind: Literal[ComponentKind.INDEXED] = ComponentKind.INDEXED
    name: str
    multiplier: float = 1.0
    adder_per_mwh: float = 0.0


@manifest.named("Export", "kind name price_per_kwh multiplier adder_per_mwh")
@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What is paid for each kilowatt-hour given back: a price, or the zone's as `Indexed`."""

    kind: Literal[ComponentKind.EXPORT] = ComponentKind.EXPORT
    name: str
    price_per_kwh: float | None = None
    multiplier: float = 1.0
    adder_per_mwh: float = 0.0


@manifest.named(
    "Ratchet",
    "percent months peak_months basis",
    later={"peak_months": MONTHS, "basis": Basis.MEASURED},
)
@dataclass(frozen=True, slots=True, kw_only=True)
class Ratchet:
    """At least so many percent of the highest demand of so many billing months before."""

    percent: float
    months: int
    peak_months: tuple[int, ...] = MONTHS
    """The months of the year whose demand counts."""
    basis: Basis = Basis.MEASURED


INTERVALS: Final = (15, 30, 60)
"""Minutes over which demand may be averaged."""
STEP_MINUTES: Final = 15
"""By so much a rolling interval may move on: energy is kept by the quarter-hour."""


@manifest.named(
    "Demand",
    "kind name price_per_kw_month windows ratchet"
    " interval_minutes sliding_minutes peaks minimum_kw",
    later={"interval_minutes": 15, "sliding_minutes": None, "peaks": 1, "minimum_kw": 0.0},
)
@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A price for the billing month's highest demand, within the windows if there are any."""

    kind: Literal[ComponentKind.DEMAND] = ComponentKind.DEMAND
    name: str
    price_per_kw_month: float
    windows: tuple[Window, ...] = ()
    ratchet: Ratchet | None = None
    interval_minutes: int = 15
    """Demand is the mean over so long."""
    sliding_minutes: int | None = None
    """By how much the interval moves on; null: by its own length, from the full hour."""
    peaks: int = 1
    """Billed is the mean of so many highest demands of different days."""
    minimum_kw: float = 0.0
    """No less is billed."""


@manifest.named("Step", "up_to_kw price_per_month")
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The price of a month whose demand is below a limit; null for all beyond."""

    up_to_kw: float | None
    price_per_month: float


@manifest.named("DemandSteps", "kind name steps windows interval_minutes sliding_minutes peaks")
@dataclass(frozen=True, slots=True, kw_only=True)
class DemandSteps:
    """A price by the month that depends on the step in which the demand lies (*effekttrinn*)."""

    kind: Literal[ComponentKind.DEMAND_STEPS] = ComponentKind.DEMAND_STEPS
    name: str
    steps: tuple[Step, ...]
    windows: tuple[Window, ...] = ()
    interval_minutes: int = 15
    sliding_minutes: int | None = None
    peaks: int = 1


@manifest.named(
    "CoincidentDemand",
    "kind name price_per_kw_month months instants count per_month interval_minutes year_begins"
    " same_month",
    later={"per_month": 1},
)
@dataclass(frozen=True, slots=True, kw_only=True)
class CoincidentDemand:
    """A price for the mean demand at the grid's own peaks, as 4CP."""

    kind: Literal[ComponentKind.COINCIDENT_DEMAND] = ComponentKind.COINCIDENT_DEMAND
    name: str
    price_per_kw_month: float
    months: tuple[int, ...] = MONTHS
    """The months of the year in which peaks count."""
    instants: tuple[datetime, ...] = ()
    """Starts of the peaks as published; without them the zone's highest loads are."""
    count: int | None = None
    """How many peaks all the months have together, as 5CP; null: `per_month` in each of them."""
    per_month: int = 1
    """How many peaks each of the months has; of load each is of another day."""
    interval_minutes: int = 15
    year_begins: int = 1
    """From this month on, for a year, the peaks of the twelve months before it are billed."""
    same_month: bool = False
    """Whether instead each billing month pays for its own peaks."""


@manifest.named("LowFactor", "below price_per_kvarh")
@dataclass(frozen=True, slots=True, kw_only=True)
class LowFactor:
    """The price of reactive energy where the power factor of the month is below a limit."""

    below: float
    price_per_kvarh: float


@manifest.named("Reactive", "kind name price_per_kvarh free_percent direction windows low_factor")
@dataclass(frozen=True, slots=True, kw_only=True)
class Reactive:
    """A price for the reactive energy of a billing month beyond a share of the active energy."""

    kind: Literal[ComponentKind.REACTIVE] = ComponentKind.REACTIVE
    name: str
    price_per_kvarh: float
    free_percent: float = 0.0
    """So many percent of the active energy cost nothing, as 48.43 (a power factor of 0.9)."""
    direction: Direction = Direction.INDUCTIVE
    windows: tuple[Window, ...] = ()
    """Where both energies count; empty: always."""
    low_factor: LowFactor | None = None
    """Another price for all that is billed where the power factor is lower than a limit."""


@manifest.named("Fixed", "kind name price per")
@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """A price that is due whatever is drawn."""

    kind: Literal[ComponentKind.FIXED] = ComponentKind.FIXED
    name: str
    price: float
    per: Per = Per.MONTH


@manifest.named("Minimum", "kind name amount of per")
@dataclass(frozen=True, slots=True, kw_only=True)
class Minimum:
    """What is missing where components that stand before it come to less than an amount."""

    kind: Literal[ComponentKind.MINIMUM] = ComponentKind.MINIMUM
    name: str
    amount: float
    of: tuple[str, ...]
    per: Per = Per.MONTH


@manifest.named("Percentage", "kind name percent of")
@dataclass(frozen=True, slots=True, kw_only=True)
class Percentage:
    """A tax, fee or rebate on components that stand before it."""

    kind: Literal[ComponentKind.PERCENTAGE] = ComponentKind.PERCENTAGE
    name: str
    percent: float
    of: tuple[str, ...]


Component: TypeAlias = (
    Flat
    | TimeOfUse
    | Tiered
    | Indexed
    | Export
    | Demand
    | DemandSteps
    | CoincidentDemand
    | Reactive
    | Fixed
    | Minimum
    | Percentage
)
OnEnergy: TypeAlias = Flat | TimeOfUse | Tiered | Indexed | Export
OnDemand: TypeAlias = Demand | DemandSteps
ON_ENERGY: Final = (Flat, TimeOfUse, Tiered, Indexed, Export)
"""Components that are charged on the energy of each quarter-hour."""
ON_DEMAND: Final = (Demand, DemandSteps)
"""Components that are charged on the highest demand of a billing month."""


def band_slots(bands: Iterable[Band]) -> list[tuple[str, Slots]]:
    """The name of each band with the quarter-hours that it covers.

    >>> work = Band(name="peak", price_per_kwh=0.2, windows=(Window(start="07:00", end="20:00"),))
    >>> rest = Band(name="off-peak", price_per_kwh=0.1, rest=True)
    >>> [(name, int(covered[0, 0].sum())) for name, covered in band_slots([work, rest])]
    [('peak', 52), ('off-peak', 44)]
    """
    import numpy as np  # noqa: PLC0415 -- a tariff that is only read does not need NumPy

    listed = list(bands)
    named = [slots(band.windows) for band in listed if not band.rest]
    taken = np.logical_or.reduce([*named, slots(())])
    return [(band.name, ~taken if band.rest else slots(band.windows)) for band in listed]


def step_names(steps: Sequence[Step]) -> list[str]:
    """What the steps are called on a bill.

    >>> step_names([Step(up_to_kw=kw, price_per_month=1.0) for kw in (2.0, 5.0, None)])
    ['below 2 kW', '2 to below 5 kW', 'from 5 kW']
    """
    names, floor = [], None
    for step in steps:
        below = None if step.up_to_kw is None else f"{step.up_to_kw:,.15g} kW"
        if floor is None:
            names.append("all" if below is None else f"below {below}")
        else:
            names.append(f"from {floor} kW" if below is None else f"{floor} to below {below}")
        floor = None if step.up_to_kw is None else f"{step.up_to_kw:,.15g}"
    return names
