"""CSV of InfluxDB as columns of text: one table or many, with names that differ."""

from datetime import UTC, datetime

import polars as pl
import pytest

from wattbook.clients.influxdb import answers
from wattbook.core.errors import UnavailableError

T = datetime(2026, 1, 1, tzinfo=UTC)


def csv(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode()


def test_tables_that_have_other_columns_come_together_by_name() -> None:
    told = csv(
        ",result,table,_value,a",
        ",_result,0,1,x",
        ",_result,1,2,y",
        "",
        ",result,table,b,_value",
        ",_result,2,z,3",
        "",
    )

    found = answers.decode(told, ["a", "b", "_value"])

    assert found.rows() == [("x", None, "1"), ("y", None, "2"), (None, "z", "3")]


@pytest.mark.parametrize("nothing", [b"", b"\r\n", b"\r\n\r\n"])
def test_no_tables_are_no_rows(nothing: bytes) -> None:
    found = answers.decode(nothing, ["a"])

    assert found.schema == {"a": pl.String}
    assert found.is_empty()


def test_values_in_quotation_marks_may_hold_anything() -> None:
    told = csv(",result,table,a", ',_result,0,"x,""y""\n,result,table,a"', ",_result,0, z")

    assert answers.decode(told, ["a"])["a"].to_list() == ['x,"y"\n,result,table,a', " z"]


def test_an_error_behind_the_rows_is_raised() -> None:
    told = csv(",result,table,a", ",_result,0,x", "", ",error,reference", ',"out of\nmemory",897')

    with pytest.raises(UnavailableError, match="out of memory"):
        answers.decode(told, ["a"])


def test_an_error_alone_is_raised_too() -> None:
    with pytest.raises(UnavailableError, match="stopped"):
        answers.decode(csv(",error,reference", ",stopped,"), ["a"])


@pytest.mark.parametrize("text", [b"<html>\r\n,a,b,c\r\n", b'"', b"a,b,c,d,e,f,g,h"])
def test_what_is_no_answer_of_influxdb_is_told_as_such(text: bytes) -> None:
    with pytest.raises(UnavailableError, match="answer of InfluxDB"):
        answers.decode(text, ["a", "b"])


@pytest.mark.parametrize(
    ("stamp", "microseconds"),
    [
        ("2026-01-01T00:00:00Z", 0),
        ("2026-01-01T00:00:00.5Z", 500_000),
        ("2026-01-01T00:00:00.000001Z", 1),
        ("2026-01-01T00:00:00.000001999Z", 1),
    ],
)
def test_stamps_are_instants_cut_at_the_microsecond(stamp: str, microseconds: int) -> None:
    for stamps in ([stamp], [stamp, "2026-01-01T00:00:00.25Z"]):
        found = answers.instants(pl.Series(stamps))
        assert found[0] == T.replace(microsecond=microseconds)
        assert found.dtype == pl.Datetime("us", "UTC")


def test_no_stamps_are_no_instants() -> None:
    assert answers.instants(pl.Series([], dtype=pl.String)).dtype == pl.Datetime("us", "UTC")
