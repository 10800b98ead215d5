"""Whom the mail of an agency or one of its clients comes from, and the proof that the address is theirs."""

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Redirect
from pydantic import ValidationError

from tuneloop.clients.service import client_id_of, find_client, list_clients
from tuneloop.email.reading import read_sender
from tuneloop.email.schemas import SenderWrite
from tuneloop.email.senders import prove_sender, set_sender
from tuneloop.identity.request import HttpRequest, settings_of
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Role
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional, required
from tuneloop.web.console.render import page


class SenderPage(Controller):
    path = "/reports/sender"
    include_in_schema = False

    @get(role=Role.VIEWER, sync_to_thread=True)
    def read(
        self, request: HttpRequest, session: NamedDependency[TenantSession], client: FromQuery[str] = ""
    ) -> Response[str]:
        found = find_client(session, client) if client else None
        return page(
            request,
            "reports/sender.html",
            sender=read_sender(session, settings_of(request), found.id if found else None),
            client=found,
            clients=list_clients(session),
        )

    @post(role=Role.ADMIN, sync_to_thread=True)
    def change(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromQuery[str] = "",
    ) -> Redirect:
        client_id = client_id_of(session, client)
        try:
            wanted = SenderWrite(
                email=required(form, "email", "the address"),
                name=required(form, "name", "the name", longest=120),
                reply_to=optional(form, "reply_to") or None,
            )
        except ValidationError as error:
            field = str(error.errors()[0]["loc"][0])
            raise InvalidInput(f"{optional(form, field)!r} is not an e-mail address", field=field) from error
        set_sender(
            session,
            principal=principal,
            client_id=client_id,
            email=wanted.email,
            name=wanted.name,
            reply_to=wanted.reply_to,
            new_key="new_key" in form,
            settings=settings_of(request),
        )
        return back_to(_place(client), "Saved for the next mail.")

    @post("/proof", role=Role.ADMIN, sync_to_thread=True)
    def prove(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromQuery[str] = "",
    ) -> Redirect:
        client_id = client_id_of(session, client)
        sender = prove_sender(session, principal=principal, client_id=client_id, settings=settings_of(request))
        return back_to(_place(client), f"The record is there. Mail comes from {sender.email} from now on.")


def _place(client: str) -> str:
    return f"/reports/sender?client={client}" if client else "/reports/sender"
