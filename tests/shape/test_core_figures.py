"""Figures live in rows and units in names: the core holds no number that nobody can follow home."""

import ast
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from wattbook.core import frames, units
from wattbook.core.frames import Contract
from wattbook.sources.files import reference

CORE = Path(__file__).parents[2] / "src" / "wattbook" / "core"
MODULES = sorted(path for path in CORE.rglob("*.py") if path.name != "units.py")
HARMLESS = {0.0, 1.0, 5e-324}
"""Nothing, all, and the least above nothing: no factor, threshold or conversion."""

NAMED_UNITS = {
    "kw": "kW",
    "kwh": "kWh",
    "th": "TH/s",
    "c": "C",
    "kvar": "kvar",
    "kvarh": "kvarh",
    "g_per_kwh": "g/kWh",
    "per_mwh": "1/MWh",
}


def suffix_of(column: str) -> str:
    """The unit in the name of a column that can be given in others."""
    suffixes = [suffix for suffix in NAMED_UNITS if column.endswith(f"_{suffix}")]
    return max(suffixes, key=len)


BASE_UNITS = {suffix_of(name) for name in units.TO_BASE}
SUFFIXES = {
    *BASE_UNITS,  # kw, kwh, th, c, kvar, kvarh
    *("kw_mean", "kw_min", "kw_max", "th_mean", "c_mean"),  # what was done over the bucket
    *("mw", "mwh", "s", "j_per_th", "per_mwh", "g_per_kwh"),
}
SHARES = {"coverage", "efficiency_time_share"}
"""Numbers from 0 to 1."""
AS_NAMED_BESIDE = {"low": "g_per_kwh", "high": "g_per_kwh"}
"""Ends of the range of another column, in its unit."""


def explained_constants(tree: ast.Module) -> set[ast.Constant]:
    """The figures of module-level `NAME: Final = figure` with a docstring below."""
    return {
        statement.value
        for statement, after in pairwise(tree.body)
        if isinstance(statement, ast.AnnAssign)
        and ast.unparse(statement.annotation) == "Final"
        and isinstance(statement.value, ast.Constant)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(after.value.value, str)
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_figure_is_a_row_of_a_table_or_a_constant_with_its_meaning(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    explained = explained_constants(tree)
    literals = [
        f"line {node.lineno}: {node.value}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, float)
        and node.value not in HARMLESS
        and node not in explained
    ]
    assert literals == []


def test_a_constant_without_its_meaning_is_no_explained_one() -> None:
    tree = ast.parse('A: Final = 0.5\nB: Final = 0.2\n"""A share."""\nC = 0.1\n"""No Final."""')

    assert [node.value for node in explained_constants(tree)] == [0.2]


@pytest.mark.parametrize("contract", frames.CONTRACTS, ids=lambda contract: contract.name)
def test_every_measured_column_has_its_unit_in_its_name(contract: Contract) -> None:
    measured = [name for name, dtype in contract.schema.items() if dtype == pl.Float64]
    without = [
        name
        for name in measured
        if name not in SHARES
        and AS_NAMED_BESIDE.get(name) not in contract.columns
        and not any(name == suffix or name.endswith(f"_{suffix}") for suffix in SUFFIXES)
    ]
    assert without == []


@pytest.mark.parametrize("contract", frames.CONTRACTS, ids=lambda contract: contract.name)
def test_every_instant_says_in_its_name_that_it_is_utc(contract: Contract) -> None:
    instants = [name for name, dtype in contract.schema.items() if dtype == frames.UTC]

    assert [name for name in instants if not name.endswith(("_utc", "_at"))] == []


def test_every_column_that_can_be_given_in_units_has_its_own_one_first() -> None:
    for column in units.TO_BASE:
        assert units.units_of(column)[0] == NAMED_UNITS[suffix_of(column)]


@pytest.mark.parametrize("table", [reference.factors(), reference.asic_models()])
def test_every_figure_of_a_table_says_where_it_comes_from(table: pl.DataFrame) -> None:
    for column in ("source", "licence"):
        assert table[column].null_count() == 0
        assert (table[column].str.len_chars() > 2).all()
