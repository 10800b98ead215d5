"""Starting an installation: what is in the way is named, with the setting that avoids it."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.gateway.waiting import eventually
from tests.support.ports import on_free_ports
from tuneloop.kit.errors import Conflict
from tuneloop.kit.processes import identity_of
from tuneloop.kit.settings import Settings
from tuneloop_local.installation import environment_of, installation, wait_ready


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


ENDING = """
import os, signal, sys
from pathlib import Path
from tuneloop_local.supervisor import Supervisor
environment = dict(each.split("=") for each in sys.argv[2:])
supervisor = Supervisor([("mailbox",)], environment, Path(sys.argv[1]) / "logs")
supervisor.start()
print(supervisor.pid("mailbox"), flush=True)
sys.stdin.read()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_processes_end_when_whoever_started_them_is_killed(tmp_path: Path) -> None:
    settings = on_free_ports(Settings(data_dir=tmp_path))
    ports = [f"TUNELOOP_DATA_DIR={tmp_path}"]
    ports += [f"TUNELOOP_{name.upper()}={getattr(settings, name)}" for name in ("mailbox_port", "mailbox_smtp_port")]
    with subprocess.Popen(
        [sys.executable, "-c", ENDING, str(tmp_path), *ports], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        mailbox = identity_of(int(starter.stdout.readline()))
        assert mailbox is not None
        wait_ready(f"http://127.0.0.1:{settings.mailbox_port}/")
        starter.communicate()
    assert starter.returncode == -signal.SIGKILL
    eventually(lambda: identity_of(int(mailbox.split()[1])) != mailbox)
