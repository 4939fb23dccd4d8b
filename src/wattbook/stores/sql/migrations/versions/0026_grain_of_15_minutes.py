"""The grain, and the netting, of 15 minutes are called so: `quarter` is `15min`."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

STORED = (("forecast_runs", "grain"), ("tariffs", "netting"))


def upgrade() -> None:
    for table, column in STORED:
        op.execute(f"update {table} set {column} = '15min' where {column} = 'quarter'")  # noqa: S608
