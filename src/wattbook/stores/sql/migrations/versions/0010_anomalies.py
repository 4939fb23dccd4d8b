"""Findings, what people said of them, and the scores of hours."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
UTC = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "anomalies",
        sa.Column("finding_id", ID, nullable=False),
        sa.Column("meter_id", ID, nullable=False),
        sa.Column("site_id", ID, nullable=False),
        sa.Column("start_utc", UTC, nullable=False),
        sa.Column("end_utc", UTC, nullable=False),
        sa.Column("rule", sa.String(32), nullable=False),
        sa.Column("category", sa.String(32), nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("energy_at_stake_kwh", sa.Double),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Column("detector", sa.String(16), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("found_utc", UTC, nullable=False),
        sa.Column("seen_utc", UTC, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("note", sa.String),
        sa.Column("judged_by", sa.String(200)),
        sa.Column("judged_utc", UTC),
        sa.PrimaryKeyConstraint("finding_id", name=op.f("pk_anomalies")),
        sa.CheckConstraint("end_utc > start_utc", name=op.f("ck_anomalies_period_forward")),
        sa.CheckConstraint(
            "state IN ('open', 'confirmed', 'dismissed', 'explained')",
            name=op.f("ck_anomalies_state_known"),
        ),
    )
    op.create_index("ix_anomalies_start_utc", "anomalies", ["start_utc"])
    op.create_index("ix_anomalies_meter_id", "anomalies", ["meter_id", "start_utc"])
    op.create_index("ix_anomalies_site_id", "anomalies", ["site_id", "start_utc"])
    op.create_table(
        "anomaly_scores",
        sa.Column("meter_id", ID, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("scores", sa.JSON, nullable=False),
        sa.Column("expected_kwh", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("meter_id", "day", name=op.f("pk_anomaly_scores")),
    )
