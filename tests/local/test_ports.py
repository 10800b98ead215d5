"""A data folder that chose its ports comes up on them again, so that links in mails, invoices and Slack still work."""

import json
import socket
from pathlib import Path

import pytest

from tuneloop.kit.errors import Conflict
from tuneloop.kit.settings import Settings
from tuneloop_local.ports import FILE, PORTS, require_free_ports, with_kept_ports, with_own_ports

USUAL = {name: Settings.model_fields[name].default for name in PORTS}


def ports_of(settings: Settings) -> dict[str, int]:
    return {name: getattr(settings, name) for name in PORTS} | {"serve_port": settings.serve_port}


def test_a_folder_that_chose_its_ports_keeps_them(tmp_path: Path) -> None:
    chosen = with_own_ports(Settings(data_dir=tmp_path))
    assert not set(ports_of(chosen).values()) & {*USUAL.values(), 8100}
    assert ports_of(with_kept_ports(Settings(data_dir=tmp_path))) == ports_of(chosen)
    assert ports_of(with_own_ports(Settings(data_dir=tmp_path))) == ports_of(chosen)
    require_free_ports(chosen)


def test_a_folder_that_chose_none_has_the_usual_ports(tmp_path: Path) -> None:
    assert ports_of(with_kept_ports(Settings(data_dir=tmp_path))) == {**USUAL, "serve_port": 8100}


def test_what_the_environment_names_comes_before_what_the_folder_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = with_own_ports(Settings(data_dir=tmp_path))
    monkeypatch.setenv("TUNELOOP_WEB_PORT", "9123")
    assert with_kept_ports(Settings(data_dir=tmp_path)).web_port == 9123
    assert with_kept_ports(Settings(data_dir=tmp_path)).mailbox_port == chosen.mailbox_port


def test_a_kept_port_that_is_taken_is_named_with_its_setting_and_with_what_leads_to_it(tmp_path: Path) -> None:
    chosen = with_own_ports(Settings(data_dir=tmp_path))
    with (
        socket.create_server(("127.0.0.1", chosen.web_port)),
        pytest.raises(Conflict, match=rf"set TUNELOOP_WEB_PORT .* lead to port {chosen.web_port}$"),
    ):
        require_free_ports(with_kept_ports(Settings(data_dir=tmp_path)))


def test_other_settings_are_never_taken_from_the_file(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({"web_port": 9124, "database_url": "postgresql://elsewhere"}))
    found = with_kept_ports(Settings(data_dir=tmp_path))
    assert (found.web_port, found.database_url) == (9124, "")
