"""Starting an installation: what is in the way is named, with the setting that avoids it."""

import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.support.ports import on_free_ports
from tuneloop.kit.errors import Conflict
from tuneloop.kit.settings import Settings
from tuneloop_local.installation import environment_of, installation


def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    settings = on_free_ports(Settings(data_dir=tmp_path))
    with (
        socket.create_server(("127.0.0.1", settings.mailbox_port)),
        pytest.raises(Conflict, match="TUNELOOP_MAILBOX_PORT"),
        installation(settings),
    ):
        raise AssertionError("it started")
    assert not list(tmp_path.iterdir())


def test_ports_of_stand_ins_do_not_matter_once_the_real_service_is_set_up(tmp_path: Path) -> None:
    settings = on_free_ports(Settings(data_dir=tmp_path, smtp_url=SecretStr("smtp://mail.example:587")))
    with (
        socket.create_server(("127.0.0.1", settings.mailbox_port)),
        socket.create_server(("127.0.0.1", settings.web_port)),
        pytest.raises(Conflict, match="TUNELOOP_WEB_PORT"),
        installation(settings),
    ):
        raise AssertionError("it started")


def test_a_child_reads_the_settings_that_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = Settings(data_dir=tmp_path, secret_key=SecretStr("new,old"), mail_proof=False, threads=2, log_json=False)
    for name, value in environment_of(given).items():
        monkeypatch.setenv(name, value)
    assert Settings() == given.model_copy(update={"storage_url": given.storage})
