"""Files as people have them: each is right, or refused with what to do."""

from datetime import UTC, datetime

import pytest

from wattbook.core.errors import InputError
from wattbook.core.frames import RAW_GRID, RAW_READINGS
from wattbook.core.readings.checks import IntervalLabel
from wattbook.sources.files import DateOrder, Options, read_body

BERLIN = "Europe/Berlin"  # UTC+2 in summer
JUNE = "t;v\n13.06.2026 00:00;1,5\n13.06.2026 01:00;2,5\n"


def decoded(text, contract=RAW_READINGS, **said):
    pairs = ("timestamp=t", "energy_kwh=v")
    options = Options(**{"pairs": pairs, "meter": "m", "timezone": BERLIN, **said})
    body = text if isinstance(text, bytes) else text.encode()
    return read_body(body, options.mapping(contract), contract)


def values(text, **said):
    return decoded(text, **said).frame["energy_kwh"].to_list()


def hours(text, **said):
    """Hours of the stamps, as they are read, after 2026-06-13 00:00 in Berlin."""
    begin = datetime(2026, 6, 12, 22, tzinfo=UTC)
    found = decoded(text, **said).frame["timestamp"]
    return [(at - begin).total_seconds() / 3600 for at in found]


def guess(text, what, **said):
    found = {each.what: each for each in decoded(text, **said).guesses}[what]
    return found.value, found.how


@pytest.mark.parametrize(
    ("stamp", "hour"),
    [
        ("06/13/2026 12 AM", 0),
        ("06/13/2026 1 PM", 13),
        ("06/13/2026 1PM", 13),
        ("06/13/2026 12PM", 12),
        ("06/13/2026 1:00 pm", 13),
        ("06/13/2026 1:30:00 p.m.", 13.5),
        ("06/13/2026 3 a. m.", 3),
        ("06/13/2026 01:00:00.000 PM", 13),
        ("06/13/2026 01:00:00.000PM", 13),
        ("06/13/2026 1:00\u202fPM", 13),
        ("13/06/2026 13h", 13),
        ("13/06/2026 13h30", 13.5),
        ("13.06.2026 15h00", 15),
        ("13.06.2026 09H15", 9.25),
        ("13.06.2026 13:00 Uhr", 13),
        ("13. Juni 2026 01:00", 1),
        ("13 juin 2026 14h30", 14.5),
        ("13 giugno 2026 2:00", 2),
        ("13-Jun-26 01:00", 1),
        ("Sat, 13 Jun 2026 01:00:00", 1),
        ("Samstag, 13. Juni 2026 01:00", 1),
        ("Saturday, June 13, 2026 3:00 PM", 15),
        ("13.06.2026 24:00", 24),
        ("13.06.26 01:00", 1),
        ("06/13/26 01:00", 1),
    ],
)
def test_a_time_is_read_as_it_was_written(stamp, hour):
    text = f"t;v\n{stamp};1\n"
    assert hours(text, label=None if "24:00" not in stamp else IntervalLabel.START) == [hour]


def test_a_formula_that_keeps_a_spreadsheet_from_changing_a_text_is_its_text():
    text = 't;v\n="13.06.2026 00:00";="1.234,5"\n="13.06.2026 01:00";="2,5"\n'
    assert hours(text) == [0, 1]
    assert values(text) == [1234.5, 2.5]


@pytest.mark.parametrize(
    ("sent", "number"),
    [
        ("1\u202f234,5", 1234.5),  # France
        ("1.234.567,8", 1234567.8),  # Germany
        ("1'234.5", 1234.5),  # Switzerland
        ("1\u2019234.5", 1234.5),
        ("1 234,5", 1234.5),
        ("1,23,456.5", 123456.5),  # India
        ("(3.5)", -3.5),  # book-keeping
        ("(1,203.50)", -1203.5),
        ("12,5-", -12.5),
        ("\u22122,5", -2.5),
    ],
)
def test_a_number_is_read_as_it_was_written(sent, number):
    assert values(f't;v\n13.06.2026 00:00;"{sent}"\n13.06.2026 01:00;"{sent}"\n') == [number] * 2


def test_each_number_has_the_unit_that_is_behind_it():
    # 1,234.5 kWh; 0.9 MWh are 900 kWh; a furlong is no energy
    text = "t;v\n" + "".join(
        f"13.06.2026 0{hour}:00;{sent}\n"
        for hour, sent in enumerate(("1.234,5 kWh", "0,9 MWh", "7 furlong", "3,5"))
    )
    assert values(text) == [1234.5, 900.0, None, 3.5]
    assert guess(text, "unit of energy_kwh") == ("MWh, kWh", "detected")
    frame = decoded(text).frame
    assert frame["detail"].to_list() == [
        None, None, 'energy_kwh: must be a number, but is "7 furlong"', None,
    ]  # fmt: skip


def test_a_unit_below_the_header_holds_for_its_column():
    # 1.5 MWh are 1,500 kWh
    text = "t;v\n[dd.mm.yyyy];[MWh]\n13.06.2026 00:00;1,5\n13.06.2026 01:00;2,5\n"
    assert values(text) == [1500.0, 2500.0]
    assert guess(text, "unit of energy_kwh") == ("MWh", "detected")
    assert guess(text, "units row") == ("line 2", "detected")
    assert values(text, units=("energy_kwh=kWh",)) == [1.5, 2.5]  # as given


def test_a_unit_below_the_header_that_is_none_is_refused():
    text = "t;v\n;therms\n13.06.2026 00:00;1,5\n"
    with pytest.raises(InputError, match=r"'therms' for 'v', which is not a unit of energy_kwh"):
        decoded(text)


@pytest.mark.parametrize(
    "text",
    [
        "t;Preis\n;ct/kWh\n13.06.2026 00:00;12,5\n",
        "t;Preis ct/kWh\n13.06.2026 00:00;12,5\n",
        "t;Preis (EUR/kWh)\n13.06.2026 00:00;0,125\n",
        "t;Preis [€/MWh]\n13.06.2026 00:00;125,0\n",
    ],
)
def test_a_price_is_in_the_unit_that_the_file_names(text):
    # 12.5 cents for a kWh are 125 for a MWh
    name = text.partition("\n")[0].partition(";")[2]
    pairs = ("start=t", f"price_per_mwh={name}", "zone='DE-LU'", "currency='EUR'")
    frame = decoded(text, RAW_GRID, pairs=pairs, meter=None).frame
    assert frame["price_per_mwh"].to_list() == pytest.approx([125.0])


def test_a_header_in_the_third_line_is_found_by_its_columns():
    for above in ("Load profile\nMeter: 4711\n", "Report;;\n;;\n", "A, B\n\n"):
        assert values(above + JUNE) == [1.5, 2.5]
        assert guess(above + JUNE, "header") == ("line 3", "detected")


def test_a_file_without_the_columns_names_those_of_its_first_line():
    with pytest.raises(InputError, match=r"the file has no 'w'; it has 't', 'v'"):
        decoded(JUNE, pairs=("timestamp=t", "energy_kwh=w"))


def test_cells_at_the_end_that_are_always_empty_are_no_columns():
    assert values(JUNE.replace("\n", ";;\n")) == [1.5, 2.5]
    assert values("t;v\n13.06.2026 00:00;1,5;\n13.06.2026 01:00;2,5;\n") == [1.5, 2.5]
    assert values("t;v;;\n13.06.2026 00:00;1,5\n13.06.2026 01:00;2,5\n") == [1.5, 2.5]


def test_a_mark_of_the_byte_order_a_named_separator_and_bare_carriage_returns_are_read():
    assert values(b"\xef\xbb\xbfsep=;\n" + JUNE.encode()) == [1.5, 2.5]
    assert values(JUNE.replace("\n", "\r")) == [1.5, 2.5]
    assert values(JUNE.replace("\n", "\r\n")) == [1.5, 2.5]
    assert values(JUNE.replace(";", "\t").encode("utf-16")) == [1.5, 2.5]


def test_a_footer_is_a_rejected_row_and_no_reading():
    frame = decoded(JUNE + "Summe;4,0\n").frame
    assert frame["reason"].to_list() == [None, None, "bad_timestamp"]
    assert frame["detail"][2].endswith("but is Summe")


def test_hours_to_24_are_ends_though_nobody_says_so():
    # 01:00 to 24:00 are the hours from 00:00 to 23:00
    text = "t;v\n" + "".join(f"13.06.2026 {hour:02d}:00;{hour}\n" for hour in range(1, 25))
    read = decoded(text)
    assert read.label is IntervalLabel.END
    assert hours(text) == list(range(1, 25))
    assert guess(text, "label") == ("end", "detected")
    short = "t;v\n" + "".join(f"13.06.2026 {hour}h;{hour}\n" for hour in range(1, 25))
    assert decoded(short).frame["timestamp"].to_list() == read.frame["timestamp"].to_list()


def test_a_midnight_after_the_evening_of_its_own_date_closes_that_date():
    # 11 PM of the 13th, then 12 AM "of the 13th": the end of the 13th
    text = "t;v\n06/13/2026 11 PM;23\n06/13/2026 12 AM;24\n06/14/2026 1 AM;1\n"
    assert hours(text, label=IntervalLabel.END) == [23, 24, 25]
    assert guess(text, "midnight", label=IntervalLabel.END) == ("24:00 of its date", "detected")
    down = "t;v\n06/14/2026 1 AM;1\n06/13/2026 12 AM;24\n06/13/2026 11 PM;23\n"
    assert hours(down, label=IntervalLabel.END) == [25, 24, 23]


def test_a_midnight_after_the_evening_before_opens_its_date():
    text = "t;v\n06/12/2026 11 PM;23\n06/13/2026 12 AM;0\n06/13/2026 1 AM;1\n"
    assert hours(text) == [-1, 0, 1]
    twice = "t;v\n" + 2 * "".join(f"13.06.2026 {hour:02d}:00;1\n" for hour in range(24))
    assert hours(twice) == 2 * list(range(24))  # a day that is in the file twice


def test_two_digits_that_can_be_three_orders_are_refused_with_both_readings():
    with pytest.raises(InputError, match="2026-06-13 with --date-order ymd"):
        decoded("t,v\n26-06-13 00:00,1\n26-06-13 01:00,2\n")
    text = "t,v\n26-06-13 00:00,1\n"
    assert hours(text, date_order=DateOrder.YMD) == [0]


def test_a_day_without_its_first_hour_is_numbered_by_positions():
    # Santiago, 6 September 2020: 00:00 does not exist, the first hour begins at 01:00, 04:00 UTC
    text = "d,h,v\n" + "".join(f"06.09.2020,{hour},1\n" for hour in range(1, 24))
    said = {"pairs": ("timestamp=d+h", "energy_kwh=v"), "timezone": "America/Santiago"}
    found = decoded(text, **said, label=IntervalLabel.END).frame["timestamp"]
    assert found[0] == datetime(2020, 9, 6, 4, tzinfo=UTC)
    assert found[22] == datetime(2020, 9, 7, 2, tzinfo=UTC)


def test_a_first_row_without_a_number_is_rejected_and_the_file_is_read() -> None:
    """Neither `n/a` nor `inf` is a unit of power, so the row below the header is a row."""
    for word in ("n/a", "inf", "offline"):
        body = f"meter_id,timestamp,power_kw\nmain,soon,{word}\nmain,2026-01-01T00:00:00Z,5\n"

        rows = read_body(body.encode(), Options().mapping(RAW_READINGS), RAW_READINGS).frame

        assert rows["power_kw"].to_list()[-1] == 5.0, word
        assert len(rows) == 2, word
