"""`tuneloop compare`, `promote`, `reject`, `rollback`."""

import pytest

from tests.cli.rows import add_compared_cycle, add_version
from tests.cli.shell import Shell, error_of
from tests.support.world import World
from tuneloop.cli.failure import ExitCode
from tuneloop.kit.db import Database
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.kit.storage import Storage
from tuneloop.tables import AdapterVersion, CycleState, RetrainingCycle, Trigger


@pytest.fixture
def candidate(database: Database, storage: Storage, world: World) -> AdapterVersion:
    return add_version(database, storage, world, {})


def test_the_table_shows_every_rate_with_n_and_interval(
    shell: Shell, world: World, database: Database, candidate: AdapterVersion
) -> None:
    add_compared_cycle(database, world, candidate)
    result = shell.run("compare", "acme/support")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert "Production v1.0" in lines[2]
    assert "Candidate v1.1" in lines[2]
    overall = next(line for line in lines if line.startswith("Overall accuracy"))
    assert "83 % (74\u201389 %, n=100)" in overall
    assert "88 % (80\u201393 %, n=100)" in overall
    assert "+5 (\u22121 to +11)" in overall
    assert "Verdict: PROMOTE" in lines
    assert "  \u2022 Overall: proven, not worse by more than 3 points." in [line.rstrip() for line in lines]
    assert "Next: tuneloop promote acme/support, or tuneloop reject acme/support" in lines
    assert max(map(len, lines)) <= shell.columns


@pytest.mark.parametrize(
    ("outcome", "shown"), [("reject", "REJECT"), ("need_more_labels", "NEEDS MORE LABELS (about 40 more)")]
)
def test_any_other_verdict_is_exit_code_6(
    shell: Shell, world: World, database: Database, candidate: AdapterVersion, outcome: str, shown: str
) -> None:
    cycle = add_compared_cycle(database, world, candidate, outcome=outcome)
    result = shell.run("compare", cycle.id)
    assert result.exit_code == ExitCode.NOT_PROMOTE
    assert f"Verdict: {shown}" in result.stdout
    assert "--note 'why, against the gate'" in result.stdout


def test_a_cycle_without_comparison_says_why(shell: Shell, world: World, database: Database) -> None:
    with database.unit(world.agency.id) as session:
        cycle = RetrainingCycle(
            client_id=world.client.id,
            model_id=world.model.id,
            state=CycleState.FAILED,
            trigger=Trigger.INITIAL,
            recipe={},
        )
        session.add(cycle)
    result = shell.run("compare", cycle.id, "--json")
    assert result.exit_code == ExitCode.FAILED
    assert "a first version has nothing to be compared with" in error_of(result)["message"]


def test_promoting_follows_the_deployment(
    shell: Shell, world: World, database: Database, candidate: AdapterVersion
) -> None:
    cycle = add_compared_cycle(database, world, candidate)

    def deploy(_seconds: float) -> None:
        with database.unit(world.agency.id) as session:
            row = session.get_one(RetrainingCycle, cycle.id)
            row.state = CycleState.DEPLOYED
            session.add(row)

    result = shell.run("promote", "acme/support", wait=deploy)
    assert result.exit_code == 0, result.output
    assert "deployed" in result.stdout
    assert "approved by Olga Owner (key key)" in result.stdout


def test_a_deployment_that_fails_is_exit_code_7(
    shell: Shell, world: World, database: Database, candidate: AdapterVersion
) -> None:
    cycle = add_compared_cycle(database, world, candidate)

    def fail(_seconds: float) -> None:
        with database.unit(world.agency.id) as session:
            job = session.get_one(JobRow, session.get_one(RetrainingCycle, cycle.id).job_id)
            job.state, job.error = JobState.FAILED, "no serving host answered"
            session.add(job)

    result = shell.run("promote", cycle.id, wait=fail)
    assert result.exit_code == ExitCode.JOB_FAILED
    assert "no serving host answered" in result.stderr


def test_promoting_twice_is_a_conflict(
    shell: Shell, world: World, database: Database, candidate: AdapterVersion
) -> None:
    add_compared_cycle(database, world, candidate)
    assert shell.run("promote", "acme/support", "--no-wait").exit_code == 0
    again = shell.run("promote", "acme/support", "--no-wait")
    assert again.exit_code == ExitCode.CONFLICT
    assert "already approved by Olga Owner (key key)" in again.stderr


def test_promoting_against_the_gate_needs_a_note(
    shell: Shell, world: World, database: Database, candidate: AdapterVersion
) -> None:
    add_compared_cycle(database, world, candidate, outcome="reject")
    refused = shell.run("promote", "acme/support", "--no-wait")
    assert refused.exit_code == ExitCode.FAILED
    assert "give a reason to override it" in refused.stderr
    assert shell.run("promote", "acme/support", "--note", "the labels were wrong", "--no-wait").exit_code == 0


def test_promoting_what_nobody_asks_about_is_a_conflict(shell: Shell, world: World) -> None:
    result = shell.run("promote", "acme/support")
    assert result.exit_code == ExitCode.CONFLICT
    assert "there is no promotion to decide on" in result.stderr


def test_rejecting_keeps_the_note(shell: Shell, world: World, database: Database, candidate: AdapterVersion) -> None:
    add_compared_cycle(database, world, candidate)
    assert shell.json("reject", "acme/support", "--note", "not now")["questions"][0]["note"] == "not now"


def test_rollback_without_a_previous_version_is_refused(shell: Shell, world: World) -> None:
    result = shell.run("rollback", "acme/support")
    assert result.exit_code == ExitCode.FAILED
    assert "there is no previous version to go back to" in result.stderr


def test_a_model_without_cycles_says_how_to_start_one(shell: Shell, world: World) -> None:
    words = "model add acme/other --base tiny --task classify --label a --label b --system-prompt Sort."
    shell.json(*words.split(" "))
    result = shell.run("compare", "acme/other")
    assert result.exit_code == ExitCode.NOT_FOUND
    assert "start one with 'tuneloop train acme/other'" in result.stderr
