"""People's data: what is erased, and the receipts."""

from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Stream
from litestar.status_codes import HTTP_200_OK

from tuneloop.clients.service import list_clients
from tuneloop.erasure.controller import sent
from tuneloop.erasure.export import export_data
from tuneloop.erasure.schemas import ErasureRead
from tuneloop.erasure.service import cancel_erasure, confirm_erasure, find_erasure, list_erasures, request_erasure
from tuneloop.identity.request import HttpRequest
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import ErasureKind, Role
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional, required
from tuneloop.web.console.render import page


class PrivacyPage(Controller):
    path = "/privacy"
    include_in_schema = False

    @get(role=Role.ADMIN, sync_to_thread=True)
    def index(self, request: HttpRequest, session: NamedDependency[TenantSession]) -> Response[str]:
        return page(
            request,
            "privacy.html",
            erasures=[ErasureRead.of(each) for each in list_erasures(session)],
            clients=list_clients(session),
        )

    @post("/erasures", role=Role.ADMIN, sync_to_thread=True)
    def request_one(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
    ) -> Redirect:
        made = request_erasure(
            session,
            principal=principal,
            kind=_kind(form),
            target=optional(form, "target", longest=20_000) or None,
            client=optional(form, "client") or None,
            reason=required(form, "reason", "the reason", longest=500),
            keep=frozenset(name for name in ("versions", "reports") if optional(form, f"keep_{name}")),
        )
        return back_to(f"/privacy/erasures/{made.id}", "Counting what would go. Nothing is erased yet.")

    @post("/exports", role=Role.ADMIN, sync_to_thread=True, status_code=HTTP_200_OK)
    def export(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
    ) -> Stream:
        return sent(
            export_data(
                session,
                principal=principal,
                kind=_kind(form),
                target=optional(form, "target", longest=20_000) or None,
                client=optional(form, "client") or None,
            )
        )

    @get("/erasures/{erasure_id:uuid}", role=Role.ADMIN, sync_to_thread=True)
    def read(
        self, request: HttpRequest, session: NamedDependency[TenantSession], erasure_id: FromPath[UUID]
    ) -> Response[str]:
        return page(request, "erasure.html", erasure=ErasureRead.of(find_erasure(session, erasure_id)))

    @post("/erasures/{erasure_id:uuid}/confirm", role=Role.ADMIN, sync_to_thread=True)
    def confirm(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        erasure_id: FromPath[UUID],
    ) -> Redirect:
        confirm_erasure(session, principal=principal, erasure_id=erasure_id)
        return back_to(f"/privacy/erasures/{erasure_id}", "Erasing. This page has the receipt when it is done.")

    @post("/erasures/{erasure_id:uuid}/cancel", role=Role.ADMIN, sync_to_thread=True)
    def cancel(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        erasure_id: FromPath[UUID],
    ) -> Redirect:
        cancel_erasure(session, principal=principal, erasure_id=erasure_id)
        return back_to("/privacy", "Nothing was erased, and what was looked for is forgotten.")


def _kind(form: FormMultiDict) -> ErasureKind:
    kind = required(form, "kind", "what names the text")
    if kind not in [*ErasureKind]:
        raise InvalidInput("choose what names the text", field="kind")
    return ErasureKind(kind)
