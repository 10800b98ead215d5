"""The message about an A/B test: both arms, what they show so far, and what can be done."""

from typing import Any

from tuneloop.ab_tests.figures import TITLES
from tuneloop.kit import figures
from tuneloop.tables import AbState
from tuneloop_bot.ab_view import AbView
from tuneloop_bot.action_ids import Act, Ref
from tuneloop_bot.blocks.content import MessageContent
from tuneloop_bot.blocks.decisions import decided, promotion_buttons
from tuneloop_bot.blocks.parts import (
    Block,
    button,
    buttons,
    code,
    confirm,
    context,
    header,
    ours,
    pairs,
    theirs,
    when,
)
from tuneloop_bot.views import CycleView

ENDINGS = {
    AbState.PROMOTED: ":rocket: The candidate is in production",
    AbState.KEPT: ":x: The candidate was turned down",
    AbState.STOPPED: ":rewind: Stopped; all traffic is production's",
    AbState.EXPIRED: ":rewind: Its time is over; all traffic is production's",
}


def ab_message(test: AbView, cycle: CycleView) -> MessageContent:
    name = f"{cycle.model}@v{test.candidate}"
    blocks = [
        header(f"A/B test of {name}"),
        *pairs(
            [
                ("*Client*", code(cycle.client)),
                ("*Share*", f"{100 * test.share:.0f} % of the people, the others get v{test.production}"),
                ("*Started*", f"by {code(test.started_by)} {when(test.created_at)}"),
                *([("*Ends*", when(test.ends_at))] if test.live and test.ends_at else []),
            ]
        ),
        *_state(test),
        *_arms(test.arms),
        *([theirs("\n".join(f"• {sentence}" for sentence in test.says))] if test.says else []),
        *(decided(cycle.promotion) if cycle.promotion else []),
        *_buttons(test, cycle),
    ]
    return MessageContent(f"A/B test of {name}: {test.state}", blocks)


def _state(test: AbView) -> list[Block]:
    if test.state is AbState.STARTING:
        return [ours(":hourglass_flowing_sand: *The serving host loads the candidate*")]
    if test.live:
        return [] if test.says else [ours(":hourglass_flowing_sand: *It runs; the first reading comes in ten minutes*")]
    blocks = [ours(f"{ENDINGS[test.state]}.")]
    if test.ended_at is not None:
        blocks.append(context(f"By {code(test.ended_by or '?')} {when(test.ended_at)}: {code(test.reason or '?')}"))
    return blocks


def _arms(arms: dict[str, Any]) -> list[Block]:
    if not arms:
        return []
    production, candidate = arms["production"], arms["candidate"]
    people = f"{production['people']} in production, {candidate['people']} in the candidate's arm"
    rows = [
        (f"*{title}*", f"production {figures.rate(production[key])}\ncandidate *{figures.rate(candidate[key])}*")
        for key, title in TITLES.items()
    ]
    return pairs([*rows, ("*People*", people)])


def _buttons(test: AbView, cycle: CycleView) -> list[Block]:
    decide = promotion_buttons(cycle)
    if not test.live:
        return decide
    sure = confirm("Stop the test?", "Production answers everybody again; the candidate still waits.", "Stop")
    return [*decide, *buttons(button("Stop A/B", Act.STOP_AB, Ref(ab_test=test.id), confirm=sure))]
