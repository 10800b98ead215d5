"""HTTP: examples of a model in and out, and snapshots."""

from typing import Annotated
from uuid import UUID

from anyio import to_thread
from litestar import Controller, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream

from tuneloop.datasets.deletion import delete_example
from tuneloop.datasets.formats import LIMITS, Reading
from tuneloop.datasets.imports import import_examples
from tuneloop.datasets.preview import preview
from tuneloop.datasets.row import Choice, ExportFormat
from tuneloop.datasets.schemas import (
    CountRead,
    DeletionRead,
    ExamplePage,
    ExampleRead,
    ImportRead,
    PreviewRead,
    RetireRequest,
    SnapshotCreate,
    SnapshotRead,
)
from tuneloop.datasets.service import counts, export, list_examples, list_snapshots, retire, take_snapshot
from tuneloop.datasets.uploads import ExamplesUpload, choice_of, download, received
from tuneloop.identity.request import HttpRequest
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import contract_of, find_model
from tuneloop.tables import Pool, Role

PageSize = Annotated[int, QueryParameter(ge=1, le=200)]


class DatasetController(Controller):
    path = "/api/v1/models/{client:str}/{model:str}"
    tags = ("datasets",)

    @post(
        "/examples",
        role=Role.OPERATOR,
        upload=True,
        operation_class=ExamplesUpload,
        request_max_body_size=None,
        dependencies={"choice": Provide(choice_of, sync_to_thread=False)},
    )
    async def upload(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        choice: NamedDependency[Choice],
        pool: FromQuery[Pool],
        partial: FromQuery[bool] = False,
        golden_share: FromQuery[float] = 0.0,
    ) -> ImportRead:
        """Import a file. One bad row refuses the file, unless `partial` is set.

        Of a file to train on, `golden_share` (0.33 is a good one) is kept to measure with.
        """
        with await received(request, LIMITS.file_bytes) as file:

            def take() -> ImportRead:
                with Reading(file, choice) as reading:
                    report = import_examples(
                        session,
                        principal=principal,
                        model=find_model(session, client=client, model=model),
                        pool=pool,
                        rows=reading,
                        partial=partial,
                        closest=choice.closest,
                        golden_share=golden_share,
                    )
                return ImportRead(**report._asdict(), source=reading.source, not_read=reading.not_read)

            return await to_thread.run_sync(take)

    @post(
        "/examples/preview",
        role=Role.OPERATOR,
        upload=True,
        status_code=200,
        operation_class=ExamplesUpload,
        request_max_body_size=None,
        dependencies={"choice": Provide(choice_of, sync_to_thread=False)},
    )
    async def look(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
        choice: NamedDependency[Choice],
    ) -> PreviewRead:
        """What a file is recognised as, its first rows and unknown labels. Nothing of it is kept."""
        with await received(request, LIMITS.file_bytes) as file:

            def read() -> PreviewRead:
                contract = contract_of(find_model(session, client=client, model=model))
                return PreviewRead.model_validate(preview(file, contract=contract, choice=choice))

            return await to_thread.run_sync(read)

    @get("/examples", role=Role.VIEWER, sync_to_thread=True)
    def index(
        self,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
        pool: FromQuery[Pool | None] = None,
        category: FromQuery[str | None] = None,
        after: FromQuery[UUID | None] = None,
        limit: PageSize = 50,
    ) -> ExamplePage:
        """A page of examples; continue with `after`."""
        found = find_model(session, client=client, model=model)
        rows = list_examples(session, model=found, pool=pool, category=category, after=after, limit=limit)
        items = [ExampleRead.model_validate(row) for row in rows]
        return ExamplePage(items=items, next=items[-1].id if len(items) == limit else None)

    @get("/examples/counts", role=Role.VIEWER, sync_to_thread=True)
    def count(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> list[CountRead]:
        """Examples per pool and category."""
        found = find_model(session, client=client, model=model)
        return [CountRead.model_validate(row) for row in counts(session, model=found)]

    @get("/examples/export", role=Role.VIEWER, sync_to_thread=True)
    def download_dataset(
        self,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
        pool: FromQuery[Pool],
        file_format: Annotated[ExportFormat, QueryParameter(name="format")] = ExportFormat.CHAT,
    ) -> Stream:
        """The pool as a file that can be imported again."""
        found = find_model(session, client=client, model=model)
        chunks = export(session, model=found, pool=pool, file_format=file_format)
        return download(chunks, file_format, f"{client}-{model}-{pool}")

    @post("/examples/retire", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def retire_dataset(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        data: JSONBody[RetireRequest],
    ) -> list[ExampleRead]:
        """Move rolling examples to training: they stop measuring and may be learned from."""
        found = find_model(session, client=client, model=model)
        moved = retire(session, principal=principal, model=found, example_ids=data.example_ids)
        return [ExampleRead.model_validate(row) for row in moved]

    @delete("/examples/{example_id:uuid}", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def delete_dataset(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        example_id: FromPath[UUID],
    ) -> DeletionRead:
        """Take an example's text away for good."""
        found = find_model(session, client=client, model=model)
        saw = delete_example(session, principal=principal, model=found, example_id=example_id)
        names = [f"{client}/{model}@v{version.number}" for version in saw]
        return DeletionRead(id=example_id, seen_by_versions=names)

    @post("/snapshots", role=Role.OPERATOR, sync_to_thread=True)
    def freeze(
        self,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
        data: JSONBody[SnapshotCreate],
    ) -> SnapshotRead:
        """Freeze a pool; the same content answers with the same snapshot."""
        found = find_model(session, client=client, model=model)
        return SnapshotRead.model_validate(take_snapshot(session, model=found, pool=data.pool))

    @get("/snapshots", role=Role.VIEWER, sync_to_thread=True)
    def snapshots(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> list[SnapshotRead]:
        """Snapshots, newest first."""
        found = find_model(session, client=client, model=model)
        return [SnapshotRead.model_validate(row) for row in list_snapshots(session, model=found)]
