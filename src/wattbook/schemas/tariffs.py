"""Bodies and answers of the routes about tariffs."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from wattbook.core import tariffs as core
from wattbook.core.tariffs import ComponentKind, Per, Tariff
from wattbook.core.windows import DAY_KINDS, MONTHS, DayKind, Window
from wattbook.fields import Id, Number

MOST_TARIFFS: Final = 200
MOST_COMPONENTS: Final = 50
MOST_BANDS: Final = 100
MOST_DAYS: Final = 2_000
ISO_DATE: Final = len("2026-01-01")


def _written(value: object) -> object:
    # A bare number would be read as seconds since 1970, a time as its day.
    plain = isinstance(value, date) and not isinstance(value, datetime)
    if not plain and not (isinstance(value, str) and len(value) == ISO_DATE):
        raise ValueError("want a date, as in 2026-01-01")
    return value


Day = Annotated[date, BeforeValidator(_written)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Whole = Annotated[int, Field(strict=True)]


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


Windows = Annotated[tuple[WindowBody, ...], Field(max_length=MOST_BANDS)]


class FlatBody(Part):
    """One price for every kilowatt-hour."""

    kind: Literal[ComponentKind.FLAT]
    name: Name
    price_per_kwh: Number

    def entity(self) -> core.Flat:
        """The same, for the core."""
        return core.Flat(**dict(self))


class BandBody(Part):
    """The price of the kilowatt-hours drawn in some windows."""

    name: Name
    price_per_kwh: Number
    windows: Windows

    def entity(self) -> core.Band:
        """The same, for the core."""
        return core.Band(**{**dict(self), "windows": _entities(self.windows)})


class TimeOfUseBody(Part):
    """A price by local time; the bands cover every quarter-hour exactly once."""

    kind: Literal[ComponentKind.TIME_OF_USE]
    name: Name
    bands: tuple[BandBody, ...] = Field(max_length=MOST_BANDS)

    def entity(self) -> core.TimeOfUse:
        """The same, for the core."""
        return core.TimeOfUse(name=self.name, bands=tuple(each.entity() for each in self.bands))


class BlockBody(Part):
    """The price of the kilowatt-hours of a month up to a limit."""

    up_to_kwh: Number | None = Field(description="limit for a whole month; null for the last block")
    price_per_kwh: Number


class TieredBody(Part):
    """A price by how much was drawn in the month so far."""

    kind: Literal[ComponentKind.TIERED]
    name: Name
    blocks: tuple[BlockBody, ...] = Field(max_length=MOST_BANDS)

    def entity(self) -> core.Tiered:
        """The same, for the core."""
        blocks = tuple(core.Block(**dict(each)) for each in self.blocks)
        return core.Tiered(name=self.name, blocks=blocks)


class IndexedBody(Part):
    """The zone's price of the hour × `multiplier` + `adder_per_mwh`."""

    kind: Literal[ComponentKind.INDEXED]
    name: Name
    multiplier: Number = 1.0
    adder_per_mwh: Number = 0.0

    def entity(self) -> core.Indexed:
        """The same, for the core."""
        return core.Indexed(**dict(self))


class RatchetBody(Part):
    """At least so many percent of the highest billed demand of so many months before."""

    percent: Number
    months: Whole


class DemandBody(Part):
    """A price for the month's highest quarter-hour demand."""

    kind: Literal[ComponentKind.DEMAND]
    name: Name
    price_per_kw_month: Number
    windows: Windows = Field((), description="where demand counts; empty: always")
    ratchet: RatchetBody | None = None

    def entity(self) -> core.Demand:
        """The same, for the core."""
        ratchet = None if self.ratchet is None else core.Ratchet(**dict(self.ratchet))
        rest = {"windows": _entities(self.windows), "ratchet": ratchet}
        return core.Demand(**{**dict(self), **rest})


class FixedBody(Part):
    """A price that is due whatever is drawn."""

    kind: Literal[ComponentKind.FIXED]
    name: Name
    price: Number
    per: Per = Per.MONTH

    def entity(self) -> core.Fixed:
        """The same, for the core."""
        return core.Fixed(**dict(self))


class PercentageBody(Part):
    """A tax, fee or rebate on components that stand before it."""

    kind: Literal[ComponentKind.PERCENTAGE]
    name: Name
    percent: Number
    of: tuple[Name, ...] = Field(max_length=MOST_COMPONENTS, description="names of components")

    def entity(self) -> core.Percentage:
        """The same, for the core."""
        return core.Percentage(**dict(self))


ComponentBody = Annotated[
    FlatBody | TimeOfUseBody | TieredBody | IndexedBody | DemandBody | FixedBody | PercentageBody,
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
        None, max_length=16, description="public holidays of a country or a part of it: US, US-TX"
    )
    holidays: tuple[Day, ...] = Field(
        (), max_length=MOST_DAYS, description="holidays beside those of the calendar"
    )
    weekend: tuple[Whole, ...] = Field(
        core.WEEKEND, max_length=7, description="days of the week, 1 is Monday"
    )
    components: tuple[ComponentBody, ...] = Field(max_length=MOST_COMPONENTS)

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


def _listed(value: object) -> object:
    return [value] if isinstance(value, Mapping) else value


TariffList = Annotated[
    list[TariffIn],
    BeforeValidator(_listed, json_schema_input_type=TariffIn | list[TariffIn]),
    Field(min_length=1, max_length=MOST_TARIFFS, description="one tariff, or a list"),
]
AllTariffs = Annotated[
    list[TariffIn], Field(max_length=MOST_TARIFFS, description="all of them; empty for none")
]


def _entities(windows: tuple[WindowBody, ...]) -> tuple[Window, ...]:
    return tuple(each.entity() for each in windows)
