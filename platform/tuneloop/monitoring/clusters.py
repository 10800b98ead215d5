"""New kinds of questions: groups that the known data does not contain, with examples and a proposed name."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, func, select

from tuneloop.datasets.similarity import canonical
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.monitoring.grouping import Cluster
from tuneloop.monitoring.periods import Period, new_reading
from tuneloop.monitoring.rates import figure_of
from tuneloop.monitoring.schemas import ClusterExample, NewCluster
from tuneloop.monitoring.status import monitor_of
from tuneloop.predictions.erased import has_text
from tuneloop.review.queue import add_burst
from tuneloop.stats.intervals import Rate
from tuneloop.tables import Example, Monitor, Prediction, Reading, RegisteredModel, Role

WINDOW = timedelta(days=28)
MOST_QUESTIONS = 2000
MOST_KNOWN = 4000
FEWEST_QUESTIONS = 40
KEPT = 40
SHOWN = 8


class TrafficQuery(NamedTuple):
    prediction_id: UUID
    text: str
    confidence: float | None


class Questions(NamedTuple):
    """Different questions of the last weeks, and those of all examples."""

    period: Period
    traffic: list[TrafficQuery]
    known: list[str]


def questions_of(session: Session, model: RegisteredModel, monitor: Monitor, *, until: datetime) -> Questions | None:
    """What to look for groups in; None with too few questions."""
    period = Period(model, monitor, until - WINDOW, until)
    rows = session.exec(
        select(Prediction)
        .where(*period.answered, has_text())
        .order_by(func.md5(func.uuid_send(Prediction.id)))
        .limit(2 * MOST_QUESTIONS)
    )
    different: dict[str, TrafficQuery] = {}
    for row in rows:
        text = last_question(row.messages)
        different.setdefault(canonical(text), TrafficQuery(row.id, text, row.confidence))
    examples = session.exec(
        select(Example.messages)
        .where(Example.model_id == model.id, col(Example.deleted_at).is_(None))
        .order_by(func.md5(Example.content_hash))
        .limit(MOST_KNOWN)
    )
    known = [last_question(messages) for messages in examples]
    # More traffic than known examples would be its own neighbourhood: nothing could stand out.
    most = min(MOST_QUESTIONS, len(known))
    traffic = [question for question in different.values() if question.text][:most]
    return Questions(period, traffic, known) if len(traffic) >= FEWEST_QUESTIONS else None


def store_clusters(session: Session, questions: Questions, clusters: Sequence[Cluster]) -> Reading:
    """Ids only: texts are read when they are shown, so that what is deleted is gone."""
    n = len(questions.traffic)
    inside = sum(len(cluster.members) for cluster in clusters)
    reading = new_reading(questions.period, "clusters", n, clusters=[_stored(questions, each) for each in clusters])
    reading.value = inside / n
    session.add(reading)
    session.flush()
    return reading


def new_clusters(session: Session, model: RegisteredModel) -> list[NewCluster]:
    """Those of the newest reading, the largest first."""
    reading = _newest(session, model)
    if reading is None:
        return []
    stored = reading.detail["clusters"]
    ids = [UUID(each) for cluster in stored for each in cluster["predictions"][:SHOWN]]
    rows = {row.id: row for row in session.exec(select(Prediction).where(col(Prediction.id).in_(ids)))}
    return [
        NewCluster(
            name=cluster["name"],
            share=figure_of(Rate(cluster["size"], reading.n)),
            mean_confidence=cluster["mean_confidence"],
            p_value=cluster["p_value"],
            found_at=reading.at,
            examples=[
                ClusterExample(row.id, last_question(row.messages), row.answer, row.confidence)
                for each in cluster["predictions"][:SHOWN]
                if (row := rows.get(UUID(each))) is not None
            ],
        )
        for cluster in stored
    ]


def ask_about_cluster(session: Session, *, principal: Principal, model: RegisteredModel, name: str) -> int:
    """Put the questions of a group into the review queue; returns how many were not there yet.

    Raises:
        InvalidInput: the newest reading has no such group, or all of its questions are in the queue already.
    """
    principal.require(Role.OPERATOR)
    reading = _newest(session, model)
    found = next((each for each in reading.detail["clusters"] if each["name"] == name), None) if reading else None
    if found is None:
        raise InvalidInput(f"the newest reading has no group {name!r}; look at the groups again", param="name")
    ids = [UUID(each) for each in found["predictions"]]
    rows = {row.id: row for row in session.exec(select(Prediction).where(col(Prediction.id).in_(ids)))}
    items = add_burst(
        session,
        model=model,
        predictions=[rows[each] for each in ids if each in rows],
        alert=None,
        reason=f"One of {found['size']} questions unlike what is known so far ({name}): what is the right answer?",
    )
    if not items:
        raise InvalidInput("these questions are in the review queue already, or are kept for the gate", name=name)
    return len(items)


def last_question(messages: Sequence[dict[str, str]]) -> str:
    return next((message["content"] for message in reversed(messages) if message["role"] == "user"), "")


def _stored(questions: Questions, cluster: Cluster) -> dict[str, object]:
    members = [questions.traffic[place] for place in cluster.members]
    confidences = [member.confidence for member in members if member.confidence is not None]
    return {
        "name": cluster.name,
        "size": len(members),
        "p_value": cluster.p_value,
        "mean_confidence": sum(confidences) / len(confidences) if confidences else None,
        "predictions": [str(member.prediction_id) for member in members[:KEPT]],
    }


def _newest(session: Session, model: RegisteredModel) -> Reading | None:
    monitor = monitor_of(session, model.id)
    if monitor is None:
        return None
    query = select(Reading).where(Reading.monitor_id == monitor.id, Reading.stream == "clusters")
    return session.exec(query.order_by(col(Reading.at).desc()).limit(1)).one_or_none()
