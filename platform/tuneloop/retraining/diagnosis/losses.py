"""Which categories a candidate lost, and to which wrong answers."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.registry.contract import Task
from tuneloop.registry.service import contract_of
from tuneloop.retraining.diagnosis.findings import ConfusedPair, Loss
from tuneloop.retraining.verdicts import settled_items
from tuneloop.tables import Comparison, EvalAnswer, GateLook, RegisteredModel, RetrainingCycle, ReviewItem

MOST_LOSSES, MOST_PAIRS, MOST_EXAMPLES = 5, 6, 3


class Confusion(NamedTuple):
    """What should have been `category` and was answered `wrong`."""

    category: str
    wrong: str


def losses_of(comparison: Comparison) -> tuple[Loss, ...]:
    """The categories in which more broke than was fixed, the largest loss first."""
    rows: list[dict[str, Any]] = comparison.table.get("categories", [])
    lost = sorted(
        (row for row in rows if row["broken"] > row["fixed"]), key=lambda row: float(row["difference"]["value"])
    )
    names = ("n", "production", "candidate", "difference", "fixed", "broken")
    return tuple(Loss(category=row["key"], **{name: row[name] for name in names}) for row in lost[:MOST_LOSSES])


def pairs_of(
    session: Session, cycle: RetrainingCycle, comparison: Comparison, focus: Collection[str]
) -> tuple[ConfusedPair, ...]:
    """The confusions within the categories in `focus` that the candidate has more of, the most grown first.

    Counted on the golden items that this gate used and on the labelled disagreements of traffic.
    """
    classifies = contract_of(session.get_one(RegisteredModel, cycle.model_id)).task is Task.CLASSIFY
    old = _answers(session, cycle, comparison.production_run_id)
    new = _answers(session, cycle, comparison.candidate_run_id)
    sizes = Counter(answer.category for answer in new)
    before, after = (Counter(_confusions(answers, classifies)) for answers in (old, new))
    examples: dict[Confusion, list[UUID]] = defaultdict(list)
    was_right = {answer.example_id for answer in old if answer.correct}
    for answer in sorted(new, key=lambda each: each.example_id not in was_right):
        if not answer.correct:
            examples[_confusion(answer, classifies)].append(answer.example_id)
    traffic = _of_traffic(settled_items(session, cycle.id), classifies)
    found = [
        ConfusedPair(
            category=each.category,
            wrong=each.wrong,
            n=sizes[each.category],
            before=before[each],
            after=after[each],
            traffic_before=traffic.before[each],
            traffic_after=traffic.after[each],
            examples=tuple(examples[each][:MOST_EXAMPLES]),
            items=tuple(traffic.items[each][:MOST_EXAMPLES]),
        )
        for each in {*after, *traffic.after}
        if each.category in focus
    ]
    grown = [pair for pair in found if _growth(pair) > 0]
    return tuple(sorted(grown, key=lambda pair: (-_growth(pair), pair.category, pair.wrong))[:MOST_PAIRS])


class TrafficConfusions(NamedTuple):
    before: Counter[Confusion]
    after: Counter[Confusion]
    items: dict[Confusion, list[UUID]]


def _of_traffic(items: Iterable[ReviewItem], classifies: bool) -> TrafficConfusions:
    found = TrafficConfusions(Counter(), Counter(), defaultdict(list))
    for item in items:
        if item.expected is None:
            continue
        for counted, who in ((found.before, "production"), (found.after, "candidate")):
            answer = str(item.answers[who]).strip()
            if answer != item.expected:
                confusion = Confusion(item.category or "", answer if classifies else "")
                counted[confusion] += 1
                if who == "candidate":
                    found.items[confusion].append(item.id)
    return found


def _growth(pair: ConfusedPair) -> int:
    return pair.after - pair.before + pair.traffic_after - pair.traffic_before


def _answers(session: Session, cycle: RetrainingCycle, run_id: UUID) -> Sequence[EvalAnswer]:
    """Those of a run to the golden items that the cycle's gate used."""
    used = select(GateLook.example_id).where(GateLook.cycle_id == cycle.id)
    query = select(EvalAnswer).where(EvalAnswer.run_id == run_id, col(EvalAnswer.example_id).in_(used))
    return session.exec(query.order_by(col(EvalAnswer.position))).all()


def _confusions(answers: Iterable[EvalAnswer], classifies: bool) -> Iterable[Confusion]:
    return (_confusion(answer, classifies) for answer in answers if not answer.correct)


def _confusion(answer: EvalAnswer, classifies: bool) -> Confusion:
    return Confusion(answer.category, answer.answer.strip() if classifies else "")
