"""What a caller says about a file, in the words of the command line and of HTTP."""

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import polars as pl

from wattbook.core.errors import InputError, Problem
from wattbook.core.frames import RAW_READINGS, Contract
from wattbook.core.readings.checks import IntervalLabel
from wattbook.sources.codecs.numbers import Decimal
from wattbook.sources.files.dialect import separator_of
from wattbook.sources.files.mapping import NULLS, DateOrder, Mapping, Sense, parse_mapping

DECIMALS: Final = {"point": Decimal.POINT, "comma": Decimal.COMMA}
NEXT_WORD: Final = re.compile(r",(?=[^,:]*:)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a file is written; what is left out is detected, or has a default."""

    pairs: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    nulls: tuple[str, ...] = ()
    timezone: str | None = None
    label: IntervalLabel | None = None
    interval_s: int | None = None
    date_order: DateOrder | None = None
    midnight_closes_day: bool = False
    dst_flag: str | None = None
    decimal: str | None = None
    separator: str | None = None
    encoding: str | None = None
    skip_lines: int = 0
    meter: str | None = None

    @property
    def describe_text(self) -> bool:
        """Whether anything is said that only text leaves open; which end stamps name is not."""
        return replace(self, label=None) != Options()

    def mapping(
        self, contract: Contract = RAW_READINGS, registered: timedelta | None = None
    ) -> Mapping:
        """The same, for the reader of files; `registered` is the interval of the meters.

        Raises
        ------
        InputError
            Something that was said cannot be used.
        """
        meter = () if self.meter is None else (f"meter={self.meter}",)
        flag, sense = _flag(self.dst_flag)
        base = Mapping(
            units=dict(_unit(text) for text in self.units),
            words=_words(self.words),
            timezone=self.timezone,
            date_order=self.date_order,
            midnight_closes_day=self.midnight_closes_day,
            label=self.label,
            label_span=registered,
            interval=None if self.interval_s is None else timedelta(seconds=self.interval_s),
            dst_flag=flag,
            dst_sense=sense,
            decimal=None if self.decimal is None else DECIMALS[self.decimal],
            separator=None if self.separator is None else separator_of(self.separator),
            encoding=self.encoding,
            skip_lines=self.skip_lines,
            null_values=(*NULLS, *self.nulls),
        )
        return parse_mapping([*self.pairs, *meter], contract, base)


def meters_of(mapping: Mapping) -> list[str]:
    """The meters that a mapping names."""
    named = (value for key, value in mapping.constants.items() if key == "meter_id")
    return [meter.lower() for meter in (*mapping.meters, *named)]


def registered_interval(mapping: Mapping, meters: pl.DataFrame) -> timedelta | None:
    """The interval that the meters of a mapping have in common; None where that is not known."""
    named = pl.col("meter_id").is_in(meters_of(mapping))
    lengths = meters.filter(named)["expected_interval_s"].unique()
    return timedelta(seconds=lengths.item()) if lengths.len() == 1 else None


def _unit(text: str) -> tuple[str, str]:
    column, equals, unit = text.partition("=")
    if not (column and equals and unit):
        detail = f"--unit {text}: must be COLUMN=UNIT, as in power_kw=MW"
        raise InputError(detail, [Problem("bad_unit", detail, field="unit")])
    return column.strip(), unit.strip()


def _words(texts: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Replacements by column, of `COLUMN=WORD:OURS,WORD:OURS` texts."""
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        column, _, pairs = text.partition("=")
        for pair in NEXT_WORD.split(pairs):
            word, colon, ours = pair.rpartition(":")
            if not (column.strip() and colon and word.strip() and ours.strip()):
                detail = (
                    f"--map-values {text}: must be COLUMN=WORD:OURS,WORD:OURS, as in"
                    " quality=Estimert:estimated"
                )
                raise InputError(detail, [Problem("bad_mapping", detail, field="map_values")])
            found.setdefault(column.strip(), {})[word.strip()] = ours.strip()
    return found


def _flag(text: str | None) -> tuple[str | None, Sense | None]:
    """The column of flags, and what a yes means where that was said, as `DSTFlag=repeated`."""
    if text is None:
        return None, None
    column, equals, sense = text.rpartition("=")
    if equals and sense in tuple(Sense):
        return column, Sense(sense)
    return text, None
