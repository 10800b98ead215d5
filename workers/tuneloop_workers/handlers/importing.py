"""Make a version of an adapter that was trained elsewhere; from there on it is a candidate like any other."""

import shutil
from dataclasses import replace

from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.kit.storage import digest_file
from tuneloop.registry.adapters.config import CONFIG_FILE
from tuneloop.registry.adapters.folder import WEIGHTS_FILE
from tuneloop.retraining.jobs import ImportAdapter
from tuneloop.retraining.recipe import Method
from tuneloop.retraining.service import at_step
from tuneloop.retraining.states import advance
from tuneloop.tables import CycleState
from tuneloop_workers.artifacts import Artifacts
from tuneloop_workers.export.import_adapter import rewrite_adapter
from tuneloop_workers.export.lora import export_lora
from tuneloop_workers.handlers.candidate_selection import TrainedAdapter, Trial
from tuneloop_workers.handlers.registering import register
from tuneloop_workers.handlers.training_inputs import Imported, read_import

NOTHING_IS_TRAINED = "the adapter was trained elsewhere; it is checked and built here"


@handles(ImportAdapter)
def import_adapter(context: JobContext, job: ImportAdapter) -> None:
    artifacts = Artifacts(context.storage, context.settings.unpacked)
    with context.unit() as session:
        cycle = at_step(session, job, CycleState.APPROVED, CycleState.TRAINING)
        if cycle is None:
            return
        if cycle.state is CycleState.APPROVED:
            advance(session, cycle, CycleState.TRAINING, principal=context.principal, note=NOTHING_IS_TRAINED)
        order = read_import(session, cycle, artifacts)
    context.report(stage="checking the adapter")
    uploaded, folder = context.workspace / "uploaded", context.workspace / "adapter"
    for path in (uploaded, folder):
        shutil.rmtree(path, ignore_errors=True)
    uploaded.mkdir()
    shutil.copyfile(artifacts.path(job.config_sha256), uploaded / CONFIG_FILE)
    shutil.copyfile(artifacts.path(job.weights_sha256), uploaded / WEIGHTS_FILE)
    facts = rewrite_adapter(uploaded, order.base_gguf, folder)
    context.check()
    context.report(stage="exporting")
    gguf = context.workspace / "adapter.gguf"
    export_lora(folder, order.base_gguf, gguf)
    imported = Imported(job.config_sha256, job.weights_sha256, facts)
    part = TrainedAdapter(folder, gguf, digest_file(gguf), 1.0)
    trial = Trial(Method.FROM_BASE, 1.0, (part,), folder)
    register(context, job, replace(order, imported=imported), trial, of=1)
