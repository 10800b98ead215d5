"""How commands answer: the API's JSON untouched, tables for people, and exit codes."""

import orjson
import pytest
from typer.testing import CliRunner

from tests.cli.rows import add_compared_cycle, add_version
from tests.cli.shell import Shell, error_of
from tests.support.factories import make_key
from tests.support.world import World
from tuneloop.cli.failure import ExitCode
from tuneloop.cli.main import app as cli
from tuneloop.kit.db import Database
from tuneloop.kit.storage import Storage
from tuneloop.tables import Agency, Role

READING = [
    "whoami",
    "client list",
    "model show acme/support",
    "version list acme/support",
    "dataset counts acme/support",
    "cycle show acme/support",
    "eval acme/support --answers",
    "monitor readings acme/support",
    "prediction list acme/support",
    "feedback list acme/support",
    "audit list",
]


def test_json_is_exactly_what_the_api_answered(shell: Shell, world: World) -> None:
    for line in READING:
        result = shell.run(*line.split(), "--json")
        assert result.exit_code == 0, result.output
        assert result.stdout_bytes == shell.wire.calls[-1].body + b"\n", line
        assert result.stderr == ""


def test_json_may_be_asked_for_before_the_command(shell: Shell) -> None:
    assert shell.run("--json", "client", "list").stdout == "[]\n"


def test_without_json_nothing_is_json(shell: Shell, world: World) -> None:
    for line in READING:
        result = shell.run(*line.split())
        assert result.exit_code == 0, result.output
        assert not result.stdout.lstrip().startswith(("{", "["))


def test_a_list_is_a_table_that_fits_the_terminal(shell: Shell, world: World) -> None:
    lines = shell.run("model", "list").stdout.splitlines()
    assert lines[0].split() == ["Model", "Task", "Base", "Production", "Candidate", "Previous", "Since"]
    assert "acme/support" in lines[2]
    assert "v1.0" in lines[2]
    assert max(map(len, lines)) <= shell.columns


def test_errors_are_json_on_stderr(shell: Shell) -> None:
    result = shell.run("client", "show", "nobody", "--json")
    assert result.stdout == ""
    assert error_of(result) == {
        "code": "not_found",
        "message": "no client nobody",
        "details": {"kind": "client", "name": "nobody"},
    }


def test_a_wrong_command_line_is_json_too(shell: Shell) -> None:
    result = shell.run("client", "show", "--json")
    assert result.exit_code == ExitCode.USAGE
    assert result.stdout == ""
    assert error_of(result)["message"] == "Missing argument 'CLIENT'."


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("client list", ExitCode.OK),
        ("cycle show 01920000-0000-7000-8000-000000000000", ExitCode.NOT_FOUND),
        ("model change acme/support --policy overall_margin=7", ExitCode.FAILED),
        ("model show acme", ExitCode.USAGE),
        ("job show 1", ExitCode.USAGE),
        ("dataset list acme/other", ExitCode.NOT_FOUND),
        ("client add acme --name Again", ExitCode.CONFLICT),
    ],
)
def test_exit_codes(shell: Shell, world: World, line: str, code: ExitCode) -> None:
    assert shell.run(*line.split()).exit_code == code


def test_a_wrong_key_says_to_log_in(shell: Shell) -> None:
    result = shell.run("client", "list", key="tl_wrong")
    assert result.exit_code == ExitCode.NOT_AUTHENTICATED
    assert "unknown, revoked or expired; run 'tuneloop login'" in result.stderr


def test_no_key_says_to_log_in(shell: Shell) -> None:
    result = shell.run("client", "list", key="")
    assert result.exit_code == ExitCode.NOT_AUTHENTICATED
    assert "no API key; run 'tuneloop login'" in result.stderr


def test_too_small_a_role_is_refused_with_the_role_it_takes(shell: Shell, database: Database, agency: Agency) -> None:
    viewer = make_key(database, agency, role=Role.VIEWER)
    result = shell.run("client", "add", "acme", "--name", "Acme", key=viewer)
    assert result.exit_code == ExitCode.FAILED
    assert "this needs the role operator; you have viewer" in result.stderr


def test_wrong_fields_are_listed(shell: Shell) -> None:
    result = shell.run("client", "add", "Not A Slug", "--name", "x")
    assert result.exit_code == ExitCode.FAILED
    assert "slug: String should match pattern" in result.stderr


def test_a_server_that_is_not_there_says_how_to_start_it() -> None:
    result = CliRunner().invoke(cli, ["--url", "http://127.0.0.1:9", "--key", "k", "client", "list"])
    assert result.exit_code == ExitCode.FAILED
    assert "start the server with 'tuneloop up'" in result.stderr


def test_the_audit_log_knows_that_the_command_line_did_it(shell: Shell) -> None:
    shell.json("client", "add", "acme", "--name", "Acme")
    newest = shell.json("audit", "list")[0]
    assert (newest["action"], newest["origin"]) == ("client.create", "cli")


def test_customers_text_cannot_steer_the_terminal(
    shell: Shell, world: World, database: Database, storage: Storage
) -> None:
    add_compared_cycle(database, world, add_version(database, storage, world, {}))
    shown = shell.run("compare", "acme/support", "--items").stdout
    assert "\x1b" not in shown
    assert "refund [bold]\ufffd[2J" in shown


def test_the_exit_codes_are_in_the_help(shell: Shell) -> None:
    shown = " ".join(shell.run("--help").stdout.split())
    assert all(f"{code.value} " in shown for code in ExitCode)
    assert "6 compare: the verdict is not 'promote'" in shown


def test_pages_say_how_to_go_on(shell: Shell, world: World) -> None:
    page = shell.run("prediction", "list", "acme/support", "--limit", 1, "--json")
    following = orjson.loads(page.stdout)["next"]
    assert f"More: --before {following}" in shell.run("prediction", "list", "acme/support", "--limit", 1).stdout


def test_a_new_key_stands_alone_on_standard_output(shell: Shell) -> None:
    """So that KEY=$(tuneloop key add …) is the key."""
    made = shell.run("key", "add", "robot", "--all-clients")
    assert made.stdout.startswith("tl_")
    assert made.stdout.count("\n") == 1
    assert "shown once" in made.stderr
