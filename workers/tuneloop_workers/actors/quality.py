"""Look after a model's data: scan examples, tend the review queue, propose examples from documents."""

import os
import subprocess
import sys
import time
from uuid import UUID

import httpx
import structlog
from sqlmodel import col, select

from tuneloop.datasets.findings import Examined, Found, store_findings
from tuneloop.datasets.jobs import ScanExamples
from tuneloop.datasets.leakage import lock_pools, stored_text
from tuneloop.datasets.placeholders import text_digest, texts_of
from tuneloop.kit.clock import now
from tuneloop.kit.errors import NotFound
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.contract import Task
from tuneloop.registry.service import aliases, contract_of
from tuneloop.review.documents import MOST_PROPOSALS, find_document, propose_labels
from tuneloop.review.extraction import extract_texts
from tuneloop.review.jobs import ProposeExamples, TendQueue
from tuneloop.review.tending import tend
from tuneloop.tables import Alias, BaseModel, Example, FindingKind, Pool, RegisteredModel
from tuneloop_workers.quality.record import Batch, Finding, Report, Row
from tuneloop_workers.runtime import Context, handles

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 0.2
OF_ALL = frozenset({FindingKind.CONFLICT, FindingKind.DUPLICATE, FindingKind.SUSPECTED_ERROR})
ANSWER_TIMEOUT_SECONDS = 60.0


@handles(ScanExamples)
def scan_examples(context: Context, job: ScanExamples) -> None:
    """Nothing to do where no example is new: what is known of the others holds."""
    with context.reading() as session:
        model = _model(session, job.model_id)
        labels_known = contract_of(model).task is Task.CLASSIFY
        examples = training_examples(session, model)
    fresh = {str(example.id): text_digest(example) for example in examples if example.checked_at is None}
    if not fresh:
        return
    rows = [
        Row(
            id=str(example.id),
            text=stored_text(example.messages),
            answer=example.expected,
            label=example.expected if labels_known else "",
            texts=texts_of(example),
        )
        for example in examples
    ]
    report = run_checks(context, Batch(rows=rows, labels_known=labels_known, fresh=[*fresh]))
    with context.unit() as session:
        model = _model(session, job.model_id)
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


def _found(finding: Finding, digests: dict[str, str]) -> Found:
    kind = FindingKind(finding.kind)
    detail = dict(finding.detail)
    if kind is FindingKind.PERSONAL_DATA:
        detail["content"] = digests[finding.id]
    return Found(UUID(finding.id), kind, finding.summary, detail)


@handles(TendQueue)
def tend_queue(context: Context, job: TendQueue) -> None:
    with context.unit() as session:
        tend(session, principal=context.principal, model=_model(session, job.model_id))


@handles(ProposeExamples)
def propose_examples(context: Context, job: ProposeExamples) -> None:
    with context.reading() as session:
        document = find_document(session, job.document_id)
        model = _model(session, document.model_id)
        production = aliases(session, model.id).get(Alias.PRODUCTION)
        base = session.get_one(BaseModel, model.base_id)
    texts = extract_texts(document.text)[:MOST_PROPOSALS]
    answers: dict[str, str] = {}
    if production is not None and base.upstream_url is None:
        answers = ask_production(context, production.digest, texts)
    with context.unit() as session:
        propose_labels(session, document=document, texts=texts, answers=answers)


def run_checks(context: Context, batch: Batch) -> Report:
    """In a child process: its libraries are large, and its work holds the interpreter for long."""
    work = context.workspace
    (work / "batch.json").write_text(batch.model_dump_json())
    with (work / "batch.json").open("rb") as given, (work / "report.json").open("wb") as taken:
        child = subprocess.Popen(
            [sys.executable, "-m", "tuneloop_workers.quality.child"],
            stdin=given,
            stdout=taken,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        try:
            while child.poll() is None:
                context.check()
                time.sleep(PAUSE_SECONDS)
        except BaseException:
            child.kill()
            child.wait()
            raise
    if child.returncode:
        raise RuntimeError(f"the checks of the examples ended with code {child.returncode}")
    return Report.model_validate_json((work / "report.json").read_bytes())


def ask_production(context: Context, digest: str, texts: list[str]) -> dict[str, str]:
    """What the serving host answers; without it, proposals come without a label."""
    settings = context.settings
    headers = {"Authorization": f"Bearer {settings.serve_token.get_secret_value()}"}
    answers: dict[str, str] = {}
    with httpx.Client(base_url=settings.serve_url, headers=headers, timeout=ANSWER_TIMEOUT_SECONDS) as http:
        for number, text in enumerate(texts):
            context.check()
            body = {"model": digest, "messages": [{"role": "user", "content": text}]}
            try:
                response = http.post("/v1/chat/completions", json=body)
                response.raise_for_status()
            except httpx.HTTPError as error:
                log.warning("proposals_without_labels", error=str(error))
                break
            answers[text] = response.json()["choices"][0]["message"]["content"].strip()
            context.report(stage="asking production", done=number + 1, of=len(texts))
    return answers


def _model(session: TenantSession, model_id: UUID) -> RegisteredModel:
    model = session.get(RegisteredModel, model_id)
    if model is None:
        raise NotFound("model", model_id)
    return model
