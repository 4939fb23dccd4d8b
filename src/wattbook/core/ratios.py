"""Ratios of sums, formed over the time for which both sides are known."""

import polars as pl

from wattbook.core.units import over


def ratio(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """Sum of `part` over sum of `whole`, of the rows in which both are known.

    A row in which one side is null is left out of both sums, so that numerator and denominator
    cover the same time. Null where no row has both, and where `whole` does not add up to more
    than 0.

    Parameters
    ----------
    part, whole
        Sums of the row, not means: energy and hours, energy and hashes, emissions and energy.

    Examples
    --------
    1,500 kWh while 360,000,000 TH are computed, then 75 kWh while no hash rate is known:

    >>> rows = pl.DataFrame({"kwh": [1500.0, 75.0], "th": [360e6, None]})
    >>> rows.select(ratio(pl.col("kwh") * 3_600_000, pl.col("th"))).item()
    15.0
    """
    both = part.is_not_null() & whole.is_not_null()
    sum_of_whole = whole.filter(both).sum()
    return pl.when(sum_of_whole > 0).then(over(part.filter(both).sum(), sum_of_whole))


def known_share(weight: pl.Expr, *values: pl.Expr) -> pl.Expr:
    """Share of `weight` that lies in rows in which all `values` are known; null where it is 0.

    >>> rows = pl.DataFrame({"kwh": [3.0, 1.0], "price": [50.0, None]})
    >>> rows.select(known_share(pl.col("kwh"), pl.col("price"))).item()
    0.75
    """
    known = pl.all_horizontal(value.is_not_null() for value in values)
    return pl.when(weight.sum() != 0).then(over(weight.filter(known).sum(), weight.sum()))
