"""A file of examples: sent, looked at, its columns and labels chosen, imported."""

from typing import Any, Final
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath

from tuneloop.clients.service import find_client
from tuneloop.datasets.formats import Reading
from tuneloop.datasets.imports import ImportReport, import_examples
from tuneloop.datasets.preview import preview
from tuneloop.datasets.row import Choice, Encoding
from tuneloop.datasets.service import pool_size
from tuneloop.datasets.splitting import GOLDEN_SHARE
from tuneloop.datasets.waiting import LARGEST, content_of, discard, find_upload, keep_upload
from tuneloop.identity.request import HttpRequest
from tuneloop.kit.errors import InvalidInput, TuneloopError
from tuneloop.kit.principal import Principal
from tuneloop.kit.request_bodies import DEFAULT_BYTES
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import contract_of, find_model
from tuneloop.tables import Pool, RegisteredModel, Role, Upload
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional, sent_file
from tuneloop.web.console.render import page

BOTH: Final = "both"
USES: Final = {
    BOTH: "About a third is kept to measure with, the model learns from the rest",
    Pool.TRAINING: "The model learns from all of it",
    Pool.GOLDEN: "Every version is tested with it, and never learns from it",
}


class ImportPage(Controller):
    path = "/models/{client:str}/{model:str}/data/import"
    include_in_schema = False

    @get(role=Role.OPERATOR, sync_to_thread=True)
    def choose(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Response[str]:
        found = find_model(session, client=client, model=model)
        return page(
            request,
            "data/import.html",
            base=f"/models/{client}/{model}/data",
            client=find_client(session, client),
            model=found,
            labels=contract_of(found).labels,
            largest=LARGEST >> 20,
        )

    @post(role=Role.OPERATOR, request_max_body_size=LARGEST + DEFAULT_BYTES, sync_to_thread=True)
    def send(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Response[Any]:
        sent = sent_file(form)
        upload = keep_upload(
            session,
            principal=principal,
            model=find_model(session, client=client, model=model),
            name=sent.filename,
            content=sent.file.read(LARGEST + 1),
        )
        return back_to(f"/models/{client}/{model}/data/import/{upload.id}")

    @get("/{upload_id:uuid}", role=Role.OPERATOR, sync_to_thread=True)
    def look(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
        upload_id: FromPath[UUID],
    ) -> Response[str]:
        found = find_model(session, client=client, model=model)
        upload = find_upload(session, model=found, upload_id=upload_id)
        return _look(request, session, client, found, upload, Choice(), _usual(session, found))

    @post("/{upload_id:uuid}", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def decide(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        model: FromPath[str],
        upload_id: FromPath[UUID],
    ) -> Response[Any]:
        """Look at it again with other choices, import it, or throw it away."""
        found = find_model(session, client=client, model=model)
        upload = find_upload(session, model=found, upload_id=upload_id)
        data = f"/models/{client}/{model}/data"
        choice, use = _choice(form), optional(form, "pool") or _usual(session, found)
        if use not in USES:
            raise InvalidInput("say what the examples are for", param="pool")
        pool = Pool.TRAINING if use == BOTH else Pool(use)
        match optional(form, "do"):
            case "discard":
                discard(session, principal=principal, upload=upload)
                return back_to(data, "The file is thrown away; nothing was imported.")
            case "import":
                try:
                    with Reading(content_of(upload), choice) as reading:
                        report = import_examples(
                            session,
                            principal=principal,
                            model=found,
                            pool=pool,
                            rows=reading,
                            partial=optional(form, "partial") == "yes",
                            closest=choice.closest,
                            golden_share=GOLDEN_SHARE if use == BOTH else 0.0,
                        )
                except InvalidInput as error:
                    return _look(request, session, client, found, upload, choice, use, refused=error)
                discard(session, principal=principal, upload=upload)
                return back_to(data, _told(report, pool))
            case _:
                return _look(request, session, client, found, upload, choice, use)


def _look(
    request: HttpRequest,
    session: TenantSession,
    client: str,
    model: RegisteredModel,
    upload: Upload,
    choice: Choice,
    use: str,
    *,
    refused: InvalidInput | None = None,
) -> Response[str]:
    contract = contract_of(model)
    unreadable = seen = None
    try:
        seen = preview(content_of(upload), contract=contract, choice=choice)
    except TuneloopError as error:
        unreadable = error
    return page(
        request,
        "data/preview.html",
        base=f"/models/{client}/{model.slug}/data",
        client=find_client(session, client),
        model=model,
        upload=upload,
        choice=choice,
        seen=seen,
        unreadable=unreadable,
        refused=refused,
        labels=contract.labels,
        use=use,
        uses=USES,
        encodings=list(Encoding),
    )


def _choice(form: FormMultiDict) -> Choice:
    encoding = optional(form, "encoding")
    mapped = (each.rpartition("=") for each in form.getall("map", []) if isinstance(each, str))
    return Choice(
        encoding=Encoding(encoding) if encoding in list(Encoding) else None,
        text=optional(form, "text_column") or None,
        answer=optional(form, "label_column") or None,
        category=optional(form, "category_column") or None,
        labels={theirs: ours for theirs, _, ours in mapped if theirs and ours},
    )


def _usual(session: TenantSession, model: RegisteredModel) -> str:
    """What a first file is good for, and what a later one."""
    return Pool.TRAINING if pool_size(session, model, Pool.GOLDEN) else BOTH


def _told(report: ImportReport, pool: Pool) -> str:
    added = "1 example was" if report.added == 1 else f"{report.added} examples were"
    both = f": {report.added - report.golden} to train on, {report.golden} to measure with" if report.golden else ""
    known = f", {report.duplicates} were there already" if report.duplicates else ""
    left = f", {report.rejected} with problems were left out" if report.rejected else ""
    learned = " They are checked before anything learns from them." if pool is Pool.TRAINING and report.added else ""
    return f"{added} imported{both}{known}{left}.{learned}"
