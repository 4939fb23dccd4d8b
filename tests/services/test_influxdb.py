"""The servers that tests get are what they are taken for."""

import urllib.error

import pytest

CSV = {"Content-Type": "application/vnd.flux", "Accept": "application/csv"}


def write(server, bucket: str, line: str) -> None:
    server.call("POST", f"/api/v2/write?org={server.org}&bucket={bucket}&precision=s", line)


def count(server, bucket: str) -> int:
    """Lines that a query answers with, without the heading."""
    query = f'from(bucket: "{bucket}") |> range(start: 2026-01-01T00:00:00Z)'
    told = server.call("POST", f"/api/v2/query?org={server.org}", query, **CSV).decode()
    return max(0, len(told.split()) - 1)


def test_a_bucket_is_empty_and_apart(influxdb, fresh_bucket) -> None:
    with fresh_bucket() as one, fresh_bucket() as other:
        write(influxdb, one, "power,meter=a kw=1 1767225600")  # 2026-01-01
        assert (count(influxdb, one), count(influxdb, other)) == (1, 0)


def test_a_bucket_is_gone_after_the_test(influxdb) -> None:
    with influxdb.fresh() as name:
        pass
    with pytest.raises(urllib.error.HTTPError, match="404"):
        write(influxdb, name, "power kw=1")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_what_was_written_outlives(own_influxdb, how: str) -> None:
    own = own_influxdb()
    with own.fresh() as name:
        write(own, name, "power,meter=a kw=1 1767225600")
        getattr(own.server, how)()
        own.server.start()
        assert count(own, name) == 1
