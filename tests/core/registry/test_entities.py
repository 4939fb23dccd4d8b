"""Sites and what stands on them are judged as a whole, and everything wrong is said."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from wattbook.core.errors import InvalidEntityError
from wattbook.core.registry import entities
from wattbook.core.registry.entities import (
    FleetItem,
    Meter,
    MeterFlow,
    MeterKind,
    MeterRole,
    Site,
    Supply,
    SupplyKind,
)

T = datetime(2026, 1, 1, tzinfo=UTC)
MAIN = Meter(id="pecos-1.main", site_id="pecos-1", kind=MeterKind.POWER)
SITE = Site(
    id="pecos-1",
    name="Pecos 1",
    operator="alder",
    timezone="America/Chicago",
    zone="US-TEX-ERCO",
    created_utc=T,
    updated_utc=T,
    meters=(MAIN,),
)
WIND = Supply(id="wind", site_id="pecos-1", kind=SupplyKind.PPA, valid_from=T)
RACKS = FleetItem(id="s21", site_id="pecos-1", model="Antminer S21", count=100, valid_from=T)


def wrong(site: Site) -> list[tuple[str | None, str]]:
    return [(problem.field, problem.reason) for problem in entities.problems_with(site)]


def test_a_site_that_can_be_meant_has_no_problems() -> None:
    hall = Meter(id="hall-a", site_id="pecos-1", kind=MeterKind.INTERVAL, parent=MAIN.id)

    assert wrong(replace(SITE, meters=(MAIN, hall), supplies=(WIND,), fleet=(RACKS,))) == []


@pytest.mark.parametrize(
    "site_id", ["", "Pecos", "-x", "../x", "a/b", "a\x00", "⚡", "x'; --", "a" * 65, "a\n"]
)
def test_an_id_is_a_slug(site_id: str) -> None:
    assert wrong(replace(SITE, id=site_id)) == [("id", "bad_id")]


@pytest.mark.parametrize("site_id", ["a", "0", "pecos-1.main_b", "a" * 64])
def test_a_slug_has_small_letters_digits_dots_dashes_and_underscores(site_id: str) -> None:
    assert wrong(replace(SITE, id=site_id)) == []


def test_everything_that_is_wrong_is_said_at_once() -> None:
    meters = (
        replace(MAIN, id="A"),
        replace(MAIN, id="m", parent="nowhere"),
        replace(MAIN, id="m", register_size_kwh=1e6),
    )
    site = replace(
        SITE,
        operator="⚡",
        zone="a b",
        timezone="Mars/Olympus",
        meters=meters,
        supplies=(replace(WIND, valid_to=T),),
        fleet=(replace(RACKS, valid_to=T - timedelta(days=1)),),
    )

    assert sorted(wrong(site)) == [
        ("fleet[0].valid_to", "bad_period"),
        ("meters[0].id", "bad_id"),
        ("meters[1].id", "duplicate_id"),
        ("meters[1].parent", "unknown_meter"),
        ("meters[2].id", "duplicate_id"),
        ("meters[2].register_size_kwh", "bad_meter"),
        ("operator", "bad_id"),
        ("supplies[0].valid_to", "bad_period"),
        ("timezone", "bad_timezone"),
        ("zone", "bad_id"),
    ]


def test_a_register_counts_one_way() -> None:
    meter = replace(MAIN, kind=MeterKind.REGISTER, flow=MeterFlow.NET)

    assert wrong(replace(SITE, meters=(meter,))) == [("meters[0].flow", "bad_meter")]


def test_a_meter_of_what_is_given_back_counts_one_way() -> None:
    meter = replace(MAIN, kind=MeterKind.INTERVAL, role=MeterRole.EXPORT, flow=MeterFlow.NET)

    assert wrong(replace(SITE, meters=(meter,))) == [("meters[0].flow", "bad_meter")]


def test_a_meter_is_not_its_own_ancestor() -> None:
    circle = (replace(MAIN, id="a", parent="b"), replace(MAIN, id="b", parent="a"))

    assert wrong(replace(SITE, meters=circle)) == [
        ("meters[0].parent", "circle"),
        ("meters[1].parent", "circle"),
    ]


def test_a_meter_below_a_circle_is_told_so_and_does_not_hang() -> None:
    below = (replace(MAIN, id="a", parent="b"), replace(MAIN, id="b", parent="b"))

    assert ("meters[1].parent", "circle") in wrong(replace(SITE, meters=below))


def test_a_power_reading_is_believed_for_three_intervals_unless_the_meter_says_otherwise() -> None:
    assert replace(MAIN, expected_interval_s=300).hold_s == 900  # 3 × 300 s
    assert replace(MAIN, expected_interval_s=300, max_hold_s=60).hold_s == 60


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("site:pecos-1", "site", "pecos-1"),
        ("operator:alder", "operator", "alder"),
        ("zone:US-TEX-ERCO", "zone", "US-TEX-ERCO"),
        ("pecos-1", None, "pecos-1"),
        ("site:a:b", "site", "a:b"),
        ("", None, ""),
    ],
)
def test_an_entity_is_named_with_its_kind_or_bare(text: str, kind: str | None, name: str) -> None:
    assert entities.parse_entity(text) == (kind, name)


def test_another_kind_of_entity_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidEntityError, match="site:, operator:, zone:") as caught:
        entities.parse_entity("planet:mars")

    assert caught.value.problems[0].field == "entity_id"
