"""Start and stop an A/B test on the page of its cycle."""

from uuid import UUID

from litestar import Controller, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from tuneloop.ab_tests.schemas import DAYS, LABELS, SHARE
from tuneloop.ab_tests.service import start, stop
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import lock_model
from tuneloop.retraining.service import find_cycle
from tuneloop.tables import Feature, RegisteredModel, Role
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional, required, whole
from tuneloop_billing.subscriptions.extras import order_agreed


class AbTestPage(Controller):
    include_in_schema = False

    @post("/cycles/{cycle_id:uuid}/ab-test", role=Role.OPERATOR, sync_to_thread=True)
    def start_test(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        cycle_id: FromPath[UUID],
    ) -> Redirect:
        cycle = find_cycle(session, cycle_id)
        if agreed := optional(form, "extra"):
            lock_model(session, session.get_one(RegisteredModel, cycle.model_id))
            price = whole(agreed, "the agreed price")
            order_agreed(session, principal=principal, client_id=cycle.client_id, feature=Feature.AB_TEST, price=price)
        test = start(
            session,
            principal=principal,
            cycle_id=cycle_id,
            digest=required(form, "digest", "what you test"),
            share=whole(optional(form, "share") or f"{100 * SHARE:.0f}", "the share") / 100,
            days=whole(optional(form, "days") or f"{DAYS}", "the number of days"),
            labels=whole(optional(form, "labels") or f"{LABELS}", "the number of labels"),
        )
        return back_to(f"/cycles/{cycle_id}", f"The candidate gets {test.share:.0%} of the people once it is loaded.")

    @post("/ab-tests/{ab_test_id:uuid}/stop", role=Role.OPERATOR, sync_to_thread=True)
    def stop_test(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        ab_test_id: FromPath[UUID],
    ) -> Redirect:
        test = stop(session, principal=principal, test_id=ab_test_id)
        message = "Stopped. Production answers everybody; the candidate still waits."
        return back_to(f"/cycles/{test.cycle_id}", message)
