"""Faults of a body are said in plain words, all at once."""

import pytest
from pydantic import ValidationError

from wattbook.schemas.error_messages import problems_from
from wattbook.schemas.sites import SiteIn

SITE = {
    "id": "oslo-1",
    "name": "Oslo 1",
    "operator": "fir",
    "timezone": "Europe/Oslo",
    "zone": "NO",
}


def told(body: object) -> dict[str | None, str]:
    with pytest.raises(ValidationError) as raised:
        SiteIn.model_validate(body)
    return {each.field: each.detail for each in problems_from(raised.value.errors(), body)}


def test_a_misspelt_field_is_named_with_the_one_that_was_meant():
    assert told({**SITE, "capacity_mw": 5}) == {
        "capacity_mw": "unknown field; did you mean capacity_kw?"
    }


def test_everything_that_is_wrong_is_named_at_once():
    body = {"id": "Oslo 1", "name": "", "operator": "Fir!", "timezone": "Oslo", "capacity_kw": "5"}

    assert told(body) == {
        "id": "invalid id 'Oslo 1': must match [a-z0-9][a-z0-9._-]{0,63}",
        "name": "must not be empty",
        "operator": "invalid id 'Fir!': must match [a-z0-9][a-z0-9._-]{0,63}",
        "timezone": "'Oslo' is not an IANA time zone",
        "zone": "is required",
        "capacity_kw": "must be a number",
    }


def test_a_part_is_named_by_its_place():
    body = {**SITE, "meters": [{"id": "m", "kind": "steam"}]}

    assert told(body) == {"meters[0].kind": "must be one of interval, register, power"}


@pytest.mark.parametrize("body", [[], "x", None, {"meters": 3}, {"meters": [3]}])
def test_no_phrase_of_the_library_shows_through(body):
    for detail in told(body).values():
        assert not any(word in detail for word in ("nput should", "nputs are", "Value error"))
