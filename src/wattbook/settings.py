"""Every setting, read once at the start from the environment (and `.env`)."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL

from wattbook.core.errors import InputError, Problem

BYTES_PER_MB = 1 << 20
MASK = "••••••"


class Settings(BaseSettings):
    """Plain environment names; nothing set means embedded, in `DATA_DIR`, on this machine only."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    environment: Literal["development", "test", "production"] = Field(
        "development", description="where this runs; shown in logs"
    )
    debug: bool = Field(default=False, description="log at DEBUG and show tracebacks")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="least severe event that is logged"
    )
    api_host: str = Field("127.0.0.1", description="address to listen on")
    api_port: Annotated[int, Field(ge=0, le=65535)] = Field(8000, description="port to listen on")
    root_path: str = Field("", description="path under which a proxy shows the service")
    data_dir: Path = Field(Path("wattbook-data"), description="folder of the embedded stores")
    duckdb_memory_limit: str = Field(
        "400MB", pattern=r"^\d+(\.\d+)?\s?[KMGT]i?B$", description="most memory of the DuckDB store"
    )
    duckdb_threads: Annotated[int, Field(ge=1, le=256)] = Field(
        2, description="threads of the DuckDB store"
    )
    body_limit_mb: Annotated[int, Field(ge=1, le=4096)] = Field(
        64, description="largest request body [MiB], before and after decompression"
    )
    body_limit_rows: Annotated[int, Field(ge=1)] = Field(
        2_000_000, description="most rows in one request body"
    )
    rollup_idle_s: Annotated[float, Field(ge=0)] = Field(
        2.0, description="pause [s] without writing after which rollups are brought up to date"
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

    @property
    def registry_url(self) -> str:
        """The database of sites, for SQLAlchemy."""
        path = str(self.data_dir / "registry.sqlite")
        return URL.create("sqlite+aiosqlite", database=path).render_as_string(hide_password=False)

    @property
    def readings_path(self) -> Path:
        """The file of readings, rollups and grid conditions."""
        return self.data_dir / "readings.duckdb"

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
                str(fault["msg"]).removeprefix("Value error, "),
                field=".".join(str(part) for part in fault["loc"]).upper() or None,
            )
            for fault in error.errors()
        ]
        said = "; ".join(
            f"{problem.field}: {problem.detail}" if problem.field else problem.detail
            for problem in problems
        )
        raise InputError(f"wrong setting: {said}", problems) from error
