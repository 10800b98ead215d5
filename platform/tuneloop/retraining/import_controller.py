"""HTTP: versions that were trained elsewhere."""

from dataclasses import dataclass

from anyio import to_thread
from litestar import Controller, post
from litestar.datastructures import FormMultiDict, State, UploadFile
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType
from litestar.params import FromPath

from tuneloop.identity.request import HttpRequest
from tuneloop.kit.principal import Principal
from tuneloop.kit.storage import Storage
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.adapters.upload import UPLOAD_BYTES, store_upload
from tuneloop.registry.service import find_model
from tuneloop.retraining.imports import import_adapter
from tuneloop.retraining.reading import read_cycle
from tuneloop.retraining.schemas import CycleRead
from tuneloop.tables import RegisteredModel, RetrainingCycle, Role


@dataclass
class AdapterFolder(Operation):
    """The body is a form of files, so the schema of the route names it here."""

    def __post_init__(self) -> None:
        file = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        form = Schema(
            type=OpenAPIType.OBJECT,
            properties={"files": Schema(type=OpenAPIType.ARRAY, items=file)},
            required=["files"],
        )
        self.request_body = RequestBody(
            required=True,
            description="the two files of a LoRA folder: adapter_config.json and adapter_model.safetensors",
            content={"multipart/form-data": OpenAPIMediaType(schema=form)},
        )


class ImportController(Controller):
    path = "/api/v1/models/{client:str}/{model:str}/versions"
    tags = ("models",)

    @post(role=Role.OPERATOR, operation_class=AdapterFolder, request_max_body_size=UPLOAD_BYTES)
    async def import_version(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        state: State,
        client: FromPath[str],
        model: FromPath[str],
    ) -> CycleRead:
        """Bring a LoRA adapter that was trained elsewhere: it is built, evaluated and asked about like a retrain."""
        form = await request.form()

        def take() -> CycleRead:
            found = find_model(session, client=client, model=model)
            cycle = take_adapter(session, state.storage, form, principal=principal, model=found)
            return read_cycle(session, cycle)

        return await to_thread.run_sync(take)


def take_adapter(
    session: TenantSession, storage: Storage, form: FormMultiDict, *, principal: Principal, model: RegisteredModel
) -> RetrainingCycle:
    """From a form with the files of the folder, under whatever field; raises what the service raises."""
    sent = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    upload = store_upload(storage, {_name(file): file.file for file in sent})
    return import_adapter(session, principal=principal, model=model, upload=upload)


def _name(file: UploadFile) -> str:
    """Without the folders that a browser or a client puts before it."""
    return file.filename.replace("\\", "/").rpartition("/")[2]
