"""When a series was brought, so that it can be removed when its time is over."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    brought = sa.Column("brought_utc", sa.DateTime(timezone=True))
    op.add_column("forecast_inputs", brought)
    inputs = sa.table("forecast_inputs", sa.column("brought_utc", brought.type))
    # The age of those that are there is not known: it is counted from here on.
    op.execute(inputs.update().values(brought_utc=datetime.now(UTC)))
