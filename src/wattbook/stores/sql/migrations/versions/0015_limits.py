"""Power that is plausible, power that is contracted, and the resolution of registers."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sites", sa.Column("plausible_kw", sa.Double))
    op.add_column("sites", sa.Column("contracted_kw", sa.Double))
    op.add_column("meters", sa.Column("register_resolution_kwh", sa.Double))
