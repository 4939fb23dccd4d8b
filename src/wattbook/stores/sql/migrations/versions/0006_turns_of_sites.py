"""One turn of roll-ups for each slot that sites fall on, in place of one for the database."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# A process of the release before raises all epochs at once, and locks all turns.
STATEMENTS = (
    "alter table turns add column slot integer not null default 0",
    "alter table turns add primary key (slot)",
    """insert into turns (slot, epoch)
    select other.slot, epoch from turns, generate_series(1, 255) as other (slot)""",
    "alter table turns alter column slot drop default",
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for statement in STATEMENTS:
            op.execute(statement)
