"""Energy costs what its hour or its tariff says; where there is no price there is no cost."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.billing.examples import Paid, paid, prices, tariff

from wattbook.core import frames
from wattbook.core.billing import cost
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.tariffs import (
    Band,
    Block,
    Component,
    Demand,
    Fixed,
    Flat,
    Indexed,
    Percentage,
    Ratchet,
    Tariff,
    Tiered,
    TimeOfUse,
)
from wattbook.core.registry.windows import Window

T = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def grid(
    prices: Sequence[float | None],
    *,
    interval_s: int = 3600,
    currency: Sequence[str] | str = "EUR",
    zone: str = "NO1",
) -> pl.DataFrame:
    """Prices of consecutive intervals from `T`."""
    rows = {
        "zone": [zone] * len(prices),
        "start_utc": [T + index * timedelta(seconds=interval_s) for index in range(len(prices))],
        "interval_s": [interval_s] * len(prices),
        "price_per_mwh": prices,
        "currency": [currency] * len(prices) if isinstance(currency, str) else currency,
    }
    nulls = {name: [None] * len(prices) for name in frames.GRID.columns if name not in rows}
    return pl.DataFrame(rows | nulls, schema_overrides=frames.GRID.schema)


def energy(kwh: Sequence[float | None], *, minutes: int = 60, zone: str = "NO1") -> pl.DataFrame:
    stamps = [T + index * minutes * MINUTE for index in range(len(kwh))]
    return pl.DataFrame(
        {"zone": [zone] * len(kwh), "start_utc": stamps, "energy_kwh": kwh},
        schema={"zone": pl.String, "start_utc": frames.UTC, "energy_kwh": pl.Float64},
    )


def test_energy_is_priced_by_its_hour() -> None:
    priced = cost.price_energy(energy([100.0, 200.0]), cost.quarter_prices(grid([50.0, 80.0])))

    assert priced["cost"].to_list() == [5.0, 16.0]  # 0.1 MWh × 50, 0.2 MWh × 80
    assert priced["currency"].to_list() == ["EUR", "EUR"]


def test_a_quarter_has_its_own_price_where_prices_come_by_the_quarter() -> None:
    prices = cost.quarter_prices(grid([-10.0, 0.0, 10.0, 400.0], interval_s=900))

    priced = cost.price_energy(energy([1000.0, 1000.0, 1000.0, 0.0], minutes=15), prices)

    assert priced["cost"].to_list() == [
        -10.0,
        0.0,
        10.0,
        0.0,
    ]  # 0 in all; by the mean of 100 it is 300


def test_a_load_that_stops_in_the_one_dear_quarter_pays_for_the_three_cheap_ones() -> None:
    prices = cost.quarter_prices(grid([50.0, 1000.0, 50.0, 50.0], interval_s=900))

    priced = cost.price_energy(energy([25_000.0, 0.0, 25_000.0, 25_000.0], minutes=15), prices)

    assert priced["cost"].sum() == 3750.0  # 100 MW × 0.25 h × 50 × 3


def test_prices_of_five_minutes_weigh_by_their_time_within_the_quarter() -> None:
    prices = cost.quarter_prices(grid([10.0, 20.0, 60.0, 7.0], interval_s=300))

    # (10 + 20 + 60) / 3; the second quarter is known for five minutes only.
    assert prices.select("start_utc", "price_per_mwh").rows() == [(T, 30.0)]


def test_a_row_holds_for_all_of_the_time_that_it_covers() -> None:
    # A platform leaves out what repeats: 50 for two hours, then 70 and 80. 1 MWh in each of four.
    rows = pl.concat(
        [
            grid([50.0], interval_s=7200),
            grid([0.0, 0.0, 70.0, 80.0]).tail(2),
        ]
    )

    priced = cost.price_energy(energy([1000.0] * 4), cost.quarter_prices(rows))

    assert priced["cost"].to_list() == [50.0, 50.0, 70.0, 80.0]


def test_a_day_long_row_prices_the_whole_day() -> None:
    prices = cost.quarter_prices(grid([33.0], interval_s=86_400))

    assert prices.height == 96
    assert prices["price_per_mwh"].unique().to_list() == [33.0]


def test_the_finer_of_two_rows_holds_for_its_time_and_the_coarser_for_the_rest() -> None:
    # 101 for the hour, and 505 for its second quarter: (101 × 3 + 505) / 4 = 202.
    fine = grid([505.0], interval_s=900).with_columns(start_utc=pl.lit(T + 15 * MINUTE))
    rows = pl.concat([grid([101.0]), fine])

    prices = cost.quarter_prices(rows)

    assert prices["price_per_mwh"].to_list() == [101.0, 505.0, 101.0, 101.0]
    assert cost.hour_means(prices)["price_per_mwh"].to_list() == [202.0]


def test_a_quarter_of_the_same_start_leaves_the_other_three_to_the_hour() -> None:
    rows = pl.concat([grid([60.0]), grid([-10.0], interval_s=900)])

    assert cost.quarter_prices(rows)["price_per_mwh"].to_list() == [-10.0, 60.0, 60.0, 60.0]


def test_of_an_hour_and_all_of_its_quarters_the_quarters_hold_in_whatever_order_they_come() -> None:
    quarters = grid([-10.0, 0.0, 10.0, 400.0], interval_s=900)

    for rows in ([grid([60.0]), quarters], [quarters, grid([60.0])]):
        prices = cost.quarter_prices(pl.concat(rows))
        assert prices["price_per_mwh"].to_list() == [-10.0, 0.0, 10.0, 400.0]


def test_rows_of_one_length_that_overlap_hold_until_the_next_one_begins() -> None:
    # Half-hours sent without their length count as hours: 10:00 to 11:00 and 10:30 to 11:30.
    rows = grid([40.0, 80.0]).with_columns(start_utc=pl.Series([T, T + 30 * MINUTE]))

    prices = cost.quarter_prices(rows)["price_per_mwh"].to_list()

    assert prices == [40.0, 40.0, 80.0, 80.0, 80.0, 80.0]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 47), st.sampled_from([300, 900, 1800, 3600, 7200]), st.integers(-99, 99)
        ),
        min_size=1,
        max_size=12,
        unique_by=lambda row: (row[0], row[1]),
    )
)
def test_of_each_five_minutes_the_shortest_row_holds_and_of_these_the_latest(
    rows: list[tuple[int, int, int]],
) -> None:
    sent = pl.concat(
        grid([float(price)], interval_s=length).with_columns(
            start_utc=pl.lit(T + at * 5 * MINUTE, dtype=frames.UTC)
        )
        for at, length, price in rows
    )

    right: dict[datetime, float] = {}
    for quarter in range(30):
        held = []
        for step in range(3 * quarter, 3 * quarter + 3):
            over = [
                (length, -at, price)
                for at, length, price in rows
                if at <= step < at + length // 300
            ]
            held += [min(over)[2]] if over else []
        if len(held) == 3:
            right[T + quarter * 15 * MINUTE] = sum(held) / 3
    found = dict(cost.quarter_prices(sent).select("start_utc", "price_per_mwh").rows())
    assert found == pytest.approx(right)


def test_a_negative_price_earns_money() -> None:
    priced = cost.price_energy(energy([1000.0]), cost.quarter_prices(grid([-30.0])))

    assert priced["cost"].to_list() == [-30.0]


def test_a_quarter_without_price_has_none_and_the_others_have_theirs() -> None:
    prices = cost.quarter_prices(grid([10.0, None, 30.0, 40.0], interval_s=900))

    assert prices["price_per_mwh"].to_list() == [10.0, 30.0, 40.0]
    assert cost.hour_means(prices).is_empty()


def test_a_quarter_in_two_currencies_has_no_price_and_an_hour_of_two_no_mean() -> None:
    sent = grid([10.0] * 6, interval_s=300, currency=["EUR", "NOK", *["EUR"] * 4])
    halves = cost.quarter_prices(grid([10.0, 20.0], interval_s=1800, currency=["EUR", "NOK"]))

    assert cost.quarter_prices(sent)["start_utc"].to_list() == [T + 15 * MINUTE]
    assert halves["currency"].to_list() == ["EUR", "EUR", "NOK", "NOK"]
    assert cost.hour_means(halves).is_empty()


def test_an_hour_is_uneven_where_its_quarters_differ_or_are_priced_in_part() -> None:
    rows = pl.concat(
        [
            grid([10.0, 10.0, 10.0, 20.0, *[7.0] * 4, 5.0, 5.0], interval_s=900),
        ]
    )

    hours = cost.uneven_hours(cost.quarter_prices(rows))

    assert hours["hour"].to_list() == [T, T + 120 * MINUTE]


def test_energy_of_uneven_hours_meets_its_price_by_the_quarter() -> None:
    prices = cost.quarter_prices(
        pl.concat([grid([50.0, 1000.0, 50.0, 50.0], interval_s=900), grid([0.0, 20.0]).tail(1)])
    )
    demand = pl.DataFrame(
        {"start_utc": [T + at * 15 * MINUTE for at in range(4)], "power_kw": [100.0, 0.0, 100, 100]}
    ).cast({"start_utc": frames.UTC})

    found = cost.by_quarter(energy([75.0, 100.0]), demand, cost.uneven_hours(prices))
    priced = cost.price_energy(found, prices)

    # 75 kWh at 50, and an hour of 100 kWh at 20
    assert priced["cost"].sum() == pytest.approx(3.75 + 2.0)
    assert found["energy_kwh"].sum() == 175.0


def test_energy_of_an_uneven_hour_whose_quarters_were_removed_has_no_price() -> None:
    prices = cost.quarter_prices(grid([50.0, 1000.0, 50.0, 50.0], interval_s=900))
    nothing = pl.DataFrame(schema={"start_utc": frames.UTC, "power_kw": pl.Float64})

    found = cost.by_quarter(energy([75.0]), nothing, cost.uneven_hours(prices))

    summed = cost.sum_costs(cost.price_energy(found, prices), ["zone"])
    assert summed.select("cost", "cost_energy_share").row(0) == (None, 0.0)


def test_a_quarter_costs_what_its_hour_costs() -> None:
    priced = cost.price_energy(
        energy([100.0] * 5, minutes=15), cost.quarter_prices(grid([50.0, 80.0]))
    )

    assert priced["cost"].to_list() == [5.0, 5.0, 5.0, 5.0, 8.0]


def test_without_energy_or_price_the_cost_is_unknown_not_zero() -> None:
    prices = cost.quarter_prices(grid([50.0]))

    priced = cost.price_energy(energy([None, 100.0]), prices)

    assert priced["cost"].to_list() == [None, None]


def test_another_zone_s_price_is_no_price() -> None:
    priced = cost.price_energy(energy([100.0]), cost.quarter_prices(grid([50.0], zone="SE1")))

    assert priced["cost"].to_list() == [None]


def test_a_sum_says_for_which_share_of_the_energy_it_speaks() -> None:
    priced = cost.price_energy(energy([100.0, 300.0]), cost.quarter_prices(grid([50.0])))

    summed = cost.sum_costs(priced, ["zone"])

    # only the first 100 of 400 kWh have a price: 0.1 MWh × 50
    assert summed.row(0) == ("NO1", 5.0, "EUR", 0.25)


def test_costs_in_two_currencies_are_not_added() -> None:
    here = cost.price_energy(energy([100.0]), cost.quarter_prices(grid([50.0])))
    there = cost.price_energy(
        energy([100.0], zone="SE1"), cost.quarter_prices(grid([50.0], zone="SE1", currency="SEK"))
    )
    both = pl.concat([here, there]).with_columns(every=pl.lit("all"))

    summed = cost.sum_costs(both, ["every"])

    assert summed.select("cost", "currency").row(0) == (None, None)


def test_where_nothing_has_a_price_the_sum_is_unknown() -> None:
    priced = cost.price_energy(energy([100.0]), cost.quarter_prices(grid([])))

    assert cost.sum_costs(priced, ["zone"]).row(0) == ("NO1", None, None, 0.0)


def test_no_energy_costs_nothing_and_breaks_nothing() -> None:
    priced = cost.price_energy(energy([]), cost.quarter_prices(grid([50.0])))

    assert priced.is_empty()
    assert cost.sum_costs(priced, ["zone"]).is_empty()


# --- by tariff, bucket by bucket ---------------------------------------------------------------

FEBRUARY = date(2026, 2, 1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TARIFF = tariff(
    Flat(name="energy", price_per_kwh=0.10),
    Demand(name="demand", price_per_kw_month=31.0),
    Fixed(name="standing", price=62.0),
    Percentage(name="VAT", percent=50.0, of=("energy", "demand", "standing")),
)
FIRST_DAY = Period(T, T + DAY)


def shown(rows: pl.DataFrame) -> list[tuple[object, ...]]:
    return rows.select("component", "energy_kwh", "cost", "cost_energy_share").rows()


def test_a_day_shows_what_follows_its_energy() -> None:
    rows = paid([TARIFF], 25.0).rows(Grain.DAY, period=FIRST_DAY)

    assert rows["start_utc"].unique().to_list() == [T]
    assert shown(rows) == [
        ("energy", 2_400.0, pytest.approx(240.0), 1.0),  # × 0.10
        ("VAT", None, pytest.approx(120.0), None),  # half of it
    ]


def test_a_month_shows_what_its_bill_does() -> None:
    made = paid([TARIFF], 25.0)

    rows = made.rows(Grain.MONTH)

    assert dict(rows.select("component", "cost").rows()) == pytest.approx(made.amounts)
    assert rows["cost"].sum() == pytest.approx(15_903.0)  # (7,440 + 3,100 + 62) × 1.5


def test_standing_charges_are_spread_over_the_days_where_that_is_asked_for() -> None:
    made = paid([TARIFF], 25.0)

    assert shown(made.rows(Grain.DAY, spread=True, period=FIRST_DAY)) == [
        ("energy", 2_400.0, pytest.approx(240.0), 1.0),
        ("demand", None, pytest.approx(100.0), None),  # 100 kW × 31 / 31 days
        ("standing", None, pytest.approx(2.0), None),  # 62 / 31
        ("VAT", None, pytest.approx(171.0), None),  # half of 240 + 100 + 2
    ]
    hour = made.rows(Grain.HOUR, spread=True, period=Period(T, T + HOUR))
    assert hour["cost"].to_list() == pytest.approx([10.0, 100 / 24, 2 / 24, 171 / 24])


def test_a_bucket_without_energy_is_a_row_of_nulls() -> None:
    made = paid([TARIFF], lambda at: None if at.day == 1 else 25.0)

    assert shown(made.rows(Grain.DAY, period=FIRST_DAY)) == [
        ("energy", None, None, None),
        ("VAT", None, None, None),
    ]


def test_a_week_over_two_tariffs_shows_both_of_them() -> None:
    """The week from Monday 29 December; the newer tariff begins on Thursday."""
    older = tariff(Indexed(name="market"), id="older", valid_from=date(2025, 12, 1))
    grid = prices({T + hour * HOUR: 50.0 for hour in range(-744, 744)})
    made = paid([older, TARIFF], 25.0, date(2025, 12, 1), FEBRUARY, grid=grid)

    rows = made.rows(Grain.WEEK, period=Period(T, T + DAY))

    assert shown(rows) == [
        ("market", 7_200.0, pytest.approx(360.0), 1.0),  # 3 days × 2.4 MWh × 50
        ("energy", 9_600.0, pytest.approx(960.0), 1.0),  # 4 days × 2,400 kWh × 0.10
        ("VAT", None, pytest.approx(480.0), None),
    ]


def test_a_cost_in_which_a_price_is_missing_says_for_how_much_of_the_energy_it_is_whole() -> None:
    both = tariff(Indexed(name="market"), Flat(name="grid", price_per_kwh=0.02))
    made = paid([both], 25.0, grid=prices({T: 50.0}))

    buckets, whole = made.totals(Grain.HOUR)

    # 0.1 MWh × 50 + 100 kWh × 0.02, then only the latter
    assert buckets["cost"].to_list()[:2] == [pytest.approx(7.0), pytest.approx(2.0)]
    assert buckets["cost_energy_share"].to_list()[:2] == [1.0, 0.0]
    assert whole["cost"] == pytest.approx(7.0 + 743 * 2.0)
    assert whole["cost_energy_share"] == pytest.approx(1 / 744)


def test_energy_that_nothing_is_charged_on_costs_nothing() -> None:
    made = paid([tariff(Fixed(name="standing", price=62.0))], 25.0)

    buckets, whole = made.totals(Grain.HOUR)

    assert buckets.row(0) == (T, 0.0, "EUR", 1.0)
    assert whole == {"cost": 0.0, "currency": "EUR", "cost_energy_share": 1.0}
    assert made.totals(Grain.MONTH)[1]["cost"] == 62.0


def test_the_total_of_two_currencies_is_unknown() -> None:
    flat = Flat(name="energy", price_per_kwh=0.10)
    made = paid(
        [
            tariff(flat, id="older", currency="HRK"),
            tariff(flat, id="newer", valid_from=date(2026, 1, 16)),
        ],
        25.0,
    )

    buckets, whole = made.totals(Grain.DAY)

    assert (whole["cost"], whole["currency"]) == (None, None)
    assert buckets["currency"].to_list() == ["HRK"] * 15 + ["EUR"] * 16
    assert made.totals(Grain.MONTH)[0].select("cost", "currency").row(0) == (None, None)


# --- properties --------------------------------------------------------------------------------

price = st.floats(-1.0, 1.0).map(lambda value: round(value, 4))


def blocks(limits: list[float], costs: list[float]) -> tuple[Block, ...]:
    upper = [*sorted(limits), None]
    return tuple(
        Block(up_to_kwh=limit, price_per_kwh=each)
        for limit, each in zip(upper, costs, strict=False)
    )


@st.composite
def some_tariffs(draw: st.DrawFn) -> list[Tariff]:
    """One or two tariffs with some of all kinds of components."""
    limits = st.lists(st.floats(1.0, 200_000.0), min_size=2, max_size=2, unique=True)
    split = draw(st.integers(1, 95))

    def components() -> tuple[Component, ...]:
        bands = tuple(
            Band(name=str(at), price_per_kwh=draw(price), windows=(Window(start=begin, end=end),))
            for at, (begin, end) in enumerate([("00:00", _time(split)), (_time(split), "24:00")])
        )
        every: list[Component] = [
            Flat(name="flat", price_per_kwh=draw(price)),
            TimeOfUse(name="by time", bands=bands),
            Tiered(name="by amount", blocks=blocks(draw(limits), [draw(price) for _ in range(3)])),
            Indexed(name="market", multiplier=draw(price), adder_per_mwh=draw(price)),
            Demand(
                name="demand",
                price_per_kw_month=draw(price),
                ratchet=draw(st.none() | st.just(Ratchet(percent=80.0, months=2))),
            ),
            Fixed(name="standing", price=draw(price)),
        ]
        chosen = draw(st.lists(st.sampled_from(every), min_size=1, unique_by=lambda c: c.name))
        tax = Percentage(name="tax", percent=7.0, of=tuple(each.name for each in chosen))
        return (*chosen, tax)

    change = date(2026, 1, 1) + timedelta(days=draw(st.integers(1, 58)))
    first = tariff(*components(), id="a", valid_from=date(2025, 12, 10))
    second = tariff(*components(), id="b", valid_from=change)
    return [first, second] if draw(st.booleans()) else [first]


def _time(quarter: int) -> str:
    return f"{quarter // 4:02}:{quarter % 4 * 15:02}"


def wobbling(at: datetime) -> float | None:
    """Some energy, with a gap now and then."""
    return None if at.hour == 3 and at.day % 5 == 0 else (at.day * 7 + at.hour * 3) % 40 / 4


GRID = prices({T + hour * HOUR: float(hour % 50 - 10) for hour in range(59 * 24) if hour % 97})
MARCH = date(2026, 3, 1)


def two_months(tariffs: list[Tariff], **options) -> Paid:
    draw = options.pop("draw", wobbling)
    return paid(tariffs, draw, date(2026, 1, 1), MARCH, grid=GRID, **options)


@pytest.mark.slow
@settings(max_examples=25)
@given(some_tariffs(), st.sampled_from(["UTC", "Europe/Oslo", "Asia/Kathmandu"]))
def test_components_and_buckets_add_up_to_the_bills(tariffs: list[Tariff], timezone: str) -> None:
    made = two_months(tariffs, timezone=timezone)

    billed = sum(bill.totals["EUR"] or 0.0 for bill in made.bills)

    by_month = made.rows(Grain.MONTH)
    by_day = made.rows(Grain.DAY, spread=True)
    assert by_month["cost"].sum() == pytest.approx(billed, rel=1e-9, abs=1e-6)
    assert by_day["cost"].sum() == pytest.approx(billed, rel=1e-9, abs=1e-6)
    whole = made.totals(Grain.MONTH)[1]
    assert whole["cost"] == pytest.approx(billed, rel=1e-9, abs=1e-6)


@pytest.mark.slow
@settings(max_examples=15)
@given(some_tariffs())
def test_two_months_asked_for_together_cost_what_they_cost_alone(tariffs: list[Tariff]) -> None:
    together = two_months(tariffs)
    january = paid(tariffs, wobbling, date(2026, 1, 1), FEBRUARY, grid=GRID)
    february = paid(tariffs, wobbling, FEBRUARY, MARCH, grid=GRID)

    assert together.bills == [*january.bills, *february.bills]
    days = pl.concat([january.rows(Grain.DAY), february.rows(Grain.DAY)])
    assert together.rows(Grain.DAY).equals(days)


@pytest.mark.slow
@settings(max_examples=15)
@given(some_tariffs())
def test_twice_the_energy_costs_twice_as_much(tariffs: list[Tariff]) -> None:
    """But for blocks, whose limits stay where they are, and for what is due in any case."""
    scaled = (Flat, TimeOfUse, Indexed, Demand)
    kept = [
        replace(each, components=tuple(one for one in each.components if isinstance(one, scaled)))
        for each in tariffs
    ]
    doubled = two_months(kept, draw=lambda at: None if (kwh := wobbling(at)) is None else 2 * kwh)

    for once, twice in zip(two_months(kept).bills, doubled.bills, strict=True):
        for one, other in zip(once.lines, twice.lines, strict=True):
            assert other.amount == (
                None if one.amount is None else pytest.approx(2 * one.amount, rel=1e-12)
            )
