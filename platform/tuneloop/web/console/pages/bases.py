"""The bases of this installation, and those that are good to begin with: a click adds one."""

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.response import Redirect

from tuneloop.identity.request import HttpRequest, database_of, settings_of
from tuneloop.kit.disk import disk_of
from tuneloop.kit.jobs import JobState
from tuneloop.kit.machine import memory_bytes
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.base_orders import order_base, orders, why_not
from tuneloop.registry.catalogue import CATALOGUE
from tuneloop.registry.service import list_bases
from tuneloop.tables import Role
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import required
from tuneloop.web.console.render import page

LIVE = (JobState.QUEUED, JobState.RUNNING)


class BasesPage(Controller):
    path = "/bases"
    include_in_schema = False

    @get(role=Role.VIEWER, sync_to_thread=True)
    def index(
        self, request: HttpRequest, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]
    ) -> Response[str]:
        bases, ordered = list_bases(session), orders(session)
        coming = {str(row.args["base"]) for row in ordered if row.state in LIVE}
        names = {base.name for base in bases} | coming
        return page(
            request,
            "bases.html",
            bases=bases,
            orders=ordered,
            coming=coming,
            live=LIVE,
            refusal=_refusal(request, principal),
            memory=memory_bytes(),
            disk=disk_of(settings_of(request).data_dir).free,
            suggestions=[each for each in CATALOGUE if each.name not in names],
        )

    @post(role=Role.OWNER, sync_to_thread=True)
    def order(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
    ) -> Redirect:
        name = required(form, "name", "the base")
        order_base(session, principal=principal, name=name, refusal=_refusal(request, principal))
        return back_to("/bases", f"{name} is being added. This page says how far it is; you can leave it meanwhile.")


def _refusal(request: HttpRequest, principal: Principal) -> str | None:
    with database_of(request).all_agencies() as everywhere:
        return why_not(everywhere, principal, settings_of(request).add_bases)
