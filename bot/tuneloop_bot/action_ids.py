"""Ids of what people can use in messages and modals, and what travels with them."""

from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class Act(StrEnum):
    """Ids of buttons and menus."""

    APPROVE_RETRAIN = "approve_retrain"
    REJECT = "reject"
    LABEL_FIRST = "label_first"
    SNOOZE = "snooze"
    NO_PROBLEM = "no_problem"
    PROMOTE = "promote"
    OVERRIDE = "override"
    ROLL_BACK = "roll_back"
    START_AB = "start_ab"
    STOP_AB = "stop_ab"
    RETRY = "retry"
    INSIST = "insist"
    NEXT_STEP = "next_step"
    LABEL = "label"
    LABEL_PICK = "label_pick"
    LABEL_SKIP = "label_skip"
    LABEL_NEXT = "label_next"
    SEND_REPORT = "send_report"
    EDIT_NOTE = "edit_note"
    OPEN = "open_page"


DECISIONS = (Act.APPROVE_RETRAIN, Act.INSIST, Act.PROMOTE, Act.ROLL_BACK, Act.SEND_REPORT)
"""What is over once it is done: a private message with such a button makes way for the answer."""


class Form(StrEnum):
    """Callback ids of modals and of the message shortcut."""

    NO_PROBLEM = "no_problem_form"
    REJECT = "reject_form"
    OVERRIDE = "override_form"
    WRONG = "answer_was_wrong"
    NOTE = "note_form"


class Field(StrEnum):
    """Block ids of a modal's inputs."""

    REASON = "reason"
    TYPED = "typed"
    COMPLETION = "completion"
    EXPECTED = "expected"
    NOTE = "note"


class Ref(BaseModel):
    """What a button is about: ids and, for decisions, the digest of exactly the thing that is decided on.

    `extra` is the price, in minor units, at which something beyond the plan was offered.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    alert: UUID | None = None
    cycle: UUID | None = None
    model: UUID | None = None
    item: UUID | None = None
    report: UUID | None = None
    ab_test: UUID | None = None
    extra: int | None = None
    digest: str | None = None
    step: str | None = None
    expected: str | None = None

    def value(self) -> str:
        return self.model_dump_json(exclude_none=True)

    @classmethod
    def of(cls, value: str) -> Self:
        return cls.model_validate_json(value)


class Metadata(BaseModel):
    """Rides in a modal's `private_metadata`: what it is about, and where to answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ref: Ref = Ref()
    channel: str | None = None
    confirmation: str | None = None

    def packed(self) -> str:
        return self.model_dump_json(exclude_none=True)

    @classmethod
    def of(cls, view: dict[str, Any]) -> Self:
        return cls.model_validate_json(view["private_metadata"])
