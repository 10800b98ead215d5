"""Production's answers that nobody has labelled: a retrain keeps them where it has no reason to change them."""

from sqlmodel import Session, select

from tuneloop.datasets.leakage import Sketched, collisions, stored_text
from tuneloop.datasets.minhash import sketch
from tuneloop.datasets.similarity import shingles
from tuneloop.predictions.gate_holdout import latest_distinct, reserved
from tuneloop.tables import Example, Feedback, Pool, Prediction, RegisteredModel, RetrainingCycle

MOST = 400


def unlabelled_traffic(
    session: Session, *, cycle: RetrainingCycle, model: RegisteredModel, limit: int = MOST
) -> list[Prediction]:
    """The parent's latest answers from before the cycle was proposed, one for each distinct conversation.

    Left out is what people said something about, what became an example, what waits for the gate, and what is nearly
    the same as an example that measures.
    """
    feedback = select(Feedback.id).where(Feedback.prediction_id == Prediction.id)
    example = select(Example.id).where(Example.prediction_id == Prediction.id)
    found = latest_distinct(
        session,
        Prediction.model_id == model.id,
        Prediction.version_id == cycle.parent_version_id,
        Prediction.at < cycle.created_at,
        ~reserved(session, model),
        ~feedback.exists(),
        ~example.exists(),
        limit=limit,
    )
    texts = [stored_text(prediction.messages) for prediction in found]
    near = collisions(
        session,
        model_id=model.id,
        pools=(Pool.GOLDEN, Pool.ROLLING),
        batch=[Sketched(text, sketch(shingles(text))) for text in texts],
    )
    return [prediction for place, prediction in enumerate(found) if place not in near]
