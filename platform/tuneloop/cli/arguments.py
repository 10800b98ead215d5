"""Arguments and options that several commands share."""

from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
import typer

from tuneloop.kit.errors import InvalidInput
from tuneloop.registry.names import ModelName, parse_name

Role = Literal["owner", "admin", "operator", "viewer", "client_viewer"]
Domain = Literal["customer_support", "legal", "ecommerce", "healthcare", "finance", "internal_knowledge"]
Plan = Literal["basic", "standard", "premium"]
Pool = Literal["training", "golden", "rolling"]
FeedbackKind = Literal["rating", "error", "correction"]
FeedbackState = Literal["open", "accepted", "dismissed"]
Feature = Literal["monitoring", "retrain", "ab_test", "new_category", "labels", "gpu_minutes", "report"]
ScheduledTask = Literal["reading", "canary", "retrain"]
Activity = Literal["collect", "retrain", "compare", "deploy", "other"]
"""Written out so that a command need not load the tables to know them; tests hold them equal to the enums."""


def read_model(text: str) -> ModelName:
    name = read_version(text)
    if name.version is not None:
        raise typer.BadParameter(f"{text!r} names a version; write the model alone: {name.client}/{name.model}")
    return name


def read_version(text: str) -> ModelName:
    try:
        return parse_name(text)
    except InvalidInput as error:
        raise typer.BadParameter(error.message) from error


def read_cycle(text: str) -> ModelName | UUID:
    try:
        return UUID(text)
    except ValueError:
        return read_model(text)


Model = Annotated[ModelName, typer.Argument(parser=read_model, metavar="CLIENT/MODEL", help="Such as acme/support.")]
Version = Annotated[
    ModelName,
    typer.Argument(
        parser=read_version, metavar="CLIENT/MODEL@VERSION", help="By number (v1.1), alias (production) or digest."
    ),
]
Cycle = Annotated[
    Any,
    typer.Argument(parser=read_cycle, metavar="CYCLE|CLIENT/MODEL", help="A cycle's id, or a model for its newest."),
]
Note = Annotated[str | None, typer.Option(help="Reason, for the audit log.", metavar="TEXT")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return at once; the work goes on on the server.")]


def pairs(texts: list[str] | None) -> dict[str, Any]:
    """`key=value` options; numbers become numbers."""
    found: dict[str, Any] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{text!r} is not key=value")
        found[name.strip()] = _number_or_text(value.strip())
    return found


def _number_or_text(value: str) -> object:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
