"""A new client and its model: the forms that lead to the first version."""

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError

from tuneloop.clients.schemas import ClientCreate
from tuneloop.clients.service import create_client, find_client
from tuneloop.identity.request import HttpRequest
from tuneloop.kit.errors import InvalidInput, TuneloopError
from tuneloop.kit.principal import Principal
from tuneloop.kit.slugs import slug_of
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.contract import Contract, Task, Template
from tuneloop.registry.policy import Policy
from tuneloop.registry.schemas import ModelCreate
from tuneloop.registry.service import create_model, list_bases
from tuneloop.tables import Domain, Plan, Role
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional, people, required
from tuneloop.web.console.render import page

LONGEST_LIST = 100_000
SAID = {
    "slug": "the short name has lower-case letters, digits and hyphens only",
    "domain": "choose a field of the list",
    "plan": "choose a plan of the list",
    "task": "say what the model does",
    "template": "choose a prompt format of the list",
    "labels": "a label has 80 characters at most",
}


class NewClientPage(Controller):
    path = "/new-client"
    include_in_schema = False

    @get(role=Role.OPERATOR, sync_to_thread=True)
    def ask(self, request: HttpRequest, session: NamedDependency[TenantSession]) -> Response[str]:
        del session  # it names the agency at the top of the page
        return _client_form(request, {})

    @post(role=Role.OPERATOR, sync_to_thread=True)
    def add(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
    ) -> Response[str] | Redirect:
        """A refused form keeps what was typed."""
        try:
            wanted = _client(form)
            client = create_client(session, principal=principal, **wanted.model_dump(mode="python"))
        except TuneloopError as refused:
            return _client_form(request, _typed(form), refused)
        return back_to(f"/clients/{client.slug}/new-model", f"{client.name} is added. Now its model.")


class NewModelPage(Controller):
    path = "/clients/{client:str}/new-model"
    include_in_schema = False

    @get(role=Role.OPERATOR, sync_to_thread=True)
    def ask(
        self, request: HttpRequest, session: NamedDependency[TenantSession], client: FromPath[str]
    ) -> Response[str]:
        return _model_form(request, session, client, {})

    @post(role=Role.OPERATOR, sync_to_thread=True)
    def register(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
    ) -> Response[str] | Redirect:
        find_client(session, client)
        try:
            wanted = _model(form)
            model = create_model(
                session,
                principal=principal,
                client=client,
                slug=wanted.slug,
                base=wanted.base,
                contract=wanted.contract,
                policy=Policy(),
            )
        except TuneloopError as refused:
            return _model_form(request, session, client, _typed(form), refused)
        return back_to(f"/models/{client}/{model.slug}/data/import", "The model is registered. Now its examples.")


def labels_of(text: str) -> tuple[str, ...]:
    """Pasted, one a line.

    Raises:
        InvalidInput: fewer than two, or one that is there twice.
    """
    labels = tuple(filter(None, (line.strip() for line in text.splitlines())))
    if len(labels) < 2:
        raise InvalidInput("a model that sorts needs at least two labels, one a line", field="labels")
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise InvalidInput(f"each label once; more than once there {_is(twice)} {', '.join(twice)}", field="labels")
    return labels


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _client(form: FormMultiDict) -> ClientCreate:
    name = required(form, "name", "the client's name", longest=120)
    try:
        return ClientCreate.model_validate(
            {
                "slug": optional(form, "slug") or slug_of(name, otherwise="client"),
                "name": name,
                "domain": required(form, "domain", "the field"),
                "plan": required(form, "plan", "the plan"),
                "contacts": people(form, "contacts"),
            }
        )
    except ValidationError as error:
        raise _refusal(error) from error


def _model(form: FormMultiDict) -> ModelCreate:
    name, task = required(form, "name", "the model's name", longest=120), required(form, "task", "what the model does")
    labels = labels_of(optional(form, "labels", longest=LONGEST_LIST)) if task == Task.CLASSIFY else ()
    try:
        return ModelCreate(
            slug=slug_of(name, otherwise="model"),
            base=required(form, "base", "the base model"),
            contract=Contract.model_validate(
                {
                    "task": task,
                    "labels": labels,
                    "system_prompt": required(form, "system_prompt", "the instruction", longest=20_000),
                    "template": required(form, "template", "the prompt format"),
                }
            ),
        )
    except ValidationError as error:
        raise _refusal(error) from error


def _refusal(error: ValidationError) -> InvalidInput:
    first = error.errors()[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    said = SAID.get(field) or first["msg"].removeprefix("Value error, ")
    return InvalidInput(said, field=field)


def _typed(form: FormMultiDict) -> dict[str, str]:
    return {key: value for key, value in form.multi_items() if isinstance(value, str)}


def _client_form(request: HttpRequest, typed: dict[str, str], refused: TuneloopError | None = None) -> Response[str]:
    return page(
        request,
        "beginning/client.html",
        status=refused.status if refused else 200,
        problem=refused.message if refused else "",
        typed=typed,
        domains=list(Domain),
        plans=list(Plan),
    )


def _model_form(
    request: HttpRequest,
    session: TenantSession,
    client: str,
    typed: dict[str, str],
    refused: TuneloopError | None = None,
) -> Response[str]:
    return page(
        request,
        "beginning/model.html",
        status=refused.status if refused else 200,
        problem=refused.message if refused else "",
        typed=typed,
        client=find_client(session, client),
        bases=list_bases(session),
        templates=list(Template),
    )
