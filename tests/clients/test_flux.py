"""Values in Flux mean what they are, whatever they look like."""

import pytest

from wattbook.clients.influxdb import flux

ODD = [
    'a"b',
    "a\\b",
    "a\\",
    "a${b}",
    "$",
    "a\tb",
    "a\nb",
    "\x00",
    "⚡ 秩父",
    "a/b",
    "(a|b)*.+?[]{}^$-",
]


@pytest.mark.parametrize("value", ODD)
def test_a_value_is_valid_flux_as_a_text_and_as_a_pattern(flux_is_valid, value: str) -> None:
    assert flux_is_valid(f"x = {flux.text(value)}")
    assert flux_is_valid(f'x = "a" =~ /^(?:{flux.pattern(value)})$/')


async def test_the_server_reads_a_text_and_a_pattern_as_the_value(influx) -> None:
    for value in ODD:
        text = flux.text(value)
        condition = flux.among("v", ["x", value])
        told = await influx.query(
            f'import "array"\narray.from(rows: [{{v: {text}}}, {{v: "other"}}])'
            f" |> filter(fn: (r) => {condition} and r.v == {text})"
        )
        assert told.count(b"_result") == 1, value


@pytest.mark.parametrize(
    ("microseconds", "said"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (7_258_118_399_999_999, "2199-12-31T23:59:59.999999Z"),
    ],
)
def test_an_instant_has_microseconds(microseconds: int, said: str) -> None:
    assert flux.moment(microseconds) == said


def test_one_value_is_compared_and_many_are_a_pattern() -> None:
    assert flux.among("m", ["a"]) == 'r["m"] == "a"'
    assert flux.among("m", ["a", "b.c"]) == r'r["m"] =~ /^(?:a|b\.c)$/'
