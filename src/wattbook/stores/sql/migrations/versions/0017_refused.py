"""Instants at which a row of a meter was refused, where time series are in PostgreSQL."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("""create table refused_instants (
    ts_utc timestamptz not null,
    known_utc timestamptz not null,
    meter_key integer not null,
    primary key (meter_key, ts_utc)
)""")
