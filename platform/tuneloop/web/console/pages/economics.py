"""Economics: what each client earns and costs."""

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from tuneloop.clients.money import Money
from tuneloop.clients.months import Month, zone_of_agency
from tuneloop.identity.request import HttpRequest
from tuneloop.kit.clock import now
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Activity, Role
from tuneloop.web.console.render import page
from tuneloop_billing.economics.service import economics
from tuneloop_billing.usage.work_log import GUIDE_MINUTES


class EconomicsPage(Controller):
    path = "/economics"
    include_in_schema = False

    @get(role=Role.ADMIN, sync_to_thread=True)
    def index(
        self, request: HttpRequest, session: NamedDependency[TenantSession], month: FromQuery[str | None] = None
    ) -> Response[str]:
        this = Month.of(now(), zone_of_agency(session))
        wanted = Month.parse(month) if month else this
        return page(
            request,
            "billing/economics.html",
            found=economics(session, month=wanted),
            before=wanted.previous,
            after=wanted.next if wanted < this else None,
            running=wanted == this,
            money=Money,
            activities=list(Activity),
            guide=GUIDE_MINUTES,
        )
