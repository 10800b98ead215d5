"""Look after the review queue: refill it, and propose examples from documents."""

import httpx
import structlog

from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.registry.service import aliases, model_of_id, served_here
from tuneloop.review.daily_refill import tend
from tuneloop.review.documents import MOST_PROPOSALS, find_document, propose_labels
from tuneloop.review.extraction import extract_texts
from tuneloop.review.jobs import ProposeExamples, TendQueue
from tuneloop.tables import Alias

log = structlog.get_logger(__name__)

ANSWER_TIMEOUT_SECONDS = 60.0


@handles(TendQueue)
def tend_queue(context: JobContext, job: TendQueue) -> None:
    with context.unit() as session:
        tend(session, principal=context.principal, model=model_of_id(session, job.model_id))


@handles(ProposeExamples)
def propose_examples(context: JobContext, job: ProposeExamples) -> None:
    with context.reading() as session:
        document = find_document(session, job.document_id)
        model = model_of_id(session, document.model_id)
        production = aliases(session, model.id).get(Alias.PRODUCTION)
        here = production is not None and served_here(session, production)
    texts = extract_texts(document.text)[:MOST_PROPOSALS]
    answers: dict[str, str] = {}
    if production is not None and here:
        answers = ask_production(context, production.digest, texts)
    with context.unit() as session:
        propose_labels(session, document=document, texts=texts, answers=answers)


def ask_production(context: JobContext, digest: str, texts: list[str]) -> dict[str, str]:
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
                log.warning("proposals_without_labels", error=error)
                break
            answers[text] = response.json()["choices"][0]["message"]["content"].strip()
            context.report(stage="asking production", done=number + 1, of=len(texts))
    return answers
