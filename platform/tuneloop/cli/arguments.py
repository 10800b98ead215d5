"""Arguments and options that several commands share, and the paths that they stand for."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
import typer

from tuneloop.kit.errors import InvalidInput
from tuneloop.registry.names import ModelName, parse_name


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


def password_option(words: str) -> Any:
    """A password: asked for twice when it is neither given nor in the environment."""
    return typer.Option(prompt=True, confirmation_prompt=True, hide_input=True, envvar="TUNELOOP_PASSWORD", help=words)


def token_of_link(link: str) -> str:
    """From the whole link, or what it ends with."""
    return link.strip().rpartition("token=")[2]


Client = Annotated[str, typer.Argument(metavar="CLIENT", help="Short name, such as acme.")]
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
MonthOption = Annotated[str | None, typer.Option("--month", metavar="YYYY-MM", help="This month when left out.")]
Note = Annotated[str | None, typer.Option(help="Reason, for the audit log.", metavar="TEXT")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return at once; the work goes on on the server.")]


def path_of(model: ModelName) -> str:
    return f"/models/{model.client}/{model.model}"


def given(**values: object) -> dict[str, Any]:
    """What was said: a field that is left out stays as it is, or gets the server's default."""
    return {name: value for name, value in values.items() if value is not None}


def local(at: datetime | None) -> str | None:
    return at.astimezone().isoformat() if at else None


def pairs(texts: list[str] | None) -> dict[str, Any]:
    """`key=value` options; numbers become numbers."""
    found: dict[str, Any] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{text!r} is not key=value")
        found[name.strip()] = _number_or_text(value.strip())
    return found


def contacts(texts: list[str] | None) -> list[dict[str, str]] | None:
    """People written as `NAME <E-MAIL>`; None where nobody was named."""
    return [_contact(text) for text in texts] if texts else None


def _contact(text: str) -> dict[str, str]:
    name, opened, rest = text.partition("<")
    if not opened or not rest.endswith(">"):
        raise typer.BadParameter(f"{text!r} is not 'NAME <E-MAIL>'")
    return {"name": name.strip(), "email": rest.removesuffix(">").strip()}


def _number_or_text(value: str) -> object:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
