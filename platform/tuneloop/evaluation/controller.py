"""HTTP: try a prompt on several versions at once."""

import asyncio
from typing import Annotated, Self

from litestar import Controller, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tuneloop.evaluation.prompt import ask_all, routes_of
from tuneloop.gateway.routes import Route
from tuneloop.kit.db import Database
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.registry.service import find_model
from tuneloop.registry.templates import Message
from tuneloop.tables import Alias, Role

VersionName = Annotated[str, Field(min_length=1, max_length=64)]


class TryCreate(BaseModel):
    """A `prompt`, or a whole conversation. Versions by alias, number (`v1.2`) or digest."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"prompt": "Where is my parcel?"}]})

    prompt: str | None = Field(default=None, min_length=1, max_length=20_000)
    messages: list[Message] | None = Field(default=None, min_length=1, max_length=50)
    versions: list[VersionName] = Field(default=[Alias.PRODUCTION, Alias.CANDIDATE], min_length=1, max_length=4)

    @model_validator(mode="after")
    def asks_one_thing(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either prompt or messages")
        if len(set(self.versions)) != len(self.versions):
            raise ValueError("versions must be distinct")
        return self

    @property
    def conversation(self) -> list[Message]:
        return self.messages or [Message(role="user", content=self.prompt or "")]


class AnsweredRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    asked: str
    version: str
    digest: str
    text: str
    confidence: float | None
    margin: float | None
    finish_reason: str
    latency_ms: float


class PromptComparison(BaseModel):
    """`same` when all versions gave the same text."""

    answers: list[AnsweredRead]
    same: bool


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
