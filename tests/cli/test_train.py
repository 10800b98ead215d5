"""`tuneloop train`, `retrain` and watching the work."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from tests.cli.shell import Shell, error_of
from tests.support.checks import mark_checked
from tests.support.factories import make_base, make_model
from tests.support.failed_plan import WHY, fail_plan
from tuneloop.cli.failure import ExitCode
from tuneloop.kit.db import Database
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.tables import Agency, Client, CycleState, RegisteredModel, RetrainingCycle

EXAMPLES = """text,label
where is my parcel,order
i want my money back,refund
the zip of the jacket broke,repair
"""
GOLDEN = '{"text": "has my order left the warehouse yet", "label": "order"}\n'


@pytest.fixture
def model(shell: Shell, database: Database, client_row: Client) -> str:
    """With training data and a golden set."""
    make_model(database, client_row, make_base(database))
    for name, pool, text in (("examples.csv", "training", EXAMPLES), ("golden.jsonl", "golden", GOLDEN)):
        file = shell.data_dir.parent / name
        file.write_text(text)
        shell.json("dataset", "import", file, "--model", "acme/support", "--pool", pool)
    with database.unit(client_row.agency_id) as session:
        mark_checked(session, session.exec(select(RegisteredModel)).one())
    return "acme/support"


@pytest.fixture
def work(database: Database, agency: Agency) -> Callable[..., Callable[[float], None]]:
    """A worker that takes one of these steps each time the command waits."""

    def works(*steps: dict[str, Any]) -> Callable[[float], None]:
        left = list(steps)

        def step(_seconds: float) -> None:
            values = left.pop(0)
            with database.unit(agency.id) as session:
                cycle = session.exec(select(RetrainingCycle)).one()
                job = session.get_one(JobRow, cycle.job_id)
                job.state = values.get("job", JobState.RUNNING)
                job.progress = values.get("progress", {})
                cycle.state = values.get("state", cycle.state)
                cycle.failure = values.get("failure")
                session.add_all([job, cycle])

        return step

    return works


def training(step: int) -> dict[str, Any]:
    return {
        "state": CycleState.TRAINING,
        "progress": {
            "stage": "training",
            "step": step,
            "steps": 30,
            "loss": 0.5,
            "examples_per_second": 12.3,
            "seconds_left": 65.0,
        },
    }


DONE = {"state": CycleState.AWAITING_PROMOTION, "job": JobState.SUCCEEDED}


def test_train_waits_until_new_examples_are_checked(
    shell: Shell, model: str, database: Database, agency: Agency
) -> None:
    file = shell.data_dir.parent / "more.csv"
    file.write_text("text,label\nmay i swap the green tent,refund\n")
    shell.json("dataset", "import", file, "--model", model, "--pool", "training")
    waits: list[float] = []

    def scanned(seconds: float) -> None:
        waits.append(seconds)
        with database.unit(agency.id) as session:
            mark_checked(session, session.exec(select(RegisteredModel)).one())

    result = shell.run("train", model, "--no-wait", wait=scanned)
    assert result.exit_code == 0, result.output
    assert len(waits) == 1


def test_train_proposes_approves_and_watches_until_a_decision_is_due(
    shell: Shell, model: str, work: Callable[..., Any]
) -> None:
    result = shell.run("train", model, "--epochs", 2, "--seed", 7, wait=work(training(1), training(30), DONE))
    assert result.exit_code == 0, result.output
    assert "awaiting promotion" in result.stdout
    assert "epochs=2" in result.stdout
    assert "seed=7" in result.stdout
    assert "approved by Olga Owner (key key)" in result.stdout
    assert "Next: tuneloop promote acme/support" in result.stdout
    assert result.stderr.split("\n")[:2] == ["approved (queued)", "training"]


def test_with_json_only_the_final_cycle_is_printed(shell: Shell, model: str, work: Callable[..., Any]) -> None:
    result = shell.run("train", model, "--json", wait=work(training(1), DONE))
    assert result.stdout_bytes == [call for call in shell.wire.calls if "/cycles/" in call.path][-1].body + b"\n"
    assert result.stderr == ""


def test_what_is_not_chosen_is_left_to_the_server(shell: Shell, model: str) -> None:
    cycle = shell.json("train", model, "--no-wait")
    assert cycle["recipe"]["rank"] == 16
    assert cycle["state"] == "approved"


def test_a_failed_cycle_is_exit_code_7_with_its_reason(shell: Shell, model: str, work: Callable[..., Any]) -> None:
    failed = {"state": CycleState.FAILED, "job": JobState.FAILED, "failure": "loss became NaN; lower --peak-lr"}
    result = shell.run("train", model, wait=work(training(3), failed))
    assert result.exit_code == ExitCode.JOB_FAILED
    assert "failed: loss became NaN; lower --peak-lr" in result.stderr


def test_leaving_does_not_stop_the_work_and_says_how_to_come_back(shell: Shell, model: str) -> None:
    def leave(_seconds: float) -> None:
        raise KeyboardInterrupt

    result = shell.run("train", model, wait=leave)
    (cycle,) = shell.json("cycle", "list", model)
    assert result.exit_code == ExitCode.INTERRUPTED
    assert f"come back with 'tuneloop cycle follow {cycle['id']}'" in " ".join(result.stderr.split())
    assert cycle["state"] == "approved"
    assert not any(call.path.endswith("/cancel") for call in shell.wire.calls)


def test_retrain_shows_the_plan_and_asks(shell: Shell, model: str, work: Callable[..., Any]) -> None:
    result = shell.run("retrain", model, typed="y\n", wait=work(training(1), DONE))
    (cycle,) = shell.json("cycle", "list", model)
    assert result.exit_code == 0, result.output
    assert cycle["questions"][0]["subject_digest"] in result.stdout
    assert "Approve this plan? [y/N]" in result.stdout


@pytest.mark.parametrize("typed", ["n\n", ""])
def test_a_plan_that_is_not_approved_waits(shell: Shell, model: str, typed: str) -> None:
    result = shell.run("retrain", model, typed=typed)
    assert result.exit_code == ExitCode.FAILED
    assert "the plan waits for 'tuneloop approve acme/support'" in result.stderr
    assert shell.json("cycle", "show", model)["state"] == "proposed"
    assert shell.json("approve", model, "--no-wait")["state"] == "approved"


def test_retrain_with_json_asks_nothing_and_proposes_nothing(shell: Shell, model: str) -> None:
    result = shell.run("retrain", model, "--json")
    assert result.exit_code == ExitCode.USAGE
    assert "add --yes" in error_of(result)["message"]
    assert shell.json("cycle", "list", model) == []


def test_an_unknown_alert_is_not_found(shell: Shell, model: str) -> None:
    alert = UUID(int=7)
    assert shell.run("retrain", model, "--alert", alert, "--yes").exit_code == ExitCode.NOT_FOUND


def test_a_recipe_out_of_range_is_a_wrong_command_line(shell: Shell, model: str) -> None:
    assert shell.run("train", model, "--epochs", 0).exit_code == ExitCode.USAGE


def test_following_a_job_that_is_cancelled_is_exit_code_7(
    shell: Shell, model: str, database: Database, agency: Agency
) -> None:
    job = shell.json("train", model, "--no-wait")["job_id"]
    assert shell.json("job", "cancel", job)["state"] == "cancelled"
    result = shell.run("job", "follow", job)
    assert result.exit_code == ExitCode.JOB_FAILED
    assert "was cancelled" in result.stderr


@pytest.mark.parametrize("command", ["train", "retrain"])
def test_a_plan_that_has_failed_is_refused_with_why_and_how_to_insist(
    shell: Shell, model: str, database: Database, agency: Agency, command: str
) -> None:
    failed = shell.json("train", model, "--no-wait")["id"]
    with database.unit(agency.id) as session:
        fail_plan(session, agency, session.get_one(RetrainingCycle, UUID(failed)))
    refused = shell.run(command, model, "--no-wait")
    assert refused.exit_code == ExitCode.CONFLICT
    assert f"The retrain failed: {WHY}. Change the data or the recipe" in refused.stderr
    assert "with another seed: give the same command with --again" in refused.stderr
    assert f"'tuneloop cycle diagnose {failed}'" in refused.stderr
    diagnosed = shell.run("cycle", "diagnose", failed).stdout
    assert WHY in diagnosed
    assert "not measured" in diagnosed, "another training is not free"
    assert len(shell.json("cycle", "list", model)) == 1, "nothing was proposed"

    insisted = shell.run(command, model, "--no-wait", "--again", typed="y\n")
    assert insisted.exit_code == 0, insisted.output
    newest, _ = shell.json("cycle", "list", model)
    assert (newest["state"], newest["recipe"]["seed"]) == ("approved", 1)


def test_with_json_the_refusal_has_the_api_s_code_and_what_to_send(
    shell: Shell, model: str, database: Database, agency: Agency
) -> None:
    failed = shell.json("train", model, "--no-wait")["id"]
    with database.unit(agency.id) as session:
        fail_plan(session, agency, session.get_one(RetrainingCycle, UUID(failed)))
    error = error_of(shell.run("retrain", model, "--yes", "--json"))
    assert (error["code"], error["details"]) == ("failed_before", {"cycle": failed, "insist": {"again": True}})
    assert shell.json("retrain", model, "--yes", "--again", "--no-wait")["recipe"]["seed"] == 1
