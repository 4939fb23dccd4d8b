"""A tariff that is invalid is refused with everything that is wrong, field by field."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.billing.examples import tariff

from wattbook.core.registry import windows
from wattbook.core.registry.tariff_validation import MAX_PERCENTAGES, MAX_PRICE, problems_with
from wattbook.core.registry.tariffs import (
    Band,
    Block,
    CoincidentDemand,
    Component,
    Demand,
    DemandSteps,
    Fixed,
    Flat,
    Indexed,
    LowFactor,
    Minimum,
    Percentage,
    Ratchet,
    Reactive,
    Step,
    Tariff,
    Tiered,
    TimeOfUse,
    timeline,
)
from wattbook.core.registry.windows import DayKind, Window, day_kind, gaps, overlaps, slots

WEEKDAY = (DayKind.WEEKDAY,)
FREE = (DayKind.WEEKEND, DayKind.HOLIDAY)
ENERGY = Flat(name="energy", price_per_kwh=0.1)
TAXES = tuple(
    Percentage(name=f"tax {at}", percent=1.0, of=("energy",)) for at in range(MAX_PERCENTAGES + 1)
)
DAY = Band(
    name="day",
    price_per_kwh=0.2,
    windows=(Window(days=WEEKDAY, start="07:00", end="20:00"),),
)
NIGHT = Band(
    name="night",
    price_per_kwh=0.1,
    windows=(Window(days=WEEKDAY, start="20:00", end="07:00"), Window(days=FREE)),
)


def wrong(*components: Component, **fields) -> list[tuple[str | None, str]]:
    """Where a tariff is wrong, and why."""
    return [(each.field, each.reason) for each in problems_with([tariff(*components, **fields)])]


def of_bands(*bands: Band) -> TimeOfUse:
    return TimeOfUse(name="energy", bands=bands)


def test_a_tariff_with_every_kind_of_component_is_well() -> None:
    blocks = (
        Block(up_to_kwh=1000.0, price_per_kwh=0.1),
        Block(up_to_kwh=None, price_per_kwh=-0.2),
    )
    found = wrong(
        ENERGY,
        replace(of_bands(DAY, NIGHT), name="by time"),
        Tiered(name="by amount", blocks=blocks),
        Indexed(name="market", multiplier=1.02, adder_per_mwh=-3.0),
        Demand(
            name="demand",
            price_per_kw_month=5.0,
            windows=DAY.windows,
            ratchet=Ratchet(percent=80.0, months=11),
        ),
        Reactive(name="reactive", price_per_kvarh=0.01, free_percent=40.0, windows=DAY.windows),
        Fixed(name="standing", price=100.0),
        Percentage(name="duty", percent=5.0, of=("energy", "market")),
        Percentage(name="VAT", percent=20.0, of=("energy", "duty")),
    )

    assert found == []


@pytest.mark.parametrize(
    ("fields", "where", "reason"),
    [
        ({"valid_to": date(2026, 1, 1)}, "valid_to", "bad_period"),
        ({"valid_to": date(2025, 1, 1)}, "valid_to", "bad_period"),
        ({"currency": "eur"}, "currency", "bad_currency"),
        ({"currency": "EURO"}, "currency", "bad_currency"),
        ({"weekend": (0,)}, "weekend", "bad_day"),
        ({"weekend": (6, 6)}, "weekend", "bad_day"),
        ({"weekend": (8,)}, "weekend", "bad_day"),
        ({"components": ()}, "components", "no_component"),
        ({"components": (ENERGY, *TAXES)}, "components", "too_many"),
    ],
)
def test_what_is_wrong_with_a_tariff_is_named(fields, where: str, reason: str) -> None:
    found = [
        (each.field, each.reason) for each in problems_with([replace(tariff(ENERGY), **fields)])
    ]

    assert found == [(f"tariffs[0].{where}", reason)]


@pytest.mark.parametrize(
    ("component", "where", "reason"),
    [
        (replace(ENERGY, name=" "), "name", "bad_name"),
        (replace(ENERGY, name="a\nb"), "name", "bad_name"),
        (replace(ENERGY, price_per_kwh=float("nan")), "price_per_kwh", "bad_number"),
        (replace(ENERGY, price_per_kwh=float("inf")), "price_per_kwh", "bad_number"),
        (replace(ENERGY, price_per_kwh=-2.0 * MAX_PRICE), "price_per_kwh", "bad_number"),
        (Indexed(name="i", multiplier=float("nan")), "multiplier", "bad_number"),
        (Indexed(name="i", adder_per_mwh=float("inf")), "adder_per_mwh", "bad_number"),
        (Fixed(name="f", price=float("nan")), "price", "bad_number"),
        (Demand(name="d", price_per_kw_month=1e300), "price_per_kw_month", "bad_number"),
        (
            Reactive(
                name="r", price_per_kvarh=1.0, low_factor=LowFactor(below=1.1, price_per_kvarh=1.0)
            ),
            "low_factor.below",
            "bad_number",
        ),
        (
            Reactive(
                name="r", price_per_kvarh=1.0, low_factor=LowFactor(below=1.0, price_per_kvarh=2e9)
            ),
            "low_factor.price_per_kvarh",
            "bad_number",
        ),
        (Reactive(name="r", price_per_kvarh=1e300), "price_per_kvarh", "bad_number"),
        (Reactive(name="r", price_per_kvarh=1.0, free_percent=-1.0), "free_percent", "bad_number"),
        (
            Reactive(name="r", price_per_kvarh=1.0, free_percent=float("nan")),
            "free_percent",
            "bad_number",
        ),
        (
            Reactive(name="r", price_per_kvarh=1.0, windows=(Window(months=(13,)),)),
            "windows[0].months",
            "bad_month",
        ),
        (
            Demand(name="d", price_per_kw_month=1.0, ratchet=Ratchet(percent=0.0, months=1)),
            "ratchet.percent",
            "bad_number",
        ),
        (
            Demand(name="d", price_per_kw_month=1.0, ratchet=Ratchet(percent=100.5, months=1)),
            "ratchet.percent",
            "bad_number",
        ),
        (
            Demand(name="d", price_per_kw_month=1.0, ratchet=Ratchet(percent=80.0, months=0)),
            "ratchet.months",
            "bad_number",
        ),
        (
            Demand(name="d", price_per_kw_month=1.0, ratchet=Ratchet(percent=80.0, months=61)),
            "ratchet.months",
            "bad_number",
        ),
        (Percentage(name="p", percent=1_000.1, of=()), "percent", "bad_number"),
        (Percentage(name="p", percent=float("nan"), of=()), "percent", "bad_number"),
        (Percentage(name="p", percent=1.0, of=()), "of", "no_component"),
        (Percentage(name="p", percent=1.0, of=("p",)), "of[0]", "unknown_component"),
        (Tiered(name="t", blocks=()), "blocks", "gap"),
        (Tiered(name="t", blocks=(Block(up_to_kwh=1.0, price_per_kwh=1.0),)), "blocks", "gap"),
        (of_bands(), "bands", "gap"),
    ],
)
def test_what_is_wrong_with_a_component_is_named(
    component: Component, where: str, reason: str
) -> None:
    assert (f"tariffs[0].components[0].{where}", reason) in wrong(component)


def test_two_components_of_one_name_are_refused() -> None:
    assert wrong(ENERGY, ENERGY) == [("tariffs[0].components[1].name", "duplicate_name")]


def test_a_percentage_is_of_components_that_stand_before_it_each_once() -> None:
    tax = Percentage(name="tax", percent=5.0, of=("energy", "energy", "later"))

    assert wrong(ENERGY, tax, Fixed(name="later", price=1.0)) == [
        ("tariffs[0].components[1].of[1]", "duplicate_name"),
        ("tariffs[0].components[1].of[2]", "unknown_component"),
    ]


def test_blocks_ascend_to_one_without_limit() -> None:
    limits = [100.0, 100.0, None, -5.0, None]
    blocks = tuple(Block(up_to_kwh=limit, price_per_kwh=1.0) for limit in limits)

    assert wrong(Tiered(name="t", blocks=blocks)) == [
        ("tariffs[0].components[0].blocks[2].up_to_kwh", "no_limit"),
        ("tariffs[0].components[0].blocks[3].up_to_kwh", "bad_number"),
        ("tariffs[0].components[0].blocks[1].up_to_kwh", "not_ascending"),
    ]


@pytest.mark.parametrize(
    ("window", "where", "reason"),
    [
        (Window(start="07:10"), "start", "bad_time"),
        (Window(start="24:00", end="12:00"), "start", "bad_time"),
        (Window(start="7:00"), "start", "bad_time"),
        (Window(end="24:15"), "end", "bad_time"),
        (Window(end="25:00"), "end", "bad_time"),
        (Window(end="07:00:00"), "end", "bad_time"),
        (Window(start="00:00", end="00:00"), "end", "bad_time"),
        (Window(months=()), "months", "bad_month"),
        (Window(months=(0,)), "months", "bad_month"),
        (Window(months=(13,)), "months", "bad_month"),
        (Window(months=(5, 5)), "months", "bad_month"),
        (Window(days=()), "days", "bad_day"),
        (Window(days=(DayKind.WEEKDAY, DayKind.WEEKDAY)), "days", "bad_day"),
    ],
)
def test_a_window_that_cannot_be_read_is_named(window: Window, where: str, reason: str) -> None:
    by_time = of_bands(replace(DAY, windows=(DAY.windows[0], window)), NIGHT)
    demand = Demand(name="demand", price_per_kw_month=1.0, windows=(window,))

    assert wrong(by_time, demand) == [
        (f"tariffs[0].components[0].bands[0].windows[1].{where}", reason),
        (f"tariffs[0].components[1].windows[0].{where}", reason),
    ]


def test_a_gap_between_bands_is_told_with_its_times() -> None:
    short = replace(NIGHT, windows=(Window(days=WEEKDAY, start="20:15", end="07:00"),))

    (problem,) = problems_with([tariff(of_bands(DAY, short))])

    assert (problem.field, problem.reason) == ("tariffs[0].components[0].bands", "gap")
    assert problem.detail == (
        "no band covers weekday 20:00-20:15; weekend 00:00-24:00; holiday 00:00-24:00"
    )


def test_a_gap_in_some_months_is_told_with_the_months() -> None:
    summer = replace(NIGHT, windows=(Window(months=(1, 2, 3, 5, 7, 8, 9, 10, 11, 12)),))

    (problem,) = problems_with([tariff(of_bands(summer))])

    assert problem.detail == (
        "no band covers weekday 00:00-24:00 in months 4, 6; weekend 00:00-24:00 in months 4, 6;"
        " holiday 00:00-24:00 in months 4, 6"
    )


def test_an_overlap_of_bands_is_told_with_both_names() -> None:
    long = replace(DAY, windows=(Window(days=WEEKDAY, start="06:45", end="20:00"),))

    (problem,) = problems_with([tariff(of_bands(long, NIGHT))])

    assert problem.reason == "overlap"
    assert problem.detail == "more than one band covers: day and night on weekday 06:45-07:00"


def test_of_many_gaps_the_first_are_told_and_the_others_counted() -> None:
    even = tuple(Window(start=f"{hour:02}:00", end=f"{hour + 1:02}:00") for hour in range(0, 24, 2))

    (problem,) = problems_with([tariff(of_bands(replace(DAY, windows=even)))])

    # 12 odd hours on three kinds of days, less the four that are told
    assert problem.detail.endswith("weekday 07:00-08:00; and 32 more")


def test_two_bands_of_one_name_are_refused() -> None:
    assert wrong(of_bands(DAY, replace(NIGHT, name="day"))) == [
        ("tariffs[0].components[0].bands[1].name", "duplicate_name")
    ]


# --- one after the other -----------------------------------------------------------------------


def version(name: str, begin: date, end: date | None = None) -> Tariff:
    return tariff(ENERGY, id=name, valid_from=begin, valid_to=end)


NEW_YEAR, APRIL, JULY = date(2026, 1, 1), date(2026, 4, 1), date(2026, 7, 1)


def test_a_tariff_without_end_is_ended_by_the_next() -> None:
    tariffs = [version("b", APRIL), version("a", NEW_YEAR)]

    assert problems_with(tariffs) == []
    assert [
        (span.first, span.end, span.tariff_id)
        for span in timeline(tariffs, date(2025, 12, 1), JULY)
    ] == [
        (date(2025, 12, 1), NEW_YEAR, None),
        (NEW_YEAR, APRIL, "a"),
        (APRIL, JULY, "b"),
    ]


def test_between_two_tariffs_there_may_be_none() -> None:
    tariffs = [version("a", NEW_YEAR, date(2026, 3, 1)), version("b", APRIL, date(2026, 5, 1))]

    assert problems_with(tariffs) == []
    spans = timeline(tariffs, NEW_YEAR, JULY)
    assert [span.tariff_id for span in spans] == ["a", None, "b", None]


@pytest.mark.parametrize(
    ("tariffs", "field", "said"),
    [
        # What is sent stands first; it is what the caller can change.
        ([version("b", APRIL), version("a", NEW_YEAR, JULY)], "[0].valid_from", "'a' is in force"),
        ([version("a", NEW_YEAR, JULY), version("b", APRIL)], "[0].valid_to", "'b' is in force"),
        ([version("b", APRIL), version("a", APRIL)], "[0].valid_from", "'a' begins on the same"),
    ],
)
def test_two_tariffs_are_never_in_force_on_one_day(
    tariffs: list[Tariff], field: str, said: str
) -> None:
    (problem,) = problems_with(tariffs)

    assert (problem.field, problem.reason) == (f"tariffs{field}", "overlap")
    assert problem.detail.startswith(said)


@given(
    begins=st.lists(st.dates(NEW_YEAR, JULY), unique=True, max_size=5),
    lengths=st.lists(st.integers(1, 90) | st.none(), min_size=5, max_size=5),
)
def test_every_day_lies_in_exactly_one_span(begins: list[date], lengths: list[int | None]) -> None:
    tariffs = [
        version(f"t{at}", begin, None if days is None else begin + timedelta(days=days))
        for at, (begin, days) in enumerate(zip(begins, lengths, strict=False))
    ]

    spans = list(timeline(tariffs, NEW_YEAR, JULY))

    assert (spans[0].first, spans[-1].end) == (NEW_YEAR, JULY)
    assert all(one.end == other.first for one, other in pairwise(spans))
    assert all(span.first < span.end for span in spans)


# --- windows -----------------------------------------------------------------------------------


def test_a_window_over_midnight_is_the_end_and_the_beginning_of_the_same_day() -> None:
    night = slots([Window(days=WEEKDAY, start="22:00", end="06:00")])

    weekday, weekend, _ = night[0]
    assert weekday.sum() == 8 * 4
    assert weekday[:24].all()
    assert weekday[88:].all()
    assert not weekend.any()


def test_a_window_until_midnight_may_say_so_in_both_ways() -> None:
    assert (slots([Window(start="22:00")]) == slots([Window(start="22:00", end="00:00")])).all()


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        (date(2026, 7, 3), DayKind.WEEKDAY),  # a Friday
        (date(2026, 7, 4), DayKind.HOLIDAY),  # a Saturday
        (date(2026, 7, 5), DayKind.WEEKEND),
        (date(2026, 7, 6), DayKind.WEEKDAY),
    ],
)
def test_a_holiday_is_one_on_a_weekend_too(day: date, kind: DayKind) -> None:
    assert day_kind(day, (6, 7), {date(2026, 7, 4)}) is kind


def test_a_weekend_is_where_the_tariff_says() -> None:
    assert day_kind(date(2026, 7, 3), (5, 6), frozenset()) is DayKind.WEEKEND
    assert day_kind(date(2026, 7, 5), (5, 6), frozenset()) is DayKind.WEEKDAY


times = st.integers(0, 95).map(windows.time_of)
some_windows = st.lists(
    st.builds(
        Window,
        days=st.sets(st.sampled_from(list(DayKind)), min_size=1).map(tuple),
        months=st.sets(st.integers(1, 12), min_size=1).map(tuple),
        start=times,
        end=times,
    ),
    max_size=4,
)


@given(one=some_windows, other=some_windows)
def test_bands_without_gap_or_overlap_cover_every_quarter_hour_once(
    one: list[Window], other: list[Window]
) -> None:
    first, second = slots(one), slots(other)
    bands = [("one", first), ("other", second)]

    count = first.astype(int) + second.astype(int)

    assert bool(gaps(bands)) == bool((count == 0).any())
    assert bool(overlaps(bands)) == bool((count == 2).any())


@given(st.times())
def test_a_time_is_that_of_its_quarter(at: time) -> None:
    quarter = windows.quarter_of_day(f"{at:%H}:{at.minute // 15 * 15:02}")

    assert quarter == at.hour * 4 + at.minute // 15
    assert windows.time_of(quarter) == f"{at:%H}:{at.minute // 15 * 15:02}"


HALF = Demand(name="d", price_per_kw_month=1.0)
FOUR = CoincidentDemand(name="d", price_per_kw_month=1.0)
STEPS = DemandSteps(name="d", steps=(Step(up_to_kw=None, price_per_month=1.0),))


@pytest.mark.parametrize(
    ("component", "field", "reason"),
    [
        (replace(HALF, interval_minutes=20), "interval_minutes", "bad_number"),
        (replace(HALF, sliding_minutes=5), "sliding_minutes", "bad_number"),
        (replace(HALF, peaks=0), "peaks", "bad_number"),
        (replace(HALF, minimum_kw=-1.0), "minimum_kw", "bad_number"),
        (
            replace(HALF, ratchet=Ratchet(percent=80.0, months=11, peak_months=(13,))),
            "ratchet.peak_months",
            "bad_month",
        ),
        (replace(STEPS, steps=()), "steps", "gap"),
        (
            replace(STEPS, steps=(Step(up_to_kw=5.0, price_per_month=1.0),)),
            "steps",
            "gap",
        ),
        (replace(FOUR, months=()), "months", "bad_month"),
        (replace(FOUR, year_begins=0), "year_begins", "bad_month"),
        (replace(FOUR, count=0), "count", "bad_number"),
        (replace(FOUR, per_month=0), "per_month", "bad_number"),
        (replace(FOUR, count=4, per_month=2), "per_month", "bad_number"),
        (replace(FOUR, instants=(datetime(2025, 6, 1),)), "instants[0]", "bad_timestamp"),  # noqa: DTZ001 -- without an offset on purpose
        (Minimum(name="d", amount=1.0, of=("nothing",)), "of[0]", "unknown_component"),
    ],
)
def test_a_term_that_cannot_be_meant_is_named_by_its_path(
    component: Component, field: str, reason: str
) -> None:
    assert wrong(component) == [(f"tariffs[0].components[0].{field}", reason)]


def test_one_band_can_be_the_rest_of_the_time() -> None:
    peak = Band(name="peak", price_per_kwh=0.2, windows=(Window(start="07:00", end="20:00"),))
    rest = Band(name="off-peak", price_per_kwh=0.1, rest=True)

    assert wrong(TimeOfUse(name="t", bands=(peak, rest))) == []
    assert wrong(TimeOfUse(name="t", bands=(peak, rest, replace(rest, name="again")))) == [
        ("tariffs[0].components[0].bands", "overlap")
    ]
    assert wrong(TimeOfUse(name="t", bands=(peak, replace(rest, rest=False)))) == [
        ("tariffs[0].components[0].bands[1].windows", "bad_band"),
        ("tariffs[0].components[0].bands", "gap"),
    ]


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"billing_day": 0}, "billing_day"),
        ({"billing_day": 32}, "billing_day"),
        ({"holidays_removed": ("Good Friday",)}, "holidays_removed[0]"),
    ],
)
def test_a_billing_day_and_days_to_remove_can_be_read(
    fields: dict[str, object], where: str
) -> None:
    assert [each.field for each in problems_with([tariff(HALF, **fields)])] == [
        f"tariffs[0].{where}"
    ]
