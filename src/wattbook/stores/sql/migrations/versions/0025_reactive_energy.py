"""Reactive energy of rollups, and the energy and the time for which it is known.

Null where no reactive power is. With SQLite the rollups are in a DuckDB file beside it.
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

COLUMNS = ("inductive_kvarh", "capacitive_kvarh", "reactive_kwh", "reactive_s")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for column in COLUMNS:
            op.execute(f"alter table rollups add column {column} double precision")
