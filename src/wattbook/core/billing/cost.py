"""What energy costs at the price of its quarter-hour, and costs by bucket and component."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

import polars as pl

from wattbook.core.billing.bills import Bill
from wattbook.core.billing.charges import on_energy
from wattbook.core.frames import UTC, known_sum
from wattbook.core.grid import conditions
from wattbook.core.periods import QUARTER, Grain, midnight_utc
from wattbook.core.ratios import known_share
from wattbook.core.registry.components import Component
from wattbook.core.registry.tariffs import IMPLICIT, Span
from wattbook.core.units import KWH_PER_MWH, QUARTERS_PER_HOUR

NEGLIGIBLE: Final = 2**-40
"""Share of an hour's energy below which the sum of its quarters is the same."""
UNPRICED_AT: Final = timedelta(minutes=59, seconds=59)
"""Of an hour: no price begins there."""
STANDING: Final[Mapping[str, pl.DataType | type[pl.DataType]]] = {
    "begin_utc": UTC,
    "end_utc": UTC,
    "component": pl.String,
    "kind": pl.String,
    "currency": pl.String,
    "cost": pl.Float64,
}
"""What is due for some days of a month beside what follows energy."""


def quarter_prices(grid: pl.DataFrame) -> pl.DataFrame:
    """Price of each quarter-hour: `zone`, `start_utc`, `price_per_mwh`, `currency`, `known_utc`.

    A price holds for the time that its row covers, so that of an hour holds in four quarters. What
    is shorter than a quarter weighs by time. Quarters that are priced in part, or in two
    currencies, are left out. Where rows overlap, `conditions.in_force` says which one holds.
    """
    rows = conditions.in_force(conditions.of_quantity(grid, "price"))
    pieces = conditions.quarters(rows, ("price_per_mwh", "currency", "known_utc"))
    return (
        pieces.group_by("zone", "start_utc")
        .agg(
            price_per_mwh=conditions.weighted_mean("price_per_mwh"),
            currency=pl.col("currency").first(),
            known_utc=pl.col("known_utc").max(),
            currencies=pl.col("currency").n_unique(),
        )
        .filter(pl.col("currencies") == 1)
        .drop("currencies")
        .sort("zone", "start_utc")
    )


def hour_means(prices: pl.DataFrame) -> pl.DataFrame:
    """Mean price of each hour that `quarter_prices` know in full, in one currency."""
    return (
        prices.group_by("zone", start_utc=pl.col("start_utc").dt.truncate("1h"))
        .agg(
            price_per_mwh=pl.col("price_per_mwh").mean(),
            currency=pl.col("currency").first(),
            known_utc=pl.col("known_utc").max(),
            currencies=pl.col("currency").n_unique(),
            quarters=pl.len(),
        )
        .filter(pl.col("currencies") == 1, pl.col("quarters") == QUARTERS_PER_HOUR)
        .drop("currencies", "quarters")
        .sort("zone", "start_utc")
    )


def uneven_hours(prices: pl.DataFrame) -> pl.DataFrame:
    """`zone` and `hour` of the hours whose quarters differ in price, or have one in part."""
    return conditions.uneven_hours(prices, "price_per_mwh", "currency")


def by_quarter(
    energy: pl.DataFrame, quarter_demand: pl.DataFrame, uneven: pl.DataFrame
) -> pl.DataFrame:
    """Energy of hours, by quarter-hour in those hours whose quarters differ in price.

    Parameters
    ----------
    energy
        `zone`, `start_utc`, `energy_kwh` of hours, or of quarters already; of one zone.
    quarter_demand
        From `core.rollups.metrics.demand`, of the same meters.
    uneven
        From `uneven_hours`.

    Returns
    -------
    polars.DataFrame
        The columns of `energy`. Energy of an uneven hour whose quarters were removed lies at the
        end of its last minute, where no quarter begins, so that it has no price.
    """
    hour = pl.col("start_utc").dt.truncate("1h")
    if uneven.is_empty() or (energy["start_utc"].dt.minute() != 0).any():
        return energy
    zone = energy["zone"].first()
    own = uneven.filter(zone=zone).select(start_utc="hour")
    even = energy.join(own, on="start_utc", how="anti", maintain_order="left")
    in_hours = energy.join(own, on="start_utc", how="semi").drop_nulls("energy_kwh")
    quarters = quarter_demand.select(
        "start_utc", energy_kwh=pl.col("power_kw") / QUARTERS_PER_HOUR, hour=hour
    ).join(own.rename({"start_utc": "hour"}), on="hour", how="semi")
    left = (
        in_hours.group_by("start_utc")
        .agg(pl.col("energy_kwh").sum())
        .join(
            quarters.group_by(start_utc="hour").agg(known_kwh=pl.col("energy_kwh").sum()),
            on="start_utc",
            how="left",
        )
        .with_columns(gone=pl.col("energy_kwh") - pl.col("known_kwh").fill_null(0.0))
        .filter(pl.col("gone").abs() > pl.col("energy_kwh").abs() * NEGLIGIBLE)
        .select(pl.col("start_utc") + UNPRICED_AT, energy_kwh="gone")
    )
    found = pl.concat([quarters.select("start_utc", "energy_kwh"), left])
    named = found.select(pl.lit(zone).alias("zone"), "start_utc", "energy_kwh")
    return pl.concat([even.select(named.columns), named]).sort("start_utc", maintain_order=True)


def price_energy(energy: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """`energy` with `cost` and `currency` at the price of the quarter-hour that each row is of.

    Parameters
    ----------
    energy
        `zone`, `start_utc`, `energy_kwh` [kWh] of quarters, or of hours that are not
        `uneven_hours`.
    prices
        From `quarter_prices`.

    Returns
    -------
    polars.DataFrame
        `cost` is null where the energy or the price is not known; it may be negative.
    """
    return (
        energy.join(
            prices.select("zone", "start_utc", "price_per_mwh", "currency"),
            on=["zone", "start_utc"],
            how="left",
            maintain_order="left",
        )
        .with_columns(cost=pl.col("energy_kwh") * pl.col("price_per_mwh") / KWH_PER_MWH)
        .drop("price_per_mwh")
    )


def sum_costs(priced_rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Costs added up by the columns `by`, with the share of the energy that has a price.

    `cost` is null where nothing has a price, or where there are several currencies.
    """
    energy, cost = pl.col("energy_kwh"), pl.col("cost")
    one = pl.col("currency").drop_nulls().n_unique() == 1
    return priced_rows.group_by(by, maintain_order=True).agg(
        cost=pl.when((cost.count() > 0) & one).then(cost.sum()),
        currency=pl.when(one).then(pl.col("currency").drop_nulls().first()),
        cost_energy_share=known_share(energy, cost),
    )


def by_bucket(rows: pl.DataFrame, buckets: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """`cost`, `currency` and `cost_energy_share` of each bucket, and of the columns `by`.

    Parameters
    ----------
    rows
        `start_utc`, `energy_kwh`, `priced_kwh`, `cost`, `currency` and the columns `by`.
    buckets
        `start_utc` and `end_utc` of each, sorted; rows outside them are left out.
    """
    owned = (
        rows.sort("start_utc")
        .join_asof(buckets.select("start_utc", bucket="start_utc", until="end_utc"), on="start_utc")
        .filter(pl.col("start_utc") < pl.col("until"))
    )
    return (
        group_costs(owned, ["bucket", *by])
        .rename({"bucket": "start_utc"})
        .sort("start_utc", maintain_order=True)
    )


def group_costs(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """`energy_kwh`, `cost`, `currency`, `cost_energy_share` by the columns `by`.

    `cost` is null where none is known, and where the currencies differ: they are never added.
    """
    one = pl.col("currency").drop_nulls().n_unique() <= 1
    share = pl.col("priced_kwh").sum() / pl.col("energy_kwh").sum()
    sums: dict[str, pl.Expr] = {
        "energy_kwh": known_sum("energy_kwh"),
        "cost": pl.when(one).then(known_sum("cost")),
        "cost_energy_share": pl.when(pl.col("energy_kwh").sum() > 0).then(share),
    }
    if "currency" not in by:
        sums["currency"] = pl.when(one).then(pl.col("currency").drop_nulls().first())
    return rows.group_by(by, maintain_order=True).agg(**sums)


def total_costs(
    settled: pl.DataFrame, due: pl.DataFrame, buckets: pl.DataFrame, lost: pl.DataFrame
) -> tuple[pl.DataFrame, dict[str, object]]:
    """`cost`, `currency`, `cost_energy_share` of each bucket, and of all of them together.

    Parameters
    ----------
    settled
        From `core.billing.charges.quarter_costs`.
    due
        `start_utc`, `currency` and `cost` of standing charges; may be empty.
    lost
        As for `drop_unpriceable`.
    """
    money = ["cost", "currency", "cost_energy_share"]
    stands = due.select(
        "start_utc",
        "currency",
        "cost",
        energy_kwh=pl.lit(None, pl.Float64),
        priced_kwh=pl.lit(0.0),
    )
    rows = drop_unpriceable(pl.concat([settled, stands.select(settled.columns)]), buckets, lost)
    first, end = buckets["start_utc"][0], buckets["end_utc"][-1]
    inside = rows.filter(pl.col("start_utc").is_between(first, end, closed="left"))
    whole = group_costs(inside.with_columns(every=pl.lit("all")), ["every"]).select(money)
    per_bucket = by_bucket(rows, buckets).select("start_utc", *money)
    return per_bucket, whole.row(0, named=True) if whole.height else dict.fromkeys(money)


def drop_unpriceable(rows: pl.DataFrame, buckets: pl.DataFrame, lost: pl.DataFrame) -> pl.DataFrame:
    """Rows with a price without those in the buckets that are `lost`: their energy has no price.

    Parameters
    ----------
    rows
        `start_utc`, `energy_kwh`, `cost` and others.
    buckets
        `start_utc` of each, sorted.
    lost
        `start_utc` and `energy_kwh` of the buckets of which not all parts are kept.
    """
    if lost.is_empty():
        return rows
    kept = (
        rows.sort("start_utc")
        .join_asof(buckets.select("start_utc", bucket="start_utc"), on="start_utc")
        .join(lost.select(bucket="start_utc"), on="bucket", how="anti", maintain_order="left")
        .drop("bucket")
    )
    unpriced = lost.select("start_utc", "energy_kwh").drop_nulls("energy_kwh")
    return pl.concat([kept, unpriced], how="diagonal")


def standing(bills: Iterable[Bill], timezone: str) -> pl.DataFrame:
    """The demand and fixed charges of bills, and the percentages of them: `STANDING`."""
    rows = [
        {
            "begin_utc": line.first,
            "end_utc": line.end,
            "component": line.component,
            "kind": line.kind,
            "currency": line.currency,
            "cost": line.standing,
        }
        for bill in bills
        for line in bill.lines
        if line.stands
    ]
    days = pl.DataFrame(rows, schema={**STANDING, "begin_utc": pl.Date, "end_utc": pl.Date})
    return _in_utc(days, timezone)


def spread_standing_charges(
    bills: Iterable[Bill],
    timezone: str,
    grain: Grain,
    *,
    spread: bool,
    buckets: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Standing charges as rows: at the month, evenly over the quarters of their days, or none.

    Where civil months (`buckets`) are wanted of billing months that are none, each has its share of
    the time.
    """
    charges = standing(bills if spread or grain is Grain.MONTH else (), timezone)
    if grain is Grain.MONTH and buckets is not None:
        charges = _divided(charges, buckets)
    if grain is Grain.MONTH:
        return charges.rename({"begin_utc": "start_utc"}).drop("end_utc")
    quarters = pl.datetime_ranges("begin_utc", "end_utc", QUARTER, closed="left")
    return (
        charges.with_columns(start_utc=quarters)
        .with_columns(cost=pl.col("cost") / pl.col("start_utc").list.len())
        .explode("start_utc")
        .drop("begin_utc", "end_utc")
    )


def _divided(charges: pl.DataFrame, buckets: pl.DataFrame) -> pl.DataFrame:
    """Standing charges cut where a bucket ends, each part with its share of the time."""
    begin = pl.max_horizontal("begin_utc", "start_utc")
    end = pl.min_horizontal("end_utc", "until")
    whole = (pl.col("end_utc") - pl.col("begin_utc")).dt.total_seconds()
    cut = charges.join_where(
        buckets.select("start_utc", until="end_utc"),
        pl.col("begin_utc") < pl.col("until"),
        pl.col("end_utc") > pl.col("start_utc"),
    )
    return cut.select(
        begin.alias("begin_utc"),
        end.alias("end_utc"),
        "component",
        "kind",
        "currency",
        cost=pl.col("cost") * ((end - begin).dt.total_seconds() / whole),
    ).sort("begin_utc", maintain_order=True)


def by_component(
    charged: pl.DataFrame,
    due: pl.DataFrame,
    buckets: pl.DataFrame,
    spans: Sequence[Span],
    timezone: str,
) -> pl.DataFrame:
    """The cost of each component in each bucket, in the order of the tariff.

    Parameters
    ----------
    charged
        From `core.billing.charges.of_energy`.
    due
        `start_utc`, `component`, `kind`, `currency`, `cost` of standing charges; may be empty.
    buckets
        `start_utc` and `end_utc` of each.

    Returns
    -------
    polars.DataFrame
        `start_utc`, `component`, `kind`, `currency`, `energy_kwh` that is charged, `cost`,
        `cost_energy_share`: a row for each component in force, null where nothing is known.
    """
    by = ["component", "kind", "currency"]
    priced_kwh = pl.when(pl.col("cost").is_not_null()).then("energy_kwh").otherwise(0.0)
    follows = charged.select("start_utc", *by, "energy_kwh", "cost", priced_kwh=priced_kwh)
    stands = due.select(
        "start_utc",
        *by,
        "cost",
        energy_kwh=pl.lit(None, pl.Float64),
        priced_kwh=pl.lit(0.0),
    ).select(follows.columns)
    found = by_bucket(pl.concat([follows, stands]), buckets, by)
    return (
        _in_force(charged, buckets, spans, timezone, stands=due.height > 0)
        .join(found, on=["start_utc", *by], how="left", nulls_equal=True, maintain_order="left")
        .select("start_utc", *by, "energy_kwh", "cost", "cost_energy_share")
    )


def _in_force(
    charged: pl.DataFrame,
    buckets: pl.DataFrame,
    spans: Sequence[Span],
    timezone: str,
    *,
    stands: bool,
) -> pl.DataFrame:
    """Every bucket with the components in force in it: those on energy, or all of them."""
    rows = [
        {
            "span": index,
            "place": place,
            "begin_utc": span.first,
            "end_utc": span.end,
            "component": component.name,
            "kind": str(component.kind),
            "currency": currency,
        }
        for index, span in enumerate(spans)
        for place, component in enumerate(_components(span))
        for currency in _currencies(index, span, charged)
        if stands or on_energy(component, _components(span))
    ]
    schema = {"span": pl.UInt32, "place": pl.Int64, **STANDING}
    del schema["cost"]
    terms = pl.DataFrame(rows, schema={**schema, "begin_utc": pl.Date, "end_utc": pl.Date})
    return (
        buckets.select("start_utc", until="end_utc")
        .join_where(
            _in_utc(terms, timezone),
            pl.col("start_utc") < pl.col("end_utc"),
            pl.col("until") > pl.col("begin_utc"),
        )
        .sort("start_utc", "span", "place", "currency")
        .unique(["start_utc", "component", "kind", "currency"], keep="first", maintain_order=True)
        .select("start_utc", "component", "kind", "currency")
    )


def _components(span: Span) -> Sequence[Component]:
    return (IMPLICIT,) if span.tariff is None else span.tariff.components


def _currencies(index: int, span: Span, charged: pl.DataFrame) -> list[str | None]:
    """Those of the zone's prices where there is no tariff; null where there is no price."""
    if span.tariff is not None:
        return [span.tariff.currency]
    return charged.filter(span=index)["currency"].unique().sort().to_list() or [None]


def _in_utc(days: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """The instants at which the local days begin, in place of their dates."""
    begins = (
        midnight_utc(pl.col(name).cast(pl.Datetime("us")), timezone).alias(name)
        for name in ("begin_utc", "end_utc")
    )
    return days.with_columns(*begins)
