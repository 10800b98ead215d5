"""Where the server and the key come from."""

import stat
from pathlib import Path

import pytest
from litestar import Litestar

from tests.cli.shell import URL, Shell
from tests.support.factories import owner_of
from tests.support.people import add_member
from tests.support.phone import Phone
from tuneloop.cli.credentials import Credentials, find_target, load, save
from tuneloop.cli.failure import ExitCode, Failure
from tuneloop.kit.db import Database
from tuneloop.people.second_factor import begin, confirm
from tuneloop.tables import Agency, Role

PASSWORD = "correct-horse-battery"


def test_login_keeps_a_key_that_works(shell: Shell) -> None:
    result = shell.run("login", "--url", URL, "--key", shell.key, key="")
    assert result.exit_code == 0, result.output
    assert "north" in result.stdout
    assert shell.run("whoami", key="").exit_code == 0


def test_login_asks_for_the_key(shell: Shell) -> None:
    result = shell.run("login", typed=f"{shell.key}\n", key="")
    assert result.exit_code == 0
    assert shell.key not in result.output


def test_login_with_a_wrong_key_keeps_nothing(shell: Shell) -> None:
    assert shell.run("login", "--key", "tl_wrong", key="").exit_code == ExitCode.NOT_AUTHENTICATED
    assert load(shell.data_dir) is None


def test_login_by_password_makes_a_key_of_the_persons_role_and_signs_out(
    shell: Shell, database: Database, agency: Agency
) -> None:
    with database.unit(agency.id) as session:
        add_member(
            session,
            principal=owner_of(agency),
            email="ada@north.example",
            name="Ada",
            role=Role.ADMIN,
            password=PASSWORD,
        )
    result = shell.run("login", "--email", "ada@north.example", typed=f"{PASSWORD}\n", key="")
    assert result.exit_code == 0, result.output
    assert shell.wire.calls[-2].method == "DELETE"
    kept = load(shell.data_dir)
    assert kept is not None
    assert shell.run("whoami", key=kept.key).exit_code == 0
    assert [key["role"] for key in shell.json("key", "list") if key["name"].startswith("cli on ")] == ["admin"]


def test_login_by_password_asks_for_the_second_factor(
    shell: Shell, app: Litestar, database: Database, agency: Agency
) -> None:
    email, owner, settings = "ada@north.example", owner_of(agency), app.state.settings
    with database.unit(agency.id) as session:
        ada = add_member(session, principal=owner, email=email, name="Ada", role=Role.ADMIN, password=PASSWORD).user
        phone = Phone(begin(session, principal=owner, user=ada, settings=settings).secret)
        session.flush()
        confirm(session, user=ada, code=phone.code(), session_hash=None, settings=settings)
    refused = shell.run("login", "--email", email, typed=f"{PASSWORD}\n{phone.again}\n", key="")
    assert (refused.exit_code, load(shell.data_dir)) == (ExitCode.NOT_AUTHENTICATED, None)
    result = shell.run("login", "--email", email, typed=f"{PASSWORD}\n{phone.code()}\n", key="")
    assert result.exit_code == 0, result.output


def test_the_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = save(tmp_path / "new", Credentials(url=URL, key="tl_secret"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_options_go_before_the_file(tmp_path: Path) -> None:
    save(tmp_path, Credentials(url="https://one.example", key="tl_one"))
    assert find_target(tmp_path, url=None, key="tl_two").key == "tl_two"
    assert find_target(tmp_path, url="https://one.example/", key=None).key == "tl_one"


def test_a_key_is_never_sent_to_another_server_than_its_own(tmp_path: Path) -> None:
    save(tmp_path, Credentials(url="https://one.example", key="tl_one"))
    assert find_target(tmp_path, url="https://two.example", key=None).key is None


def test_without_anything_the_local_server_is_meant(tmp_path: Path) -> None:
    assert find_target(tmp_path, url=None, key=None).url == "http://127.0.0.1:8000"


def test_a_damaged_file_says_to_log_in_again(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{")
    with pytest.raises(Failure, match="run 'tuneloop login' again"):
        find_target(tmp_path, url=None, key=None)
