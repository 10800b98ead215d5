"""HTTP: what is suspicious about the data, how it grows, and where each example comes from."""

from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from tuneloop.datasets.bulk_findings import settle_findings
from tuneloop.datasets.findings import Suspect, dismiss_finding, fix_finding, list_findings, take_out_personal_data
from tuneloop.datasets.growth import growth
from tuneloop.datasets.lineage import Lineage, ledger, lineage
from tuneloop.datasets.quality_schemas import (
    DismissRequest,
    FindingRead,
    FixRequest,
    GrowthRead,
    LineageRead,
    MoveRead,
    SaidRead,
    SettledRead,
    SettleRequest,
    SuspectRead,
)
from tuneloop.datasets.scanning import scan_soon
from tuneloop.datasets.schemas import ExampleRead
from tuneloop.kit.errors import Conflict
from tuneloop.kit.jobs.reading import JobRead, find_job
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.predictions.completion_ids import completion_id
from tuneloop.registry.service import find_model
from tuneloop.tables import FindingState, Role


class DataQualityController(Controller):
    path = "/api/v1"
    tags = ("datasets",)

    @get("/models/{client:str}/{model:str}/findings", role=Role.VIEWER, sync_to_thread=True)
    def findings(
        self,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
        settled: FromQuery[bool] = False,
    ) -> list[SuspectRead]:
        """Open findings; with `settled` all of them."""
        found = find_model(session, client=client, model=model)
        state = None if settled else FindingState.OPEN
        return [_suspect(each) for each in list_findings(session, model=found, state=state)]

    @post("/models/{client:str}/{model:str}/findings", role=Role.OPERATOR, sync_to_thread=True)
    def scan(self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]) -> JobRead:
        """Look at the training examples now."""
        job_id = scan_soon(session, find_model(session, client=client, model=model))
        if job_id is None:
            raise Conflict("the examples of this model are being looked at")
        return JobRead.model_validate(find_job(session, job_id))

    @post("/models/{client:str}/{model:str}/findings/settle", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def settle(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        data: JSONBody[SettleRequest],
    ) -> SettledRead:
        """Decide several alike. Those that the decision does not fit are named and stay open."""
        settled = settle_findings(
            session,
            principal=principal,
            model=find_model(session, client=client, model=model),
            finding_ids=data.findings,
            settlement=data.settlement,
            reason=data.reason,
        )
        return SettledRead.model_validate(settled)

    @post("/findings/{finding_id:uuid}/dismiss", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def dismiss(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        finding_id: FromPath[UUID],
        data: JSONBody[DismissRequest],
    ) -> FindingRead:
        """The example may train as it is."""
        row = dismiss_finding(session, principal=principal, finding_id=finding_id, reason=data.reason)
        return FindingRead.model_validate(row)

    @post("/findings/{finding_id:uuid}/fix", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def fix(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        finding_id: FromPath[UUID],
        data: JSONBody[FixRequest],
    ) -> FindingRead:
        """Give the example another answer, or delete it."""
        row = fix_finding(session, principal=principal, finding_id=finding_id, expected=data.expected)
        return FindingRead.model_validate(row)

    @post("/findings/{finding_id:uuid}/placeholders", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def placeholders(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        finding_id: FromPath[UUID],
    ) -> FindingRead:
        """Replace the personal data that was found by placeholders such as <EMAIL>."""
        row = take_out_personal_data(session, principal=principal, finding_id=finding_id)
        return FindingRead.model_validate(row)

    @get("/models/{client:str}/{model:str}/growth", role=Role.VIEWER, sync_to_thread=True)
    def read_growth(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> GrowthRead:
        """Training data by source and month against the guide, and by category."""
        return GrowthRead.model_validate(growth(session, find_model(session, client=client, model=model)))

    @get("/models/{client:str}/{model:str}/ledger", role=Role.VIEWER, sync_to_thread=True)
    def read_ledger(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> list[MoveRead]:
        """Every move of an example into, between and out of the sets, newest first."""
        found = find_model(session, client=client, model=model)
        return [MoveRead.model_validate(move) for move in ledger(session, found)]

    @get("/models/{client:str}/{model:str}/examples/{example_id:uuid}", role=Role.VIEWER, sync_to_thread=True)
    def example(
        self,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
        example_id: FromPath[UUID],
    ) -> LineageRead:
        """One example with its lineage."""
        return _lineage(lineage(session, find_model(session, client=client, model=model), example_id))


def _suspect(suspect: Suspect) -> SuspectRead:
    return SuspectRead(
        finding=FindingRead.model_validate(suspect.finding), example=ExampleRead.model_validate(suspect.example)
    )


def _lineage(found: Lineage) -> LineageRead:
    example = found.example
    return LineageRead(
        example=ExampleRead.model_validate(example),
        added_by=example.added_by,
        retired_at=example.retired_at,
        deleted_at=example.deleted_at,
        completion=completion_id(found.prediction.id) if found.prediction else None,
        reasons=[item.reason for item in found.items],
        labels=[SaidRead.model_validate(label) for label in found.labels],
        moves=[MoveRead.model_validate(move) for move in found.moves],
        seen_by_versions=[f"v{version.number}" for version in found.versions],
    )
