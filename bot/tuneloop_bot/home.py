"""App Home: what waits for me."""

from typing import Any

from sqlmodel import Session

from tuneloop.identity.principal import Principal
from tuneloop.kit.errors import TuneloopError
from tuneloop.kit.settings import Settings
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.portfolio import portfolio
from tuneloop.slack.identities import new_identity_link, principal_of
from tuneloop.tables import RetrainingCycle, Role, SlackInstallation
from tuneloop_bot.blocks.cycles import cycle_lines
from tuneloop_bot.blocks.decisions import pending, promotion_buttons, retrain_buttons
from tuneloop_bot.blocks.digest import model_line
from tuneloop_bot.blocks.parts import Block, button, buttons, code, context, divider, header, link, ours, theirs
from tuneloop_bot.ids import Act, Ref
from tuneloop_bot.views import CycleView, cycle_view
from tuneloop_bot.waiting import open_questions

MOST_QUESTIONS, MOST_MODELS = 10, 30


def home_view(session: TenantSession, settings: Settings, installation: SlackInstallation, user: str) -> dict[str, Any]:
    try:
        principal = principal_of(session, installation, user)
        principal.require(Role.VIEWER)
    except TuneloopError:
        token = new_identity_link(session, installation, user)
        url = f"{settings.site_url}/slack/link?token={token}"
        return _view(
            [header("Who are you?"), ours("Sign in once to see what waits for you."), *buttons(link("Link me", url))]
        )
    return _view(_blocks(session, principal))


def _blocks(session: Session, principal: Principal) -> list[Block]:
    mine = [session.get_one(RetrainingCycle, each.cycle_id) for each in open_questions(session)]
    rows = portfolio(session)
    blocks = [header("What waits for you")]
    for cycle in mine[:MOST_QUESTIONS]:
        blocks += _question(cycle_view(session, cycle), may=principal.may(Role.OPERATOR))
    if not mine:
        blocks.append(ours("No question waits."))
    due = [row for row in rows if row.labels_due]
    for row in due[:5]:
        press = button("Label", Act.LABEL_NEXT, Ref(model=row.model_id), place=str(row.model_id))
        count = "1 answer waits" if row.labels_due == 1 else f"{row.labels_due} answers wait"
        blocks += [ours(f"{count} for a label in {code(f'{row.client}/{row.model}')}"), *buttons(press)]
    shown = [model_line(row) for row in rows[:MOST_MODELS]]
    return [*blocks, divider(), header("Your models"), *(shown or [context("None yet.")])]


def _question(view: CycleView, *, may: bool) -> list[Block]:
    if view.promotion is not None and view.promotion.decision is None:
        lines = [ours(f"*Promote {code(f'{view.model}@v{view.candidate}')}?*"), *_reasons(view)]
        return [*lines, *pending(view.promotion), *(promotion_buttons(view) if may else [])]
    return [ours(f"*Retrain {code(view.model)}?*"), *cycle_lines(view), *(retrain_buttons(view) if may else [])]


def _reasons(view: CycleView) -> list[Block]:
    return [theirs(" ".join(view.reasons), 500)] if view.reasons else []


def _view(blocks: list[Block]) -> dict[str, Any]:
    return {"type": "home", "blocks": blocks[:100]}
