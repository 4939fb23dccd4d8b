"""Hypertables in place of partitions, where TimescaleDB is there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import adbc_driver_manager as adbc

from wattbook.core.errors import UnavailableError
from wattbook.stores.postgres.engine import (
    HELD,
    SHAPES,
    WRITES,
    Engine,
    Session,
    alone_with,
    said,
)
from wattbook.stores.postgres.partitions import is_partitioned


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypertable:
    """A table that TimescaleDB cuts into chunks by time and compresses when they are old."""

    name: str
    instant: str
    segment: str
    order: str
    chunk_days: int
    compress_days: int
    """Age at which a chunk is compressed: by then late rows have become rare."""


READINGS: Final = Hypertable(
    name="readings",
    instant="ts_utc",
    segment="meter_key",
    order="ts_utc",
    chunk_days=7,
    compress_days=14,
)
ROLLUPS: Final = Hypertable(
    name="rollups",
    instant="start_utc",
    segment="meter_key, grain",
    order="start_utc",
    chunk_days=30,
    compress_days=90,
)


def prepare(engine: Engine, *, wanted: bool) -> str | None:
    """Make hypertables of `readings` and `rollups`, with their policies; harmless to repeat.

    Returns what there is to say where the tables are not as they are wanted.
    """
    try:
        return engine.on_session(lambda session: _prepare(session, wanted=wanted))
    except UnavailableError as error:
        if getattr(error.__cause__, "sqlstate", None) != HELD:
            raise
        raise UnavailableError(
            f"{engine}: another transaction holds readings or rollups, which are to become"
            " hypertables; start again when it has ended"
        ) from error


def _prepare(session: Session, *, wanted: bool) -> str | None:
    partitioned = is_partitioned(session, READINGS.name)
    if not wanted:
        if partitioned:
            return None
        return "the tables are hypertables already and stay so, whatever TIMESCALEDB_ENABLED says"
    if lack := _lack(session):
        return f"{lack}; readings and rollups are in plain partitions by month"
    for table in (READINGS, ROLLUPS):
        with _alone(session, table.name):
            if is_partitioned(session, table.name):
                # A COPY that was told of the old table and waits for it would write past the new
                # one, where no query looks: no write may be under way.
                session.fetch(f"select pg_advisory_xact_lock({WRITES})")
                session.fetch(f"select pg_advisory_xact_lock({SHAPES})")
                _convert(session, table)
            _set_policies(session, table)
    return None


def _lack(session: Session) -> str | None:
    """Why there is no TimescaleDB; null where there is one."""
    if session.fetch("select 1 as one from pg_extension where extname = 'timescaledb'").height:
        return None
    offered = "select 1 as one from pg_available_extensions where name = 'timescaledb'"
    if session.fetch(offered).is_empty():
        return "this PostgreSQL offers no TimescaleDB"
    try:
        with _alone(session, "timescaledb"):
            session.execute("create extension if not exists timescaledb")
    except adbc.Error as error:  # not loaded at the server's start, it even ends the connection
        return f"TimescaleDB cannot be switched on ({said(error)})"
    return None


@contextmanager
def _alone(session: Session, table: str) -> Iterator[None]:
    """One at a time: of two services that start together the second finds the work done."""
    with session.transaction():
        session.execute("set local statement_timeout = 0")
        session.fetch(alone_with(table))
        # Whoever waits for a table blocks every reader behind it.
        session.execute("set local lock_timeout = '4s'")
        yield


def _convert(session: Session, table: Hypertable) -> None:
    """Move all rows of a partitioned table into a hypertable of its name."""
    name, plain = table.name, f"{table.name}_plain"
    session.execute(f"alter table {name} rename to {plain}")
    session.execute(f"alter index {name}_pkey rename to {plain}_pkey")
    session.execute(f"create table {name} (like {plain})")
    key = session.fetch(
        "select string_agg(a.attname::text, ', ' order by k.place) as key from pg_index i,"
        " unnest(i.indkey::int[]) with ordinality as k(number, place), pg_attribute a"
        f" where i.indrelid = '{plain}'::regclass and i.indisprimary"
        " and a.attrelid = i.indrelid and a.attnum = k.number"
    )["key"][0]
    session.execute(f"alter table {name} add constraint {name}_pkey primary key ({key})")
    session.fetch(
        f"select create_hypertable('{name}', by_range('{table.instant}',"
        f" interval '{table.chunk_days} days'), create_default_indexes => false)::text as made"
    )
    session.execute(f"insert into {name} select * from {plain} order by {table.instant}")
    session.execute(f"drop table {plain}")


def _set_policies(session: Session, table: Hypertable) -> None:
    name = table.name
    found = session.fetch(
        "select compression_enabled as compressed from timescaledb_information.hypertables"
        f" where hypertable_schema = current_schema() and hypertable_name = '{name}'"
    )
    if not found["compressed"][0]:
        session.execute(
            f"alter table {name} set (timescaledb.compress,"
            f" timescaledb.compress_segmentby = '{table.segment}',"
            f" timescaledb.compress_orderby = '{table.order}')"
        )
    session.fetch(
        f"select add_compression_policy('{name}', interval '{table.compress_days} days',"
        " if_not_exists => true) as job"
    )
    # A policy would drop chunks whatever holds them, and leave no tombstone: clean-ups remove.
    session.fetch(f"select remove_retention_policy('{name}', if_exists => true)::text as gone")
