"""Every setting of every process, read from TUNELOOP_* environment variables at the edge and passed down."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Left empty, the three engine URLs mean the embedded engines in `data_dir`."""

    model_config = SettingsConfigDict(env_prefix="TUNELOOP_", extra="ignore", frozen=True)

    data_dir: Path = Path(".tuneloop")
    database_url: str = ""
    migration_url: str = Field(default="", description="URL of the role that owns the schema; only `migrate` uses it")
    broker_url: str = ""
    storage_url: str = ""

    web_host: str = "127.0.0.1"
    web_port: int = 8000
    web_workers: int = 1
    serve_url: str = Field(default="http://127.0.0.1:8100", description="serving host of the local engine")
    serve_token: SecretStr = SecretStr("")

    threads: int = Field(default=0, ge=0, description="CPU threads for training and inference; 0 takes all cores")
    log_level: str = "INFO"
    log_json: bool = True

    @property
    def cpu_threads(self) -> int:
        return self.threads or len(os.sched_getaffinity(0))

    @property
    def web_url(self) -> str:
        return f"http://{self.web_host}:{self.web_port}"

    @property
    def storage(self) -> str:
        return self.storage_url or (self.data_dir / "objects").resolve().as_uri()

    @property
    def serve_host(self) -> str:
        return urlsplit(self.serve_url).hostname or "127.0.0.1"

    @property
    def serve_port(self) -> int:
        return urlsplit(self.serve_url).port or 8100
