"""Readings, rollups and grid conditions, where the registry is in PostgreSQL.

With SQLite they are in a DuckDB file beside it, so there is nothing to make.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

VALUES = """
    power_kw double precision,
    energy_kwh double precision,
    register_kwh double precision,
    hashrate_th double precision,
    temperature_c double precision,
    meter_key integer not null,
    revision integer not null,
    quality smallint not null"""

GRID = """
    load_mw double precision,
    gen_coal_mw double precision,
    gen_gas_mw double precision,
    gen_oil_mw double precision,
    gen_nuclear_mw double precision,
    gen_hydro_mw double precision,
    gen_wind_mw double precision,
    gen_solar_mw double precision,
    gen_biomass_mw double precision,
    gen_geothermal_mw double precision,
    gen_battery_mw double precision,
    gen_other_mw double precision,
    gen_unknown_mw double precision,
    price_per_mwh double precision,
    carbon_g_per_kwh double precision,
    marginal_g_per_kwh double precision,
    zone_key integer not null,
    interval_s integer not null,
    revision integer not null,
    currency text"""

# Ids sort by code point, as they do in Polars. Wide columns come first: no space is lost between.
STATEMENTS = (
    """create table meter_keys (
    meter_key integer primary key,
    meter_id text collate "C" not null unique
)""",
    """create table zone_keys (
    zone_key integer primary key,
    zone text collate "C" not null unique
)""",
    f"""create table readings (
    ts_utc timestamptz not null,
    known_utc timestamptz not null,{VALUES},
    primary key (meter_key, ts_utc)
) partition by range (ts_utc)""",
    f"""create table reading_revisions (
    ts_utc timestamptz not null,
    known_utc timestamptz not null,
    superseded_utc timestamptz not null,{VALUES}
)""",
    "create index ix_reading_revisions on reading_revisions (meter_key, ts_utc)",
    f"""create table grid (
    start_utc timestamptz not null,
    known_utc timestamptz not null,{GRID},
    primary key (zone_key, start_utc)
)""",
    f"""create table grid_revisions (
    start_utc timestamptz not null,
    known_utc timestamptz not null,
    superseded_utc timestamptz not null,{GRID}
)""",
    "create index ix_grid_revisions on grid_revisions (zone_key, start_utc)",
    """create table receipts (
    received_utc timestamptz not null,
    known_utc timestamptz,
    received bigint not null,
    accepted bigint not null,
    duplicates bigint not null,
    corrected bigint not null,
    rejected bigint not null,
    batch_id text collate "C" primary key,
    source text not null,
    sha256 text not null
)""",
    "create index ix_receipts_received_utc on receipts (received_utc)",
    """create table rejects (
    "row" bigint not null,
    batch_id text collate "C" not null,
    reason text not null,
    detail text,
    raw text
)""",
    "create index ix_rejects_batch_id on rejects (batch_id)",
    """create table dirty (
    mark bigint generated always as identity primary key,
    from_utc timestamptz not null,
    to_utc timestamptz not null,
    meter_key integer not null
)""",
    "create index ix_dirty_meter_key on dirty (meter_key)",
    # How many marks of a meter are settled: with those that are not, a number that only grows.
    """create table settled (
    marks bigint not null,
    meter_key integer primary key
)""",
    """create table rollups (
    start_utc timestamptz not null,
    computed_utc timestamptz not null,
    energy_kwh double precision,
    power_kw_min double precision,
    power_kw_max double precision,
    power_kw_max_at timestamptz,
    hashrate_th_mean double precision,
    temperature_c_mean double precision,
    covered_s double precision not null,
    meter_key integer not null,
    readings integer not null,
    expected integer not null,
    bucket_s integer not null,
    revision integer not null,
    grain smallint not null,
    quality smallint,
    primary key (meter_key, grain, start_utc)
) partition by range (start_utc)""",
    """create table register_events (
    at_utc timestamptz not null,
    meter_key integer not null,
    kind text not null,
    detail text not null
)""",
    "create index ix_register_events on register_events (meter_key, at_utc)",
    # Whoever rolls up raises it: one who lost the turn and does not know can no longer write.
    "create table turns (epoch bigint not null)",
    "insert into turns values (0)",
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for statement in STATEMENTS:
            op.execute(statement)
