"""What is left until an agency earns money with a model that is kept good. Read from the rows: nobody ticks it off."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select

from tuneloop.clients.service import list_clients
from tuneloop.datasets.service import pool_size
from tuneloop.identity.second_factor import who_has_second_factor
from tuneloop.kit.tenancy import Row
from tuneloop.registry.service import aliases, full_name, list_bases
from tuneloop.retraining.states import ENDED
from tuneloop.tables import (
    AdapterVersion,
    Alias,
    BillingAccount,
    BillingMode,
    Client,
    Invitation,
    MailSender,
    Membership,
    Pool,
    Prediction,
    RegisteredModel,
    ReportStyle,
    RetrainingCycle,
    Role,
    SlackChannel,
    SlackInstallation,
    Subscription,
    VersionAlias,
)

BRANDING = frozenset({"brand", "accent", "logo", "footer", "website"})


class Step(NamedTuple):
    """`address` is the page that does it, for people with `role`; without the `optional` ones nothing is missing."""

    key: str
    title: str
    says: str
    address: str
    done: bool
    role: Role = Role.OPERATOR
    optional: bool = False


def checklist(session: Session, *, person_id: UUID | None) -> list[Step]:
    """In the order in which one goes; about the model that is furthest from production, else about the newest.

    `person_id` is who looks, if it is a person.
    """
    clients, model = list_clients(session), _model_to_finish(session)
    return [
        Step(
            "client",
            "Add a client",
            "Whom you keep a model good for: their field, their plan, and who gets the reports.",
            "/new-client",
            bool(clients),
        ),
        *_model_steps(session, clients, model),
        *_account_steps(session, person_id),
        *_office_steps(session, clients),
    ]


def _model_to_finish(session: Session) -> RegisteredModel | None:
    deployed = select(VersionAlias.model_id).where(VersionAlias.name == Alias.PRODUCTION)
    oldest_first = select(RegisteredModel).order_by(col(RegisteredModel.created_at)).limit(1)
    unfinished = session.exec(oldest_first.where(col(RegisteredModel.id).not_in(deployed))).first()
    newest = select(RegisteredModel).order_by(col(RegisteredModel.created_at).desc()).limit(1)
    return unfinished or session.exec(newest).first()


def _model_steps(session: Session, clients: list[Client], model: RegisteredModel | None) -> list[Step]:
    home = f"/models/{full_name(session, model)}" if model else ""
    new_model = f"/clients/{clients[0].slug}/new-model" if clients else "/new-client"
    pools = (Pool.TRAINING, Pool.GOLDEN)
    training, golden = (pool_size(session, model, pool) if model else 0 for pool in pools)
    trained = model is not None and _any(session, AdapterVersion, AdapterVersion.model_id == model.id)
    cycle = _live_cycle(session, model)
    live = f"/cycles/{cycle.id}" if cycle else None
    deployed = model is not None and Alias.PRODUCTION in aliases(session, model.id)
    asked = model is not None and _any(session, Prediction, Prediction.model_id == model.id)
    return [
        Step(
            "base",
            "Add a base model",
            "What models are trained on. A click downloads one of the list.",
            "/bases",
            bool(list_bases(session)),
        ),
        Step(
            "model",
            "Register its model",
            "What it is asked, and which answers there are.",
            new_model,
            model is not None,
        ),
        Step(
            "data",
            "Bring examples",
            f"{training} to train on, {golden} to measure with. 200 and 100 are a good start."
            if model
            else "Messages with their right answers, some to train on and some to measure with.",
            f"{home}/data/import" if model else new_model,
            training > 0 and golden > 0,
        ),
        Step(
            "training",
            "Train the first version",
            "Waits for an approval." if live and not trained else "You see time and cost before you say yes.",
            live or home or new_model,
            trained,
        ),
        Step(
            "promotion",
            "Put it into production",
            "You see how accurate it is before you say yes.",
            live or home or new_model,
            deployed,
        ),
        Step(
            "connect",
            "Connect the client's application",
            "Address, key and a snippet for its developer.",
            f"{home}/connect" if model else new_model,
            asked,
        ),
    ]


def _account_steps(session: Session, person_id: UUID | None) -> list[Step]:
    if person_id is None:
        return []
    title, says = "Guard your account with a second factor", "A code of your phone, besides the password."
    guarded = person_id in who_has_second_factor(session, [person_id])
    return [Step("second_factor", title, says, "/account", guarded, optional=True)]


def _office_steps(session: Session, clients: list[Client]) -> list[Step]:
    members = session.exec(select(func.count(col(Membership.id)))).one()
    invited = _any(session, Invitation, col(Invitation.accepted_at).is_(None), col(Invitation.withdrawn_at).is_(None))
    slack = _any(session, SlackInstallation, col(SlackInstallation.removed_at).is_(None))
    styles = session.exec(select(ReportStyle).where(col(ReportStyle.client_id).is_(None))).all()
    subscribed = set(session.exec(select(Subscription.client_id)))
    without = next((each for each in clients if each.id not in subscribed), None)
    return [
        Step(
            "colleagues",
            "Invite colleagues",
            "Somebody is invited and has not joined yet." if invited else "They get a mail with a link.",
            "/members",
            members > 1,
            Role.ADMIN,
            optional=True,
        ),
        Step(
            "slack",
            "Connect Slack",
            "Say in which channel." if slack else "Questions and alerts come to a channel, and are answered there.",
            "/slack",
            slack and _any(session, SlackChannel),
            Role.ADMIN,
            optional=True,
        ),
        Step(
            "stripe",
            "Connect Stripe",
            "Plans are invoiced and paid by card.",
            "/billing",
            _any(session, BillingAccount, BillingAccount.mode != BillingMode.NONE),
            Role.ADMIN,
            optional=True,
        ),
        Step(
            "sender",
            "Send mail from your own address",
            "Reports then come from you.",
            "/reports/sender",
            _any(session, MailSender),
            Role.ADMIN,
            optional=True,
        ),
        Step(
            "branding",
            "Put your name and colours on reports",
            "And on the pages that clients see.",
            "/reports/style",
            any(BRANDING & set(each.values) for each in styles),
            Role.ADMIN,
            optional=True,
        ),
        Step(
            "plan",
            f"Choose the plan of {without.name}" if without else "Choose each client's plan",
            "What it includes per month, and what it costs.",
            f"/clients/{without.slug}/billing" if without else "/plans",
            bool(clients) and without is None,
            Role.ADMIN,
            optional=True,
        ),
    ]


def _live_cycle(session: Session, model: RegisteredModel | None) -> RetrainingCycle | None:
    if model is None:
        return None
    query = select(RetrainingCycle).where(
        RetrainingCycle.model_id == model.id, col(RetrainingCycle.state).not_in(ENDED)
    )
    return session.exec(query).first()


def _any(session: Session, table: type[Row], *conditions: object) -> bool:
    return session.exec(select(table.id).where(*conditions).limit(1)).first() is not None  # type: ignore[arg-type]
