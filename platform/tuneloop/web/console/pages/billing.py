"""Billing: the agency's connection to Stripe, and a client's plan, extras, work and invoices."""

from typing import Any
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from sqlmodel import col, select

from tuneloop.clients.money import Money
from tuneloop.clients.months import Month, zone_of_agency
from tuneloop.clients.service import find_client
from tuneloop.identity.request import HttpRequest, settings_of
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import (
    Activity,
    BillingAccount,
    Client,
    Feature,
    Invoice,
    MonthClose,
    PaymentProblemKind,
    ReconcileFinding,
    Role,
    ServiceUse,
    Subscription,
    UseState,
)
from tuneloop.web.console.brand import brand_named
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional, required
from tuneloop.web.console.render import page
from tuneloop_billing.accounts.connect import card_link, connect_emulator, connect_with_key, portal_link
from tuneloop_billing.accounts.service import Change, change_account, disconnect, find_account, is_live
from tuneloop_billing.confirmation import ConfirmationNeeded
from tuneloop_billing.month_end.service import end_month
from tuneloop_billing.plans.service import SELLABLE, list_plans
from tuneloop_billing.problems import dismiss_problem, open_problems
from tuneloop_billing.subscriptions.extras import decide_offer, extras_of, order_extra
from tuneloop_billing.subscriptions.service import cancel, choose_plan, pause, repair, resume
from tuneloop_billing.subscriptions.view import view_of
from tuneloop_billing.usage.controller import invoices_read
from tuneloop_billing.usage.metering import count, records_of
from tuneloop_billing.usage.work_log import GUIDE_MINUTES, add_work, change_work, remove_work, work_of

REPAIRABLE = (
    PaymentProblemKind.CUSTOMER_GONE,
    PaymentProblemKind.SUBSCRIPTION_GONE,
    PaymentProblemKind.CHANGED_AT_STRIPE,
    PaymentProblemKind.CHANGE_REFUSED,
)


class BillingPage(Controller):
    path = "/billing"
    include_in_schema = False

    @get(role=Role.ADMIN, sync_to_thread=True)
    def index(self, request: HttpRequest, session: NamedDependency[TenantSession]) -> Response[str]:
        account = find_account(session) or BillingAccount()
        offers = session.exec(
            select(ServiceUse, Client)
            .join(Client, col(Client.id) == ServiceUse.client_id)
            .where(ServiceUse.state == UseState.OFFERED)
        ).all()
        closes = session.exec(
            select(MonthClose, Client)
            .join(Client, col(Client.id) == MonthClose.client_id)
            .order_by(col(MonthClose.month).desc(), col(Client.slug))
            .limit(50)
        ).all()
        findings = session.exec(
            select(ReconcileFinding).order_by(col(ReconcileFinding.found_at).desc()).limit(20)
        ).all()
        return page(
            request,
            "billing/billing.html",
            account=account,
            emulated=settings_of(request).stripe_is_emulated,
            live=is_live(settings_of(request), account),
            offers=offers,
            closes=closes,
            findings=findings,
            problems=open_problems(session),
            money=Money,
        )

    @post(role=Role.ADMIN, sync_to_thread=True)
    def change(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
    ) -> Redirect:
        currency = required(form, "currency", "the currency").lower()
        if not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
            raise InvalidInput("a currency has three letters, such as EUR", field="currency")
        change = Change(timezone=required(form, "timezone", "the time zone"), currency=currency)
        account = change_account(session, principal=principal, change=change)
        return back_to("/billing", f"Months end at midnight in {account.timezone}; plans are in {currency.upper()}.")

    @post("/connect", role=Role.OWNER, sync_to_thread=True)
    def connect(
        self,
        request: HttpRequest,
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
    ) -> Redirect:
        """Stripe is asked between transactions."""
        if optional(form, "emulator"):
            connect_emulator(request, principal)
            return back_to("/billing", "Connected to the Stripe emulator; no money moves.")
        connect_with_key(request, principal, required(form, "secret_key", "the secret key", longest=300))
        return back_to("/billing", "Connected to your Stripe account. Plans are being published there.")

    @post("/disconnect", role=Role.OWNER, sync_to_thread=True)
    def leave(self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]) -> Redirect:
        disconnect(session, principal=principal)
        return back_to("/billing", "Disconnected; the key is forgotten. Plans go on being enforced.")

    @get("/thanks", public=True, sync_to_thread=True)
    def thanks(self, request: HttpRequest, agency: FromQuery[str] = "") -> Response[str]:
        """Where Stripe's pages lead a client back to."""
        return page(request, "billing/thanks.html", brand=brand_named(request, agency))

    @post("/problems/{problem_id:uuid}", role=Role.ADMIN, sync_to_thread=True)
    def dismiss(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        problem_id: FromPath[UUID],
    ) -> Redirect:
        found = dismiss_problem(session, principal=principal, problem_id=problem_id)
        return back_to(f"/clients/{found.client.slug}/billing", "Dismissed.")

    @post("/offers/{use_id:uuid}", role=Role.OPERATOR, sync_to_thread=True)
    def decide(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        use_id: FromPath[UUID],
    ) -> Response[Any]:
        accept = optional(form, "answer") == "accept"
        agreed = _whole(optional(form, "agreed_price"))
        try:
            use = decide_offer(session, principal=principal, use_id=use_id, accept=accept, agreed_price=agreed)
        except ConfirmationNeeded as needed:
            offered = session.get_one(ServiceUse, use_id)
            back = f"/clients/{session.get_one(Client, offered.client_id).slug}/billing"
            return confirm(request, needed, form, back=back)
        client = session.get_one(Client, use.client_id)
        return back_to(f"/clients/{client.slug}/billing", "Ordered." if accept else "Declined.")


class ClientBillingPage(Controller):
    path = "/clients/{client:str}/billing"
    include_in_schema = False

    @get(role=Role.OPERATOR, sync_to_thread=True)
    def index(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        month: FromQuery[str | None] = None,
    ) -> Response[str]:
        found, zone = find_client(session, client), zone_of_agency(session)
        wanted = Month.parse(month) if month else Month.of(now(), zone)
        row = session.exec(select(Subscription).where(Subscription.client_id == found.id)).one_or_none()
        kept = records_of(session, found.id, wanted)
        used = {unit: record.quantity + record.late for unit, record in kept.items()}
        query = select(Invoice).where(Invoice.client_id == found.id).order_by(col(Invoice.issued_at).desc())
        return page(
            request,
            "billing/client.html",
            client=found,
            subscription=view_of(session, row) if row else None,
            problems=open_problems(session, client_id=found.id),
            repairable=REPAIRABLE,
            plans=[plan for plan in list_plans(session) if plan.archived_at is None],
            extras=extras_of(session, found),
            sellable=[feature for feature in SELLABLE if feature is not Feature.GPU_MINUTES],
            invoices=invoices_read(session, session.exec(query).all()),
            month=wanted,
            usage=used or count(session, found.id, wanted.span(zone)),
            final=bool(kept),
            work=work_of(session, found, wanted),
            activities=list(Activity),
            guide=GUIDE_MINUTES,
            money=Money,
        )

    @post("/plan", role=Role.ADMIN, sync_to_thread=True)
    def choose(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
    ) -> Redirect:
        days = optional(form, "trial_days") or "0"
        if not days.isdigit() or int(days) > 90:
            raise InvalidInput("a trial has 0 to 90 days", field="trial_days")
        plan = required(form, "plan", "the plan")
        row = choose_plan(session, principal=principal, client=client, plan=plan, trial_days=int(days))
        when = "from the end of the period on" if row.next_plan_id else "now"
        return back_to(f"/clients/{client}/billing", f"{plan} holds {when}.")

    @post("/state", role=Role.ADMIN, sync_to_thread=True)
    def set_state(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
    ) -> Response[Any]:
        wanted = required(form, "do", "what to do")
        if wanted == "pause":
            pause(session, principal=principal, client=client)
        elif wanted == "resume":
            resume(session, principal=principal, client=client)
        elif wanted == "repair":
            repair(session, principal=principal, client=client)
            return back_to(f"/clients/{client}/billing", "It is being sent to Stripe.")
        elif wanted == "cancel":
            try:
                cancel(session, principal=principal, client=client, confirmed=bool(optional(form, "confirmed")))
            except ConfirmationNeeded as needed:
                return confirm(request, needed, form, back=f"/clients/{client}/billing")
        else:
            raise InvalidInput("pause, resume, repair or cancel", field="do")
        return back_to(f"/clients/{client}/billing", "Done. Models keep serving.")

    @post("/extras", role=Role.OPERATOR, sync_to_thread=True)
    def order(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
    ) -> Response[Any]:
        feature, quantity = required(form, "feature", "what to order"), optional(form, "quantity") or "1"
        if feature not in set(SELLABLE) or not quantity.isdigit() or not 0 < int(quantity) <= 1000:
            raise InvalidInput("choose an extra and a number from 1 to 1000", field="feature")
        try:
            uses = order_extra(
                session,
                principal=principal,
                client=client,
                feature=Feature(feature),
                quantity=int(quantity),
                reason=optional(form, "reason", longest=500),
                agreed_price=_whole(optional(form, "agreed_price")),
            )
        except ConfirmationNeeded as needed:
            return confirm(request, needed, form, back=f"/clients/{client}/billing")
        total = Money(sum(use.quantity * use.unit_price for use in uses), uses[0].currency)
        return back_to(f"/clients/{client}/billing", f"Ordered for {total}; it is invoiced with the month.")

    @post("/work", role=Role.OPERATOR, sync_to_thread=True)
    def work(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
    ) -> Redirect:
        """Write time down, correct an entry, or take it out."""
        entry, back = optional(form, "entry"), f"/clients/{client}/billing"
        if entry and optional(form, "do") == "remove":
            remove_work(session, principal=principal, work_id=_uuid(entry))
            return back_to(back, "Taken out; the audit log keeps it.")
        minutes = required(form, "minutes", "the time")
        if not minutes.isdigit():
            raise InvalidInput(f"{minutes!r} is not a number of minutes", field="minutes")
        if entry:
            change_work(session, principal=principal, work_id=_uuid(entry), minutes=int(minutes))
            return back_to(back, "Corrected.")
        activity = required(form, "activity", "the kind of work")
        if activity not in set(Activity):
            raise InvalidInput("choose what kind of work it was", field="activity")
        add_work(
            session,
            principal=principal,
            client=client,
            activity=Activity(activity),
            minutes=int(minutes),
            note=optional(form, "note", longest=500),
        )
        return back_to(back, "Written down.")

    @post("/month", role=Role.ADMIN, sync_to_thread=True)
    def end(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
    ) -> Redirect:
        found, month = find_client(session, client), Month.parse(required(form, "month", "the month"))
        end_month(session, principal=principal, client=found, month=month, early=True)
        return back_to("/reports", f"{month} is being counted; its report comes here in a moment.")

    @post("/link", role=Role.OPERATOR, sync_to_thread=True)
    def link(
        self,
        request: HttpRequest,
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
    ) -> Redirect:
        """To Stripe's page for the client: leave a card, or see invoices."""
        portal = optional(form, "to") == "portal"
        url = (portal_link if portal else card_link)(request, principal, client)
        return back_to(f"/clients/{client}/billing", f"Send this link to the client: {url}")


def confirm(request: HttpRequest, needed: ConfirmationNeeded, form: FormMultiDict, *, back: str) -> Response[str]:
    """The page that says what would happen: its form is the one that came, with what agrees to it."""
    sent = {name: value for name, value in form.items() if isinstance(value, str) and name != "csrf_token"}
    fields = sent | {name: str(value) for name, value in needed.confirm.items()}
    return page(request, "billing/confirm.html", sentence=needed.message, fields=fields, back=back)


def _whole(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidInput("that is not a time entry", field="entry") from error
