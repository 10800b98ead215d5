"""Look for conflicts, suspected errors, duplicates and personal data among training examples."""

from uuid import UUID

from sqlmodel import col, select

from tuneloop.datasets.findings import Examined, Found, store_findings
from tuneloop.datasets.jobs import ScanExamples
from tuneloop.datasets.leakage import lock_pools, stored_text
from tuneloop.datasets.placeholders import text_digest, texts_of
from tuneloop.kit.clock import now
from tuneloop.kit.jobs.child import run_child
from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.contract import Task
from tuneloop.registry.service import contract_of, model_of_id
from tuneloop.tables import Example, FindingKind, Pool, RegisteredModel
from tuneloop_workers.quality.record import QualityFinding, ScanBatch, ScanReport, ScanRow

OF_ALL = frozenset({FindingKind.CONFLICT, FindingKind.DUPLICATE, FindingKind.SUSPECTED_ERROR})


@handles(ScanExamples)
def scan_examples(context: JobContext, job: ScanExamples) -> None:
    """Nothing to do where no example is new: what is known of the others holds."""
    with context.reading() as session:
        model = model_of_id(session, job.model_id)
        labels_known = contract_of(model).task is Task.CLASSIFY
        examples = training_examples(session, model)
    fresh = {str(example.id): text_digest(example) for example in examples if example.checked_at is None}
    if not fresh:
        return
    rows = [
        ScanRow(
            id=str(example.id),
            text=stored_text(example.messages),
            answer=example.expected,
            label=example.expected if labels_known else "",
            texts=texts_of(example),
        )
        for example in examples
    ]
    report = run_checks(context, ScanBatch(rows=rows, labels_known=labels_known, fresh=[*fresh]))
    with context.unit() as session:
        model = model_of_id(session, job.model_id)
        lock_pools(session, model)
        current = [example for example in training_examples(session, model) if example.checked_at is None]
        seen = [example for example in current if fresh.get(str(example.id)) == text_digest(example)]
        for example in seen:
            example.checked_at = now()
            session.add(example)
        examined = [
            Examined(frozenset(example.id for example in examples), OF_ALL),
            Examined(frozenset(example.id for example in seen), frozenset({FindingKind.PERSONAL_DATA})),
        ]
        found = [_found(each, fresh) for each in report.findings]
        store_findings(session, model=model, found=found, examined=examined)


def training_examples(session: TenantSession, model: RegisteredModel) -> list[Example]:
    query = select(Example).where(
        Example.model_id == model.id, Example.pool == Pool.TRAINING, col(Example.deleted_at).is_(None)
    )
    return list(session.exec(query.order_by(col(Example.added_at), col(Example.id))))


def _found(finding: QualityFinding, digests: dict[str, str]) -> Found:
    kind = FindingKind(finding.kind)
    detail = dict(finding.detail)
    if kind is FindingKind.PERSONAL_DATA:
        detail["content"] = digests[finding.id]
    return Found(UUID(finding.id), kind, finding.summary, detail)


def run_checks(context: JobContext, batch: ScanBatch) -> ScanReport:
    """In a child process: its libraries are large, and its work holds the interpreter for long."""
    given = batch.model_dump_json().encode()
    return ScanReport.model_validate_json(run_child(context, "tuneloop_workers.quality.child", given))
