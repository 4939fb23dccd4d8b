import pytest

from wattbook.core.errors import InputError
from wattbook.core.readings.influx_mapping import COLUMNS, Naming, parse_fields


def test_by_itself_every_measurement_holds_readings_and_fields_are_columns():
    naming = Naming()
    assert naming.measurement is None
    assert naming.meter_tags == ("meter_id", "device_id")
    assert naming.tags == {"meter_id", "device_id", "site_id"}
    assert dict(naming.fields) == {name: name for name in COLUMNS}


def test_another_tag_can_name_the_meter():
    assert Naming(meter_tag="host").meter_tags == ("host", "device_id")
    assert Naming(meter_tag="device_id").meter_tags == ("device_id",)


def test_a_column_may_have_a_field_of_another_name_and_the_others_keep_theirs():
    fields = parse_fields(" power_kw=total kW , quality=flag")
    assert fields["total kW"] == "power_kw"
    assert fields["flag"] == "quality"
    assert "power_kw" not in fields
    assert fields["energy_kwh"] == "energy_kwh"
    assert sorted(fields.values()) == sorted(COLUMNS)


def test_a_field_taken_from_a_column_leaves_that_column_without_one():
    fields = parse_fields("power_kw=energy_kwh")
    assert fields["energy_kwh"] == "power_kw"
    assert "energy_kwh" not in fields.values()


def test_nothing_said_is_every_column_by_its_own_name():
    assert parse_fields("") == parse_fields(" , ") == {name: name for name in COLUMNS}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("power_kw", "power_kw: must be column=field"),
        ("power_kw=", "power_kw=: must be column=field"),
        ("watts=power_kw", "'watts' is none of power_kw, energy_kwh"),
        ("power_kw=a,power_kw=b", "power_kw=b: mapped twice"),
        ("power_kw=a,energy_kwh=a", "energy_kwh=a: mapped twice"),
    ],
)
def test_pairs_that_cannot_be_meant_are_named(text, says):
    with pytest.raises(InputError, match=says):
        parse_fields(text)


def test_everything_wrong_with_a_naming_is_said_at_once():
    with pytest.raises(InputError) as caught:
        Naming(meter_tag="", fields={"a": "power_kw", "b": "power_kw", "c": "colour"})
    assert [problem.field for problem in caught.value.problems] == ["c", "b", None]
