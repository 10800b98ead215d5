"""Bring a model that somebody else hosts, and keep its key, prices and last day."""

from typing import TypeVar

from litestar import Controller, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import BaseModel, ValidationError

from tuneloop.deployment.external import bring, change, serve
from tuneloop.identity.request import HttpRequest
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.external_schemas import ExternalChange, ExternalCreate
from tuneloop.registry.service import find_model
from tuneloop.tables import Role
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional, required

T = TypeVar("T", bound=BaseModel)

TERMS = {
    "key": "the key",
    "input_price": "the price of questions",
    "output_price": "the price of answers",
    "currency": "the currency",
    "ends_on": "the last day",
}


class ExternalPage(Controller):
    path = "/models/{client:str}/{model:str}/external"
    include_in_schema = False

    @post(role=Role.OPERATOR, sync_to_thread=True)
    def add(
        self,
        request: HttpRequest,
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Redirect:
        wanted = _read(
            ExternalCreate,
            form,
            url=required(form, "url", "the address of the service"),
            model=required(form, "service_model", "the model's name there"),
        )
        made = bring(request, principal, client=client, model=model, wanted=wanted)
        name = made.name.partition("@")[2]
        return back_to(_place(client, model), f"The service answers. {name} is here; its traffic comes by the gateway.")

    @post("/{version:str}", role=Role.OPERATOR, sync_to_thread=True)
    def change(
        self,
        request: HttpRequest,
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        model: FromPath[str],
        version: FromPath[str],
    ) -> Redirect:
        change(request, principal, client=client, model=model, version=version, wanted=_read(ExternalChange, form))
        return back_to(_place(client, model), "Saved.")

    @post("/{version:str}/serve", role=Role.ADMIN, sync_to_thread=True)
    def put_into_production(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        model: FromPath[str],
        version: FromPath[str],
    ) -> Redirect:
        served = serve(
            session,
            principal=principal,
            model=find_model(session, client=client, model=model),
            version=version,
            digest=required(form, "digest", "the version"),
            reason=required(form, "reason", "the reason"),
        )
        message = f"v{served.number} is in production. The one before is kept for a rollback."
        return back_to(_place(client, model), message)


def _read(schema: type[T], form: FormMultiDict, **more: str) -> T:
    """What is left empty is not there."""
    fields = {name: text for name in TERMS if (text := optional(form, name))}
    try:
        return schema.model_validate(fields | more)
    except ValidationError as error:
        problem = error.errors()[0]
        field = str(problem["loc"][0])
        raise InvalidInput(f"{TERMS.get(field, field)}: {problem['msg']}", field=field) from error


def _place(client: str, model: str) -> str:
    return f"/models/{client}/{model}/versions"
