"""Who files for a site: legal name of the operator, permit, address, contact."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

LENGTHS = {"legal_name": 200, "permit": 200, "address": 500, "contact": 200}


def upgrade() -> None:
    for name, length in LENGTHS.items():
        op.add_column("sites", sa.Column(name, sa.String(length)))
