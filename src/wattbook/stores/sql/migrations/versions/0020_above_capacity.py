"""Whether a part of a bucket was above the capacity in force.

Null in rows that were rolled up before, until they are rolled up again. With SQLite the rollups are
in a DuckDB file beside it.
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("alter table rollups add column above_capacity boolean")
