"""`tuneloop ask`: one question to a model, through the same endpoint that applications call."""

from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Group
from rich.text import Text

from tuneloop.cli.render import Rows, plain, stack, text, whole
from tuneloop.cli.wiring import THE_LOOP, Terminal, command
from tuneloop.kit.figures import number

app = typer.Typer()


class Served(BaseModel):
    """OpenAI's model object, as far as it is shown."""

    id: str
    owned_by: str


class ServedList(BaseModel):
    data: list[Served]


class Said(BaseModel):
    content: str


class Choice(BaseModel):
    message: Said


class Beside(BaseModel):
    """What Tuneloop adds to OpenAI's completion."""

    confidence: float | None = None


class Completion(BaseModel):
    """OpenAI's completion, as far as it is shown."""

    id: str
    model: str
    choices: list[Choice]
    tuneloop: Beside = Beside()


@command(app, "ask", panel=THE_LOOP)
def ask(
    terminal: Terminal,
    model: Annotated[
        str | None, typer.Argument(metavar="CLIENT/MODEL[@VERSION]", help="Left out, lists what may be asked.")
    ] = None,
    message: Annotated[str | None, typer.Argument(metavar="TEXT", help="The message.")] = None,
    test: Annotated[bool, typer.Option("--test", help="Keep nothing of it: a try is not traffic.")] = False,
) -> None:
    if model is None:
        terminal.show(terminal.api.get("/v1/models", ServedList), lambda found: SERVED(found.data))
    elif message is None:
        terminal.show(terminal.api.get(f"/v1/models/{model}", Served), SERVED.one)
    else:
        body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": message}]}
        if test:
            body["metadata"] = {"tuneloop_purpose": "test"}
        terminal.show(terminal.api.post("/v1/chat/completions", Completion, body), render_answer)


def render_answer(found: Completion) -> Group:
    beside = f"{found.model}, confidence {number(found.tuneloop.confidence, '.2f')}, {found.id}"
    return stack(Text(plain(found.choices[0].message.content)), Text(beside, "dim"))


SERVED = Rows[Served](whole("Served", lambda it: it.id), text("Owner", lambda it: it.owned_by))
