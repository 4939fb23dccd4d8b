"""Bodies and answers of the routes about tariffs."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from wattbook.core.registry import tariffs as core
from wattbook.core.registry.components import Basis, ComponentKind, Direction, Per
from wattbook.core.registry.tariffs import Netting, Tariff
from wattbook.core.registry.windows import DAY_KINDS, MONTHS, DayKind, Window
from wattbook.schemas.fields import Id, Number

MAX_TARIFFS: Final = 200
MAX_COMPONENTS: Final = 50
MAX_BANDS: Final = 100
MAX_DAYS: Final = 2_000
COMMENT: Final = "$comment"
"""A member of this name says something to people, as in JSON Schema."""
ISO_DATE: Final = len("2026-01-01")


def _written(value: object) -> object:
    # A bare number would be read as seconds since 1970, a time as its day.
    plain = isinstance(value, date) and not isinstance(value, datetime)
    if not plain and not (isinstance(value, str) and len(value) == ISO_DATE):
        raise ValueError("must be a date, as in 2026-01-01")
    return value


Day = Annotated[date, BeforeValidator(_written)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Whole = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Months = Annotated[tuple[Whole, ...], Field(max_length=12, description="1 to 12")]


class Part(BaseModel):
    """A part of a tariff, as it is sent and answered."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)


class WindowBody(Part):
    """From `start` until `end` of the local clock, on some days of some months."""

    days: tuple[DayKind, ...] = Field(DAY_KINDS, max_length=3, description="kinds of days")
    months: tuple[Whole, ...] = Field(MONTHS, max_length=12, description="1 to 12")
    start: str = Field("00:00", max_length=5, description="a quarter-hour of the day, as 07:45")
    end: str = Field(
        "24:00",
        max_length=5,
        description="the first after; before `start` where the window lies around midnight",
    )

    def entity(self) -> Window:
        """The same, for the core."""
        return Window(**dict(self))


Windows = Annotated[tuple[WindowBody, ...], Field(max_length=MAX_BANDS)]


class FlatBody(Part):
    """One price for every kilowatt-hour."""

    kind: Literal[ComponentKind.FLAT]
    name: Name
    price_per_kwh: Number

    def entity(self) -> core.Flat:
        """The same, for the core."""
        return core.Flat(**dict(self))


class BandBody(Part):
    """The price of the kilowatt-hours drawn in some windows, or in the rest of the time."""

    name: Name
    price_per_kwh: Number
    windows: Windows = Field((), description="empty where `rest` is true")
    rest: Flag = Field(default=False, description="all the time that no other band covers")

    def entity(self) -> core.Band:
        """The same, for the core."""
        return core.Band(**{**dict(self), "windows": _entities(self.windows)})


class TimeOfUseBody(Part):
    """A price by local time; the bands cover every quarter-hour exactly once."""

    kind: Literal[ComponentKind.TIME_OF_USE]
    name: Name
    bands: tuple[BandBody, ...] = Field(max_length=MAX_BANDS)

    def entity(self) -> core.TimeOfUse:
        """The same, for the core."""
        return core.TimeOfUse(name=self.name, bands=tuple(each.entity() for each in self.bands))


class BlockBody(Part):
    """The price of the kilowatt-hours of a billing month or a day up to a limit."""

    up_to_kwh: Number | None = Field(
        description="limit for a whole month, or day; null for the last block"
    )
    price_per_kwh: Number


class TieredBody(Part):
    """A price by how much was drawn in the billing month, or in the day, so far."""

    kind: Literal[ComponentKind.TIERED]
    name: Name
    blocks: tuple[BlockBody, ...] = Field(max_length=MAX_BANDS)
    per: Per = Field(Per.MONTH, description="when blocks begin from zero")

    def entity(self) -> core.Tiered:
        """The same, for the core."""
        blocks = tuple(core.Block(**dict(each)) for each in self.blocks)
        return core.Tiered(name=self.name, blocks=blocks, per=self.per)


class IndexedBody(Part):
    """The zone's price of the hour × `multiplier` + `adder_per_mwh`."""

    kind: Literal[ComponentKind.INDEXED]
    name: Name
    multiplier: Number = 1.0
    adder_per_mwh: Number = 0.0

    def entity(self) -> core.Indexed:
        """The same, for the core."""
        return core.Indexed(**dict(self))


class ExportBody(Part):
    """What is paid for each kilowatt-hour given back: a price, or the zone's."""

    kind: Literal[ComponentKind.EXPORT]
    name: Name
    price_per_kwh: Number | None = Field(
        None, description="null: the zone's price of the hour × `multiplier` + `adder_per_mwh`"
    )
    multiplier: Number = 1.0
    adder_per_mwh: Number = 0.0

    def entity(self) -> core.Export:
        """The same, for the core."""
        return core.Export(**dict(self))


class RatchetBody(Part):
    """At least so many percent of the highest demand of so many billing months before."""

    percent: Number
    months: Whole
    peak_months: Months = Field(MONTHS, description="months of the year whose demand counts")
    basis: Basis = Field(Basis.MEASURED, description="of the demand as measured, or as billed")


class MeasuringBody(Part):
    """Over what demand is measured."""

    windows: Windows = Field((), description="where demand counts; empty: always")
    interval_minutes: Whole = Field(15, description="demand is the mean over 15, 30 or 60 minutes")
    sliding_minutes: Whole | None = Field(
        None, description="15: intervals begin with every quarter-hour; null: with the full hour"
    )
    peaks: Whole = Field(
        1, description="number of highest demands that are averaged, each of another day"
    )


class DemandBody(MeasuringBody):
    """A price for the billing month's highest demand."""

    kind: Literal[ComponentKind.DEMAND]
    name: Name
    price_per_kw_month: Number
    ratchet: RatchetBody | None = None
    minimum_kw: Number = Field(0.0, description="no less is billed")

    def entity(self) -> core.Demand:
        """The same, for the core."""
        ratchet = None if self.ratchet is None else core.Ratchet(**dict(self.ratchet))
        rest = {"windows": _entities(self.windows), "ratchet": ratchet}
        return core.Demand(**{**dict(self), **rest})


class StepBody(Part):
    """The price of a month whose demand is below a limit."""

    up_to_kw: Number | None = Field(description="null for the last step")
    price_per_month: Number


class DemandStepsBody(MeasuringBody):
    """A price by the month that depends on the step in which the demand lies."""

    kind: Literal[ComponentKind.DEMAND_STEPS]
    name: Name
    steps: tuple[StepBody, ...] = Field(max_length=MAX_BANDS)

    def entity(self) -> core.DemandSteps:
        """The same, for the core."""
        steps = tuple(core.Step(**dict(each)) for each in self.steps)
        rest = {"windows": _entities(self.windows), "steps": steps}
        return core.DemandSteps(**{**dict(self), **rest})


class CoincidentDemandBody(Part):
    """A price for the mean demand at the grid's own peaks, as 4CP."""

    kind: Literal[ComponentKind.COINCIDENT_DEMAND]
    name: Name
    price_per_kw_month: Number
    months: Months = Field(MONTHS, description="months of the year in which peaks count")
    instants: tuple[AwareDatetime, ...] = Field(
        (),
        max_length=MAX_DAYS,
        description="starts of the published peaks; empty: the zone's highest loads",
    )
    count: Whole | None = Field(
        None, description="peaks of all months together, as 5CP; null: `per_month` of each"
    )
    per_month: Whole = Field(1, description="peaks of each month, each of another day")
    interval_minutes: Whole = Field(15, description="demand is the mean over 15, 30 or 60 minutes")
    year_begins: Whole = Field(
        1, description="from this month on, for a year, the twelve months before are billed"
    )
    same_month: Flag = Field(default=False, description="each billing month pays for its own peaks")

    def entity(self) -> core.CoincidentDemand:
        """The same, for the core."""
        return core.CoincidentDemand(**dict(self))


class LowFactorBody(Part):
    """The price of reactive energy where the power factor of the month is below a limit."""

    below: Number
    price_per_kvarh: Number


class ReactiveBody(Part):
    """A price for the reactive energy of a billing month beyond a share of the active energy."""

    kind: Literal[ComponentKind.REACTIVE]
    name: Name
    price_per_kvarh: Number
    free_percent: Number = Field(0.0, description="of the active energy; 48.43: cos φ 0.9")
    direction: Direction = Field(Direction.INDUCTIVE, description="drawn, or given (capacitive)")
    windows: Windows = Field((), description="where both energies count; empty: always")
    low_factor: LowFactorBody | None = Field(None, description="price where the factor is lower")

    def entity(self) -> core.Reactive:
        """The same, for the core."""
        low = None if self.low_factor is None else core.LowFactor(**dict(self.low_factor))
        rest = {"windows": _entities(self.windows), "low_factor": low}
        return core.Reactive(**{**dict(self), **rest})


class FixedBody(Part):
    """A price that is due whatever is drawn."""

    kind: Literal[ComponentKind.FIXED]
    name: Name
    price: Number
    per: Per = Per.MONTH

    def entity(self) -> core.Fixed:
        """The same, for the core."""
        return core.Fixed(**dict(self))


class MinimumBody(Part):
    """What is missing where components that stand before it come to less than an amount."""

    kind: Literal[ComponentKind.MINIMUM]
    name: Name
    amount: Number
    of: tuple[Name, ...] = Field(max_length=MAX_COMPONENTS, description="names of components")
    per: Per = Per.MONTH

    def entity(self) -> core.Minimum:
        """The same, for the core."""
        return core.Minimum(**dict(self))


class PercentageBody(Part):
    """A tax, fee or rebate on components that stand before it."""

    kind: Literal[ComponentKind.PERCENTAGE]
    name: Name
    percent: Number
    of: tuple[Name, ...] = Field(max_length=MAX_COMPONENTS, description="names of components")

    def entity(self) -> core.Percentage:
        """The same, for the core."""
        return core.Percentage(**dict(self))


ComponentBody = Annotated[
    FlatBody
    | TimeOfUseBody
    | TieredBody
    | IndexedBody
    | ExportBody
    | DemandBody
    | DemandStepsBody
    | CoincidentDemandBody
    | ReactiveBody
    | FixedBody
    | MinimumBody
    | PercentageBody,
    Field(discriminator="kind"),
]


class TariffIn(Part):
    """What a site pays by, from a local date until another or until the next tariff."""

    id: Id | None = Field(None, description="made up from the first day when left out")
    valid_from: Day = Field(description="first day, where the site stands")
    valid_to: Day | None = Field(
        None, description="first day after; null: until the next tariff begins"
    )
    currency: str = Field(max_length=3, description="ISO 4217 code")
    calendar: str | None = Field(
        None,
        max_length=16,
        description="public holidays of a country or a part of it (US, US-TX), or NERC",
    )
    holidays: tuple[Day, ...] = Field(
        (), max_length=MAX_DAYS, description="holidays in addition to those of the calendar"
    )
    holidays_removed: tuple[Annotated[str, Field(max_length=16)], ...] = Field(
        (),
        max_length=MAX_DAYS,
        description="days of the calendar that count as others: a date, 12-24 or easter-2",
    )
    weekend: tuple[Whole, ...] = Field(
        core.WEEKEND, max_length=7, description="days of the week, 1 is Monday"
    )
    billing_day: Whole | None = Field(
        None, description="day on which bills begin, in shorter months the last; null: the first"
    )
    netting: Netting = Field(
        Netting.NONE, description="over what time exports are taken off what is drawn"
    )
    components: tuple[ComponentBody, ...] = Field(max_length=MAX_COMPONENTS)

    def entity(self) -> Tariff:
        """The tariff, before a site is given to it."""
        rest = {
            "id": self.id or "",
            "components": tuple(each.entity() for each in self.components),
        }
        return Tariff(site_id="", **{**dict(self), **rest})


class TariffOut(TariffIn):
    """A tariff of a site."""

    id: str

    @classmethod
    def of(cls, tariff: Tariff) -> Self:
        """The answer about `tariff`."""
        return cls.model_validate(tariff)


def uncommented(value: object) -> object:
    """`value` without the members `$comment`, at any depth: they are for people to read."""
    if isinstance(value, Mapping):
        return {name: uncommented(each) for name, each in value.items() if name != COMMENT}
    if isinstance(value, list):
        return [uncommented(each) for each in value]
    return value


def _listed(value: object) -> object:
    value = uncommented(value)
    return [value] if isinstance(value, Mapping) else value


TariffList = Annotated[
    list[TariffIn],
    BeforeValidator(_listed, json_schema_input_type=TariffIn | list[TariffIn]),
    Field(min_length=1, max_length=MAX_TARIFFS, description="one tariff, or a list"),
]
AllTariffs = Annotated[
    list[TariffIn], Field(max_length=MAX_TARIFFS, description="all of them; empty for none")
]


def _entities(windows: tuple[WindowBody, ...]) -> tuple[Window, ...]:
    return tuple(each.entity() for each in windows)
