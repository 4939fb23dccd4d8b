"""What a wrong setting is refused with: its name, what it must be, and what it is."""

import pytest

from wattbook import settings
from wattbook.core.errors import InputError


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("LOG_LEVEL", "loud", "must be one of DEBUG, INFO, WARNING, ERROR, but is 'LOUD'"),
        ("INFLUXDB_OVERLAP_S", "-3", "must be at least 0, but is '-3'"),
        ("ANOMALIES_EVERY_S", "often", "must be a whole number, but is 'often'"),
        ("DEBUG", "perhaps", "must be true or false, but is 'perhaps'"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_what_is_allowed(
    monkeypatch, name, value, message
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(InputError) as refused:
        settings.load()

    assert str(refused.value) == f"wrong setting: {name}: {message}"
    assert [problem.field for problem in refused.value.problems] == [name]


def test_all_wrong_settings_are_named_at_once(monkeypatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "loud")
    monkeypatch.setenv("ANOMALIES_EVERY_S", "often")

    with pytest.raises(InputError, match=r"LOG_LEVEL: .*; ANOMALIES_EVERY_S: "):
        settings.load()


def test_what_may_be_secret_is_not_shown(monkeypatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "nonsense://user:hunter2@host/db")

    with pytest.raises(InputError) as refused:
        settings.load()

    assert "hunter2" not in str(refused.value)
