"""A running installation with a tiny base model: every process real, only the model is small."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, NamedTuple

from tests.support.chat_templates import LLAMA_3
from tests.support.ports import on_free_ports
from tests.support.tiny_models import build_tiny_pair
from tuneloop.cli.create_agency import create_agency
from tuneloop.kit.settings import Settings
from tuneloop_local.demo.api import App, Operator
from tuneloop_local.demo.scenario import CustomerMessage
from tuneloop_local.installation import installation
from tuneloop_local.supervisor import Supervisor
from tuneloop_workers.bases.registration import add_base

LABELS = ("order", "refund", "login")
MESSAGES = {
    "order": "where is the parcel that I bought {} days ago",
    "refund": "give me back the {} euros of last month please",
    "login": "password number {} does not let me in",
    "repair": "the zip of jacket {} is torn, can you sew it",
}
WORDS = (
    *("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath"),
    *("inlet", "jetty", "knoll", "ledge", "marsh", "oasis", "pines", "quill"),
)


@dataclass(frozen=True)
class Running:
    """What a test needs of the installation."""

    settings: Settings
    supervisor: Supervisor
    operator: Operator
    app: App
    key: str
    weights: Path
    path: str = "/api/v1/models/acme/support"


def items(labels: tuple[str, ...], numbers: range) -> list[CustomerMessage]:
    """Messages whose words differ enough not to be near-duplicates of each other."""
    return [
        CustomerMessage(
            f"{WORDS[n % 16]} {WORDS[n // 16]} {MESSAGES[label].format(n)} {WORDS[(7 * n + 3) % 16]}", label, label
        )
        for label in labels
        for n in numbers
    ]


class Installed(NamedTuple):
    """An installation with a base and nobody in it; `weights` is the base's folder, as it came."""

    settings: Settings
    supervisor: Supervisor
    weights: Path


@contextmanager
def installed_with_tiny_base(folder: Path, **settings: Any) -> Iterator[Installed]:
    pair = build_tiny_pair(folder / "pair", "llama")
    (pair.weights / "chat_template.jinja").write_text(LLAMA_3)
    ready = on_free_ports(Settings(data_dir=folder / "data", threads=1, **settings))
    with installation(ready) as (started, supervisor):
        source = folder / "source"
        source.mkdir()
        (source / "tiny.gguf").symlink_to(pair.gguf)
        (source / "weights").symlink_to(pair.weights)
        add_base(started, name="tiny", source=f"folder:{source}", licence="none", upstream_url=None)
        yield Installed(started, supervisor, pair.weights)


@contextmanager
def running_with_tiny_base(folder: Path, **settings: Any) -> Iterator[Running]:
    """An agency, a client and a model that waits for its first training."""
    with installed_with_tiny_base(folder, **settings) as (started, supervisor, weights):
        key = create_agency(
            started, slug="north", name="North", email="olga@north.example", owner="Olga", password=token_urlsafe(12)
        ).key
        operator = Operator(started.web_url, key)
        operator.post("/api/v1/clients", {"slug": "acme", "name": "Acme"})
        contract = {"task": "classify", "system_prompt": "Sort the message.", "labels": list(LABELS)}
        operator.post("/api/v1/models/acme", {"slug": "support", "base": "tiny", "contract": contract})
        yield Running(started, supervisor, operator, App(started.web_url, key, "acme/support"), key, weights)
