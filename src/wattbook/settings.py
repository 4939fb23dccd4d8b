"""Every setting, read once at the start from the environment (and `.env`)."""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from wattbook.core.errors import InputError, Problem
from wattbook.core.readings.influx_mapping import METER_TAG, Naming, parse_fields
from wattbook.core.retention import kinds
from wattbook.core.retention.kinds import Kind
from wattbook.schemas import error_messages
from wattbook.stores.address import Address
from wattbook.stores.influxdb.address import SCHEMES
from wattbook.stores.influxdb.address import Address as BucketAddress

Days = Annotated[int, Field(ge=1, le=36_500)] | None
BYTES_PER_MB = 1 << 20
POSTGRESQL = ("postgresql://", "postgres://")
INFLUXDB = ("INFLUXDB_URL", "INFLUXDB_TOKEN", "INFLUXDB_ORG", "INFLUXDB_BUCKET")
MASK = "••••••"
MOST_FORECAST_DAYS = 31
"""`core.forecast.series.LONGEST`, without loading what computes."""


class Settings(BaseSettings):
    """Plain environment names; nothing set means embedded, in `DATA_DIR`, on this machine only."""

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # it may be a password
    )

    environment: Literal["development", "test", "production"] = Field(
        "development", description="where this runs; shown in logs"
    )
    debug: bool = Field(
        default=False, description="log at DEBUG; show tracebacks on the command line"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="lowest level of the events that are logged"
    )
    api_host: str = Field("127.0.0.1", description="address to listen on")
    api_port: Annotated[int, Field(ge=0, le=65535)] = Field(8000, description="port to listen on")
    root_path: str = Field("", description="path under which a proxy shows the service")
    data_dir: Path = Field(Path("wattbook-data"), description="folder of the embedded stores")
    duckdb_memory_limit: str = Field(
        "400MB",
        pattern=r"^\d+(\.\d+)?\s?[KMGT]i?B$",
        description="maximum memory of the DuckDB store",
    )
    duckdb_threads: Annotated[int, Field(ge=1, le=256)] = Field(
        2, description="threads of the DuckDB store"
    )
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL of all stores, postgresql://user:password@host/name"
    )
    database_host: str | None = Field(None, description="host of PostgreSQL, without DATABASE_URL")
    database_port: Annotated[int, Field(ge=1, le=65535)] = Field(
        5432, description="port of PostgreSQL, without DATABASE_URL"
    )
    database_user: str = Field("wattbook", description="user of PostgreSQL, without DATABASE_URL")
    database_password: SecretStr | None = Field(
        None, description="password of PostgreSQL, without DATABASE_URL"
    )
    database_name: str = Field("wattbook", description="database, without DATABASE_URL")
    database_statement_timeout_s: Annotated[float, Field(gt=0)] = Field(
        300.0, description="longest time [s] that PostgreSQL may spend on one statement"
    )
    database_retry_s: Annotated[float, Field(ge=0)] = Field(
        10.0, description="how long [s] a write waits for PostgreSQL to reconnect before it fails"
    )
    timescaledb_enabled: bool = Field(
        default=False, description="keep readings and rollups in hypertables of TimescaleDB"
    )
    retention_readings_days: Days = Field(
        None, description="age [days] at which readings are removed; default: never"
    )
    retention_revisions_days: Days = Field(
        None,
        description="age [days] at which superseded readings are removed; default: never",
    )
    retention_rollups_quarter_days: Days = Field(
        None,
        description="age [days] at which quarter-hour rollups are removed; default: never",
    )
    retention_rollups_hour_days: Days = Field(
        None,
        description="age [days] at which hourly rollups are removed; default: never",
    )
    retention_rollups_day_days: Days = Field(
        None,
        description="age [days] at which daily rollups are removed; default: never",
    )
    retention_rollups_week_days: Days = Field(
        None,
        description="age [days] at which weekly rollups are removed; default: never",
    )
    retention_rollups_month_days: Days = Field(
        None,
        description="age [days] at which monthly rollups are removed; default: never",
    )
    retention_rejects_days: Days = Field(
        None,
        description="age [days] at which rejected rows are removed; default: never",
    )
    retention_receipts_days: Days = Field(
        None,
        description="age [days] at which receipts of batches are removed; default: never",
    )
    retention_jobs_days: Days = Field(
        None,
        description="age [days] at which jobs that have ended are removed; default: never",
    )
    retention_reports_days: Days = Field(
        None,
        description="age [days] at which reports are removed; default: never",
    )
    retention_forecasts_days: Days = Field(
        None,
        description="age [days] at which forecasts are removed; default: never",
    )
    retention_anomalies_days: Days = Field(
        None,
        description="age [days] at which findings and scores are removed; default: never",
    )
    readings_store: Literal["auto", "influxdb"] = Field(
        "auto", description="where readings are; `auto` with all else, `influxdb` in a bucket"
    )
    influxdb_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#]",
        description="InfluxDB 2, http://host:8086; its token is INFLUXDB_TOKEN",
    )
    influxdb_token: SecretStr | None = Field(
        None, description="token that opens the bucket; as a source, to read is enough"
    )
    influxdb_org: str | None = Field(None, description="organization of the bucket")
    influxdb_bucket: str | None = Field(
        None, description="bucket that is read by `wattbook pull`, or keeps the readings"
    )
    influxdb_overlap_s: Annotated[float, Field(ge=0)] = Field(
        3600.0, description="how far [s] back a pull reads again, for readings that came late"
    )
    influxdb_retry_s: Annotated[float, Field(ge=0)] = Field(
        10.0, description="how long [s] a request waits for InfluxDB to reconnect before it fails"
    )
    influxdb_measurement: str = Field(
        "", description="measurement that holds readings; any when left out"
    )
    influxdb_meter_tag: str = Field(
        METER_TAG, min_length=1, description="tag that names the meter; else `device_id`, `site_id`"
    )
    influxdb_fields: str = Field(
        "", description="columns whose field has another name, as `power_kw=kw,hashrate_th=th`"
    )
    influxdb_interval_label: Literal["start", "end"] = Field(
        "start", description="which end of an interval the points of `wattbook pull` are stamped at"
    )
    body_limit_mb: Annotated[int, Field(ge=1, le=4096)] = Field(
        64, description="largest request body [MiB], before and after decompression"
    )
    body_limit_rows: Annotated[int, Field(ge=1)] = Field(
        2_000_000, description="maximum number of rows in one request body"
    )
    request_head_timeout_s: Annotated[float, Field(gt=0)] = Field(
        30.0, description="longest time [s] until all headers of a request are there"
    )
    request_idle_timeout_s: Annotated[float, Field(gt=0)] = Field(
        60.0, description="longest pause [s] between two pieces of a request's body"
    )
    request_body_timeout_s: Annotated[float, Field(gt=0)] = Field(
        900.0, description="longest time [s] until the body of a request is complete"
    )
    rollup_idle_s: Annotated[float, Field(ge=0)] = Field(
        2.0, description="pause [s] without writing after which rollups are brought up to date"
    )

    redis_url: SecretStr | None = Field(
        None, description="Redis that sends jobs to workers, redis://:password@host:6379/0"
    )
    redis_host: str | None = Field(None, description="host of Redis, without REDIS_URL")
    redis_port: Annotated[int, Field(ge=1, le=65535)] = Field(
        6379, description="port of Redis, without REDIS_URL"
    )
    celery_broker_url: SecretStr | None = Field(
        None, description="broker of the workers; Redis of REDIS_URL when left out"
    )
    job_slots: Annotated[int, Field(ge=1, le=64)] = Field(
        2, description="background jobs that the service, or `wattbook work`, runs at once"
    )
    job_lease_s: Annotated[float, Field(ge=1)] = Field(
        30.0, description="silence [s] of a worker after which another takes over its job"
    )
    schedules_enabled: bool = Field(
        default=True, description="submit the jobs of GET /api/v1/schedules when they are due"
    )
    aggregate_every_s: Annotated[int, Field(ge=1)] = Field(
        3600, description="how often [s] the schedule `aggregate` brings rollups up to date"
    )
    cleanup_every_s: Annotated[int, Field(ge=1)] = Field(
        604_800,
        description="how often [s] the schedule `cleanup` removes what RETENTION_… says, if any",
    )
    import_influxdb_every_s: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="how often [s] the schedule `import_influxdb` pulls from INFLUXDB_BUCKET;"
        " never when left out",
    )
    anomalies_every_s: Annotated[int, Field(ge=1)] = Field(
        86_400, description="how often [s] the schedule `detect_anomalies` looks for anomalies"
    )
    anomalies_per_meter_month: Annotated[float, Field(gt=0, le=100)] = Field(
        1.0, description="false alarms that the model may raise in a month at one meter"
    )
    forecast_days: Annotated[int, Field(ge=1, le=MOST_FORECAST_DAYS)] = Field(
        30, description="longest horizon [days] of a forecast"
    )
    model_retrain_interval: Annotated[float, Field(gt=0)] = Field(
        168.0, description="age [hours] at which a forecast is recomputed"
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _stay_at_home(self) -> "Settings":
        """Without authentication anybody who reaches the service may change its figures."""
        if not is_loopback(self.api_host):
            raise ValueError(
                f"API_HOST={self.api_host}: without authentication the service listens on this"
                " machine only; use 127.0.0.1 and put an authenticating proxy in front"
            )
        return self

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                Address.of(value.get_secret_value())
            except InputError as error:
                raise ValueError(str(error)) from error
        return value

    @field_validator("influxdb_url")
    @classmethod
    def _has_no_secret(cls, value: str | None) -> str | None:
        """The address stands in messages and logs, so nothing in it may be secret."""
        parts = urlsplit(value or "")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError(
                "must have scheme, host, port and path only; user, password and token do not belong"
                " into the address, but the token into INFLUXDB_TOKEN"
            )
        return value

    @field_validator("influxdb_fields")
    @classmethod
    def _are_fields(cls, value: str) -> str:
        try:
            parse_fields(value)
        except InputError as error:
            raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _know_the_bucket(self) -> "Settings":
        missing = self.influxdb_missing
        if missing and (self.readings_store == "influxdb" or len(missing) < len(INFLUXDB)):
            raise ValueError(f"{', '.join(missing)}: missing, without which there is no InfluxDB")
        return self

    @model_validator(mode="after")
    def _import_from_somewhere(self) -> "Settings":
        if self.import_influxdb_every_s is None:
            return self
        if missing := self.influxdb_missing:
            raise ValueError(f"IMPORT_INFLUXDB_EVERY_S: to import from, set {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _keep_what_others_rest_on(self) -> "Settings":
        try:
            kinds.check_days(self.retention)
        except InputError as error:
            raise ValueError(str(error)) from error
        return self

    @model_validator(mode="after")
    def _share_the_stores(self) -> "Settings":
        if self.broker_url is not None and self.postgresql_url is None:
            raise ValueError(
                "workers on a broker share their stores with the service: set DATABASE_URL too"
            )
        return self

    @property
    def least_severe(self) -> str:
        """The level at which events are logged."""
        return "DEBUG" if self.debug else self.log_level

    @property
    def broker_url(self) -> str | None:
        """Where workers hear of jobs; null: the service does the work itself."""
        given = self.celery_broker_url or self.redis_url
        if given is not None:
            return given.get_secret_value()
        return None if self.redis_host is None else f"redis://{self.redis_host}:{self.redis_port}/0"

    @property
    def postgresql_url(self) -> str | None:
        """The address of PostgreSQL; null: everything is in `data_dir`."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        if self.database_host is None:
            return None
        secret = self.database_password
        return Address.at(
            self.database_host,
            self.database_port,
            self.database_name,
            self.database_user,
            None if secret is None else secret.get_secret_value(),
        ).url

    @property
    def retention(self) -> dict[Kind, int]:
        """For how many days what is kept; what is not here is kept for ever."""
        timed = [kind for kind in Kind if kind not in kinds.REGISTERED]
        days = {kind: getattr(self, kinds.setting(kind).lower()) for kind in timed}
        return {kind: each for kind, each in days.items() if each is not None}

    @property
    def influxdb_missing(self) -> list[str]:
        """Settings that are needed for InfluxDB and are not there."""
        return [name for name in INFLUXDB if not getattr(self, name.lower())]

    @property
    def naming(self) -> Naming:
        """What InfluxDB's names mean."""
        return Naming(
            measurement=self.influxdb_measurement or None,
            meter_tag=self.influxdb_meter_tag,
            fields=parse_fields(self.influxdb_fields),
        )

    @property
    def registry_url(self) -> str:
        """The database of sites, for SQLAlchemy."""
        if self.postgresql_url is not None:
            return self.postgresql_url
        path = quote(str(self.registry_path), safe=" +/")
        return f"sqlite+aiosqlite:///{path}"

    @property
    def registry_path(self) -> Path:
        """The file of sites and jobs, where they are not in PostgreSQL."""
        return self.data_dir / "registry.sqlite"

    @property
    def service_path(self) -> Path:
        """Where a service that holds the embedded stores notes its address."""
        return self.data_dir / "service.json"

    @property
    def readings_path(self) -> Path:
        """The file of readings, rollups and grid conditions."""
        return self.data_dir / "readings.duckdb"

    def at(self, url: str) -> "Settings":
        """The same settings, but for the store at that folder or address alone.

        Raises
        ------
        InputError
            It is empty, begins as an address and is none, or a bucket's token is not known.
        """
        if not url.strip():
            detail = "an empty address names no store"
            raise InputError(detail, [Problem("bad_url", detail)])
        if BucketAddress.is_meant(url):
            return self._at_bucket(BucketAddress.of(url))
        if url.startswith(POSTGRESQL):
            Address.of(url)
            within = {"database_url": SecretStr(url), "readings_store": "auto"}
            return self.model_copy(update=within)
        if "://" in url:
            wanted = ", ".join((*POSTGRESQL, *(f"{name}://" for name in SCHEMES)))
            scheme = url.partition("://")[0]
            detail = f"{scheme}:// is not the address of a store; it must begin with {wanted}"
            raise InputError(detail, [Problem("bad_url", detail)])
        embedded = {"database_url": None, "database_host": None, "data_dir": Path(url)}
        return self.model_copy(update={**embedded, "readings_store": "auto"})

    def _at_bucket(self, address: BucketAddress) -> "Settings":
        token = self.influxdb_token if address.token is None else SecretStr(address.token)
        if token is None:
            detail = f"the token for {address.url} is not known: set INFLUXDB_TOKEN"
            raise InputError(detail, [Problem("no_token", detail)])
        bucket = {"url": address.url, "token": token, "org": address.org, "bucket": address.bucket}
        within = {f"influxdb_{name}": value for name, value in bucket.items()}
        return self.model_copy(update={**within, "readings_store": "influxdb"})

    @property
    def body_limit(self) -> int:
        """Largest request body in bytes."""
        return self.body_limit_mb * BYTES_PER_MB

    def masked(self) -> dict[str, str]:
        """Every setting by its environment name, secrets hidden."""
        return {
            name.upper(): MASK if isinstance(value, SecretStr) else str(value)
            for name, value in self
        }


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


MAX_SHOWN: Final = 60


def _wrong(fault: Mapping[str, Any]) -> str:
    """What a setting must be and what it is; of what may be secret not the value."""
    message = str(fault["msg"])
    if fault["type"] == "value_error":
        return message.removeprefix("Value error, ")
    name = str(fault["loc"][0]) if fault["loc"] else ""
    field = Settings.model_fields.get(name)
    secret = field is None or "Secret" in str(field.annotation) or name.endswith(("_url", "_dsn"))
    have = "" if secret else f", but is {str(fault['input'])[:MAX_SHOWN]!r}"
    return f"{error_messages.message_of(fault)}{have}"


def load(**changes: object) -> Settings:
    """The settings of this process, with `changes` from the command line.

    Raises
    ------
    InputError
        Naming each setting that is wrong.
    """
    try:
        return Settings(**changes)  # type: ignore[arg-type]  # checked by the model
    except ValidationError as error:
        problems = [
            Problem(
                "bad_setting",
                _wrong(fault),
                field=".".join(str(part) for part in fault["loc"]).upper() or None,
            )
            for fault in error.errors()
        ]
        said = "; ".join(
            f"{problem.field}: {problem.detail}" if problem.field else problem.detail
            for problem in problems
        )
        raise InputError(f"wrong setting: {said}", problems) from error
