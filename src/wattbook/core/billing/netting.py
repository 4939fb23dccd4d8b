"""What is given back, taken off what is drawn, before prices apply."""

from typing import Final

import polars as pl

from wattbook.core.periods import QUARTER
from wattbook.core.registry.components import TimeOfUse, band_slots
from wattbook.core.registry.tariffs import Netting, Tariff
from wattbook.core.units import QUARTERS_PER_HOUR, over

TOGETHER: Final = {
    Netting.QUARTER: ("start_utc",),
    Netting.DAY: ("day",),
    Netting.MONTH: ("month",),
}


def netted(own: pl.DataFrame, tariff: Tariff) -> pl.DataFrame:
    """`energy_kwh` and `export_kwh` of each quarter-hour after the netting of its tariff.

    Within the time of the netting, and within one band of the tariff's first time of use, the
    smaller of both is taken off both, of each quarter-hour in proportion.

    Parameters
    ----------
    own
        From `core.billing.charges.quarters`, of one span, with `slot`.
    """
    if tariff.netting is Netting.NONE or own["export_kwh"].sum() == 0:
        return own
    hour = pl.col("start_utc") - pl.col("quarter") % QUARTERS_PER_HOUR * QUARTER
    keyed = own.with_columns(hour=hour, band=_band(tariff))
    keys = [*TOGETHER.get(tariff.netting, ("hour",)), "band"]
    drawn, given = pl.col("energy_kwh").sum().over(keys), pl.col("export_kwh").sum().over(keys)
    off = pl.min_horizontal(drawn, given)
    return keyed.with_columns(
        energy_kwh=pl.when(drawn > 0)
        .then(pl.col("energy_kwh") * over(drawn - off, drawn))
        .otherwise("energy_kwh"),
        export_kwh=pl.when(given > 0)
        .then(pl.col("export_kwh") * over(given - off, given))
        .otherwise("export_kwh"),
    ).drop("hour", "band")


def _band(tariff: Tariff) -> pl.Expr:
    """The number of the band in which a quarter-hour lies."""
    timed = [each for each in tariff.components if isinstance(each, TimeOfUse)]
    number = pl.lit(0)
    for at, (_, covered) in enumerate(band_slots(timed[0].bands) if timed else ()):
        inside = pl.lit(pl.Series(covered.ravel())).gather("slot")
        number = pl.when(inside).then(at).otherwise(number)
    return number
