"""Type a prompt, and see production and candidate answer it at once."""

import asyncio

from litestar import Controller, Response, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath

from tuneloop.evaluation.prompt import PromptAnswer, ask_all, routes_of
from tuneloop.gateway.routes import Route
from tuneloop.identity.request import HttpRequest, database_of, settings_of
from tuneloop.kit.errors import TuneloopError
from tuneloop.kit.principal import Principal
from tuneloop.registry.service import find_model
from tuneloop.registry.templates import Message
from tuneloop.tables import Alias, Role
from tuneloop.web.console.forms import required
from tuneloop.web.console.render import part
from tuneloop.web.console.text_diff import differences

VERSIONS = (Alias.PRODUCTION, Alias.CANDIDATE)
LONGEST = 20_000


class PromptPage(Controller):
    path = "/models/{client:str}/{model:str}/try"
    include_in_schema = False

    @post(role=Role.OPERATOR, status_code=200)
    async def ask(
        self,
        request: HttpRequest,
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Response[str]:
        """A piece of the page with both answers, or with what went wrong: the prompt stays in its field."""

        def look_up() -> list[Route]:
            with database_of(request).unit(principal.agency_id, client_id=principal.client_id) as session:
                return routes_of(session, model=find_model(session, client=client, model=model), versions=VERSIONS)

        prompt = required(form, "prompt", "the prompt", longest=LONGEST)
        routes = await asyncio.to_thread(look_up)
        try:
            answers = await ask_all(
                settings_of(request), routes, asked=VERSIONS, messages=[Message(role="user", content=prompt)]
            )
        except TuneloopError as problem:
            return part(request, "answers.html", answers=[], pieces=[], same=False, problem=problem.message)
        return _answers(request, answers)


def _answers(request: HttpRequest, said: list[PromptAnswer]) -> Response[str]:
    production, candidate = said
    return part(
        request,
        "answers.html",
        answers=said,
        pieces=differences(production.text, candidate.text),
        same=production.text == candidate.text,
        problem="",
    )
