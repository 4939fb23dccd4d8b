"""Rows of a zone that begin at one time may be of several lengths."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("alter table grid drop constraint grid_pkey")
        op.execute("alter table grid add primary key (zone_key, start_utc, interval_s)")
