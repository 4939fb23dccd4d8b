"""When bills begin, days that are no holidays, and what is taken off for what is given back."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    days = sa.Column("holidays_removed", sa.JSON(), nullable=False, server_default="[]")
    op.add_column("tariffs", days)
    op.add_column("tariffs", sa.Column("billing_day", sa.Integer()))
    netting = sa.Column("netting", sa.String(16), nullable=False, server_default="none")
    op.add_column("tariffs", netting)
