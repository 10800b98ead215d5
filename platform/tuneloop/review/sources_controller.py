"""HTTP: where items come from beside production: documents, and links for clients."""

from uuid import UUID

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tuneloop.identity.request import HttpRequest, settings_of
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import find_model
from tuneloop.review.correction_links import create_link, list_links, revoke_link
from tuneloop.review.documents import add_document, list_documents
from tuneloop.review.sources_schemas import (
    CorrectionLinkRead,
    DocumentCreate,
    DocumentRead,
    LinkCreate,
    NewLinkRead,
    ProposedRead,
)
from tuneloop.tables import Role


class SourcesController(Controller):
    path = "/api/v1"
    tags = ("review",)

    @get("/models/{client:str}/{model:str}/documents", role=Role.VIEWER, sync_to_thread=True)
    def documents(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> list[DocumentRead]:
        """Documents, newest first, and what became of their proposals."""
        found = find_model(session, client=client, model=model)
        return [
            DocumentRead(
                **each.document.model_dump(include={"id", "title", "added_by", "added_at"}),
                proposed=each.proposed,
                waiting=each.waiting,
                confirmed=each.confirmed,
            )
            for each in list_documents(session, found)
        ]

    @post("/models/{client:str}/{model:str}/documents", role=Role.OPERATOR, sync_to_thread=True)
    def add(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        data: JSONBody[DocumentCreate],
    ) -> ProposedRead:
        """Propose examples from documentation or an SOP."""
        found = find_model(session, client=client, model=model)
        made = add_document(session, principal=principal, model=found, title=data.title, text=data.text)
        return ProposedRead(id=made.document.id, proposed=len(made.items), job_id=made.job_id)

    @get("/models/{client:str}/{model:str}/links", role=Role.OPERATOR, sync_to_thread=True)
    def links(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> list[CorrectionLinkRead]:
        """Links for the client, newest first."""
        found = find_model(session, client=client, model=model)
        return [CorrectionLinkRead.model_validate(link) for link in list_links(session, found)]

    @post("/models/{client:str}/{model:str}/links", role=Role.OPERATOR, sync_to_thread=True)
    def create(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        data: JSONBody[LinkCreate],
    ) -> NewLinkRead:
        """A link with which the client says what answers should have been, without an account."""
        found = find_model(session, client=client, model=model)
        made = create_link(session, principal=principal, model=found, days=data.days)
        url = f"{settings_of(request).site_url}/fix/{made.token}"
        return NewLinkRead(link=CorrectionLinkRead.model_validate(made.row), url=url)

    @delete("/links/{link_id:uuid}", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def revoke(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        link_id: FromPath[UUID],
    ) -> CorrectionLinkRead:
        """End a link."""
        return CorrectionLinkRead.model_validate(revoke_link(session, principal=principal, link_id=link_id))
