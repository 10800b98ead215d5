"""Ask the services of external versions for the answers that are taken down: between transactions, some at a time."""

import time

from sqlmodel import select

from tuneloop.evaluation.external import ask_service
from tuneloop.evaluation.jobs import EndRecording, RecordAnswers
from tuneloop.evaluation.recording import ask_on, end_recording, keep_answers, waiting_in
from tuneloop.gateway.routes import route_of
from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import AdapterVersion, Recording, RegisteredModel

BATCH = 16
"""Answers that are kept together: what a killed worker has to ask again at most."""

SECONDS = 600.0
"""How long one job asks before it lets another agency's have the worker."""


@handles(RecordAnswers)
def record_answers(context: JobContext, job: RecordAnswers) -> None:
    began, done = time.monotonic(), 0

    def progress(answered: int, _of_batch: int) -> None:
        context.report(stage="recording the service's answers", step=done + answered, steps=wanted)
        context.check()

    while True:
        with context.unit() as session:
            recording = _locked(session, job)
            if recording is None:
                return
            waiting = waiting_in(session, recording, most=BATCH)
            if not waiting:
                end_recording(session, recording)
                return
            if time.monotonic() - began > SECONDS:
                ask_on(session, recording, part=job.part + 1)
                return
            wanted = recording.requests
            model = session.get_one(RegisteredModel, recording.model_id)
            route = route_of(session, model, session.get_one(AdapterVersion, recording.version_id))
        given = ask_service(context.settings, route, [each.conversation for each in waiting], progress)
        with context.unit() as session:
            if _locked(session, job) is None:
                return
            keep_answers(session, {each.row_id: answer for each, answer in zip(waiting, given, strict=True)})
        done += len(waiting)


@handles(EndRecording)
def end_failed_recording(context: JobContext, job: EndRecording) -> None:
    with context.unit() as session:
        recording = session.get(Recording, job.recording_id, with_for_update=True)
        if recording is not None:
            end_recording(session, recording, problem=job.reason)


def _locked(session: TenantSession, job: RecordAnswers) -> Recording | None:
    """The recording, unless it has ended."""
    query = select(Recording).where(Recording.id == job.recording_id).with_for_update()
    recording = session.exec(query.execution_options(populate_existing=True)).one_or_none()
    return recording if recording is not None and recording.ended_at is None else None
