"""Registers over missing readings are estimated: what was rolled up of them is rolled up again.

Readings that are kept elsewhere are found by the days that have rollups. With SQLite the rollups
are in a DuckDB file beside it.
"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# The grain 2 is the day.
STATEMENTS = (
    """insert into dirty (meter_key, from_utc, to_utc)
select meter_key, min(ts_utc), max(ts_utc)
from readings
where register_kwh is not null
group by meter_key, date_trunc('day', ts_utc at time zone 'UTC')""",
    """insert into dirty (meter_key, from_utc, to_utc)
select meter_key, start_utc, start_utc + make_interval(secs => bucket_s)
from rollups
where grain = 2 and not exists (select 1 from readings)""",
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for statement in STATEMENTS:
            op.execute(statement)
