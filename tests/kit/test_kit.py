"""The small parts: ids, settings, errors."""

from collections.abc import Iterator
from datetime import UTC
from http import HTTPStatus
from pathlib import Path

import pytest

from tuneloop.kit.clock import now
from tuneloop.kit.crypto import Vault
from tuneloop.kit.errors import NotFound, TuneloopError, Unavailable
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import Job
from tuneloop.kit.settings import Settings


def test_ids_are_version_seven_and_sort_by_time() -> None:
    before = now()
    ids = [new_id() for _ in range(1000)]
    assert {(each.version, each.variant) for each in ids} == {(7, "specified in RFC 4122")}
    assert len(set(ids)) == 1000
    milliseconds = [each.int >> 80 for each in ids]
    assert milliseconds == sorted(milliseconds)
    assert abs(milliseconds[0] - before.timestamp() * 1000) < 60_000


def test_the_time_is_aware_and_utc() -> None:
    assert now().tzinfo is UTC


def test_objects_are_kept_in_the_data_folder_unless_told_otherwise(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).storage == (tmp_path / "objects").as_uri()
    assert Settings(data_dir=tmp_path, storage_url="s3://bucket/x").storage == "s3://bucket/x"


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELOOP_SERVE_URL", "http://10.0.0.7:9000")
    assert Settings().serve_port == 9000


def _errors(cls: type[TuneloopError] = TuneloopError) -> Iterator[type[TuneloopError]]:
    for child in cls.__subclasses__():
        yield child
        yield from _errors(child)


def test_every_domain_error_has_a_code_of_its_own_and_a_status() -> None:
    kinds = [error for error in _errors() if error.__module__ == TuneloopError.__module__]
    codes = [error.code for error in kinds]
    assert len(set(codes)) == len(codes)
    assert all(error.status >= HTTPStatus.BAD_REQUEST for error in kinds)
    assert NotFound("client", "acme").details == {"kind": "client", "name": "acme"}


def test_every_job_has_a_name_of_its_own() -> None:
    names = [job.name for job in Job._by_name.values()]
    assert len(set(names)) == len(names)
    assert all(Job._by_name[job.name] is job for job in Job._by_name.values())


def test_a_vault_opens_what_an_older_key_sealed_and_nothing_altered() -> None:
    sealed = Vault("old").seal("xoxb-1")
    assert "xoxb" not in sealed
    assert Vault("new, old").open(sealed) == "xoxb-1"
    with pytest.raises(Unavailable, match="TUNELOOP_SECRET_KEY has changed"):
        Vault("new").open(sealed)
    with pytest.raises(Unavailable):
        Vault("old").open(sealed[:-4] + "AAA=")
    with pytest.raises(Unavailable, match="set TUNELOOP_SECRET_KEY"):
        Vault(" ")
