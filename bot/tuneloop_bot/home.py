"""App Home: what waits for me."""

from typing import Any

from sqlmodel import Session

from tuneloop.kit.errors import TuneloopError
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.portfolio import portfolio
from tuneloop.registry.service import full_name
from tuneloop.retraining.evidence import in_words
from tuneloop.tables import Alert, RegisteredModel, RetrainingCycle, Role, SlackInstallation
from tuneloop_bot.action_ids import Act, Ref
from tuneloop_bot.blocks.alerts import alert_buttons
from tuneloop_bot.blocks.cycles import cycle_lines
from tuneloop_bot.blocks.decisions import pending, promotion_buttons, retrain_buttons
from tuneloop_bot.blocks.digest import model_line
from tuneloop_bot.blocks.parts import Block, button, buttons, code, context, divider, header, link, ours, theirs
from tuneloop_bot.blocks.reports import report_buttons
from tuneloop_bot.identities import new_identity_link, principal_of
from tuneloop_bot.pending_approvals import open_questions
from tuneloop_bot.report_view import report_view, waiting_reports
from tuneloop_bot.views import CycleView, cycle_view
from tuneloop_bot.what_waits import alerts_without_an_answer, what_waits

MOST_QUESTIONS, MOST_ALERTS, MOST_REPORTS, MOST_QUEUES, MOST_MODELS = 8, 5, 5, 5, 30
"""They fit into the hundred blocks of a view."""


def home_view(
    session: TenantSession, settings: Settings, installation: SlackInstallation, user: str, *, name: str
) -> dict[str, Any]:
    """`name` is what Slack calls somebody who is linked to nobody yet."""
    try:
        principal = principal_of(session, installation, user)
        principal.require(Role.VIEWER)
    except TuneloopError:
        token = new_identity_link(session, installation, user, name=name)
        url = f"{settings.site_url}/slack/link?token={token}"
        return _view(
            [header("Who are you?"), ours("Sign in once to see what waits for you."), *buttons(link("Link me", url))]
        )
    return _view(_blocks(session, principal, settings.site_url))


def _blocks(session: Session, principal: Principal, site: str) -> list[Block]:
    mine = [session.get_one(RetrainingCycle, each.cycle_id) for each in open_questions(session)]
    rows = portfolio(session)
    may = principal.may(Role.OPERATOR)
    blocks = [header("What waits for you"), ours(what_waits(session, rows).words)]
    for cycle in mine[:MOST_QUESTIONS]:
        blocks += _question(cycle_view(session, cycle), may=may)
    alerts = alerts_without_an_answer(session)
    for alert in alerts[:MOST_ALERTS]:
        blocks += _alert(session, alert, may=may)
    reports = [report_view(session, report, site) for report in waiting_reports(session)]
    for report in reports[:MOST_REPORTS]:
        asks = ours(f"*Send the report of {code(report.client)} for {report.month}?*")
        blocks += [asks, *(report_buttons(report) if may else [])]
    due = [row for row in rows if row.labels_due]
    for row in due[:MOST_QUEUES]:
        press = button("Label", Act.LABEL_NEXT, Ref(model=row.model_id), place=str(row.model_id))
        count = "1 answer waits" if row.labels_due == 1 else f"{row.labels_due} answers wait"
        blocks += [ours(f"{count} for a label in {code(f'{row.client}/{row.model}')}"), *buttons(press)]
    shown = [model_line(row) for row in rows[:MOST_MODELS]]
    return [*blocks, divider(), header("Your models"), *(shown or [context("None yet.")])]


def _question(view: CycleView, *, may: bool) -> list[Block]:
    if view.promotion is not None and view.promotion.decision is None:
        lines = [ours(f"*Promote {code(view.candidate or '')}?*"), *_evidence(view), *_reasons(view)]
        return [*lines, *pending(view.promotion), *(promotion_buttons(view) if may else [])]
    return [ours(f"*Retrain {code(view.model)}?*"), *cycle_lines(view), *(retrain_buttons(view) if may else [])]


def _alert(session: Session, alert: Alert, *, may: bool) -> list[Block]:
    name = full_name(session, session.get_one(RegisteredModel, alert.model_id))
    lines = [ours(f"*{alert.level.value.capitalize()} about {code(name)}*"), theirs(alert.summary, 500)]
    return [*lines, *(alert_buttons(alert) if may else [])]


def _evidence(view: CycleView) -> list[Block]:
    return [theirs(in_words(view.evidence))] if view.evidence is not None else []


def _reasons(view: CycleView) -> list[Block]:
    return [theirs(" ".join(view.reasons), 500)] if view.reasons else []


def _view(blocks: list[Block]) -> dict[str, Any]:
    return {"type": "home", "blocks": blocks[:100]}
