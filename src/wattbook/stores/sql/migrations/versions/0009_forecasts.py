"""Forecasts as they were made, and what callers brought for them."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
UTC = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "forecast_runs",
        sa.Column("run_id", ID, nullable=False),
        sa.Column("entity_id", sa.String(80)),
        sa.Column("quantity", sa.String(16), nullable=False),
        sa.Column("grain", sa.String(16), nullable=False),
        sa.Column("asked_model", sa.String(16), nullable=False),
        sa.Column("quantiles", sa.String(500), nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("meter_ids", sa.JSON, nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("unit", sa.String(16), nullable=False),
        sa.Column("basis", sa.String(16), nullable=False),
        sa.Column("reason", sa.String),
        sa.Column("model", sa.String(16), nullable=False),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("leaderboard", sa.JSON, nullable=False),
        sa.Column("coverage", sa.JSON, nullable=False),
        sa.Column("trained_from_utc", UTC),
        sa.Column("trained_until_utc", UTC),
        sa.Column("start_utc", UTC, nullable=False),
        sa.Column("end_utc", UTC, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("known_utc", UTC, nullable=False),
        sa.Column("rows", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_forecast_runs")),
    )
    op.create_index("ix_forecast_runs_known_utc", "forecast_runs", ["known_utc"])
    op.create_index("ix_forecast_runs_entity_id", "forecast_runs", ["entity_id", "known_utc"])
    op.create_table(
        "forecast_inputs",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_forecast_inputs")),
    )
