"""Main meters that are added up."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from wattbook.core.registry import mains
from wattbook.core.registry.entities import Meter, MeterKind, MeterRole, Site

T = datetime(2026, 1, 1, tzinfo=UTC)


def meter(name: str, role: MeterRole = MeterRole.MAIN, **about: Any) -> Meter:
    return Meter(
        id=f"s.{name}", site_id="s", kind=MeterKind.POWER, role=role, expected_interval_s=900,
        **about,
    )  # fmt: skip


def warned(*meters: Meter) -> dict[str, str]:
    site = Site(
        id="s", name="S", operator="o", timezone="UTC", zone="XX", meters=meters,
        created_utc=T, updated_utc=T,
    )  # fmt: skip
    return mains.added(site)


def test_two_main_meters_of_a_site_are_both_warned_of() -> None:
    found = warned(meter("a"), meter("b"), meter("c", MeterRole.SUB))

    assert list(found) == ["s.a", "s.b"]
    assert found["s.b"] == (
        "main meters s.a and s.b all count into the total of site s; if one of them measures what"
        " another one counts too, register it with role 'sub'"
    )


def test_one_main_meter_or_two_that_follow_each_other_are_not() -> None:
    assert warned(meter("a"), meter("b", MeterRole.GENERATION)) == {}
    assert warned(meter("a", valid_to=T), meter("b", valid_from=T)) == {}


def test_a_meter_that_once_was_main_beside_another_is() -> None:
    before = replace(meter("b"), valid_to=T)
    now = replace(meter("b", MeterRole.SUB), valid_from=T, earlier=(before,))
    assert list(warned(meter("a"), now)) == ["s.a", "s.b"]
