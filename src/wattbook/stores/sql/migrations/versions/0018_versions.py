"""What a meter is, is dated, and so is what a site can draw.

What is registered so far counts as said from the beginning, of all time: no figure changes.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
OF_METER = (
    "kind",
    "role",
    "parent",
    "expected_interval_s",
    "max_hold_s",
    "register_size_kwh",
    "flow",
    "register_resolution_kwh",
)
OF_SITE = ("capacity_kw", "plausible_kw", "contracted_kw")


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    name = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
    op.add_column("sites", sa.Column("capacity_since_utc", moment))
    op.add_column("meters", sa.Column("expected_interval", sa.String(16)))
    op.add_column("meters", sa.Column("valid_from", moment))
    op.add_column("meters", sa.Column("valid_to", moment))
    versions = op.create_table(
        "versions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("owner", name, nullable=False),
        sa.Column("site_id", name, nullable=False),
        sa.Column("valid_from", moment),
        sa.Column("valid_to", moment),
        sa.Column("attributes", sa.JSON, nullable=False),
        sa.Column("recorded_utc", moment, nullable=False),
        sa.Column("superseded_utc", moment),
        sa.CheckConstraint("kind IN ('meter', 'site')", name=op.f("ck_versions_kind_known")),
    )
    op.create_index("ix_versions_owner", "versions", ["owner", "kind"])
    op.create_index("ix_versions_site_id", "versions", ["site_id"])
    meters = sa.table("meters", *(sa.column(each) for each in ("id", "site_id", *OF_METER)))
    sites = sa.table("sites", *(sa.column(each) for each in ("id", *OF_SITE)))
    connection = op.get_bind()
    rows = [
        _row("meter", each["id"], each["site_id"], {known: each[known] for known in OF_METER})
        for each in connection.execute(sa.select(meters).order_by(meters.c.id)).mappings()
    ]
    rows += [
        _row("site", each["id"], each["id"], {known: each[known] for known in OF_SITE})
        for each in connection.execute(sa.select(sites).order_by(sites.c.id)).mappings()
    ]
    if rows:
        op.bulk_insert(versions, rows)


def _row(kind: str, owner: str, site_id: str, attributes: dict[str, object]) -> dict[str, object]:
    return {
        "kind": kind,
        "owner": owner,
        "site_id": site_id,
        "attributes": attributes,
        "recorded_utc": BEGINNING,
    }
