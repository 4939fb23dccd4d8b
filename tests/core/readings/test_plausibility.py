"""What a receipt warns of, for files and bodies alike."""

from datetime import UTC, datetime, timedelta

import polars as pl

from wattbook.core import frames
from wattbook.core.readings import validation
from wattbook.core.readings.plausibility import warnings

T = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def meters(*names: str, **about: object) -> pl.DataFrame:
    plain = {"site_id": "a", "kind": "power", "role": "main", "expected_interval_s": 900}
    rows = [plain | {"meter_id": name} | about for name in names or ("a.main",)]
    return pl.DataFrame(rows, schema=frames.METERS.schema)


def warned(known: pl.DataFrame, **values: object) -> tuple[str, ...]:
    """Warnings of a batch of one row, or of one for each value of a list."""
    columns = {"meter_id": "a.main", "timestamp": "2026-01-01T00:00:00Z"} | values
    rows = pl.DataFrame(
        {name: [v] if not isinstance(v, list) else v for name, v in columns.items()}
    )
    return validation.validate(rows, meters=known, now=NOW).warnings


def kept(**values: float) -> pl.DataFrame:
    row = dict.fromkeys(frames.READINGS.columns) | {"meter_id": "a.main", "ts_utc": T} | values
    return pl.DataFrame([row], schema=frames.READINGS.schema)


def test_watts_for_kilowatts_are_many_times_the_capacity_though_the_row_is_rejected() -> None:
    # 4,200,000 of 5,000 are 840 times as much, and more than the plausible 10,000
    (text,) = warned(meters(capacity_kw=5_000.0), power_kw=4_200_000.0)

    assert text == (
        "power_kw of a.main: up to 4.2e+06, 840 times the capacity of its site;"
        " check whether it is in W (of a file: --unit power_kw=W)"
    )
    assert warned(meters(capacity_kw=5_000.0), power_kw=9_000.0) == ()


def test_without_a_capacity_more_than_a_gigawatt_is_warned_of() -> None:
    (text,) = warned(meters(), power_kw=4_200_000.0)

    assert "which is 4,200,000 kW, and the site has no capacity_kw" in text
    assert warned(meters(capacity_kw=5_000_000.0), power_kw=4_200_000.0) == ()
    assert warned(meters(), power_kw=900_000.0) == ()


def test_energy_is_compared_over_the_length_of_its_interval() -> None:
    # 300,000 kWh in a quarter of an hour are 1.2 GW; 15,000 kWh are 60,000 kW, twelve times 5,000
    assert len(warned(meters(kind="interval"), energy_kwh=300_000.0)) == 1
    assert warned(meters(kind="interval"), energy_kwh=200_000.0) == ()
    known = meters(kind="interval", capacity_kw=5_000.0)
    (text,) = warned(known, energy_kwh=15_000.0)
    assert "12 times the capacity of its site" in text
    assert "--unit energy_kwh=Wh" in text
    hourly = meters(kind="interval", capacity_kw=5_000.0, expected_interval_s=3_600)
    assert warned(hourly, energy_kwh=15_000.0) == ()


def test_var_for_kilovar_are_many_times_the_capacity_in_either_direction() -> None:
    # 2,000,000 of 5,000 are 400 times as much; so are 500,000 kvarh in a quarter of an hour
    known = meters(kind="interval", capacity_kw=5_000.0)
    (text,) = warned(known, energy_kwh=1_000.0, reactive_power_kvar=-2_000_000.0)
    (other,) = warned(known, energy_kwh=1_000.0, reactive_kvarh=500_000.0)

    assert text == (
        "reactive_power_kvar of a.main: up to 2e+06, 400 times the capacity of its site;"
        " check whether it is in var (of a file: --unit reactive_power_kvar=var)"
    )
    assert other.startswith("reactive_kvarh of a.main: up to 500,000, 400 times the capacity")
    assert "--unit reactive_kvarh=varh" in other
    assert warned(known, energy_kwh=1_000.0, reactive_power_kvar=-2_000.0) == ()
    (text,) = warned(meters(), power_kw=1.0, reactive_power_kvar=2_000_000.0)
    assert "which is 2,000,000 kvar, and the site has no capacity_kw" in text


def test_a_hash_rate_in_another_unit_shows_in_the_joules_of_a_terahash() -> None:
    # 3 500 W for 140 TH/s are 25 J/TH; sent in PH/s, 0.14, they are 25 000
    (text,) = warned(meters(capacity_kw=10.0), power_kw=3.5, hashrate_th=0.14)

    assert text.startswith("hashrate_th of a.main: the median is 25,000 J/TH")
    assert "--unit hashrate_th=PH/s" in text
    assert warned(meters(capacity_kw=10.0), power_kw=3.5, hashrate_th=140.0) == ()
    (text,) = warned(meters(), power_kw=3.5, hashrate_th=140_000.0)
    assert "--unit hashrate_th=GH/s" in text


def test_machines_of_2013_and_the_best_of_today_are_not_warned_of() -> None:
    # Antminer S1: 360 W for 0.18 TH/s are 2,000 J/TH; 9.5 J/TH are below every machine on sale
    assert warned(meters(), power_kw=0.36, hashrate_th=0.18) == ()
    assert warned(meters(), power_kw=9.5, hashrate_th=1_000.0) == ()


def test_of_many_meters_five_are_named_and_the_others_counted() -> None:
    names = [f"a.{number}" for number in range(7)]
    sent = warned(
        meters(*names), meter_id=names, timestamp=["2026-01-01T00:00:00Z"] * 7,
        power_kw=[2e6] * 7,
    )  # fmt: skip

    assert [text.partition(": ")[0] for text in sent] == [
        *(f"power_kw of {name}" for name in names[:5]), "power_kw",
    ]  # fmt: skip
    assert sent[-1] == "power_kw: 2 more meters like those above"


def test_an_unknown_meter_and_an_empty_batch_are_not_warned_of() -> None:
    assert warned(meters(), meter_id="elsewhere", power_kw=4e6) == ()
    nothing = frames.RAW_READINGS.empty()
    assert validation.validate(nothing, meters=meters(), now=NOW).warnings == ()


def two(role: str = "main", **about: object) -> pl.DataFrame:
    """Two meters of a site of 5 MW."""
    plain = {"site_id": "a", "kind": "power", "expected_interval_s": 900, "capacity_kw": 5_000.0}
    rows = [
        plain | {"meter_id": "a.main", "role": "main"} | about,
        plain | {"meter_id": "a.two", "role": role} | about,
    ]
    return pl.DataFrame(rows, schema=frames.METERS.schema)


def totals(rows: pl.DataFrame, known: pl.DataFrame) -> tuple[str, ...]:
    """Warnings of kept rows, compared with each other alone."""
    about = known.select(
        "meter_id", "kind", "expected_interval", "expected_interval_s", "capacity_kw",
        "plausible_kw",
    )  # fmt: skip
    sent = rows.with_columns(reactive_kvarh=pl.lit(None, pl.Float64))
    return warnings(sent.join(about, on="meter_id"), rows, known)


def both(other: datetime = T, **values: float) -> pl.DataFrame:
    """A reading of each of the two."""
    second = kept(**values).with_columns(meter_id=pl.lit("a.two"), ts_utc=pl.lit(other))
    return pl.concat(
        [kept(**values), second.select(kept().columns).cast(pl.Schema(frames.READINGS.schema))]
    )


def test_main_meters_that_are_together_above_the_capacity_are_told_at_once() -> None:
    # 2 × 3,000 kW are 6,000 of 5,000, while each alone is below
    (said,) = totals(both(power_kw=3_000.0), two())

    assert said.startswith(
        "site a: its main meters a.main, a.two together have 6,000 kW at 2026-01-01T00:00:00Z,"
        " above the capacity_kw of 5,000"
    )
    assert "role 'sub'" in said
    assert totals(both(power_kw=2_500.0), two()) == ()  # 5,000: as much as it has
    assert totals(both(power_kw=3_000.0), two("sub")) == ()
    assert totals(both(datetime(2026, 1, 1, 1, tzinfo=UTC), power_kw=3_000.0), two()) == ()
    assert totals(both(power_kw=3_000.0), two(capacity_kw=None)) == ()


def test_energies_of_an_interval_are_added_up_as_powers() -> None:
    # 2 × 700 kWh in a quarter of an hour are 5,600 kW
    (said,) = totals(both(energy_kwh=700.0), two(kind="interval"))

    assert "together have 5,600 kW" in said
    # 2 × 61,000 kWh in a day of 25 hours are 4,880 kW: it may have been that day
    daily = two(kind="interval", expected_interval_s=86_400, expected_interval="day")
    assert totals(both(energy_kwh=61_000.0), daily) == ()


def test_meters_that_follow_each_other_are_not_added_up() -> None:
    swap = datetime(2026, 1, 1, tzinfo=UTC)
    meters_ = two().with_columns(
        valid_to_utc=pl.when(meter_id="a.main").then(pl.lit(swap)),
        valid_from_utc=pl.when(meter_id="a.two").then(pl.lit(swap)),
    )

    told = totals(both(power_kw=3_000.0), meters_.cast(pl.Schema(frames.METERS.schema)))

    # a.main is no longer there: its reading is warned of, and is not added to that of a.two
    assert [each.partition(":")[0] for each in told] == ["presence of a.main"]


def counted(*states: tuple[str, int, float]) -> pl.DataFrame:
    """Readings of registers: meter, minutes after `T`, and state."""
    rows = [
        dict.fromkeys(frames.READINGS.columns)
        | {"meter_id": name, "ts_utc": T + timedelta(minutes=minutes), "register_kwh": state}
        for name, minutes, state in states
    ]
    return pl.DataFrame(rows, schema=frames.READINGS.schema)


def test_registers_are_added_up_by_how_fast_they_rise() -> None:
    # 750 kWh in each quarter of an hour are 3,000 kW; two of them 6,000 of 5,000
    quarters = [(minutes, 750.0 * minutes / 15) for minutes in (0, 15, 30)]
    rows = counted(
        *(("a.main", minutes, 100 + kwh) for minutes, kwh in quarters),
        *(("a.two", minutes, 900 + kwh) for minutes, kwh in quarters),
    )

    (text,) = totals(rows, two(kind="register"))

    assert "together have 6,000 kW at 2026-01-01T00:00:00Z" in text
    assert totals(rows, two("sub", kind="register")) == ()
    slower = rows.with_columns(pl.col("register_kwh") / 2)  # 1,500 kW each
    assert totals(slower, two(kind="register")) == ()


def test_a_register_of_whole_megawatt_hours_is_no_peak_in_the_quarter_of_its_step() -> None:
    # 1,000 kWh an hour are 1,000 kW each, not 4,000 in the quarter in which the digit changes
    states = [(15 * k, 1_000.0 * ((k + 2) // 4)) for k in range(12)]
    rows = counted(
        *(("a.main", minutes, kwh) for minutes, kwh in states),
        *(("a.two", minutes, kwh) for minutes, kwh in states),
    )

    assert totals(rows, two(kind="register")) == ()
