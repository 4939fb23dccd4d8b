"""Energy per hash of rollups, over the time for which energy and hash rate are both known."""

import polars as pl

from wattbook.core.ratios import ratio
from wattbook.core.units import JOULES_PER_KWH, over


def known_column(quantity: str) -> str:
    """Column with the time for which `hashrate_th` or `temperature_c` is known.

    >>> known_column("hashrate_th"), known_column("temperature_c")
    ('hashrate_s', 'temperature_s')
    """
    return f"{quantity.partition('_')[0]}_s"


def known_s(quantity: str) -> pl.Expr:
    """Time [s] for which a quantity is known; 0 where it has no mean.

    Rows that were rolled up before this was stored have null there: the covered time stands in.
    """
    known = pl.coalesce(known_column(quantity), "covered_s")
    return pl.when(pl.col(f"{quantity}_mean").is_not_null()).then(known).otherwise(0.0)


def energy_kwh() -> pl.Expr:
    """Energy [kWh] of the time for which the hash rate is known; null where it has no mean."""
    return pl.when(pl.col("hashrate_th_mean").is_not_null()).then(
        pl.coalesce("hashrate_kwh", "energy_kwh")
    )


def hashes_th() -> pl.Expr:
    """Hashes [TH] that were computed in the time for which the hash rate is known."""
    return pl.col("hashrate_th_mean") * known_s("hashrate_th")


def efficiency() -> pl.Expr:
    """Energy over hashes [J/TH] of the rows, each over the time for which it has a hash rate."""
    return ratio(energy_kwh() * JOULES_PER_KWH, hashes_th())


def efficiency_time_share() -> pl.Expr:
    """Share of the covered time that `efficiency` covers, 0 to 1.

    Null where nothing is covered, and where a row was rolled up before the time was stored.
    """
    lacks = (pl.col("hashrate_th_mean").is_not_null() & pl.col("hashrate_s").is_null()).any()
    covered = pl.col("covered_s").sum()
    share = over(known_s("hashrate_th").sum(), covered).clip(upper_bound=1)
    return pl.when(~lacks & (covered > 0)).then(share)


def sums() -> dict[str, pl.Expr]:
    """What efficiencies of several rows follow from: `hashrate_kwh`, `hashrate_s`, `hashes_th`."""
    known = pl.col("hashrate_th_mean").is_not_null()
    lacks = (known & pl.col("hashrate_s").is_null()).any()
    return {
        "hashrate_kwh": pl.when(known.any()).then(energy_kwh().sum()),
        "hashrate_s": pl.when(~lacks).then(known_s("hashrate_th").sum()),
        "hashes_th": pl.when(known.any()).then(hashes_th().sum()),
    }


def efficiency_of_sums() -> pl.Expr:
    """Energy over hashes [J/TH] of rows that hold `sums`."""
    return ratio(pl.col("hashrate_kwh") * JOULES_PER_KWH, pl.col("hashes_th"))


def of_each_row() -> dict[str, pl.Expr]:
    """`efficiency_j_per_th` and `efficiency_time_share` of single rows."""
    hashes, covered = hashes_th(), pl.col("covered_s")
    known = pl.when(pl.col("hashrate_th_mean").is_null()).then(0.0).otherwise("hashrate_s")
    return {
        "efficiency_j_per_th": pl.when(hashes > 0).then(
            over(energy_kwh() * JOULES_PER_KWH, hashes)
        ),
        "efficiency_time_share": pl.when(covered > 0).then(
            over(known, covered).clip(upper_bound=1)
        ),
    }
