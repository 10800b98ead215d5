"""What the demo says and counts, from what it was given."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tuneloop.kit.settings import Settings
from tuneloop_local.demo.collect import Collected
from tuneloop_local.demo.ending import addresses, up_command
from tuneloop_local.demo.labellers import work_of
from tuneloop_local.demo.pace import Pace
from tuneloop_local.demo.scenario import CustomerMessage
from tuneloop_local.demo.show import Show


def test_a_label_is_one_key_and_another_answer_is_typed() -> None:
    known = CustomerMessage("may I rent a tent", "Yes, for $35.", "offers")
    blind = work_of({"labels": ["Yes, for $35."], "choices": []}, known)
    offered = work_of({"labels": [], "choices": ["No.", "Yes, for $35."]}, known)
    typed = work_of({"labels": [], "choices": ["No."]}, known)
    assert [each.keys for each in (blind, offered, typed)] == [1, 1, len("Yes, for $35.")]
    assert [each.words for each in (blind, offered, typed)] == [5, 9, 6]


def test_corrections_are_told_by_what_became_of_them() -> None:
    told = Collected(
        confirmed=7, accepted=5, measuring=0, kept_for_gate=3, refused=0, retired=20, golden=30, removed=0
    ).in_words()
    assert "7 confirmed by a label, 5 accepted for training, 3 kept for the gate;" in told
    assert "too close" not in told


def test_the_way_on_names_the_program_that_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [".venv/bin/tuneloop", "demo"])
    assert up_command(Path(".tuneloop/demo")) == ".venv/bin/tuneloop --data-dir .tuneloop/demo up"
    assert up_command(Path("/tmp/a b")) == ".venv/bin/tuneloop --data-dir '/tmp/a b' up"


def test_addresses_are_those_of_the_installation() -> None:
    found = addresses(
        Settings(web_port=19000, slack_emulator_port=19200, mailbox_port=19026, stripe_emulator_port=19210)
    )
    ports = {name: address.rpartition(":")[2].partition("/")[0] for name, address in found.items()}
    assert ports == {"console": "19000", "api": "19000", "slack": "19200", "mail": "19026", "stripe": "19210"}


def test_a_stage_begins_with_what_is_left_and_ends_with_what_it_took() -> None:
    printed, clock = StringIO(), iter([0.0, 0.0, 0.0, 240.0, 240.0]).__next__
    show = Show(Console(file=printed, width=100), Pace({"train": 240.0, "serve": 60.0}, clock))
    with show.stage("train", "Train"):
        pass
    assert "1. Train  about 5 min left" in printed.getvalue()
    assert "240.0 s" in printed.getvalue()


def test_an_attempt_that_ended_is_told_with_its_reason_and_what_is_next() -> None:
    printed = StringIO()
    step = {"title": "Blend 0.5", "expected": "Keeps orders.", "helps": True}
    attempt: dict[str, Any] = {
        "number": 1,
        "ended": "rejected",
        "what": "as planned",
        "diagnosis": {"summary": "v1.1 lost orders to refunds.", "steps": [step, {**step, "helps": False}]},
    }
    Show(Console(file=printed, width=100)).diagnosis(attempt)
    told = printed.getvalue()
    assert "Attempt 1 rejected: as planned" in told
    assert "v1.1 lost orders to refunds." in told
    assert told.count("covered by the approval") == 1
