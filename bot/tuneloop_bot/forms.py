"""Which modal a button opens."""

import re
from typing import Any

from sqlmodel import Session

from tuneloop.predictions.completion_ids import PREFIX
from tuneloop.registry.service import full_name
from tuneloop.retraining.attempts import comparison_of
from tuneloop.tables import AdapterVersion, RegisteredModel, Report, RetrainingCycle
from tuneloop_bot.action_ids import Act, Form, Metadata, Ref
from tuneloop_bot.blocks.modals import note_form, override_form, reason_form, wrong_form
from tuneloop_bot.blocks.parts import Block
from tuneloop_bot.payloads import Incoming
from tuneloop_reports.service import report_content

COMPLETION = re.compile(rf"{PREFIX}[0-9a-f]{{32}}")


def form_for_action(session: Session, incoming: Incoming) -> Block | None:
    """None when what the button was about is gone."""
    ref = Ref.of(incoming.value)
    metadata = Metadata(ref=ref, channel=incoming.channel)
    if incoming.name == Act.NO_PROBLEM:
        return reason_form(
            Form.NO_PROBLEM,
            metadata,
            title="Not a problem",
            question="Why is it none?",
            submit="Close the alert",
            optional=False,
        )
    if incoming.name == Act.REJECT:
        return reason_form(Form.REJECT, metadata, title="Reject", question="Why?", submit="Reject", optional=True)
    if incoming.name == Act.EDIT_NOTE:
        report = session.get(Report, ref.report) if ref.report else None
        return note_form(metadata, note=report_content(session, report).note) if report is not None else None
    return _override(session, metadata) if incoming.name == Act.OVERRIDE else None


def wrong_answer_form(message: dict[str, Any], channel: str) -> Block:
    named = COMPLETION.search(str(message.get("text", "")) + str(message.get("blocks", "")))
    return wrong_form(Metadata(channel=channel), completion=named.group() if named else None)


def _override(session: Session, metadata: Metadata) -> Block | None:
    cycle = session.get(RetrainingCycle, metadata.ref.cycle)
    if cycle is None or cycle.candidate_version_id is None:
        return None
    version = session.get_one(AdapterVersion, cycle.candidate_version_id)
    verdict = comparison_of(session, cycle.id)
    name = f"{full_name(session, session.get_one(RegisteredModel, cycle.model_id))}@v{version.number}"
    reasons = " ".join(verdict.reasons) if verdict else ""
    return override_form(metadata.model_copy(update={"confirmation": name}), name=name, verdict=reasons or "No reason.")
