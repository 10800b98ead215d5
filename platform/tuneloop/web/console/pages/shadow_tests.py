"""Start and stop a shadow test on the page of its cycle."""

from uuid import UUID

from litestar import Controller, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.retraining.service import find_cycle
from tuneloop.shadow_tests.schemas import ANSWERS, DAYS, LABELS, SHARE
from tuneloop.shadow_tests.service import start, stop
from tuneloop.tables import Role
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional, required, whole


class ShadowTestPage(Controller):
    include_in_schema = False

    @post("/cycles/{cycle_id:uuid}/shadow-test", role=Role.OPERATOR, sync_to_thread=True)
    def start_test(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        cycle_id: FromPath[UUID],
    ) -> Redirect:
        find_cycle(session, cycle_id)
        test = start(
            session,
            principal=principal,
            cycle_id=cycle_id,
            digest=required(form, "digest", "what you test"),
            share=whole(optional(form, "share") or f"{100 * SHARE:.0f}", "the share") / 100,
            answers=whole(optional(form, "answers") or f"{ANSWERS}", "the number of answers"),
            days=whole(optional(form, "days") or f"{DAYS}", "the number of days"),
            labels=whole(optional(form, "labels") or f"{LABELS}", "the number of labels"),
        )
        message = f"The candidate answers {test.share:.0%} of the questions too once it is loaded. Nobody sees it."
        return back_to(f"/cycles/{cycle_id}#shadow", message)

    @post("/shadow-tests/{shadow_test_id:uuid}/stop", role=Role.OPERATOR, sync_to_thread=True)
    def stop_test(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        shadow_test_id: FromPath[UUID],
    ) -> Redirect:
        test = stop(session, principal=principal, test_id=shadow_test_id)
        return back_to(f"/cycles/{test.cycle_id}#shadow", "Stopped. The candidate still waits for a decision.")
