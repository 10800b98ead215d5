"""One model: how it does, what it was, which versions it has."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict, State
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from tuneloop.clients.service import find_client
from tuneloop.deployment.service import roll_back
from tuneloop.evaluation.service import latest_run
from tuneloop.identity.request import HttpRequest, settings_of
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.clusters import ask_about_cluster, new_clusters
from tuneloop.monitoring.history import history
from tuneloop.monitoring.model_health import model_health
from tuneloop.registry.adapters.upload import UPLOAD_BYTES
from tuneloop.registry.external import endpoints_of
from tuneloop.registry.external_schemas import ExternalRead
from tuneloop.registry.overrides import override_of_version
from tuneloop.registry.service import aliases, contract_of, find_model, full_name, is_external, list_versions, policy_of
from tuneloop.retraining.failed_before import FailedBefore
from tuneloop.retraining.import_controller import take_adapter
from tuneloop.retraining.recipe import Recipe
from tuneloop.retraining.service import cycles_of, propose
from tuneloop.stats.intervals import Rate
from tuneloop.tables import AdapterVersion, Alias, BaseModel, RegisteredModel, Role, Snapshot
from tuneloop.web.console.again import tried_before
from tuneloop.web.console.first_version import first_version
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import required
from tuneloop.web.console.model_charts import charts_of
from tuneloop.web.console.render import page


class ModelPage(Controller):
    path = "/models/{client:str}/{model:str}"
    include_in_schema = False

    @get(role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def overview(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Response[str]:
        found = find_model(session, client=client, model=model)
        past, serving = history(session, found), aliases(session, found.id).get(Alias.PRODUCTION)
        return page(
            request,
            "model.html",
            client=find_client(session, client),
            model=found,
            contract=contract_of(found),
            policy=policy_of(found),
            health=model_health(session, found),
            first=first_version(session, settings_of(request), found) if serving is None else None,
            past=past,
            charts=charts_of(past),
            clusters=new_clusters(session, found),
            cycles=cycles_of(session, found, limit=5),
        )

    @get("/versions", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def versions(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Response[str]:
        found = find_model(session, client=client, model=model)
        return page(
            request,
            "versions.html",
            client=find_client(session, client),
            model=found,
            base=session.get_one(BaseModel, found.base_id),
            versions=_described(session, found),
            previous=aliases(session, found.id).get(Alias.PREVIOUS),
            serving=Alias.PRODUCTION in aliases(session, found.id),
        )

    @post("/versions", role=Role.OPERATOR, request_max_body_size=UPLOAD_BYTES, sync_to_thread=True)
    def bring(
        self,
        state: State,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Redirect:
        found = find_model(session, client=client, model=model)
        cycle = take_adapter(session, state.storage, form, principal=principal, model=found)
        return back_to(
            f"/cycles/{cycle.id}",
            "The adapter is here. It is checked, built and measured on the golden set; then you are asked.",
        )

    @get("/cycles", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def cycles(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Response[str]:
        found = find_model(session, client=client, model=model)
        return page(
            request,
            "cycles.html",
            client=find_client(session, client),
            model=found,
            cycles=cycles_of(session, found, limit=200),
            numbers={version.id: version.number for version in list_versions(session, found)},
        )

    @post("/retrain", role=Role.OPERATOR, sync_to_thread=True)
    def retrain(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Response[Any]:
        found = find_model(session, client=client, model=model)
        try:
            cycle = propose(session, principal=principal, model=found, recipe=Recipe(), again="again" in form)
        except FailedBefore as refused:
            return tried_before(session, request, refused, model=found)
        return back_to(f"/cycles/{cycle.id}", "Data and recipe are frozen. Training starts once this is approved.")

    @post("/clusters", role=Role.OPERATOR, sync_to_thread=True)
    def ask_about(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Redirect:
        found = find_model(session, client=client, model=model)
        name = required(form, "name", "the group")
        added = ask_about_cluster(session, principal=principal, model=found, name=name)
        return back_to(f"/models/{client}/{model}", f"{added} of its questions wait for labels now.")

    @post("/rollback", role=Role.OPERATOR, sync_to_thread=True)
    def rollback(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Redirect:
        found = find_model(session, client=client, model=model)
        version = roll_back(session, principal=principal, model=found, digest=required(form, "digest", "the version"))
        return back_to(f"/models/{client}/{model}/versions", f"v{version.number} is in production again.")


def _described(session: TenantSession, model: RegisteredModel) -> list[dict[str, Any]]:
    """Versions, newest first, each with its aliases, parent, data and its own evaluation."""
    versions = list_versions(session, model)
    numbers = {version.id: version.number for version in versions}
    external = {each.version_id: each for each in endpoints_of(session, model.id)}
    name = full_name(session, model)
    names: dict[object, list[str]] = {}
    for alias, version in aliases(session, model.id).items():
        names.setdefault(version.id, []).append(alias)
    return [
        {
            "version": version,
            "aliases": names.get(version.id, []),
            "parent": numbers.get(version.parent_id) if version.parent_id else None,
            "snapshot": session.get(Snapshot, version.snapshot_id) if version.snapshot_id else None,
            "external": ExternalRead.of(external[version.id], version, model=name) if is_external(version) else None,
            "accuracy": _evaluated(session, version),
            "override": override_of_version(session, version.id),
        }
        for version in sorted(versions, key=lambda each: each.created_at, reverse=True)
    ]


def _evaluated(session: TenantSession, version: AdapterVersion) -> Rate | None:
    run = latest_run(session, version.id)
    return Rate(run.correct, run.n) if run else None
