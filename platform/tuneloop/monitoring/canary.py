"""The canary: production answers its golden set again. The same answers are expected, within the measured noise.

The first run after a deployment measures that noise: how many answers differ between two runs of the same version. One
that does harm is not noise; it alarms at once, and the next run measures.
Later ones are compared with the evaluation the version was deployed on, and say whether our own pipeline (engine,
quantisation, template, server) has changed. They say nothing about the traffic.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.evaluation.service import rate_of
from tuneloop.kit.clock import now
from tuneloop.monitoring.alerts import AlertFinding, open_alert_of, raise_alert, resolve_by_monitor
from tuneloop.monitoring.status import refresh_status
from tuneloop.registry.service import policy_of
from tuneloop.stats.canary import Noise, check, noise_floor
from tuneloop.stats.intervals import Rate
from tuneloop.tables import AlertKind, AlertLevel, EvalAnswer, Example, Monitor, Reading, RegisteredModel

RUNS_A_YEAR = 52
SHOWN = 50
FEW = 100
"""Questions to a version that a service hosts. Nine of so many that turn wrong are noticed, if none did before."""

AnswerJudge = Callable[[Sequence[Example], Sequence[str]], list[bool]]


class Anchor(NamedTuple):
    """A golden example and what the version answered when it was evaluated."""

    example: Example
    before: EvalAnswer


class Flip(NamedTuple):
    example_id: UUID
    before: str
    after: str
    was_right: bool
    is_right: bool


def anchors_of(session: Session, monitor: Monitor) -> list[Anchor]:
    """In the order of the evaluation, without examples deleted since."""
    rows = session.exec(
        select(Example, EvalAnswer)
        .join(EvalAnswer, col(EvalAnswer.example_id) == Example.id)
        .where(EvalAnswer.run_id == monitor.baseline_run_id, col(Example.deleted_at).is_(None))
        .order_by(col(EvalAnswer.position))
    )
    return [Anchor(example, answer) for example, answer in rows]


def few_of(anchors: Sequence[Anchor], most: int = FEW) -> list[Anchor]:
    """At most `most` of them, the same ones each time: a service is paid for each question."""
    chosen = sorted(anchors, key=lambda anchor: sha256(anchor.example.id.bytes).digest())[:most]
    ids = {anchor.example.id for anchor in chosen}
    return [anchor for anchor in anchors if anchor.example.id in ids]


def record_canary(
    session: Session,
    *,
    monitor: Monitor,
    anchors: Sequence[Anchor],
    answers: Mapping[UUID, str],
    judge: AnswerJudge,
    at: datetime | None = None,
) -> Reading:
    """Store one run, `answers` by example id; the first one becomes the noise floor. An alarm opens an alert."""
    at = at or now()
    right = judge([anchor.example for anchor in anchors], [answers[anchor.example.id] for anchor in anchors])
    flips = [
        Flip(anchor.example.id, anchor.before.answer, answers[anchor.example.id], anchor.before.correct, is_right)
        for anchor, is_right in zip(anchors, right, strict=True)
        if answers[anchor.example.id] != anchor.before.answer
    ]
    broken = sum(flip.was_right and not flip.is_right for flip in flips)
    fixed = sum(flip.is_right and not flip.was_right for flip in flips)
    n = len(anchors)
    reading = Reading(
        client_id=monitor.client_id,
        model_id=monitor.model_id,
        monitor_id=monitor.id,
        at=at,
        stream="canary",
        n=n,
        value=len(flips) / n,
        detail={
            "flips": rate_of(Rate(len(flips), n)),
            "accuracy": rate_of(Rate(sum(right), n)),
            "broken": broken,
            "fixed": fixed,
            "examples": [{**flip._asdict(), "example_id": str(flip.example_id)} for flip in flips[:SHOWN]],
        },
    )
    noise = noise_floor(**(monitor.noise or {"flips": len(flips), "n": n}))
    alpha = policy_of(session.get_one(RegisteredModel, monitor.model_id)).false_alarm_rate / RUNS_A_YEAR
    seen = check(len(flips), n, broken, fixed, noise, alpha)
    if monitor.noise is None and not seen.alarm:
        monitor.noise = {"flips": len(flips), "n": n}
        reading.detail["note"] = "First run: measures how many answers change from run to run."
        session.add_all([monitor, reading])
    else:
        reading.p_value, reading.alarm, reading.threshold = seen.p_value, seen.alarm, alpha
        session.add(reading)
        _act(session, monitor, reading, len(flips), noise if monitor.noise else None)
    session.flush()
    refresh_status(session, monitor, at=at)
    return reading


def _act(session: Session, monitor: Monitor, reading: Reading, flips: int, noise: Noise | None) -> None:
    if reading.alarm:
        raise_alert(session, monitor, _finding(reading, flips, noise), at=reading.at)
        return
    known = open_alert_of(session, monitor.model_id, AlertKind.CANARY)
    if known is not None:
        resolve_by_monitor(
            session,
            known,
            f"The golden set is answered as before again: {flips} of {reading.n} answers differ.",
            at=reading.at,
        )


def _finding(reading: Reading, flips: int, noise: Noise | None) -> AlertFinding:
    broken, fixed = reading.detail["broken"], reading.detail["fixed"]
    usual = f", where two runs at its deployment differed in {noise.flips} of {noise.n}" if noise else ""
    return AlertFinding(
        kind=AlertKind.CANARY,
        level=AlertLevel.ALERT,
        summary=(
            f"The same version answers its golden set differently: {flips} of {reading.n} answers changed{usual}; "
            f"{broken} became wrong, {fixed} right. "
            "Look for a change of engine, quantisation, template or server: the traffic has no part in this."
        ),
        evidence={
            "flips": reading.detail["flips"],
            "noise": rate_of(Rate(noise.flips, noise.n)) if noise else None,
            "broken": broken,
            "fixed": fixed,
            "p_value": reading.p_value,
            "examples": reading.detail["examples"],
        },
    )
