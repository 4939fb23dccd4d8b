"""Zones: one canonical name for all aliases, ancestors by the registry, and what is refused."""

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.core.carbon import factors
from wattbook.core.grid import zones
from wattbook.core.readings import validation
from wattbook.sources.files import reference

T = datetime(2026, 1, 1, tzinfo=UTC)
TABLE = reference.factors()


@pytest.mark.parametrize(
    ("name", "zone", "g_per_kwh", "fallback"),
    [
        ("NO-NO2", "NO-NO2", 30.7, "country"),
        ("NO2", "NO-NO2", 30.7, "country"),
        ("NO-2", "NO-NO2", 30.7, "country"),
        ("NO_2", "NO-NO2", 30.7, "country"),
        ("10YNO-2--------T", "NO-NO2", 30.7, "country"),
        ("SE3", "SE-SE3", None, "country"),
        ("ERCOT", "US-TEX-ERCO", 349.8, "zone"),
        ("ERCO", "US-TEX-ERCO", 349.8, "zone"),
        ("US-TEX-ERCO", "US-TEX-ERCO", 349.8, "zone"),
        ("CISO", "US-CAL-CISO", None, "region"),
        ("US-CAL-CISO", "US-CAL-CISO", None, "region"),
        ("US-PJM", "US-MIDA-PJM", None, "country"),
        ("NSW1", "AU-NSW", None, "country"),
        ("IESO", "CA-ON", None, "country"),
        ("uk", "GB", None, "country"),
    ],
)
def test_every_name_of_a_zone_has_its_own_factor_and_not_the_world_s(
    name: str, zone: str, g_per_kwh: float | None, fallback: str
) -> None:
    assert zones.canonical(name) == zone
    found = factors.published(TABLE, name, pl.Series([T])).row(0, named=True)
    assert found["fallback"].removesuffix("_later").removesuffix("_earlier") == fallback
    if g_per_kwh is not None:
        assert found["g_per_kwh"] == pytest.approx(g_per_kwh, abs=0.05)


def test_the_ancestors_are_those_of_the_registry() -> None:
    assert factors.ancestors("CISO") == ["US-CAL-CISO", "US-CA", "US", "WORLD"]
    assert factors.ancestors("US-TEX-ERCO") == ["US-TEX-ERCO", "US-TX", "US", "WORLD"]
    assert factors.ancestors("10Y1001A1001A46L") == ["SE-SE3", "SE", "WORLD"]


def test_codes_that_iso_3166_leaves_to_users_are_private_zones() -> None:
    for name in ("AA", "QM", "QZ-1", "XA", "XX", "XP", "XX-anything", "ZZ"):
        assert zones.canonical(name) == name
    for name in ("QA-x", "QL", "YA", "Atlantis", "NO9", "XXX"):
        assert zones.canonical(name) is None


def test_an_unknown_zone_is_told_with_the_nearest_names() -> None:
    problem = zones.problem_with("NO22")

    assert problem is not None
    assert (problem.reason, problem.field) == ("unknown_zone", "zone")
    assert "NO-NO2" in problem.detail
    assert zones.nearest("Norwai")[0] == "NO"


def test_conditions_are_kept_under_the_canonical_name_and_unknown_zones_are_refused() -> None:
    raw = pl.DataFrame(
        {
            "zone": ["NO2", "NO-NO2", "XX-lab", "NOWHERE", None],
            "start": ["2026-01-01T00:00Z", "2026-01-01T01:00Z", *["2026-01-01T00:00Z"] * 3],
            "price_per_mwh": [1.0, 2.0, 3.0, 4.0, 5.0],
        }
    )

    found = validation.validate_grid(raw, now=T)

    assert found.kept["zone"].to_list() == ["NO-NO2", "NO-NO2", "XX-lab"]
    assert found.rejects.select("row", "reason").rows() == [(3, "unknown_zone"), (4, "bad_zone")]
    assert "unknown zone 'NOWHERE'" in found.rejects["detail"][0]


def test_one_hour_of_one_zone_under_two_names_is_a_duplicate_in_its_batch() -> None:
    raw = pl.DataFrame(
        {"zone": ["NO2", "NO-NO2"], "start": ["2026-01-01T00:00Z"] * 2, "price_per_mwh": [1.0, 2.0]}
    )

    assert validation.validate_grid(raw, now=T).rejects["reason"].to_list() == [
        "duplicate_in_batch"
    ]


def test_every_row_of_the_registry_has_a_source_a_kind_and_a_parent_that_exists() -> None:
    for each in zones.registered().values():
        assert each.source
        assert each.name
        assert each.kind in zones.kinds()
        assert each.parent is None or each.parent in zones.registered()
        assert zones.ancestors(each.zone)[-1].count("-") == 0


def test_no_alias_is_of_two_zones_or_the_name_of_another() -> None:
    names = [each.zone for each in zones.registered().values()]
    names += [alias for each in zones.registered().values() for alias in each.aliases]

    keys = [name.upper().replace("_", "-") for name in names]
    assert len(keys) == len(set(keys))


def test_every_zone_that_has_a_factor_is_registered() -> None:
    published = set(TABLE.filter(factor_set="published")["zone"]) - {factors.WORLD}

    assert sorted(zone for zone in published if zones.canonical(zone) != zone) == []


@given(st.sampled_from(sorted(zones.registered())))
def test_a_canonical_name_and_its_aliases_resolve_to_it(zone: str) -> None:
    for name in zones.spellings(zone):
        assert zones.canonical(name) == zone
        assert zones.canonical(name.lower()) == zone


def test_a_search_looks_into_names_and_aliases() -> None:
    assert [each.zone for each in zones.search("10YNO-2")] == ["NO-NO2"]
    assert "US-TEX-ERCO" in [each.zone for each in zones.search("reliability council")]
    assert {each.kind for each in zones.search(kinds=["state"])} == {"state"}
