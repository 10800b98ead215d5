"""Plans: what the agency sells."""

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from tuneloop.clients.entitlements import Entitlements
from tuneloop.clients.money import Money, decimals, parse
from tuneloop.clients.schemas import Slug
from tuneloop.identity.request import HttpRequest
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Feature, MaintenancePlan, Plan, Role
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional, required
from tuneloop.web.console.render import page
from tuneloop_billing.plans.schemas import PlanCreate
from tuneloop_billing.plans.service import archive_plan, change_plan, clients_on, create_plan, find_plan, list_plans
from tuneloop_billing.plans.templates import TEMPLATES

COUNTS = {
    "retrains": "Retrains per month",
    "ab_tests": "A/B tests per month",
    "new_categories": "New categories per month",
    "labels": "Labels per month",
    "gpu_minutes": "GPU minutes per month",
    "monitoring_every_days": "Days between checks",
    "quorum": "Approvals of a promotion",
}
EXTRAS = {
    Feature.RETRAIN: "Retrain",
    Feature.AB_TEST: "A/B test",
    Feature.NEW_CATEGORY: "New category",
    Feature.LABELS: "Label",
    Feature.GPU_MINUTES: "GPU minute",
}


class PlansPage(Controller):
    path = "/plans"
    include_in_schema = False

    @get(role=Role.ADMIN, sync_to_thread=True)
    def index(self, request: HttpRequest, session: NamedDependency[TenantSession]) -> Response[str]:
        plans = list_plans(session)
        return page(
            request,
            "billing/plans.html",
            plans=[plan for plan in plans if plan.archived_at is None],
            archived=[plan for plan in plans if plan.archived_at is not None],
            clients=clients_on(session),
            templates=TEMPLATES,
            counts=COUNTS,
            extras=EXTRAS,
            money=Money,
            plain=_plain,
        )

    @post(role=Role.ADMIN, sync_to_thread=True)
    def add(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
    ) -> Redirect:
        tier = required(form, "tier", "the template")
        if tier not in set(Plan):
            raise InvalidInput(f"there is no template {tier}; choose basic, standard or premium", field="tier")
        text = optional(form, "price")
        slug = _slug(required(form, "slug", "the short name", longest=63))
        plan = create_plan(
            session,
            principal=principal,
            slug=slug,
            tier=Plan(tier),
            name=optional(form, "name", longest=120) or None,
            price=parse(text, "usd").amount if text else None,
        )
        return back_to("/plans", f"{plan.name} is on sale at {Money(plan.price, plan.currency)} per month.")

    @post("/{plan:str}", role=Role.ADMIN, sync_to_thread=True)
    def change(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        plan: FromPath[str],
    ) -> Redirect:
        found = find_plan(session, plan)
        changed = change_plan(
            session,
            principal=principal,
            slug=plan,
            name=optional(form, "name", longest=120) or None,
            price=_amount(form, "price", found),
            entitlements=_entitlements(form, found),
            extras=_extras(form, found),
        )
        return back_to("/plans", f"{changed.name} is changed. A new price holds from each client's next invoice on.")

    @post("/{plan:str}/archive", role=Role.ADMIN, sync_to_thread=True)
    def archive(
        self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal], plan: FromPath[str]
    ) -> Redirect:
        return back_to("/plans", f"{archive_plan(session, principal=principal, slug=plan).name} is no longer sold.")


def _slug(text: str) -> Slug:
    try:
        return PlanCreate(slug=text, tier=Plan.BASIC).slug
    except ValueError as error:
        raise InvalidInput(
            "the short name takes small letters, digits and dashes, such as gold-2027", field="slug"
        ) from error


def _amount(form: FormMultiDict, key: str, plan: MaintenancePlan) -> int | None:
    text = optional(form, key)
    return parse(text, plan.currency).amount if text else None


def _entitlements(form: FormMultiDict, plan: MaintenancePlan) -> Entitlements:
    known = dict(plan.entitlements)
    for name, title in COUNTS.items():
        text = optional(form, name)
        if text and not text.isdigit():
            raise InvalidInput(f"{title}: {text!r} is not a whole number", field=name)
        if text:
            known[name] = int(text)
    try:
        return Entitlements.model_validate(known)
    except ValueError as error:
        raise InvalidInput(f"that can't be included: {error}") from error


def _extras(form: FormMultiDict, plan: MaintenancePlan) -> dict[Feature, int]:
    """An empty price takes an extra off the list."""
    if not any(f"extra_{feature.value}" in form for feature in EXTRAS):
        return {Feature(name): price for name, price in plan.extras.items()}
    prices = {feature: _amount(form, f"extra_{feature.value}", plan) for feature in EXTRAS}
    return {feature: price for feature, price in prices.items() if price is not None}


def _plain(amount: int | None, currency: str) -> str:
    """An amount as a form takes it."""
    places = decimals(currency)
    return "" if amount is None else f"{amount / 10**places:.{places}f}"
