"""HTTP: try a prompt on several versions at once."""

import asyncio

from litestar import Controller, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tuneloop.evaluation.prompt import ask_all, routes_of
from tuneloop.evaluation.schemas import AnsweredRead, PromptComparison, TryCreate
from tuneloop.gateway.routes import Route
from tuneloop.kit.db import Database
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.registry.service import find_model
from tuneloop.tables import Role


class PromptController(Controller):
    path = "/api/v1/models/{client:str}/{model:str}"
    tags = ("comparison",)

    @post("/try", role=Role.OPERATOR, status_code=200)
    async def try_prompt(
        self,
        state: State,
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        data: JSONBody[TryCreate],
    ) -> PromptComparison:
        """One prompt, answered by production and candidate, or by the versions named. It is not logged."""
        database, settings = state.database, state.settings
        assert isinstance(database, Database)
        assert isinstance(settings, Settings)

        def look_up() -> list[Route]:
            with database.unit(principal.agency_id, client_id=principal.client_id) as session:
                found = find_model(session, client=client, model=model)
                return routes_of(session, model=found, versions=data.versions)

        routes = await asyncio.to_thread(look_up)
        answers = await ask_all(settings, routes, asked=data.versions, messages=data.conversation)
        return PromptComparison(
            answers=[AnsweredRead.model_validate(each) for each in answers],
            same=len({each.text for each in answers}) == 1,
        )
