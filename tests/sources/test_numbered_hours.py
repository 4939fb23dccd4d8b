"""Hours by number, and flags: each hour of a day with a change of clocks is in its place."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.core.errors import InputError
from wattbook.core.frames import RAW_READINGS
from wattbook.core.periods import zone
from wattbook.core.readings.checks import IntervalLabel
from wattbook.sources.files import DateOrder, Options, read, read_body

CHICAGO = "America/Chicago"
HOURS = ("timestamp=d+h", "energy_kwh=v")
AUTUMN, SPRING = "2026-11-01", "2026-03-08"  # of 25 and of 23 hours in Chicago
AUTUMN_AT = datetime(2026, 11, 1, 5, tzinfo=UTC)
SPRING_AT = datetime(2026, 3, 8, 6, tzinfo=UTC)


def day(named, numbers):
    return "d,h,v\n" + "".join(f"{named},{number},{at}\n" for at, number in enumerate(numbers))


def decoded(text, **said):
    options = Options(**{"pairs": HOURS, "meter": "m", "timezone": CHICAGO, **said})
    return read_body(text.encode(), options.mapping(), RAW_READINGS)


def hours(text, begin, **said):
    """Hours since the beginning of the day, by the order of the rows."""
    frame = decoded(text, **said).frame
    return [at and (at - begin) / timedelta(hours=1) for at in frame["timestamp"]]


WHOLE = list(range(25))


@pytest.mark.parametrize(
    "numbers",
    [
        range(1, 26),  # positions
        range(25),  # positions from 0
        [1, 2, 2, *range(3, 25)],  # hours on the clock, one of them twice
        [1, 2, "02X", *range(3, 25)],
        ["01", "02", "02*", *range(3, 25)],
        ["HE 1", "HE 2", "HE 2", *(f"HE {n}" for n in range(3, 25))],
        [f"{n}:00" for n in range(1, 26)],
        [f"{n:02d}:00:00" for n in range(1, 26)],
        ["00 - 01", "01 - 02", "01 - 02", *(f"{n:02d} - {n + 1:02d}" for n in range(2, 24))],
        ["00-01", "01-02", "01-02", *(f"{n:02d}-{n + 1:02d}" for n in range(2, 24))],
    ],
    ids=str,
)
def test_all_25_hours_are_in_their_place_where_clocks_go_back(numbers):
    assert hours(day(AUTUMN, numbers), AUTUMN_AT) == WHOLE


def test_a_template_with_minutes_reads_numbers_beyond_24_as_positions():
    pairs = ("timestamp={d} {h}:00", "energy_kwh=v")
    text = day(AUTUMN, range(1, 26))
    assert hours(text, AUTUMN_AT, pairs=pairs, label=IntervalLabel.END) == WHOLE


@pytest.mark.parametrize(
    "numbers",
    [
        [1, 2, *range(4, 25)],  # the hour from 2 to 3, which is not, is left out
        [1, 3, *range(4, 25)],  # so do others, by the hour that ends there
        range(1, 24),  # positions
    ],
    ids=["without 3", "without 2", "positions"],
)
def test_all_23_hours_are_in_their_place_where_clocks_go_forward(numbers):
    text = day(SPRING, numbers)
    assert hours(text, SPRING_AT, label=IntervalLabel.END) == WHOLE[:23]


def test_an_hour_that_does_not_exist_beside_all_others_is_rejected():
    text = day(SPRING, range(1, 25))
    frame = decoded(text).frame
    assert frame["timestamp"].null_count() == 1
    assert frame["detail"][2] == (
        "timestamp: 2026-03-08 3 does not exist in America/Chicago: clocks go forward"
    )


def test_a_file_that_runs_backwards_has_the_later_of_two_equal_hours_first():
    numbers = [1, 2, 2, *range(3, 25)]
    assert hours(day(AUTUMN, numbers[::-1]), AUTUMN_AT) == WHOLE[::-1]
    clock = [f"{n:02d}:00" for n in numbers]
    ends = hours(day(AUTUMN, clock[::-1]), AUTUMN_AT, label=IntervalLabel.END)
    assert ends == [n + 1 for n in WHOLE[::-1]]


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("size", [80, 200, 1 << 20])
def test_parts_of_a_file_do_not_divide_a_day(tmp_path, monkeypatch, size, down):
    monkeypatch.setattr("wattbook.sources.files.stream.STEP", 16)
    rows = [(AUTUMN, n) for n in range(1, 26)] + [("2026-11-02", n) for n in range(1, 25)]
    clock = [(AUTUMN, f"{n:02d}:00") for n in [0, 1, 1, *range(2, 24)]]
    for name, lines in (("a.csv", rows), ("b.csv", clock)):
        sent = lines[::-1] if down else lines
        (tmp_path / name).write_text("d,h,v\n" + "".join(f"{d},{h},1\n" for d, h in sent))
        mapping = Options(pairs=HOURS, meter="m", timezone=CHICAGO).mapping()
        frame = pl.concat([c.frame for c in read(tmp_path / name, mapping, chunk_bytes=size)])
        want = [AUTUMN_AT + timedelta(hours=n) for n in range(len(lines))]
        assert frame["timestamp"].to_list() == (want[::-1] if down else want)


@pytest.mark.parametrize(
    ("count", "minutes", "named", "timezone"),
    [
        (48, 30, "2026-06-01", "Europe/London"),
        (46, 30, "2026-03-29", "Europe/London"),
        (50, 30, "2026-10-25", "Europe/London"),
        (96, 15, "2026-06-01", "Europe/Madrid"),
        (92, 15, "2026-03-29", "Europe/Madrid"),
        (100, 15, "2026-10-25", "Europe/Madrid"),
        (288, 5, "2026-06-01", "Europe/Oslo"),
    ],
)
def test_intervals_by_number_are_positions(count, minutes, named, timezone):
    year, month, number = map(int, named.split("-"))
    begin = datetime(year, month, number, tzinfo=zone(timezone)).astimezone(UTC)
    text = day(named, range(1, count + 1))
    found = decoded(text, timezone=timezone).frame["timestamp"].to_list()
    assert found == [begin + timedelta(minutes=minutes * n) for n in range(count)]


def test_an_interval_beyond_the_day_is_rejected_and_length_may_be_named():
    frame = decoded(day("2026-03-29", [1, 46, 47]), timezone="Europe/London", interval_s=1800).frame
    assert frame["timestamp"].is_null().to_list() == [False, False, True]
    with pytest.raises(InputError, match="intervals are numbered to 70: say how long"):
        decoded(day("2026-06-01", range(1, 71)))


def test_hour_and_quarter_in_columns_of_their_own():
    # ERCOT's settlement points: 11/01/2026, hour 2, interval 4, and Y on the second pass.
    flags = ((1, "N"), (2, "N"), (2, "Y"), (24, "N"))
    text = "d,h,q,f,v\n" + "".join(
        f"11/01/2026,{h},{q},{f},1\n" for h, f in flags for q in range(1, 5)
    )
    found = hours(text, AUTUMN_AT, pairs=("timestamp=d+h+q", "energy_kwh=v"), dst_flag="f")
    assert found == [h + q / 4 for h in (0, 1, 2, 24) for q in range(4)]


def test_numbers_that_do_not_show_which_end_they_name_are_refused_with_both():
    text = day("2026-06-01", [5, 6, 7])
    with pytest.raises(InputError) as caught:
        decoded(text)
    assert "hour 5 is the hour from 5:00 with --interval-label start and the hour to 5:00" in str(
        caught.value
    )
    begin = datetime(2026, 6, 1, 5, tzinfo=UTC)
    assert hours(text, begin, label=IntervalLabel.START) == [5, 6, 7]
    assert hours(text, begin, label=IntervalLabel.END) == [4, 5, 6]
    named = text.replace("d,h,v", "d,HourEnding,v")
    assert hours(named, begin, pairs=("timestamp=d+HourEnding", "energy_kwh=v")) == [4, 5, 6]


FLAGGED = ("timestamp=t", "power_kw=v")


def flagged(rows, zone_name="Europe/Berlin", **said):
    text = "t,f,v\n" + "".join(f"{at},{flag},1\n" for at, flag in rows)
    said = {"pairs": FLAGGED, "timezone": zone_name, "dst_flag": "f", **said}
    frame = decoded(text, **said).frame
    details = frame["detail"] if "detail" in frame.columns else pl.Series([None] * frame.height)
    return [
        at.strftime("%m-%d %H:%M") if at else detail.removeprefix("timestamp: ")
        for at, detail in zip(frame["timestamp"], details, strict=True)
    ]


TWICE = "2026-10-25 02:15"  # in Berlin 00:15 and 01:15 UTC


@pytest.mark.parametrize(
    ("first", "second"), [("S", "W"), ("CEST", "CET"), ("cest", "cet"), ("summer", "winter")]
)
def test_a_flag_of_the_clock_tells_the_passes_apart_in_any_order(first, second):
    later = [(TWICE, second), (TWICE, first)]
    assert flagged(later) == ["10-25 01:15", "10-25 00:15"]
    assert flagged(later[:1]) == ["10-25 01:15"]


def test_a_yes_means_a_repeated_hour_where_summer_has_none():
    rows = [("2026-10-25 01:15", "N"), (TWICE, "Y"), ("2026-10-25 03:15", "N")]
    assert flagged(rows)[1] == "10-25 01:15"
    numbers = [(at, {"N": 0, "Y": 1}[flag]) for at, flag in rows]
    assert flagged(numbers)[1] == "10-25 01:15"


def test_a_yes_means_summer_time_where_summer_has_it():
    rows = [("2026-10-25 01:15", "true"), (TWICE, "false"), (TWICE, "true")]
    assert flagged(rows) == ["10-24 23:15", "10-25 01:15", "10-25 00:15"]


def test_a_single_y_is_the_second_pass_as_the_market_of_texas_means_it():
    # 11/06/2022, hour ending 02:00, Y: from 01:00 to 02:00 CST, which ends at 08:00 UTC.
    said = {"zone_name": CHICAGO, "label": IntervalLabel.END, "interval_s": 3600}
    assert flagged([("11/06/2022 02:00", "Y")], **said) == ["11-06 08:00"]


def test_a_single_1_can_be_either_and_is_refused_with_both():
    with pytest.raises(InputError, match=r"CEST with --dst-flag f=summer and .* CET with"):
        flagged([(TWICE, "1")])
    assert flagged([(TWICE, "1")], dst_flag="f=summer") == ["10-25 00:15"]
    assert flagged([(TWICE, "1")], dst_flag="f=repeated") == ["10-25 01:15"]


def test_a_flag_that_the_clock_contradicts_is_rejected():
    winter, summer = flagged([("2026-07-01 12:00", "W"), ("2026-12-01 12:00", "S")])
    assert winter == (
        "flag W means standard time, but 2026-07-01 12:00 in Europe/Berlin is summer time (for a"
        " meter on standard time all year: --timezone Etc/GMT-1 or the like)"
    )
    assert (
        summer == "flag S means summer time, but 2026-12-01 12:00 in Europe/Berlin is standard time"
    )
    assert (
        flagged([("2026-10-25 01:15", "N"), ("2026-07-01 12:00", "N"), ("2026-07-02 12:00", "Y")])[
            2
        ]
        == "flag Y marks a repeated hour, but 2026-07-02 12:00 happens once"
    )
    assert "flag EST is not the time of" in flagged([("2026-07-01 12:00", "EST")])[0]


def test_a_blank_flag_leaves_the_order_to_tell():
    assert flagged([(TWICE, ""), (TWICE, "")]) == ["10-25 00:15", "10-25 01:15"]


def test_an_abbreviation_behind_the_stamp_is_a_flag():
    text = "t,v\n11/01/2026 01:30 CST,1\n11/01/2026 01:30 CDT,1\n2026-11-01 07:30 UTC,1\n"
    assert hours(text, AUTUMN_AT, pairs=("timestamp=t", "power_kw=v")) == [2.5, 1.5, 2.5]


def test_a_stamp_that_names_both_ends_begins_at_the_first():
    text = (
        "t,v\n25/10/2026 02:00 (CEST) - 25/10/2026 02:15 (CEST),1\n"
        "25/10/2026 02:00 (CET) - 25/10/2026 02:15 (CET),1\n"
    )
    said = {"pairs": FLAGGED, "timezone": "Europe/Berlin", "label": IntervalLabel.END}
    found = decoded(text, **said)
    assert [at.hour for at in found.frame["timestamp"]] == [0, 1]
    assert found.label is IntervalLabel.START


ZONES = st.sampled_from(
    ["America/Chicago", "Europe/Berlin", "Australia/Sydney", "America/Santiago", "Asia/Kolkata"]
)


@given(ZONES, st.dates(date(2019, 1, 2), date(2026, 6, 1)), st.booleans())
def test_days_by_number_and_by_clock_say_the_same_instants(timezone, begin, down):
    """Three days around any date, written as positions, and as clock with the passes in order."""
    clock = zone(timezone)
    start = datetime(begin.year, begin.month, begin.day, tzinfo=clock).astimezone(UTC)
    after = begin + timedelta(days=3)
    end = datetime(after.year, after.month, after.day, tzinfo=clock).astimezone(UTC)
    instants = [start + timedelta(hours=n) for n in range((end - start) // timedelta(hours=1))]
    rows, number, before = [], 0, None
    for at in instants:
        local = at.astimezone(clock)
        number = number + 1 if local.date() == before else 1
        before = local.date()
        rows.append((f"{local:%d.%m.%Y},{number}", f"{local:%d.%m.%Y},{local:%H:%M}"))
    for form in (0, 1):
        lines = [row[form] for row in (rows[::-1] if down else rows)]
        text = "d,h,v\n" + "".join(f"{line},1\n" for line in lines)
        said = {"timezone": timezone, "date_order": DateOrder.DMY, "label": IntervalLabel.START}
        if form == 0:
            said["label"] = IntervalLabel.END
        found = decoded(text, **said).frame["timestamp"].to_list()
        assert found == (instants[::-1] if down else instants)


@given(
    ZONES,
    st.dates(date(2019, 1, 2), date(2026, 6, 1)),
    st.sampled_from([15, 30, 60]),
    st.booleans(),
    st.booleans(),
)
def test_ends_by_the_clock_and_by_the_interval_say_the_same_instants(
    timezone, begin, minutes, down, by_clock
):
    """Three days around any date: 02:15, 02:30, 02:45 and then 02:00 again, or 03:00."""
    clock = zone(timezone)
    span = timedelta(minutes=minutes)
    start = datetime(begin.year, begin.month, begin.day, tzinfo=clock).astimezone(UTC)
    instants = [start + n * span for n in range(timedelta(days=3) // span)]
    rows = []
    for at in instants[::-1] if down else instants:
        if by_clock:
            shown = (at + span).astimezone(clock)
        else:
            shown = at.astimezone(clock).replace(tzinfo=None) + span
        rows.append(f"{shown:%d.%m.%Y %H:%M},1\n")
    said = {
        "pairs": ("timestamp=t", "energy_kwh=v"),
        "timezone": timezone,
        "label": IntervalLabel.END,
        "interval_s": 60 * minutes,
    }
    found = decoded("t,v\n" + "".join(rows), **said).frame["timestamp"].to_list()
    assert found == [at + span for at in (instants[::-1] if down else instants)]


def test_the_hour_before_clocks_go_forward_may_end_when_they_have():
    # Chicago, 8 March: what begins at 01:00 ends at 02:00, shown as 03:00, which is 08:00 UTC.
    said = {
        "pairs": ("timestamp=t", "energy_kwh=v"),
        "label": IntervalLabel.END,
        "interval_s": 3600,
    }
    for end in ("02:00", "03:00"):
        assert hours(f"t,v\n2026-03-08 {end},1\n", SPRING_AT, **said) == [2.0]
