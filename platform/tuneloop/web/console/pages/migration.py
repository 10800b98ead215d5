"""From a model that a service hosts to one of our own, step by step."""

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from tuneloop.clients.service import find_client
from tuneloop.identity.request import HttpRequest
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.migration.reading import show_migration
from tuneloop.migration.service import record_answers, stop_recording
from tuneloop.registry.service import find_model, policy_of
from tuneloop.tables import Role
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import required
from tuneloop.web.console.render import page


class MigrationPage(Controller):
    path = "/models/{client:str}/{model:str}/migration"
    include_in_schema = False

    @get(role=Role.VIEWER, sync_to_thread=True)
    def show(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Response[str]:
        found = find_model(session, client=client, model=model)
        return page(
            request,
            "migration.html",
            client=find_client(session, client),
            model=found,
            policy=policy_of(found),
            migration=show_migration(session, found),
        )

    @post("/recording", role=Role.OPERATOR, sync_to_thread=True)
    def record(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Redirect:
        found, agreed = find_model(session, client=client, model=model), required(form, "requests", "the number")
        if not agreed.isdecimal():
            raise InvalidInput("the number of requests is a number; open the page again", field="requests")
        recording = record_answers(session, principal=principal, model=found, requests=int(agreed))
        said = "Its answers are being recorded." if recording.requests else "All of its answers are recorded."
        return back_to(f"/models/{client}/{model}/migration", said)

    @post("/recording/stop", role=Role.OPERATOR, sync_to_thread=True)
    def stop(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Redirect:
        found = find_model(session, client=client, model=model)
        stop_recording(session, principal=principal, model=found)
        return back_to(f"/models/{client}/{model}/migration", "Stopped. What it has answered is kept.")
