"""Legal holds on sites, and what clean-ups removed."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
OWNER = sa.String().with_variant(sa.String(collation="C"), "postgresql")
UTC = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("sites", sa.Column("hold_reason", sa.String(1000)))
    op.add_column("sites", sa.Column("hold_since_utc", UTC))
    op.create_table(
        "tombstones",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("owner", OWNER, nullable=False),
        sa.Column("site_id", ID),
        sa.Column("from_utc", UTC),
        sa.Column("until_utc", UTC, nullable=False),
        sa.Column("rows", sa.BigInteger),
        sa.Column("removed_utc", UTC),
        sa.Column("version", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "kind", "owner", name=op.f("pk_tombstones")),
    )
    op.create_index("ix_tombstones_owner", "tombstones", ["owner", "kind", "until_utc"])
    op.create_index("ix_tombstones_until_utc", "tombstones", ["until_utc"])
