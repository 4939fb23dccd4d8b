"""What tombstones of deleted sites and meters say beside those of clean-ups."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("requested_by", sa.String(200)),
        sa.Column("reason", sa.String(1000)),
        sa.Column("entity", sa.JSON),
        sa.Column("counts", sa.JSON),
        sa.Column("sha256", sa.String(64)),
    ):
        op.add_column("tombstones", column)
