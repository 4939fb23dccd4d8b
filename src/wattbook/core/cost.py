"""What energy costs at the price of its hour."""

import polars as pl

from wattbook.core.units import KWH_PER_MWH, SECONDS_PER_HOUR


def hourly_prices(grid: pl.DataFrame) -> pl.DataFrame:
    """Time-weighted mean price of each hour: `zone`, `start_utc`, `price_per_mwh`, `currency`.

    Hours for which prices are missing in part, or come in two currencies, are left out.
    """
    if grid.is_empty():
        return grid.select("zone", "start_utc", "price_per_mwh", "currency")
    weight = pl.col("interval_s")
    return (
        grid.drop_nulls("price_per_mwh")
        .group_by("zone", start_utc=pl.col("start_utc").dt.truncate("1h"))
        .agg(
            price_per_mwh=(pl.col("price_per_mwh") * weight).sum() / weight.sum(),
            currency=pl.col("currency").first(),
            currencies=pl.col("currency").n_unique(),
            priced_s=weight.sum(),
        )
        .filter(pl.col("currencies") == 1, pl.col("priced_s") >= SECONDS_PER_HOUR)
        .select("zone", "start_utc", "price_per_mwh", "currency")
        .sort("zone", "start_utc")
    )


def priced(energy: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """`energy` with `cost` and `currency` at the price of the hour in which each row starts.

    Parameters
    ----------
    energy
        `zone`, `start_utc`, `energy_kwh` [kWh] of quarters or hours.
    prices
        From `hourly_prices`.

    Returns
    -------
    polars.DataFrame
        `cost` is null where the energy or the price is not known; it may be negative.
    """
    return (
        energy.with_columns(hour=pl.col("start_utc").dt.truncate("1h"))
        .join(
            prices.rename({"start_utc": "hour"}),
            on=["zone", "hour"],
            how="left",
            maintain_order="left",
        )
        .with_columns(cost=pl.col("energy_kwh") * pl.col("price_per_mwh") / KWH_PER_MWH)
        .drop("hour", "price_per_mwh")
    )


def summed(priced_rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Costs added up by the columns `by`, with the share of the energy that has a price.

    `cost` is null where nothing has a price, or where there are several currencies.
    """
    energy, cost = pl.col("energy_kwh"), pl.col("cost")
    one = pl.col("currency").drop_nulls().n_unique() == 1
    return priced_rows.group_by(by, maintain_order=True).agg(
        cost=pl.when((cost.count() > 0) & one).then(cost.sum()),
        currency=pl.when(one).then(pl.col("currency").drop_nulls().first()),
        cost_energy_share=energy.filter(cost.is_not_null()).sum() / energy.sum(),
    )
