"""A model's data: how it grows, what is suspicious, where it comes from, and every move of it."""

from typing import Any
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from tuneloop.charts.dataset import GrowthBar, dataset_growth
from tuneloop.charts.marks import Spec
from tuneloop.clients.service import find_client
from tuneloop.datasets.bulk_findings import settle_findings
from tuneloop.datasets.deletion import delete_example
from tuneloop.datasets.findings import dismiss_finding, fix_finding, list_findings, take_out_personal_data
from tuneloop.datasets.growth import Growth, growth
from tuneloop.datasets.lineage import ledger, lineage
from tuneloop.datasets.scanning import scan_soon
from tuneloop.datasets.service import list_examples
from tuneloop.datasets.settlement import Settlement
from tuneloop.identity.request import HttpRequest, settings_of
from tuneloop.kit.errors import InvalidInput, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.contract import Task
from tuneloop.registry.service import contract_of, find_model, policy_of
from tuneloop.review.correction_links import create_link, list_links, revoke_link
from tuneloop.review.documents import add_document, list_documents
from tuneloop.review.labels import queue_counts
from tuneloop.tables import DataFinding, Pool, RegisteredModel, Role, ShareLink
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.render import page

SHOWN = 25
SETTLEMENTS = {
    Settlement.KEEP: "Keep as they are",
    Settlement.SUGGESTED: "Take the suggested answers",
    Settlement.PLACEHOLDERS: "Replace personal data by placeholders",
    Settlement.DELETE: "Delete the examples",
}


class DataPage(Controller):
    path = "/models/{client:str}/{model:str}/data"
    include_in_schema = False

    @get(role=Role.VIEWER, sync_to_thread=True)
    def index(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        pool: FromQuery[Pool] = Pool.TRAINING,
        category: FromQuery[str | None] = None,
        after: FromQuery[UUID | None] = None,
    ) -> Response[str]:
        found = find_model(session, client=client, model=model)
        examples = list_examples(
            session, model=found, pool=pool, category=category or None, after=after, limit=SHOWN + 1
        )
        contract, grown = contract_of(found), growth(session, found)
        return page(
            request,
            "data/index.html",
            base=_address(client, model),
            client=find_client(session, client),
            model=found,
            grown=grown,
            chart=_chart(grown),
            suspects=list_findings(session, model=found, limit=50),
            settlements=SETTLEMENTS,
            labels=list(contract.labels) if contract.task is Task.CLASSIFY else [],
            documents=list_documents(session, found),
            links=list_links(session, found) if principal.may(Role.OPERATOR) else [],
            moves=ledger(session, found, limit=30),
            queue=queue_counts(session, found),
            rolling_weeks=policy_of(found).rolling_weeks,
            pool=pool,
            pools=list(Pool),
            category=category or "",
            examples=examples[:SHOWN],
            following=examples[SHOWN - 1].id if len(examples) > SHOWN else None,
        )

    @get("/examples/{example_id:uuid}", role=Role.VIEWER, sync_to_thread=True)
    def example(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
        example_id: FromPath[UUID],
    ) -> Response[str]:
        found = find_model(session, client=client, model=model)
        return page(
            request,
            "data/example.html",
            base=_address(client, model),
            client=find_client(session, client),
            model=found,
            found=lineage(session, found, example_id),
        )

    @post("/examples/{example_id:uuid}/delete", role=Role.OPERATOR, sync_to_thread=True)
    def delete(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        example_id: FromPath[UUID],
    ) -> Response[Any]:
        found = find_model(session, client=client, model=model)
        saw = delete_example(session, principal=principal, model=found, example_id=example_id)
        names = ", ".join(f"v{version.number}" for version in saw)
        learned = f" {names} learned from it and keep that until they are retrained." if saw else ""
        return back_to(_address(client, model), f"The example's text is gone.{learned}")

    @post("/scan", role=Role.OPERATOR, sync_to_thread=True)
    def scan(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> Response[Any]:
        scan_soon(session, find_model(session, client=client, model=model))
        return back_to(_address(client, model), "The training examples are being looked at; reload in a moment.")

    @post("/findings/{finding_id:uuid}", role=Role.OPERATOR, sync_to_thread=True)
    def decide(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        model: FromPath[str],
        finding_id: FromPath[UUID],
    ) -> Response[Any]:
        found = find_model(session, client=client, model=model)
        finding = session.get(DataFinding, finding_id)
        if finding is None or finding.model_id != found.id:
            raise NotFound("finding", finding_id)
        match _text(form, "decision"):
            case "keep":
                dismiss_finding(session, principal=principal, finding_id=finding_id, reason=_text(form, "reason"))
                message = "The example trains as it is."
            case "change":
                fix_finding(session, principal=principal, finding_id=finding_id, expected=_text(form, "expected"))
                message = "The example has its new answer."
            case "placeholders":
                take_out_personal_data(session, principal=principal, finding_id=finding_id)
                message = "Placeholders stand where the personal data was; the example is checked again."
            case "delete":
                fix_finding(session, principal=principal, finding_id=finding_id)
                message = "The example's text is gone."
            case _:
                raise InvalidInput(
                    "choose to keep, change or delete the example, or to put placeholders into it", param="decision"
                )
        return back_to(f"{_address(client, model)}#findings", message)

    @post("/findings", role=Role.OPERATOR, sync_to_thread=True)
    def decide_several(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Response[Any]:
        found, settlement = find_model(session, client=client, model=model), _text(form, "settlement")
        if settlement not in set(Settlement):
            raise InvalidInput("choose what becomes of the examples", param="settlement")
        done = settle_findings(
            session,
            principal=principal,
            model=found,
            finding_ids=_ids(form, "finding"),
            settlement=Settlement(settlement),
            reason=_text(form, "reason"),
        )
        address = f"{_address(client, model)}#findings"
        if done.left:
            why = "; ".join(sorted({each.why for each in done.left}))
            return back_to(address, f"{done.settled} decided, {len(done.left)} left as they were: {why}.", failed=True)
        return back_to(address, f"{done.settled} {'is' if done.settled == 1 else 'are'} decided.")

    @post("/documents", role=Role.OPERATOR, sync_to_thread=True)
    def document(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Response[Any]:
        found = find_model(session, client=client, model=model)
        made = add_document(
            session, principal=principal, model=found, title=_text(form, "title"), text=_text(form, "text")
        )
        if made.job_id:
            return back_to(_address(client, model), "Production is asked what it would answer; proposals follow.")
        return back_to(f"/models/{client}/{model}/review?purpose=proposed", f"{len(made.items)} examples are proposed.")

    @post("/links", role=Role.OPERATOR, sync_to_thread=True)
    def link(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Response[str]:
        """Shown once and on this answer only, so the page is not redirected to."""
        found = find_model(session, client=client, model=model)
        made = create_link(session, principal=principal, model=found)
        url = f"{settings_of(request).site_url}/fix/{made.token}"
        return page(
            request,
            "data/link.html",
            base=_address(client, model),
            url=url,
            client=find_client(session, client),
            model=found,
            link=made.row,
        )

    @post("/links/{link_id:uuid}/revoke", role=Role.OPERATOR, sync_to_thread=True)
    def revoke(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        link_id: FromPath[UUID],
    ) -> Response[Any]:
        _require_link(session, find_model(session, client=client, model=model), link_id)
        revoke_link(session, principal=principal, link_id=link_id)
        return back_to(_address(client, model), "The link has ended.")


def _chart(grown: Growth) -> Spec | None:
    if not grown.months:
        return None
    months = [
        GrowthBar(month.month, {str(source): n for source, n in month.added.items()}, month.total)
        for month in grown.months
    ]
    return dataset_growth(months, guide=(grown.guide.low, grown.guide.high))


def _require_link(session: TenantSession, model: RegisteredModel, link_id: UUID) -> None:
    link = session.get(ShareLink, link_id)
    if link is None or link.model_id != model.id:
        raise NotFound("link", link_id)


def _address(client: str, model: str) -> str:
    return f"/models/{client}/{model}/data"


def _ids(form: FormMultiDict, name: str) -> list[UUID]:
    try:
        return [UUID(str(value)) for value in form.getall(name, [])]
    except ValueError as error:
        raise InvalidInput("that is not an id", param=name) from error


def _text(form: FormMultiDict, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""
