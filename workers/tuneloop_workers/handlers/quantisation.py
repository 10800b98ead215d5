"""The candidate's merged files, one for each quantisation it ships in, answer the golden set."""

from collections.abc import Sequence

from tuneloop.evaluation.given import conversation_of
from tuneloop.evaluation.quantisations import FileAnswers
from tuneloop.evaluation.scoring import score
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.registry.contract import Contract, Manifest, Quantisation
from tuneloop.tables import AdapterVersion, Example
from tuneloop_workers.evaluation.runner import LocalRunner
from tuneloop_workers.export.bundle import merged_file
from tuneloop_workers.handlers.engines import local_engine


def answer_quantised(
    context: JobContext,
    version: AdapterVersion,
    manifest: Manifest,
    examples: Sequence[Example],
    contract: Contract,
    *,
    context_tokens: int,
) -> dict[Quantisation, FileAnswers]:
    """Empty for a version that ships as an adapter only. The adapter is part of each merged file."""
    files = {file["name"]: file for file in version.files}
    kinds = [kind for kind in Quantisation if merged_file(kind) in files]
    alone = manifest.model_copy(update={"adapters": ()})
    return {
        kind: _answered(
            context, kind, files[merged_file(kind)], alone, examples, contract, context_tokens=context_tokens
        )
        for kind in (kinds if len(kinds) > 1 else [])
    }


def _answered(
    context: JobContext,
    kind: Quantisation,
    file: dict[str, str | int],
    manifest: Manifest,
    examples: Sequence[Example],
    contract: Contract,
    *,
    context_tokens: int,
) -> FileAnswers:
    def progress(done: int, wanted: int) -> None:
        context.report(stage=f"evaluating {kind}", step=done, steps=wanted)
        context.check()

    with local_engine(context, context.storage.path(str(file["sha256"])), context_tokens=context_tokens) as engine:
        answers = LocalRunner(engine, manifest, {}).answer([conversation_of(example) for example in examples], progress)
    texts = [answer.text for answer in answers]
    return FileAnswers(
        size=int(file["size"]),
        texts=texts,
        correct=[score(example, text, contract).correct for example, text in zip(examples, texts, strict=True)],
    )
