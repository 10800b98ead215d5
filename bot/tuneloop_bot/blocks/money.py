"""An exception about a client's money: what is the matter and what ends it, or that it has ended."""

from tuneloop.tables import PaymentProblem
from tuneloop_bot.blocks.content import MessageContent
from tuneloop_bot.blocks.parts import Block, code, context, ours, theirs


def money_message(problem: PaymentProblem, *, site: str) -> MessageContent:
    if problem.settled_at is not None:
        end = f"dismissed by {code(problem.settled_by)}" if problem.settled_by else "over"
        return MessageContent(problem.summary, [theirs(problem.summary), context(f":white_check_mark: This is {end}.")])
    blocks: list[Block] = [
        ours(f":money_with_wings: *About a client's money* · <{site}/billing|Billing>"),
        theirs(problem.summary),
        theirs(f"What to do: {problem.to_do}."),
    ]
    return MessageContent(problem.summary, blocks)
