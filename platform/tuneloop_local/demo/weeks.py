"""Weeks of production traffic: what users correct, what is labelled, what the monitor finds. Then the shop changes."""

import random
from typing import Any

from tuneloop.kit import figures
from tuneloop_local.demo.api import DemoFailed, Served
from tuneloop_local.demo.office import Office
from tuneloop_local.demo.scenario import WEEKS_COLLECTED, CustomerMessage

CORRECTED_SHARE = 0.8
LONGEST_WAIT = 8
"""Weeks after the change until the demo gives up on an alert."""


class Weeks:
    """The client's customers and the agency's weekly round. Nobody asks the same twice while it matters."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._random = random.Random(7)  # noqa: S311  (reproducible traffic)
        self._usual, self._late = list(office.scenario.stream), list(office.scenario.late)
        self._asked: list[CustomerMessage] = []
        self._random.shuffle(self._usual)
        self._random.shuffle(self._late)
        self.told: list[dict[str, Any]] = []

    def until_alert(self) -> dict[str, Any]:
        """Each week ends with labels and a reading; the alert is the first about accuracy or a category."""
        office, traffic = self._office, self._office.scenario.traffic
        for week in range(1, traffic.weeks + LONGEST_WAIT + 1):
            if week == traffic.weeks + 1:
                office.show.say("[yellow]the shop changes: the model was not trained for what is asked now[/]")
                office.operator.patch(office.path, {"contract": office.scenario.contract_late})
                self._usual = [item for item in self._usual if item.text not in office.scenario.stale]
                self._asked = []
            changed = week > traffic.weeks
            self._week(week, self.messages(traffic.after if changed else traffic.before, changed=changed))
            found = office.operator.get(f"{office.path}/alerts") if week >= traffic.weeks + WEEKS_COLLECTED else []
            for alert in (each for kind in ("accuracy", "category") for each in found if each["kind"] == kind):
                office.show.console.print(f"   [bold red]ALERT[/] {alert['summary']}", highlight=False)
                return dict(alert)
        raise DemoFailed("the monitor raised no alert about accuracy although the traffic changed")

    def messages(self, count: int, *, changed: bool) -> list[CustomerMessage]:
        """The next requests, none of them asked before."""
        many = round(count * self._office.scenario.traffic.late_share) if changed else 0
        messages = _draw(self._late, many) + _draw(self._usual, count - many)
        self._random.shuffle(messages)
        self._asked += messages
        return messages

    def again(self, count: int) -> list[CustomerMessage]:
        """Requests as they come now; where no new ones are left, some that were asked since the change."""
        messages = self.messages(count, changed=True)
        missing = min(count - len(messages), len(self._asked))
        return messages + self._random.sample(self._asked, missing)

    def meanwhile(self) -> None:
        """Traffic that comes while a retrain waits for its approval; nobody has learnt from it."""
        count = self._office.scenario.traffic.meanwhile
        if count:
            self.serve("traffic goes on", self.messages(count, changed=True))

    def serve(self, title: str, messages: list[CustomerMessage], *, people: int = 0) -> list[Served]:
        """Ask; with `people`, as that many different ones."""
        office, served = self._office, list[Served]()
        with office.show.bar(f"{title}: {len(messages)} requests", len(messages)) as bar:
            for answer in office.app.ask_all(messages, people=people):
                served.append(answer)
                bar.update(done=len(served))
        office.people.know(each.item for each in served)
        return served

    def report_errors(self, served: list[Served]) -> int:
        """The client's users correct most of the answers that are wrong, and only those."""
        corrections = 0
        for each in served:
            if each.text.strip() != each.item.answer and self._random.random() < CORRECTED_SHARE:
                body = {"id": each.completion_id, "kind": "correction", "correction": each.item.answer}
                self._office.reporter.post("/v1/feedback", body)
                corrections += 1
        return corrections

    def _week(self, number: int, messages: list[CustomerMessage]) -> None:
        office = self._office
        reported = self.report_errors(self.serve(f"week {number}", messages))
        office.operator.post(f"{office.path}/review/fill", {"budget": 2 * office.scenario.traffic.labels})
        office.people.empty_queue()
        self._take_reading()
        if office.people.empty_queue():
            self._take_reading()
        office.ledger.week(office.people.take_work())
        latest: dict[str, dict[str, Any]] = {}
        for row in office.operator.get(f"{office.path}/readings"):
            latest.setdefault(row["stream"], row)
        labels, confidence = latest["labels"], latest["confidence"]
        alarm = "  [red]alarm[/]" if labels["alarm"] else ""
        office.show.say(
            f"week {number}: accuracy {figures.rate(labels['detail']['accuracy'])}, "
            f"confidence {confidence['value'] or 0:.2f} (n={confidence['n']}), {reported} corrections{alarm}"
        )
        self.told.append({"week": number, "labels": labels, "confidence": confidence, "corrections": reported})

    def _take_reading(self) -> None:
        self._office.operator.finished(self._office.operator.post(f"{self._office.path}/readings")["id"])


def _draw(items: list[CustomerMessage], count: int) -> list[CustomerMessage]:
    """The first `count` items, which are not drawn again."""
    drawn, items[:] = items[:count], items[count:]
    return drawn
