"""Every setting of every process, read from TUNELOOP_* environment variables at the edge and passed down."""

import os
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Left empty, the three engine URLs mean the embedded engines in `data_dir`."""

    model_config = SettingsConfigDict(env_prefix="TUNELOOP_", extra="ignore", frozen=True)

    data_dir: Path = Path(".tuneloop")
    database_url: str = ""
    migration_url: str = Field(default="", description="URL of the role that owns the schema; only `migrate` uses it")
    broker_url: str = ""
    storage_url: str = ""
    secret_key: SecretStr = SecretStr("")

    web_host: str = "127.0.0.1"
    web_port: int = 8000
    web_workers: int = 1
    serve_url: str = Field(default="http://127.0.0.1:8100", description="serving host of the local engine")
    serve_token: SecretStr = SecretStr("")

    threads: int = Field(default=0, ge=0, description="CPU threads for training and inference; 0 takes all cores")
    log_level: str = "INFO"
    log_json: bool = True

    @model_validator(mode="after")
    def production_has_a_key(self) -> Self:
        if self.database_url and not self.secret_key.get_secret_value():
            raise ValueError("set TUNELOOP_SECRET_KEY (32 random characters or more) when TUNELOOP_DATABASE_URL is set")
        return self

    @property
    def cpu_threads(self) -> int:
        return self.threads or len(os.sched_getaffinity(0))

    @property
    def storage(self) -> str:
        return self.storage_url or (self.data_dir / "objects").resolve().as_uri()

    @property
    def serve_port(self) -> int:
        return urlsplit(self.serve_url).port or 8100
