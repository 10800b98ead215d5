"""After the alert: what users corrected and what has measured comes into training, what is outdated goes."""

from dataclasses import asdict, dataclass
from typing import Any

from tuneloop_local.demo.human import COLLECT
from tuneloop_local.demo.office import Office

BULK_WORDS = 8
"""Beside a button that moves a whole list: the corrections, or what has measured."""


@dataclass(frozen=True)
class Collected:
    """Corrections by what became of them, examples that retired into training, and changes of the sets."""

    confirmed: int
    accepted: int
    measuring: int
    kept_for_gate: int
    refused: int
    retired: int
    golden: int
    removed: int

    def in_words(self) -> str:
        corrections = [
            f"{self.confirmed} confirmed by a label",
            f"{self.accepted} accepted for training",
            *([f"{self.kept_for_gate} kept for the gate"] if self.kept_for_gate else []),
            *([f"{self.refused} too close to what measures"] if self.refused else []),
        ]
        more = f"; {self.removed} outdated examples removed" if self.removed else ""
        return (
            f"corrections: {', '.join(corrections)}; {self.retired} measured items retired into training; "
            f"golden set +{self.golden}{more}"
        )

    def stored(self) -> dict[str, Any]:
        return asdict(self)


def collect(office: Office) -> Collected:
    removed = _remove_stale(office)
    confirmed = _corrections(office, "accepted")
    waiting = _corrections(office, "open")
    body = {"ids": [each["feedback"]["id"] for each in waiting], "pool": "training"}
    outcome = office.operator.post(f"{office.path}/feedback/accept", body) if waiting else _NOTHING
    kept = sum("kept for the comparison" in each["reason"] for each in outcome["refused"])
    training = sum(each["pool"] == "training" for each in outcome["accepted"])
    measured = [each["id"] for each in office.operator.pages(f"{office.path}/examples", pool="rolling")]
    office.operator.post(f"{office.path}/examples/retire", {"example_ids": measured})
    for _ in range(2):
        office.ledger.click(COLLECT, BULK_WORDS)
    return Collected(
        confirmed=len(confirmed),
        accepted=training,
        measuring=len(outcome["accepted"]) - training,
        kept_for_gate=kept,
        refused=len(outcome["refused"]) - kept,
        retired=len(measured),
        golden=office.upload("golden", office.scenario.golden_late)["added"],
        removed=removed,
    )


_NOTHING: dict[str, list[Any]] = {"accepted": [], "refused": []}


def _corrections(office: Office, state: str) -> list[dict[str, Any]]:
    page = office.operator.get(f"{office.path}/feedback", kind="correction", feedback_state=state, limit=500)
    return list(page["items"])


def _remove_stale(office: Office) -> int:
    """Examples whose answer is no longer true leave their pools; a tombstone stays."""
    removed = 0
    for pool in ("training", "golden", "rolling") if office.scenario.stale else ():
        for example in list(office.operator.pages(f"{office.path}/examples", pool=pool)):
            if example["messages"][-1]["content"] in office.scenario.stale:
                office.operator.delete(f"{office.path}/examples/{example['id']}")
                removed += 1
    return removed
