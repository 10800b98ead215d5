"""`/tuneloop …`: the same things from the keyboard. Decisions come back as a question with a button."""

import re
from collections.abc import Callable
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.clients.months import Month
from tuneloop.kit.errors import InvalidInput, NotFound
from tuneloop.monitoring.portfolio import portfolio
from tuneloop.registry.service import aliases, full_name
from tuneloop.retraining.effort import effort_of
from tuneloop.retraining.failed_before import FailedBefore
from tuneloop.retraining.recipe import Recipe
from tuneloop.retraining.service import propose
from tuneloop.tables import Alias, ApprovalKind, Client, RegisteredModel, RetrainingCycle, Role
from tuneloop_bot.action_handlers import ActionContext, insist_on
from tuneloop_bot.action_ids import Act, Ref
from tuneloop_bot.blocks.cycles import candidate_message, cycle_lines, retrain_message
from tuneloop_bot.blocks.decisions import retrain_buttons
from tuneloop_bot.blocks.digest import digest_message, model_line
from tuneloop_bot.blocks.parts import Block, button, buttons, code, confirm, context, counted, header, ours, theirs
from tuneloop_bot.blocks.reports import report_message
from tuneloop_bot.channels import place_for, set_channel
from tuneloop_bot.ephemeral_reply import EphemeralReply
from tuneloop_bot.identities import slack_users_of
from tuneloop_bot.installations import installations
from tuneloop_bot.labelling import ask_next
from tuneloop_bot.pending_approvals import open_questions
from tuneloop_bot.report_view import report_view, reports_asked_for
from tuneloop_bot.views import cycle_view, data_of

MOST_REPORTS = 8
MOST_BLOCKS_OF_QUESTIONS = 30
MONTH = re.compile(r"\d{4}-\d\d?")
HELP = (
    ("status [client]", "how your models are"),
    ("retrain client/model", "propose a retrain with the data of now"),
    ("approve [client/model]", "retrains that wait for approval"),
    ("promote [client/model]", "candidates that wait for promotion"),
    ("rollback client/model", "go back to the previous version"),
    ("label [client/model]", "label a few answers"),
    ("report [client] [month]", "a month's report: preview, note, send"),
    ("week", "your week, as in the weekly digest"),
    ("who-can [client]", "who may decide, and who is linked"),
    ("here [client]", "send messages (about a client) to this channel; admins only"),
    ("help", "this"),
)


def run_command(action: ActionContext) -> EphemeralReply:
    word, _, rest = action.incoming.value.partition(" ")
    command = COMMANDS.get(word.lower() or "help")
    if command is None:
        raise InvalidInput(f"there is no command {word!r}; try /tuneloop help")
    return command(action, rest.strip())


def status(action: ActionContext, rest: str) -> EphemeralReply:
    action.principal.require(Role.VIEWER)
    rows = [row for row in portfolio(action.session) if not rest or rest in (row.client, f"{row.client}/{row.model}")]
    if rest and not rows:
        raise NotFound("client", rest)
    lines = [model_line(row) for row in rows[:45]] or [ours("There are no models yet.")]
    return EphemeralReply(counted(len(rows), "model"), [header("How your models are"), *lines])


def retrain(action: ActionContext, rest: str) -> EphemeralReply:
    model = _model(action.session, rest)
    try:
        cycle = propose(action.session, principal=action.principal, model=model, recipe=Recipe())
    except FailedBefore as refused:
        return insist_on(refused, Ref(model=model.id))
    return EphemeralReply("Proposed.", _question(action, cycle))


def approve(action: ActionContext, rest: str) -> EphemeralReply:
    return _asked(action, rest, ApprovalKind.RETRAIN, "No retrain waits for approval.")


def promote(action: ActionContext, rest: str) -> EphemeralReply:
    return _asked(action, rest, ApprovalKind.PROMOTION, "No candidate waits for promotion.")


def rollback(action: ActionContext, rest: str) -> EphemeralReply:
    """Shows what it would go back to; the button carries that version's digest."""
    action.principal.require(Role.OPERATOR)
    model = _model(action.session, rest)
    named = aliases(action.session, model.id)
    production, previous = named.get(Alias.PRODUCTION), named.get(Alias.PREVIOUS)
    if production is None or previous is None:
        raise InvalidInput("there is no previous version to go back to")
    name = full_name(action.session, model)
    text = f"{name}@v{previous.number} will answer every request at once."
    sure = confirm("Roll back?", text, "Roll back", danger=True)
    ref = Ref(model=model.id, digest=previous.digest)
    now_so = ours(f"{code(name)} answers with v{production.number}; before it was v{previous.number}.")
    press = button(f"Roll back to v{previous.number}", Act.ROLL_BACK, ref, style="danger", confirm=sure)
    return EphemeralReply("Roll back?", [now_so, *buttons(press)])


def label(action: ActionContext, rest: str) -> EphemeralReply:
    action.principal.require(Role.OPERATOR)
    if rest:
        return ask_next(action.session, action.principal, _model(action.session, rest), action.settings.site_url)
    for row in sorted(portfolio(action.session), key=lambda row: -row.labels_due):
        if row.labels_due:
            model = _model(action.session, f"{row.client}/{row.model}")
            return ask_next(action.session, action.principal, model, action.settings.site_url)
    return EphemeralReply("Nothing waits for a label.")


def report(action: ActionContext, rest: str) -> EphemeralReply:
    """Of one client or of all; the last month that is over unless one is named."""
    action.principal.require(Role.VIEWER)
    words = rest.split()
    month = str(Month.parse(words.pop())) if len(words) == 2 or MONTH.fullmatch(rest) else None
    client = " ".join(words) or None
    if client is not None:
        _client(action.session, client)
    reports = reports_asked_for(action.session, client=client, month=month)
    if not reports:
        raise InvalidInput(
            "there is no such report yet; reports are prepared when a month ends, or on the page Reports"
        )
    views = [report_view(action.session, each, action.settings.site_url) for each in reports[:MOST_REPORTS]]
    blocks = [block for view in views for block in report_message(view).blocks]
    left = len(reports) - len(views)
    more = [context(f"… and {left} more; name the client: `/tuneloop report client`")] if left else []
    return EphemeralReply("Reports", [*blocks, *more])


def week(action: ActionContext, _rest: str) -> EphemeralReply:
    action.principal.require(Role.VIEWER)
    content = digest_message(action.session)
    return EphemeralReply(content.notice, content.blocks)


def who_can(action: ActionContext, rest: str) -> EphemeralReply:
    action.principal.require(Role.VIEWER)
    lines: list[Block] = []
    client = _client(action.session, rest) if rest else None
    for installation in installations(action.session):
        people = slack_users_of(action.session, installation, least=Role.OPERATOR)
        words = [f"<@{slack_user}> {code(user.name)} ({role})" for slack_user, user, role in people]
        lines.append(ours(f"*{code(installation.team_name)}*\n" + ("\n".join(words) or "nobody is linked")))
    place = place_for(action.session, client)
    public = place is not None and not place.channel.startswith("U")
    where = f"Messages go to <#{place.channel}>." if place and public else "Messages go to an owner or admin in person."
    rules = "Operators approve and promote; against the gate's verdict it takes an admin and a reason."
    return EphemeralReply("Who can decide", [header("Who can decide"), *lines, context(rules, where)])


def here(action: ActionContext, rest: str) -> EphemeralReply:
    set_channel(
        action.session,
        principal=action.principal,
        channel=action.incoming.channel or "",
        client=rest or None,
        team=action.installation.team_id,
    )
    about = f"about {rest}" if rest else "of all clients without a channel of their own"
    return EphemeralReply(
        f"Messages {about} come here from now on. Invite me with /invite @Tuneloop if I am not here yet."
    )


def show_help(_doing: ActionContext, _rest: str) -> EphemeralReply:
    lines = "\n".join(f"`/tuneloop {form}`  {words}" for form, words in HELP)
    return EphemeralReply("Help", [header("What you can say"), ours(lines)])


def instead_of_buttons(action: ActionContext, answer: EphemeralReply) -> EphemeralReply:
    """What stands where a private message with a button was: the answer, and what still waits besides."""
    kinds = {Act.APPROVE_RETRAIN: ApprovalKind.RETRAIN, Act.PROMOTE: ApprovalKind.PROMOTION}
    kind = kinds.get(Act(action.incoming.name))
    left = _questions(action, kind, but=action.ref.cycle) if kind is not None else []
    return EphemeralReply(answer.text, [theirs(answer.text), *left] if left else [], replace=True)


COMMANDS: dict[str, Callable[[ActionContext, str], EphemeralReply]] = {
    "status": status,
    "retrain": retrain,
    "approve": approve,
    "promote": promote,
    "rollback": rollback,
    "label": label,
    "report": report,
    "week": week,
    "who-can": who_can,
    "here": here,
    "help": show_help,
}


def _asked(action: ActionContext, rest: str, kind: ApprovalKind, none: str) -> EphemeralReply:
    action.principal.require(Role.OPERATOR)
    blocks = _questions(action, kind, model=_model(action.session, rest).id if rest else None)
    return EphemeralReply("This waits for you.", blocks) if blocks else EphemeralReply(none)


def _questions(
    action: ActionContext, kind: ApprovalKind, *, model: UUID | None = None, but: UUID | None = None
) -> list[Block]:
    blocks: list[Block] = []
    for approval in open_questions(action.session):
        cycle = action.session.get_one(RetrainingCycle, approval.cycle_id)
        wanted = model in (None, cycle.model_id) and cycle.id != but
        if approval.kind is kind and wanted and len(blocks) < MOST_BLOCKS_OF_QUESTIONS:
            blocks += _question(action, cycle)
    return blocks


def _question(action: ActionContext, cycle: RetrainingCycle) -> list[Block]:
    view = cycle_view(action.session, cycle)
    if view.promotion is not None:
        return candidate_message(view, site=action.settings.site_url).blocks
    if cycle.alert_id is not None:
        return [ours(f"*Retrain {code(view.model)}?*"), *cycle_lines(view), *retrain_buttons(view)]
    model = action.session.get_one(RegisteredModel, cycle.model_id)
    data = data_of(action.session, cycle)
    hourly, currency = action.settings.compute_hourly, action.settings.currency
    effort = effort_of(action.session, model, examples=data.training, hourly=hourly, currency=currency)
    return retrain_message(view, data, effort).blocks


def _model(session: Session, name: str) -> RegisteredModel:
    """By client/model, or by the client alone if it has one model."""
    if not name:
        raise InvalidInput("say which model, as client/model")
    client, _, slug = name.partition("/")
    query = select(RegisteredModel).join(Client, col(Client.id) == RegisteredModel.client_id)
    query = query.where(Client.slug == client)
    if slug:
        query = query.where(RegisteredModel.slug == slug)
    found = session.exec(query).all()
    if not found:
        raise NotFound("model", name)
    if len(found) > 1:
        raise InvalidInput(f"{client} has several models: {', '.join(f'{client}/{each.slug}' for each in found)}")
    return found[0]


def _client(session: Session, slug: str) -> UUID:
    row = session.exec(select(Client).where(Client.slug == slug)).one_or_none()
    if row is None:
        raise NotFound("client", slug)
    return row.id
