"""Reactive power [kvar] of readings; null where a meter does not give it.

With SQLite the readings are in a DuckDB file beside it.
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in ("readings", "reading_revisions"):
            op.execute(f"alter table {table} add column reactive_power_kvar double precision")
