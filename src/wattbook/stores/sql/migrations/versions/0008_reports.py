"""Reports and their documents."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
UTC = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "reports",
        sa.Column("report_id", ID, nullable=False),
        sa.Column("entity_id", sa.String(80), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("start_utc", UTC, nullable=False),
        sa.Column("end_utc", UTC, nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("known_utc", UTC, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("created_utc", UTC, nullable=False),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_reports")),
    )
    op.create_index("ix_reports_created_utc", "reports", ["created_utc"])
    op.create_index("ix_reports_entity_id", "reports", ["entity_id", "created_utc"])
    op.create_table(
        "report_documents",
        sa.Column("report_id", ID, nullable=False),
        sa.Column("form", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("report_id", "form", name=op.f("pk_report_documents")),
        sa.ForeignKeyConstraint(
            ["report_id"], ["reports.report_id"], name=op.f("fk_report_documents_report_id")
        ),
        sa.CheckConstraint(
            "form IN ('pdf', 'html', 'json', 'csv', 'zip')",
            name=op.f("ck_report_documents_form_known"),
        ),
    )
