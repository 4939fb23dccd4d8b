"""Jobs and their attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
UTC = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("params", sa.JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger),
        sa.Column("unit", sa.String(32), nullable=False),
        sa.Column("checkpoint", sa.JSON),
        sa.Column("result", sa.JSON),
        sa.Column("error", sa.String),
        sa.Column("idempotency_key", sa.String(200)),
        sa.Column("order_sha256", sa.String(64), nullable=False),
        sa.Column("parent_id", ID),
        sa.Column("requested_by", sa.String(200), nullable=False),
        sa.Column("created", UTC, nullable=False),
        sa.Column("not_before", UTC, nullable=False),
        sa.Column("started", UTC),
        sa.Column("finished", UTC),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("lease_until", UTC),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_jobs_idempotency_key")),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled')",
            name=op.f("ck_jobs_state_known"),
        ),
    )
    op.create_index("ix_jobs_created", "jobs", ["created"])
    op.create_index("ix_jobs_waiting", "jobs", ["state", "priority", "not_before", "created"])
    op.create_index("ix_jobs_lease_until", "jobs", ["lease_until"])
    op.create_index("ix_jobs_parent_id", "jobs", ["parent_id"])
    op.create_table(
        "job_attempts",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("worker", sa.String(200), nullable=False),
        sa.Column("started", UTC, nullable=False),
        sa.Column("ended", UTC),
        sa.Column("outcome", sa.String(16)),
        sa.Column("error", sa.String),
        sa.Column("traceback_id", sa.String(32)),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_job_attempts")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_job_attempts_job_id")),
    )
