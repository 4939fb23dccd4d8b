"""Jobs name the kind of the error that they failed of, and each problem of the input."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

KINDS = {
    "InputError": "invalid_input",
    "FrameMismatchError": "frame_mismatch",
    "UndecodableError": "undecodable",
    "UnknownFormatError": "unknown_format",
    "TooLargeError": "too_large",
    "InvalidPeriodError": "invalid_period",
    "InvalidEntityError": "invalid_entity",
    "UnknownEntityError": "unknown_entity",
    "RemovedError": "removed",
    "ConflictError": "conflict",
    "ChangedError": "changed",
    "UnsupportedError": "unsupported",
    "UnavailableError": "unavailable",
    "StoreLockedError": "store_locked",
    "DamagedStoreError": "damaged_store",
}
"""The kind of each class whose name stood before the text of an error."""


def upgrade() -> None:
    op.add_column("jobs", sa.Column("error_kind", sa.String(32)))
    op.add_column("jobs", sa.Column("error_problems", sa.JSON))
    jobs = sa.table("jobs", sa.column("error"), sa.column("error_kind"))
    attempts = sa.table("job_attempts", sa.column("error"))
    for name, kind in KINDS.items():
        begins = f"{name}: "
        text = sa.func.substr(sa.column("error"), len(begins) + 1)
        of_kind = sa.column("error").like(f"{begins}%")
        op.execute(jobs.update().where(of_kind).values(error=text, error_kind=kind))
        op.execute(attempts.update().where(of_kind).values(error=text))
    rest = sa.and_(jobs.c.error.is_not(None), jobs.c.error_kind.is_(None))
    op.execute(jobs.update().where(rest).values(error_kind="internal"))
