"""Which way a meter counts, and meters of what a site gives back."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ROLES = "role IN ('main', 'sub', 'generation', 'export')"
FLOWS = "flow IN ('consumption', 'net')"


def upgrade() -> None:
    flow = sa.Column("flow", sa.String(16), nullable=False, server_default="consumption")
    if op.get_bind().dialect.name == "postgresql":
        op.add_column("meters", flow)
        op.drop_constraint(op.f("ck_meters_role_known"), "meters")
        op.create_check_constraint(op.f("ck_meters_role_known"), "meters", ROLES)
        op.create_check_constraint(op.f("ck_meters_flow_known"), "meters", FLOWS)
        return
    # SQLite changes a constraint by making the table again. To drop the old one counts as deleting
    # its rows, which a meter behind another one does not allow: parents are taken off meanwhile.
    op.execute("CREATE TEMPORARY TABLE parents AS SELECT id, parent FROM meters")
    op.execute("UPDATE meters SET parent = NULL")
    with op.batch_alter_table("meters", copy_from=_meters(), recreate="always") as table:
        table.add_column(flow)
        table.create_check_constraint(op.f("ck_meters_role_known"), ROLES)
        table.create_check_constraint(op.f("ck_meters_flow_known"), FLOWS)
    op.execute("UPDATE meters SET parent = (SELECT p.parent FROM parents p WHERE p.id = meters.id)")
    op.execute("DROP TABLE parents")


def _meters() -> sa.Table:
    """The table as it was, without the constraint that changes."""
    return sa.Table(
        "meters",
        sa.MetaData(),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("parent", sa.String(64)),
        sa.Column("expected_interval_s", sa.Integer, nullable=False),
        sa.Column("max_hold_s", sa.Integer),
        sa.Column("register_size_kwh", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_meters"),
        sa.UniqueConstraint("site_id", "id", name="uq_meters_site_id_id"),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name="fk_meters_site_id"),
        sa.ForeignKeyConstraint(
            ["site_id", "parent"],
            ["meters.site_id", "meters.id"],
            name="fk_meters_site_id_parent",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.CheckConstraint("expected_interval_s > 0", name="ck_meters_interval_positive"),
        sa.CheckConstraint("max_hold_s > 0", name="ck_meters_hold_positive"),
        sa.CheckConstraint("register_size_kwh > 0", name="ck_meters_size_positive"),
        sa.CheckConstraint(
            "register_size_kwh IS NULL OR kind = 'register'", name="ck_meters_size_of_register"
        ),
        sa.CheckConstraint(
            "kind IN ('interval', 'register', 'power')", name="ck_meters_kind_known"
        ),
    )
