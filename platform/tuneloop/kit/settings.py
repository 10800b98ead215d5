"""Every setting of every process, read from TUNELOOP_* environment variables at the edge and passed down."""

import os
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tuneloop.kit.client_address import Network, networks


class SignUp(StrEnum):
    """Who may set up a further agency; the first one of an installation always takes a code."""

    CLOSED = "closed"
    INVITATION = "invitation"
    OPEN = "open"


class BaseAdding(StrEnum):
    """Who may add a base of the catalogue from the page: bases belong to the installation, not to an agency."""

    ONLY_AGENCY = "only_agency"
    OWNERS = "owners"
    NOBODY = "nobody"


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
    trusted_proxies: str = Field(
        default="", description="addresses and networks whose X-Forwarded-For says where requests come from"
    )
    web_body_seconds: float = Field(
        default=20.0, gt=0, description="to send a request; a second more for every 16 KiB that came"
    )
    serve_url: str = Field(default="http://127.0.0.1:8100", description="serving host of the local engine")
    serve_token: SecretStr = SecretStr("")

    reachable_networks: str = Field(
        default="",
        description="networks besides the public internet in which URLs typed by tenants may lie, also without TLS",
    )

    public_url: str = Field(default="", description="how browsers and Slack reach us; `web_url` when empty")
    secret_key: SecretStr = Field(
        default=SecretStr(""), description="encrypts stored credentials; comma-separated, the newest first"
    )

    sign_up: SignUp = Field(
        default=SignUp.CLOSED, description="who may set up a further agency: nobody, whoever has a code, or anybody"
    )
    invitation_days: int = Field(default=7, ge=1, description="how long the link of an invitation opens something")
    password_link_minutes: int = Field(default=60, ge=5, description="the same of a link to choose a new password")

    add_bases: BaseAdding = Field(
        default=BaseAdding.ONLY_AGENCY,
        description="who adds a base from the page: the owner of the only agency, the owner of any, or nobody",
    )
    hub_url: str = "https://huggingface.co"
    hub_token: SecretStr = Field(default=SecretStr(""), description="opens models of the hub whose terms were accepted")
    slack_api_url: str = "https://slack.com/api/"
    slack_authorize_url: str = "https://slack.com/oauth/v2/authorize"
    slack_client_id: str = ""
    slack_client_secret: SecretStr = SecretStr("")
    slack_signing_secret: SecretStr = SecretStr("")
    slack_app_token: SecretStr = Field(default=SecretStr(""), description="turns Socket Mode on in the bot process")
    slack_emulator_port: int = Field(default=8200, description="of the local Slack that `up` opens without credentials")

    smtp_url: SecretStr = Field(
        default=SecretStr(""),
        description="smtp://USER:PASSWORD@HOST:587 (STARTTLS) or smtps://…:465; left empty, mail goes to the mailbox",
    )
    mail_from: str = Field(
        default="Tuneloop <no-reply@tuneloop.localhost>", description="sender of mail of agencies without their own"
    )
    mail_proof: bool = Field(
        default=True, description="an agency's own sender is used once its DKIM key is found in its domain's DNS"
    )
    dns_server: str = Field(
        default="",
        description="ADDRESS:PORT asked for DKIM keys and hosts of typed URLs; the machine's resolver if empty",
    )
    mail_bounces: str = Field(
        default="", description="address for bounces, bounces@DOMAIN; pipe what arrives there to `tuneloop mail bounce`"
    )
    mailbox_smtp_port: int = Field(default=8025, description="where the local mailbox takes mail in")
    mailbox_port: int = Field(default=8026, description="where the mail of the local mailbox can be read")

    stripe_url: str = Field(default="https://api.stripe.com", description="where agencies' own keys are known")
    stripe_platform_url: str = Field(default="https://api.stripe.com", description="where our platform's key is known")
    stripe_platform_key: SecretStr = Field(
        default=SecretStr(""), description="of our own Stripe account, for agencies that connect theirs to it"
    )
    stripe_webhook_secret: SecretStr = Field(default=SecretStr(""), description="of the platform's Connect webhooks")
    stripe_emulator_port: int = Field(default=8210, description="of the local Stripe")
    compute_hourly: float = Field(default=0.0, ge=0, description="what an hour of training costs; 0 shows no cost")
    currency: str = "USD"

    jobs_per_agency: int = Field(
        default=0, ge=0, description="jobs of one agency that run at once in each queue; 0 is each queue's own number"
    )
    keep_predictions_days: int = Field(
        default=400, ge=30, description="how long answers are kept that nobody labelled, corrected or reported"
    )
    keep_jobs_days: int = Field(default=60, ge=14, description="how long finished jobs are kept")
    keep_receipts_days: int = Field(
        default=60, ge=14, description="how long what Slack and Stripe sent is kept once it is handled"
    )
    keep_mails_days: int = Field(default=800, ge=60, description="how long mails that are done with are kept")

    cache_gib: float = Field(
        default=50.0, gt=0, description="of stored objects that a machine keeps copies of, where the store is elsewhere"
    )
    threads: int = Field(default=0, ge=0, description="CPU threads for training and inference; 0 takes all cores")
    health_host: str = "127.0.0.1"
    health_port: int = Field(
        default=0, description="where worker, scheduler and bot answer /healthz, /readyz and /metrics; 0: nowhere"
    )
    metrics_token: SecretStr = Field(default=SecretStr(""), description="asked of whoever reads /metrics, if given")
    log_level: str = "INFO"
    log_json: bool = True

    @field_validator("trusted_proxies", "reachable_networks")
    @classmethod
    def are_networks(cls, listed: str) -> str:
        networks(listed)
        return listed

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        return networks(self.trusted_proxies)

    @property
    def opened_networks(self) -> tuple[Network, ...]:
        return networks(self.reachable_networks)

    @property
    def cpu_threads(self) -> int:
        return self.threads or len(os.sched_getaffinity(0))

    @property
    def web_url(self) -> str:
        return f"http://{self.web_host}:{self.web_port}"

    @property
    def site_url(self) -> str:
        return (self.public_url or self.web_url).rstrip("/")

    @property
    def senders_need_proof(self) -> bool:
        """Never with the local mailbox, from which nothing goes out."""
        return self.mail_proof and bool(self.smtp_url.get_secret_value())

    @property
    def slack_emulator_url(self) -> str:
        return f"http://127.0.0.1:{self.slack_emulator_port}"

    @property
    def smtp(self) -> SecretStr:
        local = SecretStr(f"smtp://127.0.0.1:{self.mailbox_smtp_port}?tls=off")
        return self.smtp_url if self.smtp_url.get_secret_value() else local

    @property
    def stripe_is_emulated(self) -> bool:
        """Our platform is the local stand-in's, which therefore runs."""
        return self.stripe_platform_url == self.stripe_emulator_url

    @property
    def stripe_emulator_url(self) -> str:
        return f"http://127.0.0.1:{self.stripe_emulator_port}"

    @property
    def storage(self) -> str:
        return self.storage_url or (self.data_dir / "objects").resolve().as_uri()

    @property
    def unpacked(self) -> Path:
        """Where stored archives are opened, and files made from stored ones are kept."""
        return self.data_dir.resolve() / "unpacked"

    @property
    def serve_host(self) -> str:
        return urlsplit(self.serve_url).hostname or "127.0.0.1"

    @property
    def serve_port(self) -> int:
        return urlsplit(self.serve_url).port or 8100
