"""Sites with their meters, supplies and fleet, and a count of the writes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
UTC = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "sites",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("operator", ID, nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("zone", ID, nullable=False),
        sa.Column("capacity_kw", sa.Double),
        sa.Column("latitude", sa.Double),
        sa.Column("longitude", sa.Double),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.Column("created_utc", UTC, nullable=False),
        sa.Column("updated_utc", UTC, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sites")),
        sa.CheckConstraint("capacity_kw > 0", name=op.f("ck_sites_capacity_positive")),
        sa.CheckConstraint("latitude BETWEEN -90 AND 90", name=op.f("ck_sites_latitude_on_earth")),
        sa.CheckConstraint(
            "longitude BETWEEN -180 AND 180", name=op.f("ck_sites_longitude_on_earth")
        ),
        sa.CheckConstraint(
            "status IN ('planned', 'active', 'suspended', 'retired')",
            name=op.f("ck_sites_status_known"),
        ),
    )
    op.create_index(op.f("ix_sites_operator"), "sites", ["operator"])
    op.create_index(op.f("ix_sites_zone"), "sites", ["zone"])
    op.create_table(
        "meters",
        sa.Column("id", ID, nullable=False),
        sa.Column("site_id", ID, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("parent", ID),
        sa.Column("expected_interval_s", sa.Integer, nullable=False),
        sa.Column("max_hold_s", sa.Integer),
        sa.Column("register_size_kwh", sa.Double),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meters")),
        sa.UniqueConstraint("site_id", "id", name=op.f("uq_meters_site_id_id")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_meters_site_id")),
        sa.ForeignKeyConstraint(
            ["site_id", "parent"],
            ["meters.site_id", "meters.id"],
            name=op.f("fk_meters_site_id_parent"),
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.CheckConstraint("expected_interval_s > 0", name=op.f("ck_meters_interval_positive")),
        sa.CheckConstraint("max_hold_s > 0", name=op.f("ck_meters_hold_positive")),
        sa.CheckConstraint("register_size_kwh > 0", name=op.f("ck_meters_size_positive")),
        sa.CheckConstraint(
            "register_size_kwh IS NULL OR kind = 'register'",
            name=op.f("ck_meters_size_of_register"),
        ),
        sa.CheckConstraint(
            "kind IN ('interval', 'register', 'power')", name=op.f("ck_meters_kind_known")
        ),
        sa.CheckConstraint(
            "role IN ('main', 'sub', 'generation')", name=op.f("ck_meters_role_known")
        ),
    )
    op.create_table(
        "supplies",
        sa.Column("site_id", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("technology", sa.String(16)),
        sa.Column("share", sa.Double),
        sa.Column("capacity_kw", sa.Double),
        sa.Column("g_per_kwh", sa.Double),
        sa.Column("valid_from", UTC, nullable=False),
        sa.Column("valid_to", UTC),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_supplies")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_supplies_site_id")),
        sa.CheckConstraint("share BETWEEN 0 AND 1", name=op.f("ck_supplies_share_in_range")),
        sa.CheckConstraint("capacity_kw > 0", name=op.f("ck_supplies_capacity_positive")),
        sa.CheckConstraint("g_per_kwh >= 0", name=op.f("ck_supplies_factor_not_negative")),
        sa.CheckConstraint(
            "valid_to IS NULL OR valid_to > valid_from", name=op.f("ck_supplies_period_forward")
        ),
        sa.CheckConstraint(
            "kind IN ('grid', 'ppa', 'onsite', 'certificate')",
            name=op.f("ck_supplies_kind_known"),
        ),
    )
    op.create_table(
        "fleet",
        sa.Column("site_id", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("hashrate_th", sa.Double),
        sa.Column("power_w", sa.Double),
        sa.Column("valid_from", UTC, nullable=False),
        sa.Column("valid_to", UTC),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_fleet")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_fleet_site_id")),
        sa.CheckConstraint("count >= 0", name=op.f("ck_fleet_count_not_negative")),
        sa.CheckConstraint("hashrate_th >= 0", name=op.f("ck_fleet_hashrate_not_negative")),
        sa.CheckConstraint("power_w >= 0", name=op.f("ck_fleet_power_not_negative")),
        sa.CheckConstraint(
            "valid_to IS NULL OR valid_to > valid_from", name=op.f("ck_fleet_period_forward")
        ),
    )
    version = op.create_table(
        "registry_version",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_version")),
        sa.CheckConstraint("id = 1", name=op.f("ck_registry_version_one_row")),
    )
    op.bulk_insert(version, [{"id": 1, "version": 0}])


def downgrade() -> None:
    raise NotImplementedError("forward only: restore a backup")
