"""The attempts of a cycle as people see them: what each was, how it ended, why, and what could be done next."""

from collections.abc import Iterable
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.datasets.leakage import stored_text
from tuneloop.registry.service import full_name
from tuneloop.retraining.attempts import attempts_of
from tuneloop.retraining.diagnosis.findings import (
    ConfusedPair,
    Diagnosis,
    StepKind,
)
from tuneloop.retraining.diagnosis.schemas import AttemptRead, DiagnosisRead, PairRead
from tuneloop.retraining.diagnosis.service import stored_diagnosis
from tuneloop.retraining.recipe import Recipe, blend_in_words
from tuneloop.tables import (
    AdapterVersion,
    Candidate,
    CycleAttempt,
    Example,
    RegisteredModel,
    RetrainingCycle,
    ReviewItem,
)

LONGEST_QUESTION = 300


def read_attempts(session: Session, cycle: RetrainingCycle) -> list[AttemptRead]:
    """First to last."""
    name = full_name(session, session.get_one(RegisteredModel, cycle.model_id))
    rows = attempts_of(session, cycle.id)
    found = {row.number: diagnosis for row in rows if (diagnosis := stored_diagnosis(row)) is not None}
    texts = _texts(session, found.values())
    return [
        AttemptRead(
            number=row.number,
            step=_step_of(row, before),
            what=what_it_is(session, cycle, row),
            recipe=Recipe.model_validate(row.recipe),
            candidate=_candidate(session, name, row),
            seconds=row.seconds,
            ended=row.ended,
            started_at=row.started_at,
            ended_at=row.ended_at,
            diagnosis=_diagnosis(found[row.number], texts) if row.number in found else None,
        )
        for before, row in zip([None, *rows], rows, strict=False)
    ]


def what_it_is(session: Session, cycle: RetrainingCycle, attempt: CycleAttempt) -> str:
    if attempt.source_id is not None:
        source = session.get_one(Candidate, attempt.source_id)
        share = blend_in_words(source.blend) if source.blend < 1 else "another adapter"
        return f"{share}, trained by attempt {source.attempt}"
    if attempt.number == 1:
        return "as planned"
    plan, own = Recipe.model_validate(cycle.recipe), Recipe.model_validate(attempt.recipe)
    changed = [
        name.replace("_", " ") + (f" {value}" if value is not True else "")
        for name in Recipe.model_fields
        if (value := getattr(own, name)) != getattr(plan, name)
    ]
    return f"trained again with {', '.join(changed)}"


def _step_of(attempt: CycleAttempt, before: CycleAttempt | None) -> StepKind | None:
    if before is None:
        return None
    if attempt.source_id is not None:
        return StepKind.BLEND
    wider = Recipe.model_validate(attempt.recipe).all_layers and not Recipe.model_validate(before.recipe).all_layers
    return StepKind.ALL_LAYERS if wider else StepKind.RETRAIN


def _candidate(session: Session, name: str, attempt: CycleAttempt) -> str | None:
    version = session.get(AdapterVersion, attempt.candidate_version_id) if attempt.candidate_version_id else None
    return f"{name}@v{version.number}" if version is not None else None


def _texts(session: Session, diagnoses: Iterable[Diagnosis]) -> dict[UUID, str]:
    """What was asked, by example or review item; deleted ones are gone."""
    pairs = [pair for diagnosis in diagnoses for pair in diagnosis.pairs]
    examples = select(Example).where(
        col(Example.id).in_([each for pair in pairs for each in pair.examples]), col(Example.deleted_at).is_(None)
    )
    items = select(ReviewItem).where(col(ReviewItem.id).in_([each for pair in pairs for each in pair.items]))
    rows: list[Example | ReviewItem] = [*session.exec(examples), *session.exec(items)]
    return {row.id: stored_text(row.messages)[:LONGEST_QUESTION] for row in rows}


def _diagnosis(diagnosis: Diagnosis, texts: dict[UUID, str]) -> DiagnosisRead:
    names = set(DiagnosisRead.model_fields) - {"pairs"}
    return DiagnosisRead(
        **{name: getattr(diagnosis, name) for name in names},
        pairs=tuple(_pair(pair, texts) for pair in diagnosis.pairs),
    )


def _pair(pair: ConfusedPair, texts: dict[UUID, str]) -> PairRead:
    questions = tuple(texts[each] for each in (*pair.examples, *pair.items) if each in texts)
    return PairRead(**pair.model_dump(), questions=questions[:3])
