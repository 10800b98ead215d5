"""HTTP: a client's plan, its allowances and its extras."""

from uuid import UUID

from litestar import Controller, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tuneloop.clients.service import find_client
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Role
from tuneloop_billing.subscriptions.extras import decide_offer, extras_of, order_extra
from tuneloop_billing.subscriptions.schemas import (
    CancelOrder,
    ExtraOrder,
    ExtraRead,
    OfferAcceptance,
    PlanChoice,
    SubscriptionRead,
)
from tuneloop_billing.subscriptions.service import cancel, choose_plan, find_subscription, pause, repair, resume
from tuneloop_billing.subscriptions.view import view_of


class SubscriptionController(Controller):
    path = "/api/v1/clients/{client:str}"
    tags = ("billing",)

    @get("/plan", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def read(self, session: NamedDependency[TenantSession], client: FromPath[str]) -> SubscriptionRead:
        """The client's plan, what is left of it this month, and what is suspended."""
        return view_of(session, find_subscription(session, find_client(session, client)))

    @put("/plan", role=Role.ADMIN, sync_to_thread=True)
    def choose(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        data: JSONBody[PlanChoice],
    ) -> SubscriptionRead:
        """Subscribe the client, or move it: up at once and prorated, down at the end of the period."""
        return view_of(session, choose_plan(session, principal=principal, client=client, **data.model_dump()))

    @post("/plan/pause", role=Role.ADMIN, status_code=200, sync_to_thread=True)
    def pause_subscription(
        self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal], client: FromPath[str]
    ) -> SubscriptionRead:
        """Suspend maintenance; models keep serving."""
        return view_of(session, pause(session, principal=principal, client=client))

    @post("/plan/resume", role=Role.ADMIN, status_code=200, sync_to_thread=True)
    def resume_subscription(
        self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal], client: FromPath[str]
    ) -> SubscriptionRead:
        """End a pause, or take a coming cancellation back."""
        return view_of(session, resume(session, principal=principal, client=client))

    @post("/plan/cancel", role=Role.ADMIN, status_code=200, sync_to_thread=True)
    def cancel_subscription(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        data: JSONBody[CancelOrder],
    ) -> SubscriptionRead:
        """End the subscription at the end of the paid period, or at once."""
        return view_of(session, cancel(session, principal=principal, client=client, **data.model_dump()))

    @post("/plan/repair", role=Role.ADMIN, status_code=200, sync_to_thread=True)
    def repair_subscription(
        self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal], client: FromPath[str]
    ) -> SubscriptionRead:
        """Bring Stripe back to what holds here; a customer or subscription that was deleted there is made anew."""
        return view_of(session, repair(session, principal=principal, client=client))

    @get("/extras", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def extras(self, session: NamedDependency[TenantSession], client: FromPath[str]) -> list[ExtraRead]:
        """What was offered, ordered and used beyond the plan, newest first."""
        return [ExtraRead.model_validate(use) for use in extras_of(session, find_client(session, client))]

    @post("/extras", role=Role.OPERATOR, sync_to_thread=True)
    def order(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        data: JSONBody[ExtraOrder],
    ) -> list[ExtraRead]:
        """Order beyond the plan, at the price that you have seen. Extras are invoiced once used."""
        uses = order_extra(session, principal=principal, client=client, **dict(data))
        return [ExtraRead.model_validate(use) for use in uses]


class OfferController(Controller):
    path = "/api/v1/offers/{use_id:uuid}"
    tags = ("billing",)

    @post("/accept", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def accept(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        use_id: FromPath[UUID],
        data: JSONBody[OfferAcceptance],
    ) -> ExtraRead:
        """Order what was offered, at the price that you have seen."""
        use = decide_offer(session, principal=principal, use_id=use_id, accept=True, agreed_price=data.agreed_price)
        return ExtraRead.model_validate(use)

    @post("/decline", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def decline(
        self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal], use_id: FromPath[UUID]
    ) -> ExtraRead:
        """Do without what was offered."""
        return ExtraRead.model_validate(decide_offer(session, principal=principal, use_id=use_id, accept=False))
