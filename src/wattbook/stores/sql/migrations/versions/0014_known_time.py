"""For how long, and at what energy, hash rate and temperature are known in rollups.

Null in rows that were rolled up before: the covered time stands in for it until they are rolled up
again. With SQLite the rollups are in a DuckDB file beside it.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

COLUMNS = ("hashrate_kwh", "hashrate_s", "temperature_s")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for column in COLUMNS:
            op.execute(f"alter table rollups add column {column} double precision")
