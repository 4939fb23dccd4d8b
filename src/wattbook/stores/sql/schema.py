"""The tables of the registry, alike in SQLite and PostgreSQL."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

from wattbook.core.anomaly.finding import State
from wattbook.core.jobs import JobState, Outcome
from wattbook.core.registry.entities import (
    CivilInterval,
    MeterFlow,
    MeterKind,
    MeterRole,
    SiteStatus,
    SupplyKind,
)
from wattbook.core.registry.tariffs import Netting
from wattbook.core.reporting.report import Format
from wattbook.stores.sql.assembly import LISTS
from wattbook.stores.sql.json_list import Listed


class Utc(TypeDecorator[datetime]):
    """An instant, kept in UTC; a naive time is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """What is stored."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no offset")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """What is read: SQLite keeps no offset, PostgreSQL may answer with another."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Word(TypeDecorator[StrEnum]):
    """One word of a closed list."""

    impl = String(16)
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: StrEnum | None, _dialect: Dialect) -> str | None:
        """What is stored."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> StrEnum | None:
        """What is read."""
        return None if value is None else self.words(value)


def _one_of(column: str, words: type[StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def _period() -> CheckConstraint:
    return CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="period_forward")


# Ids sort by code point in every database, as they do in Polars.
ID: Final = String(64).with_variant(String(64, collation="C"), "postgresql")

OWNER: Final = String().with_variant(String(collation="C"), "postgresql")

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

sites: Final = Table(
    "sites",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("operator", ID, nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("zone", ID, nullable=False),
    Column("capacity_kw", Double),
    Column("plausible_kw", Double),
    Column("contracted_kw", Double),
    Column("latitude", Double),
    Column("longitude", Double),
    Column("legal_name", String(200)),
    Column("permit", String(200)),
    Column("address", String(500)),
    Column("contact", String(200)),
    Column("status", Word(SiteStatus), nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("hold_reason", String(1000)),
    Column("hold_since_utc", Utc),
    Column("created_utc", Utc, nullable=False),
    Column("updated_utc", Utc, nullable=False),
    Column("capacity_since_utc", Utc),
    CheckConstraint("capacity_kw > 0", name="capacity_positive"),
    CheckConstraint("latitude BETWEEN -90 AND 90", name="latitude_on_earth"),
    CheckConstraint("longitude BETWEEN -180 AND 180", name="longitude_on_earth"),
    _one_of("status", SiteStatus),
    Index("ix_sites_operator", "operator"),
    Index("ix_sites_zone", "zone"),
)
meters: Final = Table(
    "meters",
    metadata,
    Column("id", ID, primary_key=True),
    Column("site_id", ID, ForeignKey("sites.id"), nullable=False),
    Column("kind", Word(MeterKind), nullable=False),
    Column("role", Word(MeterRole), nullable=False),
    Column("parent", ID),
    Column("expected_interval_s", Integer, nullable=False),
    Column("max_hold_s", Integer),
    Column("register_size_kwh", Double),
    Column("flow", Word(MeterFlow), nullable=False, server_default=str(MeterFlow.CONSUMPTION)),
    Column("register_resolution_kwh", Double),
    Column("expected_interval", Word(CivilInterval)),
    Column("valid_from", Utc),
    Column("valid_to", Utc),
    UniqueConstraint("site_id", "id"),
    # A child may be written before its parent; what counts is the end of the transaction.
    ForeignKeyConstraint(
        ["site_id", "parent"],
        ["meters.site_id", "meters.id"],
        deferrable=True,
        initially="DEFERRED",
    ),
    CheckConstraint("expected_interval_s > 0", name="interval_positive"),
    CheckConstraint("max_hold_s > 0", name="hold_positive"),
    CheckConstraint("register_size_kwh > 0", name="size_positive"),
    CheckConstraint("register_size_kwh IS NULL OR kind = 'register'", name="size_of_register"),
    _one_of("kind", MeterKind),
    _one_of("role", MeterRole),
    _one_of("flow", MeterFlow),
)
"""Each meter as it is by its latest version."""
versions: Final = Table(
    "versions",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("owner", ID, nullable=False),
    Column("site_id", ID, nullable=False),
    Column("valid_from", Utc),
    Column("valid_to", Utc),
    Column("attributes", JSON, nullable=False),
    Column("recorded_utc", Utc, nullable=False),
    Column("superseded_utc", Utc),
    CheckConstraint("kind IN ('meter', 'site')", name="kind_known"),
    Index("ix_versions_owner", "owner", "kind"),
    Index("ix_versions_site_id", "site_id"),
)
"""What meters and the capacities of sites were and are, from when until when, and when that was
said: `as_of` finds what was not yet superseded then. Rows go only with a site or meter that is
deleted, whose tombstone says what it was."""
supplies: Final = Table(
    "supplies",
    metadata,
    Column("site_id", ID, ForeignKey("sites.id"), primary_key=True),
    Column("id", ID, primary_key=True),
    Column("kind", Word(SupplyKind), nullable=False),
    Column("technology", String(16)),
    Column("share", Double),
    Column("capacity_kw", Double),
    Column("g_per_kwh", Double),
    Column("valid_from", Utc, nullable=False),
    Column("valid_to", Utc),
    CheckConstraint("share BETWEEN 0 AND 1", name="share_in_range"),
    CheckConstraint("capacity_kw > 0", name="capacity_positive"),
    CheckConstraint("g_per_kwh >= 0", name="factor_not_negative"),
    _period(),
    _one_of("kind", SupplyKind),
)
fleet: Final = Table(
    "fleet",
    metadata,
    Column("site_id", ID, ForeignKey("sites.id"), primary_key=True),
    Column("id", ID, primary_key=True),
    Column("model", String(100), nullable=False),
    Column("count", Integer, nullable=False),
    Column("hashrate_th", Double),
    Column("power_w", Double),
    Column("valid_from", Utc, nullable=False),
    Column("valid_to", Utc),
    CheckConstraint("count >= 0", name="count_not_negative"),
    CheckConstraint("hashrate_th >= 0", name="hashrate_not_negative"),
    CheckConstraint("power_w >= 0", name="power_not_negative"),
    _period(),
)
tariffs: Final = Table(
    "tariffs",
    metadata,
    Column("site_id", ID, ForeignKey("sites.id"), primary_key=True),
    Column("id", ID, primary_key=True),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date),
    Column("currency", String(3), nullable=False),
    Column("calendar", String(16)),
    Column("holidays", Listed(LISTS["holidays"]), nullable=False),
    Column("weekend", Listed(LISTS["weekend"]), nullable=False),
    Column("components", Listed(LISTS["components"]), nullable=False),
    Column(
        "holidays_removed", Listed(LISTS["holidays_removed"]), nullable=False, server_default="[]"
    ),
    Column("billing_day", Integer),
    Column("netting", Word(Netting), nullable=False, server_default=str(Netting.NONE)),
    _period(),
)
"""What a site pays by; dates are those where it stands."""
watermarks: Final = Table(
    "watermarks",
    metadata,
    Column("source", String(500), primary_key=True),
    Column("reached_utc", Utc, nullable=False),
    Column("updated_utc", Utc, nullable=False),
)
"""One row for each source that is read again and again: before `reached_utc` all was taken in."""
jobs: Final = Table(
    "jobs",
    metadata,
    Column("job_id", ID, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("params", JSON, nullable=False),
    Column("state", Word(JobState), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger),
    Column("unit", String(32), nullable=False),
    Column("checkpoint", JSON),
    Column("result", JSON),
    Column("error", String),
    Column("error_kind", String(32)),
    Column("error_problems", JSON),
    Column("idempotency_key", String(200)),
    Column("order_sha256", String(64), nullable=False),
    Column("parent_id", ID),
    Column("requested_by", String(200), nullable=False),
    Column("created", Utc, nullable=False),
    Column("not_before", Utc, nullable=False),
    Column("started", Utc),
    Column("finished", Utc),
    Column("attempt", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("lease_until", Utc),
    UniqueConstraint("idempotency_key"),
    Index("ix_jobs_created", "created"),
    Index("ix_jobs_waiting", "state", "priority", "not_before", "created"),
    Index("ix_jobs_lease_until", "lease_until"),
    Index("ix_jobs_parent_id", "parent_id"),
    _one_of("state", JobState),
)
attempts: Final = Table(
    "job_attempts",
    metadata,
    Column("job_id", ID, ForeignKey("jobs.job_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("worker", String(200), nullable=False),
    Column("started", Utc, nullable=False),
    Column("ended", Utc),
    Column("outcome", Word(Outcome)),
    Column("error", String),
    Column("traceback_id", String(32)),
)
tombstones: Final = Table(
    "tombstones",
    metadata,
    Column("job_id", ID, primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("owner", OWNER, primary_key=True),
    Column("site_id", ID),
    Column("from_utc", Utc),
    Column("until_utc", Utc, nullable=False),
    Column("rows", BigInteger),
    Column("removed_utc", Utc),
    Column("version", String(64), nullable=False),
    Column("requested_by", String(200)),
    Column("reason", String(1000)),
    Column("entity", JSON(none_as_null=True)),
    Column("counts", JSON(none_as_null=True)),
    Column("sha256", String(64)),
    Index("ix_tombstones_owner", "owner", "kind", "until_utc"),
    Index("ix_tombstones_until_utc", "until_utc"),
)
"""What was removed, of whom and by which job. The latest `until_utc` of a meter is where its data
begins, so these rows are read by whoever takes in readings or rolls them up. Kinds `site` and
`meter` are deletions; while `removed_utc` is null their ids cannot be registered again."""
reports: Final = Table(
    "reports",
    metadata,
    Column("report_id", ID, primary_key=True),
    Column("entity_id", String(80), nullable=False),
    Column("name", String(200), nullable=False),
    Column("start_utc", Utc, nullable=False),
    Column("end_utc", Utc, nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("known_utc", Utc, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("version", String(32), nullable=False),
    Column("created_utc", Utc, nullable=False),
    Index("ix_reports_created_utc", "created_utc"),
    Index("ix_reports_entity_id", "entity_id", "created_utc"),
)
documents: Final = Table(
    "report_documents",
    metadata,
    Column("report_id", ID, ForeignKey("reports.report_id"), primary_key=True),
    Column("form", Word(Format), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    _one_of("form", Format),
)
"""Reports as they were handed out: `size_bytes` of them are kept compressed, with zstd."""
forecast_runs: Final = Table(
    "forecast_runs",
    metadata,
    Column("run_id", ID, primary_key=True),
    Column("entity_id", String(80)),
    Column("quantity", String(16), nullable=False),
    Column("grain", String(16), nullable=False),
    Column("asked_model", String(16), nullable=False),
    Column("quantiles", String(500), nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("meter_ids", JSON, nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("unit", String(16), nullable=False),
    Column("basis", String(16), nullable=False),
    Column("reason", String),
    Column("model", String(16), nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("leaderboard", JSON, nullable=False),
    Column("coverage", JSON, nullable=False),
    Column("trained_from_utc", Utc),
    Column("trained_until_utc", Utc),
    Column("start_utc", Utc, nullable=False),
    Column("end_utc", Utc, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("version", String(32), nullable=False),
    Column("known_utc", Utc, nullable=False),
    Column("rows", LargeBinary, nullable=False),
    Index("ix_forecast_runs_known_utc", "known_utc"),
    Index("ix_forecast_runs_entity_id", "entity_id", "known_utc"),
)
"""Forecasts as they were made; `rows` is an Arrow file, `quantiles` JSON, so that it compares."""
forecast_inputs: Final = Table(
    "forecast_inputs",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("brought_utc", Utc),
)
"""Series that callers brought, compressed with zstd; jobs name them by the SHA-256 of the plain."""
anomalies: Final = Table(
    "anomalies",
    metadata,
    Column("finding_id", ID, primary_key=True),
    Column("meter_id", ID, nullable=False),
    Column("site_id", ID, nullable=False),
    Column("start_utc", Utc, nullable=False),
    Column("end_utc", Utc, nullable=False),
    Column("rule", String(32), nullable=False),
    Column("category", String(32), nullable=False),
    Column("score", Double, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("energy_at_stake_kwh", Double),
    Column("cause", String, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("detector", String(16), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("version", String(32), nullable=False),
    Column("found_utc", Utc, nullable=False),
    Column("seen_utc", Utc, nullable=False),
    Column("state", Word(State), nullable=False),
    Column("note", String),
    Column("judged_by", String(200)),
    Column("judged_utc", Utc),
    CheckConstraint("end_utc > start_utc", name="period_forward"),
    _one_of("state", State),
    Index("ix_anomalies_start_utc", "start_utc"),
    Index("ix_anomalies_meter_id", "meter_id", "start_utc"),
    Index("ix_anomalies_site_id", "site_id", "start_utc"),
)
"""What rules and models noticed, and what people said of it."""
anomaly_scores: Final = Table(
    "anomaly_scores",
    metadata,
    Column("meter_id", ID, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("scores", JSON, nullable=False),
    Column("expected_kwh", JSON, nullable=False),
)
"""A row for each UTC day, with a number, or null, for each of its hours."""
registry_version: Final = Table(
    "registry_version",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
"""One row: how often the registry was written. Every write begins by raising it, so that writers
take turns and a cache knows that it is out of date."""
