"""Label a handful of answers from Slack: one private message that turns into the next question."""

from uuid import UUID

from sqlmodel import Session

from tuneloop.kit.errors import NotFound
from tuneloop.kit.principal import Principal
from tuneloop.registry.contract import Task
from tuneloop.registry.service import contract_of, full_name
from tuneloop.review.labels import waiting
from tuneloop.review.queue import budget_of, fill, next_item, skip, submit_label
from tuneloop.tables import RegisteredModel, ReviewItem
from tuneloop_bot.action_ids import Act, Ref
from tuneloop_bot.blocks.parts import Block, button, buttons, code, context, header, link, menu, theirs
from tuneloop_bot.ephemeral_reply import EphemeralReply

FEW_LABELS = 20
LONGEST_VALUE = 150
"""A menu's option value; longer labels are picked by their place in the contract."""


def ask_next(
    session: Session, principal: Principal, model: RegisteredModel, site: str, *, done: str = ""
) -> EphemeralReply:
    """`site` is where what can't be labelled here is."""
    item = next_item(session, principal=principal, model=model)
    name = full_name(session, model)
    if item is None:
        return EphemeralReply(f"{done}Nothing of {name} waits for a label.".strip(), replace=bool(done))
    left = waiting(session, ReviewItem.model_id == model.id)
    blocks = question(model, name, item, left, f"{site}/review/{name}")
    return EphemeralReply(f"{done}What is right?", blocks, replace=bool(done))


def ask_first(session: Session, principal: Principal, model: RegisteredModel, site: str) -> EphemeralReply:
    """As `ask_next`; where nothing waits, recent answers are chosen to be labelled now."""
    nothing = next_item(session, principal=principal, model=model) is None
    if nothing and not fill(session, model, budget_of(model)).added:
        name = full_name(session, model)
        return EphemeralReply(
            f"No recent answer of {name} is without a label. New ones are chosen as they come: say "
            f"/tuneloop label {name} later."
        )
    return ask_next(session, principal, model, site)


def question(model: RegisteredModel, name: str, item: ReviewItem, left: int, page: str) -> list[Block]:
    """The item without what any version answered: who labels must not be led."""
    conversation = "\n".join(f"{message['role']}: {message['content']}" for message in item.messages)
    return [
        header("What is the right answer?"),
        theirs(conversation, 2500),
        *_choices(model, item, page),
        context(f"{code(name)} · {code(item.reason, 200)} · {left} waiting"),
    ]


def label_item(session: Session, principal: Principal, ref: Ref, site: str) -> EphemeralReply:
    item = _item(session, ref.item)
    model = session.get_one(RegisteredModel, item.model_id)
    labels = contract_of(model).labels
    expected = ref.expected or ""
    if expected.startswith("#") and expected not in labels:
        expected = labels[int(expected[1:])]
    submit_label(session, principal=principal, item_id=item.id, expected=expected)
    return ask_next(session, principal, model, site, done=f"“{expected}” is noted. ")


def skip_item(session: Session, principal: Principal, ref: Ref, site: str) -> EphemeralReply:
    item = _item(session, ref.item)
    skip(session, principal=principal, item_id=item.id)
    return ask_next(session, principal, session.get_one(RegisteredModel, item.model_id), site, done="Skipped. ")


def _choices(model: RegisteredModel, item: ReviewItem, page: str) -> list[Block]:
    contract = contract_of(model)
    passing = button("Skip", Act.LABEL_SKIP, Ref(item=item.id))
    if contract.task is not Task.CLASSIFY:
        return [
            context("Free answers are written on the review page."),
            *buttons(link("Write it there", page), passing),
        ]
    if len(contract.labels) <= FEW_LABELS:
        made = [
            button(label, Act.LABEL, Ref(item=item.id, expected=_short(place, label)), place=str(place))
            for place, label in enumerate(contract.labels)
        ]
        return buttons(*made, passing)
    options = [(label, Ref(item=item.id, expected=f"#{place}").value()) for place, label in enumerate(contract.labels)]
    return buttons(menu("Pick a label", Act.LABEL_PICK, options), passing)


def _short(place: int, label: str) -> str:
    return label if len(label) <= LONGEST_VALUE else f"#{place}"


def _item(session: Session, item_id: UUID | None) -> ReviewItem:
    item = session.get(ReviewItem, item_id) if item_id else None
    if item is None:
        raise NotFound("review item", item_id or "")
    return item
