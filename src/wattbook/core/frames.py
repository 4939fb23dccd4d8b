"""The contracts of the frames that cross borders; the dictionary page is made from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from wattbook.core.errors import FrameMismatchError, Problem
from wattbook.core.registry import entities

UTC: Final = pl.Datetime("us", "UTC")
TECHNOLOGIES: Final = (
    "coal",
    "gas",
    "oil",
    "nuclear",
    "hydro",
    "wind",
    "solar",
    "biomass",
    "geothermal",
    "battery",
    "other",
    "unknown",
)
QUALITIES: Final = ("measured", "estimated", "substituted")
"""From best to worst; an aggregate carries the worst of its parts."""

READING_VALUES: Final = entities.READING_VALUES
SENT_VALUES: Final = entities.SENT_VALUES
GRID_GENERATION: Final = tuple(f"gen_{technology}_mw" for technology in TECHNOLOGIES)
GRID_VALUES: Final = (
    "load_mw",
    *GRID_GENERATION,
    "price_per_mwh",
    "carbon_g_per_kwh",
    "marginal_g_per_kwh",
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a contract: its type and what it means."""

    dtype: pl.DataType | type[pl.DataType]
    meaning: str


@dataclass(frozen=True, slots=True)
class Contract:
    """The columns that a frame has when it crosses a border, in order, sorted by `key`."""

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: Mapping[str, Column] = field(default_factory=dict)

    @property
    def schema(self) -> dict[str, pl.DataType | type[pl.DataType]]:
        """Types by column name."""
        return {name: column.dtype for name, column in self.columns.items()}

    def empty(self) -> pl.DataFrame:
        """A frame of this contract without rows."""
        return pl.DataFrame(schema=self.schema)


def check(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """`frame` narrowed to the contract's columns, in its order.

    Raises
    ------
    FrameMismatchError
        With one problem for each column that is absent or of another type.
    """
    have = frame.schema
    problems = [
        Problem("bad_column", f"must be {dtype}, but is {have.get(name, 'missing')}", field=name)
        for name, dtype in contract.schema.items()
        if have.get(name) != dtype
    ]
    if problems:
        wrong = "; ".join(f"{problem.field}: {problem.detail}" for problem in problems)
        raise FrameMismatchError(f"not a frame of {contract.name}: {wrong}", problems)
    return frame.select(*contract.columns)


READING_COLUMNS: Final[dict[str, Column]] = {
    "power_kw": Column(pl.Float64, "power [kW] at the instant, held until the next reading"),
    "energy_kwh": Column(pl.Float64, "energy [kWh] of the interval that begins at `ts_utc`"),
    "register_kwh": Column(pl.Float64, "state [kWh] of the cumulative register"),
    "hashrate_th": Column(pl.Float64, "hash rate [TH/s]"),
    "temperature_c": Column(pl.Float64, "temperature [°C] of the inlet air, or of a chip"),
    "reactive_power_kvar": Column(
        pl.Float64,
        "reactive power [kvar] of the same time as the power or energy, of a register held until"
        " the next reading: positive inductive, negative capacitive",
    ),
}

RAW_READINGS: Final = Contract(
    "raw readings",
    "rows as they were sent, before they are validated",
    ("row",),
    {
        "row": Column(pl.UInt32, "position in the body, from 0"),
        "site_id": Column(pl.String, "site, when the row names no meter: its main meter is meant"),
        "meter_id": Column(pl.String, "meter (`device_id` is read as the same)"),
        "timestamp": Column(pl.String, "ISO 8601 with offset"),
        **READING_COLUMNS,
        "reactive_kvarh": Column(
            pl.Float64,
            "reactive energy [kvarh] of an interval: `reactive_power_kvar` times its length",
        ),
        "quality": Column(pl.String, "`measured` when left out"),
        "reason": Column(pl.String, "why the row cannot be read at all, else null"),
        "detail": Column(pl.String, "what exactly is wrong with it, else null"),
        "raw": Column(pl.String, "the row as sent, where it cannot be read, else null"),
        "explicit": Column(
            pl.UInt32, "a bit for each value that was sent as null: it clears what is stored"
        ),
    },
)
SUPERSEDED: Final[dict[str, Column]] = {
    "superseded_utc": Column(UTC, "when wattbook learned better"),
}
_LATER: Final = ("reactive_power_kvar",)
"""Values that the first release had not: last in what is stored, so that checksums stay."""
_READINGS: Final[dict[str, Column]] = {
    "meter_id": Column(pl.String, "the meter"),
    "ts_utc": Column(UTC, "instant, or start of the interval"),
    **{name: column for name, column in READING_COLUMNS.items() if name not in _LATER},
    "quality": Column(pl.String, "`measured`, `estimated` or `substituted`"),
    "known_utc": Column(UTC, "when wattbook learned it"),
    "revision": Column(pl.UInt16, "0, and one more with each correction"),
}
_LATER_READINGS: Final = {name: READING_COLUMNS[name] for name in _LATER}
READINGS: Final = Contract(
    "readings",
    "one row from one meter at one instant, as it is now believed",
    ("meter_id", "ts_utc"),
    {**_READINGS, **_LATER_READINGS},
)
READING_REVISIONS: Final = Contract(
    "reading revisions",
    "readings that were corrected, as they were believed before",
    ("meter_id", "ts_utc", "revision"),
    {**_READINGS, **SUPERSEDED, **_LATER_READINGS},
)
REFUSED: Final = Contract(
    "refused instants",
    "instants at which a row of the meter was refused: no value is held over them",
    ("meter_id", "ts_utc"),
    {
        "meter_id": Column(pl.String, "the meter"),
        "ts_utc": Column(UTC, "instant, or start of the interval"),
        "known_utc": Column(UTC, "when the first row of that instant was refused"),
    },
)
RECEIPTS: Final = Contract(
    "receipts",
    "what became of each batch: accepted + duplicates + corrected + rejected = received",
    ("batch_id",),
    {
        "batch_id": Column(pl.String, "the batch"),
        "source": Column(pl.String, "the way by which it came"),
        "sha256": Column(pl.String, "SHA-256 of what was sent, in hexadecimal"),
        "received_utc": Column(UTC, "when it came in"),
        "received": Column(pl.Int64, "rows in the batch"),
        "accepted": Column(pl.Int64, "rows that were new"),
        "duplicates": Column(pl.Int64, "rows that were there already"),
        "corrected": Column(pl.Int64, "rows that replaced others"),
        "rejected": Column(pl.Int64, "rows that were refused"),
    },
)
REJECTS: Final = Contract(
    "rejects",
    "rows that were refused, kept as evidence",
    ("row",),
    {
        "row": Column(pl.UInt32, "position in the body, from 0"),
        "reason": Column(pl.String, "one of the closed list of reasons"),
        "detail": Column(pl.String, "what exactly is wrong"),
        "raw": Column(pl.String, "the row as sent, as JSON where it could be read"),
    },
)
BATCH_REJECTS: Final = Contract(
    "rejects of batches",
    "rejects of many batches, each with the batch that it came in",
    ("batch_id", "row"),
    {
        **{name: RECEIPTS.columns[name] for name in ("batch_id", "source", "received_utc")},
        **REJECTS.columns,
    },
)
VERSION: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "valid_from_utc": UTC,
    "valid_to_utc": UTC,
    "kind": pl.String,
    "role": pl.String,
    "expected_interval_s": pl.Int64,
    "expected_interval": pl.String,
    "max_hold_s": pl.Int64,
    "register_size_kwh": pl.Float64,
    "flow": pl.String,
    "register_resolution_kwh": pl.Float64,
    "capacity_kw": pl.Float64,
    "plausible_kw": pl.Float64,
}
"""Fields of a version of a meter in `METERS`: what it was or is, and of what time."""
METERS: Final = Contract(
    "meters",
    "what ingestion and rollup need to know of each meter",
    ("meter_id",),
    {
        "meter_id": Column(pl.String, "the meter"),
        "site_id": Column(pl.String, "where it is"),
        "operator": Column(pl.String, "who runs the site"),
        "zone": Column(pl.String, "grid zone of the site"),
        "timezone": Column(pl.String, "IANA time zone of the site"),
        "kind": Column(pl.String, "`interval`, `register` or `power`"),
        "role": Column(pl.String, "`main`, `sub`, `generation` or `export`"),
        "expected_interval_s": Column(pl.Int64, "seconds between readings"),
        "max_hold_s": Column(pl.Int64, "seconds for which a power reading is believed"),
        "register_size_kwh": Column(pl.Float64, "value at which the register returns to 0"),
        "flow": Column(pl.String, "`consumption`, or `net` where negative rows are given back"),
        "register_resolution_kwh": Column(
            pl.Float64, "smallest step [kWh] that its register shows; null where not declared"
        ),
        "capacity_kw": Column(pl.Float64, "capacity [kW] of the site"),
        "plausible_kw": Column(
            pl.Float64, "power [kW] above which a reading is rejected; null: 2 × the capacity"
        ),
        "expected_interval": Column(
            pl.String, "`day` or `month` where an interval is a civil one; else null"
        ),
        "valid_from_utc": Column(UTC, "since when the meter is there; null: from the beginning"),
        "valid_to_utc": Column(UTC, "until when it is there; null while it goes on"),
        "versions": Column(
            pl.List(pl.Struct(VERSION)),
            "where it has not always been what it is: what it was and is, in the order of time,"
            " from `valid_from_utc` until `valid_to_utc`; null where it has always been the same",
        ),
        "readings_from_utc": Column(UTC, "before it readings were removed; null where none were"),
        "revisions_from_utc": Column(UTC, "the same for what was superseded before it"),
        "quarters_from_utc": Column(UTC, "the same for its quarters"),
        "days_from_utc": Column(UTC, "the same for its days"),
    },
)
ROLLUPS: Final = Contract(
    "rollups",
    "energy and statistics of one meter over one bucket",
    ("meter_id", "grain", "start_utc"),
    {
        "meter_id": Column(pl.String, "the meter"),
        "grain": Column(pl.String, "`15min`, `hour`, `day`, `week` or `month`"),
        "start_utc": Column(UTC, "start of the bucket"),
        "energy_kwh": Column(pl.Float64, "energy [kWh] of the covered time; null where none is"),
        "power_kw_mean": Column(pl.Float64, "mean power [kW] over the covered time"),
        "power_kw_min": Column(pl.Float64, "lowest power [kW] of a reading's span"),
        "power_kw_max": Column(pl.Float64, "highest power [kW] of a reading's span"),
        "power_kw_max_at": Column(UTC, "when the highest power began"),
        "hashrate_th_mean": Column(pl.Float64, "mean hash rate [TH/s] over `hashrate_s`"),
        "hashrate_kwh": Column(pl.Float64, "energy [kWh] of `hashrate_s`; null where none is"),
        "hashrate_s": Column(
            pl.Float64,
            "time [s] for which energy and hash rate are both known; null where it was rolled up"
            " before this was stored",
        ),
        "efficiency_j_per_th": Column(pl.Float64, "`hashrate_kwh` over the hashes of it [J/TH]"),
        "efficiency_time_share": Column(pl.Float64, "`hashrate_s` over `covered_s`, 0 to 1"),
        "temperature_c_mean": Column(pl.Float64, "mean temperature [°C] over `temperature_s`"),
        "temperature_s": Column(
            pl.Float64, "time [s] for which the temperature is known; null as `hashrate_s`"
        ),
        "readings": Column(pl.Int64, "readings with their stamp in the bucket"),
        "expected": Column(pl.Int64, "readings that a full bucket has"),
        "bucket_s": Column(pl.Int64, "length [s] of the bucket: 82 800 to 90 000 for a day"),
        "covered_s": Column(pl.Float64, "time [s] for which the energy is known"),
        "coverage": Column(pl.Float64, "covered time over the bucket's time, 0 to 1"),
        "quality": Column(pl.String, "worst quality of the parts"),
        "computed_utc": Column(UTC, "when the figures were computed"),
        "revision": Column(pl.Int64, "0, and one more each time the figures changed"),
        "above_capacity": Column(
            pl.Boolean,
            "whether a reading's span had more power than the capacity in force; null where the"
            " capacity or the power is not known, or it was rolled up before this was stored",
        ),
        "inductive_kvarh": Column(
            pl.Float64, "reactive energy [kvarh] drawn over `reactive_s`; null where none is known"
        ),
        "capacitive_kvarh": Column(pl.Float64, "reactive energy [kvarh] given over `reactive_s`"),
        "reactive_kwh": Column(pl.Float64, "energy [kWh] of `reactive_s`"),
        "reactive_s": Column(
            pl.Float64, "time [s] for which energy and reactive power are both known"
        ),
    },
)
DIRTY: Final = Contract(
    "dirty",
    "spans whose readings changed since they were rolled up",
    ("meter_id", "mark", "from_utc"),
    {
        "meter_id": Column(pl.String, "the meter"),
        "from_utc": Column(UTC, "first stamp that changed"),
        "to_utc": Column(UTC, "last stamp that changed"),
        "mark": Column(pl.Int64, "the change, numbered by the store; other meters may share it"),
    },
)
EVENTS: Final = Contract(
    "register events",
    "what a register did other than count up",
    ("meter_id", "at_utc", "kind"),
    {
        "meter_id": Column(pl.String, "the meter"),
        "at_utc": Column(UTC, "stamp of the reading that shows it"),
        "kind": Column(
            pl.String, "`rollover`, `reset`, `retrograde`, `implausible` or `undetermined`"
        ),
        "detail": Column(pl.String, "the readings concerned"),
    },
)
GRID: Final = Contract(
    "grid",
    "conditions of one grid zone over one interval; rows of several lengths may overlap",
    ("zone", "start_utc", "interval_s"),
    {
        "zone": Column(pl.String, "the grid zone"),
        "start_utc": Column(UTC, "start of the interval"),
        "interval_s": Column(pl.Int64, "length [s] of the interval"),
        "load_mw": Column(pl.Float64, "load [MW]"),
        **{
            f"gen_{technology}_mw": Column(pl.Float64, f"generation from {technology} [MW]")
            for technology in TECHNOLOGIES
        },
        "price_per_mwh": Column(pl.Float64, "price per MWh in `currency`; may be negative"),
        "currency": Column(pl.String, "ISO 4217 code"),
        "carbon_g_per_kwh": Column(pl.Float64, "published average intensity [gCO2e/kWh]"),
        "marginal_g_per_kwh": Column(pl.Float64, "published marginal intensity [gCO2e/kWh]"),
        "known_utc": Column(UTC, "when wattbook learned it"),
        "revision": Column(pl.UInt16, "0, and one more with each correction"),
    },
)
GRID_REVISIONS: Final = Contract(
    "grid revisions",
    "zone conditions that were corrected, as they were believed before",
    ("zone", "start_utc", "interval_s", "revision"),
    {**GRID.columns, **SUPERSEDED},
)
RAW_GRID: Final = Contract(
    "raw grid",
    "zone conditions as they were sent",
    ("row",),
    {
        "row": Column(pl.UInt32, "position in the body, from 0"),
        "zone": Column(pl.String, "the grid zone"),
        "start": Column(pl.String, "ISO 8601 with offset"),
        "interval_s": Column(pl.Int64, "length [s] of the interval, 3600 when left out"),
        **{name: GRID.columns[name] for name in GRID_VALUES},
        "currency": GRID.columns["currency"],
        "reason": RAW_READINGS.columns["reason"],
        "detail": RAW_READINGS.columns["detail"],
        "raw": RAW_READINGS.columns["raw"],
        "explicit": RAW_READINGS.columns["explicit"],
    },
)
FACTORS: Final = Contract(
    "factors",
    "emission factors, dated and sourced",
    ("factor_set", "zone", "technology", "scope", "valid_from"),
    {
        "factor_set": Column(pl.String, "the set that the row belongs to"),
        "zone": Column(pl.String, "zone or country; `*` for any"),
        "technology": Column(pl.String, "technology, or `mix` for a grid average"),
        "scope": Column(pl.String, "`lifecycle` or `direct`"),
        "valid_from": Column(pl.Date, "first day of validity"),
        "valid_to": Column(pl.Date, "first day on which it no longer holds; null if open"),
        "g_per_kwh": Column(pl.Float64, "emission factor [gCO2e/kWh]"),
        "low": Column(pl.Float64, "lower end of the published range"),
        "high": Column(pl.Float64, "upper end of the published range"),
        "source": Column(pl.String, "where the figure is published"),
        "licence": Column(pl.String, "under which licence"),
    },
)
CONTENTS: Final = Contract(
    "contents",
    "how much a store keeps of what is whose",
    ("table", "owner", "month"),
    {
        "table": Column(pl.String, "the table"),
        "owner": Column(pl.String, "the meter, the zone, or the source of the batch"),
        "month": Column(pl.Date, "first day of the month in UTC"),
        "rows": Column(pl.Int64, "how many rows there are"),
    },
)
CHECKSUMS: Final = Contract(
    "checksums",
    "what tells whether two stores keep the same rows",
    ("owner", "month"),
    {
        **{name: CONTENTS.columns[name] for name in ("owner", "month", "rows")},
        "sha256": Column(pl.String, "SHA-256 over the rows, in hexadecimal"),
    },
)
CONTRACTS: Final = (
    RAW_READINGS,
    READINGS,
    READING_REVISIONS,
    REFUSED,
    RECEIPTS,
    REJECTS,
    BATCH_REJECTS,
    METERS,
    ROLLUPS,
    DIRTY,
    EVENTS,
    RAW_GRID,
    GRID,
    GRID_REVISIONS,
    FACTORS,
    CONTENTS,
    CHECKSUMS,
)


def rank() -> pl.Expr:
    """How bad the `quality` of a row is, 0 for the best."""
    return pl.col("quality").cast(_QUALITY).to_physical()


def quality_of(rank_: pl.Expr) -> pl.Expr:
    """The quality that has this rank."""
    return pl.lit(_QUALITIES).gather(rank_.cast(pl.UInt32))


def above_rank() -> pl.Expr:
    """What a part with energy says of `above_capacity`: 0 not above, 1 unknown, 2 above.

    Null where it has no energy. The highest of several parts is what they say together.
    """
    rank = pl.col("above_capacity").cast(pl.UInt8) * 2
    return pl.when(pl.col("energy_kwh").is_not_null()).then(rank.fill_null(1))


def above_of(rank_: pl.Expr) -> pl.Expr:
    """`above_capacity` of the highest `above_rank`."""
    return pl.when(rank_ != 1).then(rank_ == 2)  # noqa: PLR2004 -- see `above_rank`


def known_sum(column: str) -> pl.Expr:
    """Sum that is null where nothing is known."""
    value = pl.col(column)
    return pl.when(value.count() > 0).then(value.sum())


_QUALITY: Final = pl.Enum(QUALITIES)
_QUALITIES: Final = pl.Series(QUALITIES)
