"""Energy costs what its hour costs; where there is no price there is no cost."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from wattbook.core import cost, frames

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
    priced = cost.priced(energy([100.0, 200.0]), cost.hourly_prices(grid([50.0, 80.0])))

    assert priced["cost"].to_list() == [5.0, 16.0]  # 0.1 MWh × 50, 0.2 MWh × 80
    assert priced["currency"].to_list() == ["EUR", "EUR"]


def test_the_price_of_an_hour_is_the_mean_of_its_quarters() -> None:
    prices = cost.hourly_prices(grid([10.0, 20.0, 30.0, 40.0], interval_s=900))

    assert prices["price_per_mwh"].to_list() == [25.0]  # (10 + 20 + 30 + 40) / 4


def test_a_negative_price_earns_money() -> None:
    priced = cost.priced(energy([1000.0]), cost.hourly_prices(grid([-30.0])))

    assert priced["cost"].to_list() == [-30.0]


def test_an_hour_whose_prices_are_missing_in_part_has_none() -> None:
    prices = cost.hourly_prices(grid([10.0, None, 30.0, 40.0], interval_s=900))

    assert prices.is_empty()


def test_an_hour_with_prices_in_two_currencies_has_none() -> None:
    prices = cost.hourly_prices(grid([10.0, 20.0], interval_s=1800, currency=["EUR", "NOK"]))

    assert prices.is_empty()


def test_a_quarter_costs_what_its_hour_costs() -> None:
    priced = cost.priced(energy([100.0] * 5, minutes=15), cost.hourly_prices(grid([50.0, 80.0])))

    assert priced["cost"].to_list() == [5.0, 5.0, 5.0, 5.0, 8.0]


def test_without_energy_or_price_the_cost_is_unknown_not_zero() -> None:
    prices = cost.hourly_prices(grid([50.0]))

    priced = cost.priced(energy([None, 100.0]), prices)

    assert priced["cost"].to_list() == [None, None]


def test_another_zone_s_price_is_no_price() -> None:
    priced = cost.priced(energy([100.0]), cost.hourly_prices(grid([50.0], zone="SE1")))

    assert priced["cost"].to_list() == [None]


def test_a_sum_says_for_which_share_of_the_energy_it_speaks() -> None:
    priced = cost.priced(energy([100.0, 300.0]), cost.hourly_prices(grid([50.0])))

    summed = cost.summed(priced, ["zone"])

    # only the first 100 of 400 kWh have a price: 0.1 MWh × 50
    assert summed.row(0) == ("NO1", 5.0, "EUR", 0.25)


def test_costs_in_two_currencies_are_not_added() -> None:
    here = cost.priced(energy([100.0]), cost.hourly_prices(grid([50.0])))
    there = cost.priced(
        energy([100.0], zone="SE1"), cost.hourly_prices(grid([50.0], zone="SE1", currency="SEK"))
    )
    both = pl.concat([here, there]).with_columns(every=pl.lit("all"))

    summed = cost.summed(both, ["every"])

    assert summed.select("cost", "currency").row(0) == (None, None)


def test_where_nothing_has_a_price_the_sum_is_unknown() -> None:
    priced = cost.priced(energy([100.0]), cost.hourly_prices(grid([])))

    assert cost.summed(priced, ["zone"]).row(0) == ("NO1", None, None, 0.0)


def test_no_energy_costs_nothing_and_breaks_nothing() -> None:
    priced = cost.priced(energy([]), cost.hourly_prices(grid([50.0])))

    assert priced.is_empty()
    assert cost.summed(priced, ["zone"]).is_empty()


def test_an_interval_longer_than_an_hour_prices_only_the_hour_it_begins_in() -> None:
    two_hours = grid([50.0], interval_s=7200)

    priced = cost.priced(energy([100.0, 100.0]), cost.hourly_prices(two_hours))

    assert priced["cost"].to_list() == [5.0, None]
