"""The people who label answers in the demo: they know what is right, and never see what the model said."""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from tuneloop_local.demo.api import Operator, TooLate
from tuneloop_local.demo.human import COLLECT, COMPARE, HumanEffort, label
from tuneloop_local.demo.scenario import CustomerMessage

GATE = "gate"
ONE_KEY = 1


class Labellers:
    """Two operators; the second one is asked for second opinions only. `path` is the model's."""

    def __init__(self, first: Operator, second: Operator, path: str) -> None:
        self._both = (first, second)
        self._path = path
        self._truth: dict[str, CustomerMessage] = {}
        self._done: dict[str, HumanEffort] = defaultdict(HumanEffort)

    def know(self, items: Iterable[CustomerMessage]) -> None:
        self._truth |= {item.text: item for item in items}

    def empty_queue(self) -> int:
        """Answer all that waits; returns the labels given."""
        return sum(self._label(operator) for operator in self._both)

    def answer_some(self, most: int) -> None:
        """At most that many labels by each."""
        for operator in self._both:
            self._label(operator, most)

    def take_work(self) -> dict[str, HumanEffort]:
        """What the labels since the last call took, by what they were for."""
        done, self._done = self._done, defaultdict(HumanEffort)
        return dict(done)

    def _label(self, operator: Operator, most: int | None = None) -> int:
        given = 0
        while given != most and (item := operator.post(f"{self._path}/review/next")["item"]):
            known = self._truth[item["messages"][-1]["content"]]
            with suppress(TooLate):  # the gate decided while this one was being read
                operator.post(
                    f"/api/v1/review/{item['id']}/label", {"expected": known.answer, "category": known.category}
                )
                given += 1
                self._done[COMPARE if item["purpose"] == GATE else COLLECT] += work_of(item, known)
        return given


def work_of(item: dict[str, Any], known: CustomerMessage) -> HumanEffort:
    """A label, or a text that is offered, is one key; any other answer is typed."""
    offered = known.answer in (*item["labels"], *item["choices"])
    return label(" ".join([known.text, *item["choices"]]), typed=ONE_KEY if offered else len(known.answer))
