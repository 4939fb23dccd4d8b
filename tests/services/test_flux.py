"""The checker of Flux knows right from wrong, and says what is wrong."""

import pytest
from tests.services.flux import FluxError


def test_a_query_is_valid(flux_is_valid) -> None:
    assert flux_is_valid('from(bucket: "a")\n  |> range(start: -1h)\n  |> sum()')


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ('from(bucket: "a"', "expected RPAREN, got EOF"),
        ("from(bucket: 1)", "expected string but found int"),
        ('import "nowhere"', "invalid import path nowhere"),
        ("total()", "undefined identifier total"),
    ],
)
def test_a_query_is_refused_with_the_reason(flux_is_valid, query: str, reason: str) -> None:
    with pytest.raises(FluxError, match=reason):
        flux_is_valid(query)
    assert flux_is_valid("one = 1")
