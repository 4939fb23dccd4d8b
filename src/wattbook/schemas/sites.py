"""Bodies and answers of the routes about sites."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
)
from pydantic_core import PydanticCustomError

from wattbook.core.frames import TECHNOLOGIES
from wattbook.core.registry.declared import SentMeter
from wattbook.core.registry.entities import (
    CivilInterval,
    FleetItem,
    MeterFlow,
    MeterKind,
    MeterRole,
    SiteStatus,
    Supply,
    SupplyKind,
)
from wattbook.core.registry.versions import UNSET, Sent
from wattbook.core.timezones import known_timezone
from wattbook.flows.sites import Draft
from wattbook.schemas.fields import Id, Instant, Number, When

MAX_PARTS: Final = 1_000
MAX_MACHINES: Final = 10_000_000
MAX_INTERVAL_S: Final = 31 * 86_400


def _known(technology: str) -> str:
    if technology not in TECHNOLOGIES:
        raise ValueError(f"must be one of {', '.join(TECHNOLOGIES)}")
    return technology


def _timezone(value: str) -> str:
    if not known_timezone(value):
        said = f"{value!r} is not an IANA time zone"
        raise PydanticCustomError("bad_timezone", "{said}", {"said": said})
    return value


def _listed(value: object) -> object:
    return [value] if isinstance(value, Mapping) else value


Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Seconds = Annotated[int, Field(strict=True, ge=1, le=MAX_INTERVAL_S)]
Latitude = Annotated[Number, Field(ge=-90, le=90, description="degrees north")]
Longitude = Annotated[Number, Field(ge=-180, le=180, description="degrees east")]
Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$"
    ),
    Field(description="for people to read"),
]
Model = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$"
    ),
    Field(description="as the maker calls it"),
]
Reason = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$"
    ),
    Field(description="legal hold: why nothing of the site may be removed; null releases it"),
]
Line = StringConstraints(
    strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$"
)
LegalName = Annotated[
    str, Line, Field(description="legal name of the operator, for the first page of reports")
]
Permit = Annotated[
    str, Line, Field(description="number of the permit, with the authority that issued it")
]
Address = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$"
    ),
    Field(description="postal address of the site, on one line"),
]
Contact = Annotated[
    str, Line, Field(description="person, e-mail address or telephone number for questions")
]
Timezone = Annotated[
    str,
    Field(min_length=1, max_length=64, description="IANA time zone, as in America/Chicago"),
    AfterValidator(_timezone),
]
Zone = Annotated[str, Field(min_length=1, max_length=64, description="grid zone, as US-TEX-ERCO")]
Capacity = Annotated[
    Positive, Field(description="physical capacity [kW]; readings above it are stored and flagged")
]
Plausible = Annotated[
    Positive,
    Field(description="a reading above it is rejected [kW]; default: twice the capacity"),
]
Contracted = Annotated[Positive, Field(description="contracted or permitted power [kW]")]
Technology = Annotated[
    str, AfterValidator(_known), Field(json_schema_extra={"enum": list(TECHNOLOGIES)})
]
From = Annotated[Instant, Field(description="first instant, ISO 8601 with offset")]
To = Annotated[Instant | None, Field(description="first instant after; null while it goes on")]


ROLE: Final = (
    "what its flow means for the site: `main` meters add up to what the site draws, a `sub` meter"
    " measures a part of what a main meter measures too, `generation` is what the site makes"
    " itself, `export` what it gives back; needed as soon as a site has two meters"
)
Since = Annotated[
    When | None,
    Field(
        description="since when it is so: a date (midnight at the site) or an instant with offset;"
        " null: from the beginning"
    ),
]
Until = Annotated[When | None, Field(description="until when; null, or left out, while it goes on")]


class Body(BaseModel):
    """What is sent: a field that nobody knows is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MeterIn(Body):
    """A meter as it is sent."""

    id: Id
    kind: MeterKind = Field(description="how it tells energy")
    role: MeterRole | None = Field(None, description=ROLE)
    parent: Id | None = Field(None, description="meter of the same site behind which it stands")
    expected_interval_s: Seconds | None = Field(
        None, description="time between readings [s]; 900 by default"
    )
    expected_interval: CivilInterval | None = Field(
        None, description="`day` or `month` where each reading is of a civil one at the site"
    )
    register_size_kwh: Positive | None = Field(
        None, description="value at which the register returns to 0 [kWh]"
    )
    register_resolution_kwh: Positive | None = Field(
        None, description="smallest step that the register shows [kWh]; inferred by default"
    )
    max_hold_s: Seconds | None = Field(
        None, description="time for which a power reading is believed [s]; 3 intervals by default"
    )
    flow: MeterFlow = Field(
        MeterFlow.CONSUMPTION,
        description="`net` where the meter counts both ways: negative is given back",
    )
    valid_from: Since = None
    valid_to: Until = None

    def entity(self) -> SentMeter:
        """The meter, before a site is given to it; dates that were left out are unset."""
        dates = {
            name: getattr(self, name) if name in self.model_fields_set else UNSET
            for name in ("valid_from", "valid_to")
        }
        return SentMeter(**{**dict(self), **dates})


class SupplyIn(Body):
    """A supply as it is sent."""

    id: Id | None = Field(None, description="made up from the content when left out")
    kind: SupplyKind = Field(description="how power is bought or made")
    technology: Technology | None = Field(None, description="what generates it")
    share: Annotated[Number, Field(ge=0, le=1)] | None = Field(
        None, description="share of the site's energy, 0 to 1"
    )
    capacity_kw: Positive | None = Field(None, description="most that it delivers [kW]")
    g_per_kwh: NotNegative | None = Field(
        None, description="emission factor of the instrument [gCO2e/kWh]"
    )
    valid_from: From
    valid_to: To = None

    def entity(self) -> Supply:
        """The supply, before a site is given to it."""
        return Supply(site_id="", **{**dict(self), "id": self.id or ""})


class FleetIn(Body):
    """Machines of one model as they are sent."""

    id: Id | None = Field(None, description="made up from the content when left out")
    model: Model
    count: int = Field(strict=True, ge=0, le=MAX_MACHINES, description="how many machines")
    hashrate_th: NotNegative | None = Field(None, description="nameplate of one machine [TH/s]")
    power_w: NotNegative | None = Field(None, description="nameplate of one machine [W]")
    valid_from: From
    valid_to: To = None

    def entity(self) -> FleetItem:
        """The machines, before a site is given to them."""
        return FleetItem(site_id="", **{**dict(self), "id": self.id or ""})


class SiteIn(Body):
    """A site as it is sent. Without meters it is given `<id>.main`, of the kind `telemetry`."""

    id: Id | None = Field(None, description="made up from the name when left out")
    name: Name
    operator: Id = Field(description="who runs the site, a slug")
    timezone: Timezone
    zone: Zone
    capacity_kw: Capacity | None = None
    plausible_kw: Plausible | None = None
    contracted_kw: Contracted | None = None
    telemetry: MeterKind = Field(MeterKind.POWER, description="kind of the main meter to create")
    expected_interval_s: Seconds | None = Field(
        None, description="time between its readings [s]; 900 by default"
    )
    expected_interval: CivilInterval | None = Field(
        None, description="`day` or `month` where each of its readings is of a civil one"
    )
    register_size_kwh: Positive | None = Field(None, description="size of its register [kWh]")
    register_resolution_kwh: Positive | None = Field(
        None, description="smallest step that its register shows [kWh]"
    )
    max_hold_s: Seconds | None = Field(
        None, description="time for which a power reading of it is believed [s]"
    )
    flow: MeterFlow = Field(
        MeterFlow.CONSUMPTION, description="`net` where it counts both ways: negative is given back"
    )
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    legal_name: LegalName | None = None
    permit: Permit | None = None
    address: Address | None = None
    contact: Contact | None = None
    status: SiteStatus = Field(SiteStatus.ACTIVE, description="where it stands in its life")
    simulated: bool = Field(default=False, strict=True, description="whether its data is made up")
    meters: list[MeterIn] = Field(default=[], max_length=MAX_PARTS)
    supplies: list[SupplyIn] = Field(default=[], max_length=MAX_PARTS)
    fleet: list[FleetIn] = Field(default=[], max_length=MAX_PARTS)

    def draft(self) -> Draft:
        """The same, for the flow."""
        parts = {
            name: tuple(part.entity() for part in getattr(self, name))
            for name in ("meters", "supplies", "fleet")
        }
        return Draft(**{**dict(self), **parts})


class SitePatch(Body):
    """The fields of a site that are to change; those left out stay as they are."""

    name: Name | None = None
    operator: Id | None = None
    timezone: Timezone | None = None
    zone: Zone | None = None
    capacity_kw: Capacity | None = None
    plausible_kw: Plausible | None = None
    contracted_kw: Contracted | None = None
    valid_from: Annotated[
        When | None,
        Field(
            description="since when the capacity holds: a date (midnight at the site), an instant,"
            " or null: from the beginning. Left out, from the first reading that is yet to come"
        ),
    ] = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    legal_name: LegalName | None = None
    permit: Permit | None = None
    address: Address | None = None
    contact: Contact | None = None
    status: SiteStatus | None = None
    simulated: Annotated[bool, Field(strict=True)] | None = None
    hold_reason: Reason | None = None

    @field_validator("name", "operator", "timezone", "zone", "status", "simulated", mode="before")
    @classmethod
    def _told(cls, value: object) -> object:
        if value is None:
            raise ValueError("a site always has one; leave the field out to keep it")
        return value

    def changes(self) -> dict[str, object]:
        """What was sent, null included."""
        own = self.model_fields_set - {"valid_from"}
        return {name: value for name, value in self if name in own}

    @property
    def since(self) -> Sent:
        """Since when the capacity holds; unset where it was left out."""
        return self.valid_from if "valid_from" in self.model_fields_set else UNSET


MeterList = Annotated[
    list[MeterIn],
    BeforeValidator(_listed, json_schema_input_type=MeterIn | list[MeterIn]),
    Field(min_length=1, max_length=MAX_PARTS, description="one meter, or a list"),
]
SupplyList = Annotated[
    list[SupplyIn],
    BeforeValidator(_listed, json_schema_input_type=SupplyIn | list[SupplyIn]),
    Field(min_length=1, max_length=MAX_PARTS, description="one supply, or a list"),
]
FleetList = Annotated[
    list[FleetIn],
    BeforeValidator(_listed, json_schema_input_type=FleetIn | list[FleetIn]),
    Field(min_length=1, max_length=MAX_PARTS, description="one entry, or a list"),
]
