"""The dictionary page is what the code says; run with `UPDATE_DOCS=1`, this file makes it."""

import os
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattbook.core import frames
from wattbook.core.anomaly.finding import Category, Rule, Severity, State
from wattbook.core.billing.missing import Lack
from wattbook.core.frames import Column, Contract
from wattbook.core.periods import Grain
from wattbook.core.readings import checks, registers
from wattbook.core.readings.checks import RejectReason
from wattbook.core.readings.registers import EventKind
from wattbook.core.registry import entities
from wattbook.core.registry.components import Basis, ComponentKind, Direction
from wattbook.core.registry.entities import MeterFlow, MeterKind, MeterRole, SiteStatus, SupplyKind
from wattbook.core.registry.tariffs import Netting
from wattbook.core.registry.windows import DayKind
from wattbook.core.reporting.report import Format
from wattbook.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "dictionary.md"

HEAD = """# Dictionary

Every column, word of a closed list, and setting. This page is made from the code by
`tests/docs/test_dictionary.py`; change the code, then run it with `UPDATE_DOCS=1`.

The unit, the zone and the end of an interval are in the name: `energy_kwh`, `power_kw_mean`,
`start_utc`. Intervals are half-open and named by their start. Null means unknown; it is never zero.
In answers over HTTP the suffix `_utc` is dropped, because every time there ends in `Z`.
"""
REASONS: dict[RejectReason, str] = {
    RejectReason.BAD_ROW: "the row cannot be read, or a field has the wrong type",
    RejectReason.OTHER_MEASUREMENT: (
        "a line of InfluxDB's protocol whose measurement is not `INFLUXDB_MEASUREMENT`"
    ),
    RejectReason.UNKNOWN_SITE: "`site_id` is not registered",
    RejectReason.UNKNOWN_METER: (
        "`meter_id` is not registered, or the site has no single main meter, or neither is named"
    ),
    RejectReason.BAD_TIMESTAMP: "no ISO 8601 time with offset, or a wall time that clocks skipped",
    RejectReason.FUTURE_TIMESTAMP: (
        "more than 5 minutes ahead of the time of arrival (8 days for zone conditions)"
    ),
    RejectReason.TOO_OLD: "before 1990: a clock that was never set",
    RejectReason.REMOVED_PERIOD: (
        "before the readings of the meter that are still kept: a clean-up removed what was there"
    ),
    RejectReason.NOT_A_NUMBER: "text where a number is wanted",
    RejectReason.NOT_FINITE: "NaN or an infinity",
    RejectReason.NO_VALUE: (
        "the value that the meter's kind needs is missing, and the row does not hold only values"
        " beside energy; for a zone: every value is missing"
    ),
    RejectReason.NEGATIVE_ENERGY: (
        "energy or power below zero from a meter that is not `net`, register or hash rate below"
        " zero; for a zone: load or intensity"
    ),
    RejectReason.ABOVE_CAPACITY: (
        "more than `capacity_kw`: of older rejects; such rows are stored now"
    ),
    RejectReason.BAD_UNIT: "a unit that the column cannot be given in",
    RejectReason.BAD_QUALITY: "`quality` is none of the words below",
    RejectReason.BAD_ZONE: "`zone` is missing or cannot be the name of a zone",
    RejectReason.UNKNOWN_ZONE: (
        "`zone` is not registered (`wattbook zones`), nor private as `XX-lab`"
    ),
    RejectReason.BAD_INTERVAL: "`interval_s` is not between 1 and 31,622,400 (366 days)",
    RejectReason.BAD_CURRENCY: "`currency` is not a code of three capital letters (ISO 4217)",
    RejectReason.DUPLICATE_IN_BATCH: (
        "another row of the same batch has the same key and names the same column; it is named"
    ),
    RejectReason.IMPLAUSIBLE: "more power, or energy in the interval, than `plausible_kw` allows",
    RejectReason.BATCH_REFUSED: "the row was good, but another one of an `atomic` batch was not",
}
EVENTS: dict[EventKind, str] = {
    EventKind.ROLLOVER: "the register passed its size and began again at 0; counted through",
    EventKind.RESET: "the state fell and no roll-over explains it; a gap",
    EventKind.RETROGRADE: "readings lie below those before and after them; they are left out",
    EventKind.IMPLAUSIBLE: (
        "the state rose by more than the plausible power allows; a gap, or left out where it came"
        " back"
    ),
    EventKind.UNDETERMINED: "what was counted cannot be known from the readings; a gap",
}
GRAINS: dict[Grain, str] = {
    Grain.QUARTER: "quarter-hour of UTC, the market's settlement interval; all others are its sums",
    Grain.HOUR: "hour of UTC",
    Grain.DAY: "civil day where the site stands: 92, 96 or 100 quarters (94 or 98 at Lord Howe)",
    Grain.WEEK: "ISO week of such days, from Monday",
    Grain.MONTH: "civil month of such days",
}
KINDS: dict[MeterKind, str] = {
    MeterKind.INTERVAL: "the kWh of each interval: needs `energy_kwh`",
    MeterKind.REGISTER: "counts kWh: needs `register_kwh`",
    MeterKind.POWER: "samples kW: needs `power_kw`",
}
FLOWS: dict[MeterFlow, str] = {
    MeterFlow.CONSUMPTION: "counts one way: rows below zero are refused",
    MeterFlow.NET: "counts both ways: rows below zero are given back to the grid",
}
ROLES: dict[MeterRole, str] = {
    MeterRole.MAIN: "the site's consumption is the sum of these",
    MeterRole.SUB: "measures part of it again; shown beside the sum",
    MeterRole.GENERATION: "measures what the site makes; shown beside the sum",
    MeterRole.EXPORT: "measures what the site gives back to the grid; tariffs may pay for it",
}
STATUSES: dict[SiteStatus, str] = {
    SiteStatus.PLANNED: "not yet drawing",
    SiteStatus.ACTIVE: "in operation",
    SiteStatus.SUSPENDED: "ordered or decided to stand still",
    SiteStatus.RETIRED: "gone for good",
}
SUPPLIES: dict[SupplyKind, str] = {
    SupplyKind.GRID: "bought from the grid without an instrument",
    SupplyKind.PPA: "power purchase agreement",
    SupplyKind.ONSITE: "made at the site",
    SupplyKind.CERTIFICATE: "certificates bought apart from the power",
}
COMPONENTS: dict[ComponentKind, str] = {
    ComponentKind.FLAT: "one price for every kWh",
    ComponentKind.TIME_OF_USE: "a price by local time, on kinds of days in months of the year",
    ComponentKind.TIERED: "a price by how much the site drew in the billing month, or day, so far",
    ComponentKind.INDEXED: "the zone's price of the hour, times a multiplier, plus an adder",
    ComponentKind.EXPORT: "what is paid for each kWh given back",
    ComponentKind.DEMAND: "the billing month's highest demand, or what a ratchet makes of it",
    ComponentKind.DEMAND_STEPS: "a price by the step in which that demand lies (*effekttrinn*)",
    ComponentKind.COINCIDENT_DEMAND: "the mean demand at the grid's own peaks (4CP)",
    ComponentKind.REACTIVE: "reactive energy beyond a share of the active energy",
    ComponentKind.FIXED: "due whatever is drawn",
    ComponentKind.MINIMUM: "what is missing where components before it come to less",
    ComponentKind.PERCENTAGE: "a tax, fee or rebate on components before it",
}
BASES: dict[Basis, str] = {
    Basis.MEASURED: "a ratchet looks at demand as it was measured",
    Basis.BILLED: "a ratchet looks at demand as it was billed: it compounds",
}
DIRECTIONS: dict[Direction, str] = {
    Direction.INDUCTIVE: "reactive energy that is drawn, as motors do",
    Direction.CAPACITIVE: "reactive energy that is given, as capacitors do",
}
NETTINGS: dict[Netting, str] = {
    Netting.NONE: "nothing is taken off: drawn and given back as metered",
    Netting.QUARTER: "within each quarter-hour, what is given back is taken off what is drawn",
    Netting.HOUR: "within each hour of the local clock",
    Netting.DAY: "within each local day",
    Netting.MONTH: "within each billing month",
}
LACKS: dict[Lack, str] = {
    Lack.ENERGY: "a part of the billing month is not covered by readings",
    Lack.PRICE: "some energy has no price",
    Lack.DEMAND: "no demand is known within the windows of a component",
    Lack.RATCHET: "a month that a ratchet looks back at has gaps, or was removed",
    Lack.PEAKS: "a peak of the grid, or what was drawn in it, is not known",
    Lack.REACTIVE: "reactive power is not known for a part of the time with energy",
    Lack.AMOUNT: "an amount is not known",
    Lack.ESTIMATED: (
        "readings are missing or estimated, so that a demand may have been higher; the bill is"
        " complete"
    ),
}
DAYS: dict[DayKind, str] = {
    DayKind.WEEKDAY: "neither of the others",
    DayKind.WEEKEND: "Saturday and Sunday, unless the tariff says other days",
    DayKind.HOLIDAY: "of the tariff's calendar or its own list, on any day of the week",
}
FORMATS: dict[Format, str] = {
    Format.PDF: "for people and archives: PDF/A-2a, PDF/UA-1, A4",
    Format.HTML: "for people: one page that needs nothing else",
    Format.JSON: "every figure, with the keys of the API, and the manifest of the fingerprint",
    Format.CSV: "the series, a row for each bucket",
    Format.ZIP: "every table, one CSV each, and the manifest of the fingerprint",
}
RULES: dict[Rule, str] = {
    Rule.OUTAGE: "all meters of a site fell silent, or drew nothing, at the same time",
    Rule.GAP: "half of an hour's readings or more did not come, or half of its time is not known",
    Rule.REGISTER: "a register was reset, ran backwards or jumped",
    Rule.NEGATIVE: "less than nothing was drawn",
    Rule.STUCK: "a meter repeated itself to the last digit for longer than is usual for it",
    Rule.HASH_WITHOUT_ENERGY: "machines hashed, and the meter counted nothing",
    Rule.ZERO: "nothing was drawn, for longer than is usual",
    Rule.ABOVE_CAPACITY: "more was drawn than the site can",
    Rule.ENERGY_WITHOUT_HASH: "power was drawn, and the hash rate was reported as 0",
    Rule.EFFICIENCY_BOUNDS: "J/TH that the machines cannot have",
    Rule.SUM_CHECK: "a meter and those behind it do not add up as they did",
    Rule.EFFICIENCY_SHIFT: "J/TH of a day unlike the weeks before, and no machines were registered",
    Rule.SPIKE: "up to half an hour that stands out from both sides",
    Rule.LEVEL_SHIFT: "the level changed for good, and no machines were registered",
    Rule.FOREST: "unusual for the meter: by an Isolation Forest, or far from all such hours before",
}
CATEGORIES: dict[Category, str] = {
    Category.METER_FAULT: "the meter, or its link, is to be mended",
    Category.OPERATIONAL: "something happened at the site that is worth a note",
    Category.POSSIBLE_MISREPORT: "what was counted does not go with what was done: look into it",
}
SEVERITIES: dict[Severity, str] = {
    Severity.LOW: "what is at stake is less than the meter usually counts in an hour",
    Severity.MEDIUM: "less than it counts in half a day, or it cannot be computed",
    Severity.HIGH: "more than that",
}
STATES: dict[State, str] = {
    State.OPEN: "nobody said anything yet",
    State.CONFIRMED: "it is as it was found",
    State.DISMISSED: "it is nothing; counted nowhere",
    State.EXPLAINED: "it is so, and why is known",
}
QUALITIES = {
    "measured": "as the meter reported it",
    "estimated": "computed by the sender, or distributed over a silence of a register",
    "substituted": "put in place of a value that was wrong",
}
TECHNOLOGIES = {
    "coal": "hard coal and lignite",
    "gas": "natural gas",
    "oil": "oil products",
    "nuclear": "nuclear fission",
    "hydro": "run-of-river, reservoirs and pumped storage",
    "wind": "onshore and offshore",
    "solar": "photovoltaic and thermal",
    "biomass": "biomass and biogas",
    "geothermal": "geothermal",
    "battery": "discharge; negative while charging; left out of the mix",
    "other": "named by the zone as other; has a factor",
    "unknown": "the zone does not say; has no factor, so the mix of the hour is unknown",
}


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def dtype_of(column: Column) -> str:
    dtype = column.dtype
    if isinstance(dtype, pl.List):
        return "list"
    if isinstance(dtype, pl.Datetime):
        return f"time, µs, {dtype.time_zone}"
    words = {
        pl.String: "text",
        pl.Boolean: "boolean",
        pl.Date: "date",
        pl.Float64: "float64",
        pl.Int64: "int64",
        pl.UInt32: "uint32",
        pl.UInt16: "uint16",
    }
    return next(word for kind, word in words.items() if dtype == kind)


def frame_section(contract: Contract) -> str:
    key = ", ".join(f"`{name}`" for name in contract.key)
    rows = (
        (f"`{name}`", dtype_of(column), column.meaning) for name, column in contract.columns.items()
    )
    meaning = f"{contract.meaning[0].upper()}{contract.meaning[1:]}"
    head = f"### {contract.name}\n\n{meaning}. Key: {key}.\n\n"
    return head + table(("Column", "Type", "Meaning"), rows)


def words(title: str, meanings: Mapping[Any, str]) -> str:
    rows = ((f"`{word}`", meaning) for word, meaning in meanings.items())
    return f"### {title}\n\n" + table(("Word", "Meaning"), rows)


def settings_section() -> str:
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default in ("", None) else f"`{field.default}`"
        rows.append((f"`{name.upper()}`", default, field.description or ""))
    head = """## Settings

Environment variables, or lines of a file `.env` where the service starts. A value that is wrong
stops the start and is named. `wattbook config` shows what is in force.

"""
    return head + table(("Name", "Default", "Meaning"), rows)


def page() -> str:
    closed = [
        words("Reasons of rejects", REASONS),
        words("Register events", EVENTS),
        words("Grains", GRAINS),
        words("Kinds of meter", KINDS),
        words("Roles of a meter", ROLES),
        words("Status of a site", STATUSES),
        words("Kinds of supply", SUPPLIES),
        words("Components of a tariff", COMPONENTS),
        words("Kinds of days", DAYS),
        words("Formats of a report", FORMATS),
        words("Rules that find anomalies, the first of which speaks of an hour", RULES),
        words("Categories of findings", CATEGORIES),
        words("Severity of findings", SEVERITIES),
        words("States of findings", STATES),
        words("Quality of a reading, from best to worst", QUALITIES),
        words("Technologies", TECHNOLOGIES),
    ]
    sections = [
        HEAD,
        "## Frames\n\nWhat crosses a border between parts; the contracts of `core/frames.py`.\n",
        *(frame_section(contract) for contract in frames.CONTRACTS),
        "## Closed lists\n",
        *closed,
        settings_section(),
    ]
    return "\n".join(sections)


def test_the_page_is_what_the_code_says() -> None:
    fresh = page()
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(fresh, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == fresh, "run this test with UPDATE_DOCS=1"


@pytest.mark.parametrize(
    ("kind", "meanings"),
    [
        (RejectReason, REASONS),
        (EventKind, EVENTS),
        (Grain, GRAINS),
        (MeterKind, KINDS),
        (MeterRole, ROLES),
        (MeterFlow, FLOWS),
        (SiteStatus, STATUSES),
        (SupplyKind, SUPPLIES),
        (ComponentKind, COMPONENTS),
        (Basis, BASES),
        (Direction, DIRECTIONS),
        (Netting, NETTINGS),
        (Lack, LACKS),
        (DayKind, DAYS),
        (Format, FORMATS),
        (Rule, RULES),
        (Category, CATEGORIES),
        (Severity, SEVERITIES),
        (State, STATES),
    ],
)
def test_every_word_of_a_closed_list_has_a_meaning(
    kind: type[StrEnum], meanings: dict[StrEnum, str]
) -> None:
    assert list(meanings) == list(kind)


def test_qualities_and_technologies_are_those_of_the_frames() -> None:
    assert tuple(QUALITIES) == frames.QUALITIES
    assert tuple(TECHNOLOGIES) == frames.TECHNOLOGIES


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_numbers_in_the_meanings_are_those_of_the_code() -> None:
    assert checks.FUTURE_TOLERANCE.total_seconds() == 5 * 60
    assert checks.GRID_AHEAD.days == 8
    assert checks.EARLIEST.year == 1990
    assert checks.MAX_INTERVAL_S == 366 * 86_400
    assert registers.PLAUSIBLE == 2
    assert entities.HOLD_INTERVALS == 3
