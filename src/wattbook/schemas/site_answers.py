"""Answers of the routes about sites."""

from datetime import datetime
from typing import Self

from pydantic import Field

from wattbook.core.registry import mains
from wattbook.core.registry.entities import (
    CivilInterval,
    MeterFlow,
    MeterKind,
    MeterRole,
    Site,
    SiteStatus,
    SupplyKind,
)
from wattbook.schemas.fields import Answer
from wattbook.schemas.tariffs import TariffOut


class MeterVersion(Answer):
    """What a meter was over a period."""

    id: str
    kind: MeterKind
    role: MeterRole
    parent: str | None
    expected_interval_s: int = Field(description="time between readings [s]")
    max_hold_s: int | None = Field(description="as it was sent; null for 3 intervals [s]")
    register_size_kwh: float | None = Field(description="where the register returns to 0 [kWh]")
    flow: MeterFlow = Field(description="`net` where negative rows are given back")
    register_resolution_kwh: float | None = Field(
        description="smallest step that the register shows [kWh]; null: inferred"
    )
    expected_interval: CivilInterval | None = Field(description="where a reading is of a civil one")
    valid_from: datetime | None = Field(description="since when; null: from the beginning")
    valid_to: datetime | None = Field(description="until when; null while it goes on")


class MeterOut(MeterVersion):
    """A meter of a site: as it is by its latest version, and what it was before."""

    earlier: list[MeterVersion] = Field(description="what it was before, in the order of time")
    warnings: list[str] = Field(
        default_factory=list, description="of a main meter: which others are added to it"
    )


class CapacityOut(Answer):
    """What a site could draw over a period."""

    capacity_kw: float | None
    plausible_kw: float | None
    contracted_kw: float | None
    valid_from: datetime | None
    valid_to: datetime | None


class SupplyOut(Answer):
    """How a site is powered over a period."""

    id: str
    kind: SupplyKind
    technology: str | None
    share: float | None = Field(description="share of the site's energy, 0 to 1")
    capacity_kw: float | None = Field(description="most that it delivers [kW]")
    g_per_kwh: float | None = Field(description="emission factor [gCO2e/kWh]")
    valid_from: datetime
    valid_to: datetime | None


class FleetOut(Answer):
    """So many machines of one model at a site over a period."""

    id: str
    model: str
    count: int
    hashrate_th: float | None = Field(description="of one machine [TH/s]")
    power_w: float | None = Field(description="of one machine [W]")
    valid_from: datetime
    valid_to: datetime | None


class SiteOut(Answer):
    """A site with everything on it."""

    id: str
    name: str
    operator: str
    timezone: str
    zone: str
    capacity_kw: float | None = Field(description="physical capacity [kW]")
    plausible_kw: float | None = Field(
        description="power above which a reading is rejected [kW]; null: twice the capacity"
    )
    contracted_kw: float | None = Field(description="contracted or permitted power [kW]")
    capacity_since: datetime | None = Field(
        validation_alias="capacity_since_utc", description="since when; null: from the beginning"
    )
    earlier_capacities: list[CapacityOut] = Field(description="before, in the order of time")
    latitude: float | None
    longitude: float | None
    legal_name: str | None
    permit: str | None
    address: str | None
    contact: str | None
    status: SiteStatus
    simulated: bool
    hold_reason: str | None = Field(description="why nothing of it may be removed; null: no hold")
    hold_since: datetime | None = Field(validation_alias="hold_since_utc")
    created: datetime = Field(validation_alias="created_utc")
    updated: datetime = Field(validation_alias="updated_utc")
    meters: list[MeterOut]
    supplies: list[SupplyOut]
    fleet: list[FleetOut]
    tariffs: list[TariffOut]

    @classmethod
    def of(cls, site: Site) -> Self:
        """The answer about `site`."""
        answer = cls.model_validate(site)
        added = mains.added(site)
        meters = [
            each.model_copy(update={"warnings": [added[each.id]]}) if each.id in added else each
            for each in answer.meters
        ]
        return answer.model_copy(update={"meters": meters})


class SitePage(Answer):
    """Some sites in the order of their ids."""

    sites: list[SiteOut]
    cursor: str | None = Field(description="ask with it for those that follow; null at the end")
