"""An installation is backed up while it works, lost, and brought back."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr
from sqlmodel import col, select

from tests.gateway.waiting import eventually
from tests.gateway.world import QUESTION, World, make_world
from tests.support.ports import on_free_ports
from tests.support.upstream import ScriptedEngine, scripted_engine
from tuneloop.email.jobs import SendMail
from tuneloop.kit.db import opened_database
from tuneloop.kit.errors import Conflict, CorruptArtifact, InvalidInput, NotFound
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow, JobState, enqueue
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.retraining.jobs import LearnFromGate
from tuneloop.tables import AuditEvent, BaseModel, Mail, MailState, Prediction
from tuneloop_local.backup.contents import BackupFolder, check, objects_of
from tuneloop_local.backup.make import back_up, prune
from tuneloop_local.backup.outgoing import Waiting, look_at_outgoing, release_outgoing
from tuneloop_local.backup.restore import restore
from tuneloop_local.engines import engines
from tuneloop_local.installation import installation, kept_secret, running_engines

PASSPHRASE = "correct horse battery staple"
WEIGHTS = b"weights" * 1000
NOBODYS = b"written by somebody who died before a row named it"


@dataclass(frozen=True)
class Lost:
    """What was there before the folder was removed, and the backups of it."""

    folder: Path
    settings: Settings
    engine: ScriptedEngine
    world: World
    backups: BackupFolder
    acknowledged: int
    secret: str
    digest: str


@pytest.fixture(scope="module")
def lost(engines_folder: Path) -> Iterator[Lost]:
    """Two backups, the first of them made while answers are given; then the installation is gone."""
    folder = engines_folder / "backup"
    settings = on_free_ports(Settings(data_dir=folder / "data", threads=1))
    backups = BackupFolder(folder / "backups")
    with scripted_engine() as engine:
        with installation(settings) as (running, _), opened_database(running.database_url, pool_size=2) as database:
            storage = Storage(running.storage, cache=running.data_dir / "cache")
            world = make_world(database, upstream_url=engine.url)
            storage.put_bytes(NOBODYS)
            (folder / "source").mkdir()
            (folder / "source" / "tokenizer.json").write_bytes(WEIGHTS)
            with database.all_agencies() as session:
                base = session.get_one(BaseModel, world.base.id)
                base.weights_sha256 = storage.put_folder(folder / "source")
                session.add(base)
            with database.unit(world.agency.id) as session:
                _queue_mail(session, world)
            acknowledged = _ask_while(
                running, world, lambda: back_up(running_as(settings), backups, passphrase=PASSPHRASE)
            )
            back_up(running_as(settings), backups, passphrase=None)
        secret = kept_secret(settings).get_secret_value()
        shutil.rmtree(settings.data_dir)
        yield Lost(folder, settings, engine, world, backups, acknowledged, secret, base.weights_sha256)


def running_as(settings: Settings) -> Settings:
    """As a command sees it: by the data folder alone."""
    return Settings(data_dir=settings.data_dir)


def _queue_mail(session: Any, world: World) -> None:
    mail = Mail(
        agency_id=world.agency.id,
        dedupe_key="once",
        subject_kind="report",
        subject_id="1",
        recipient_email="carla@acme.example",
        recipient_name="Carla",
        sender_email="no-reply@tuneloop.localhost",
        sender_name="Tuneloop",
        subject="Your report",
        text="It is here.",
        html="<p>It is here.</p>",
    )
    session.add(mail)
    session.flush()
    enqueue(session, SendMail(mail_id=mail.id), agency_id=world.agency.id, delay=timedelta(hours=1))


def _ask_while(running: Settings, world: World, work: Any) -> int:
    """Answers that were acknowledged, and stored, before the work began; more are given during it."""
    headers = {"Authorization": f"Bearer {world.key}"}
    body = {"model": "acme/support", "messages": QUESTION}
    over = threading.Event()
    with httpx.Client(base_url=running.web_url, headers=headers, timeout=30, trust_env=False) as http:
        for _ in range(10):
            http.post("/v1/chat/completions", json=body).raise_for_status()
        eventually(lambda: len(world.predictions()) >= 10)

        def go_on() -> None:
            while not over.is_set():
                http.post("/v1/chat/completions", json=body).raise_for_status()

        asking = threading.Thread(target=go_on)
        asking.start()
        work()
        over.set()
        asking.join()
    return 10


def _restored(lost: Lost, name: str, *, which: int, passphrase: str | None) -> Settings:
    settings = lost.settings.model_copy(update={"data_dir": lost.folder / name})
    restore(settings, lost.backups, name=lost.backups.names()[which], passphrase=passphrase)
    return settings


def test_a_restored_installation_answers_and_sends_nothing_before_it_may(lost: Lost) -> None:
    settings = _restored(lost, "again", which=0, passphrase=PASSPHRASE)
    assert kept_secret(settings).get_secret_value() == lost.secret
    _make_everything_due(settings)
    with installation(settings) as (running, _), opened_database(running.database_url, pool_size=2) as database:
        headers = {"Authorization": f"Bearer {lost.world.key}"}
        with httpx.Client(base_url=running.web_url, headers=headers, timeout=30, trust_env=False) as http:
            answer = http.post("/v1/chat/completions", json={"model": "acme/support", "messages": QUESTION})
            assert answer.json()["choices"][0]["message"]["content"] == lost.engine.answer
            assert (
                len(http.get("/api/v1/models/acme/support/predictions?limit=500").json()["items"]) >= lost.acknowledged
            )
        storage = Storage(running.storage, cache=running.data_dir / "cache")
        assert (storage.files_of(lost.digest) or {}).keys() == {"tokenizer.json"}
        assert storage.read((storage.files_of(lost.digest) or {})["tokenizer.json"]) == WEIGHTS
        eventually(lambda: _ticked(running))
        with database.all_agencies() as session:
            held = look_at_outgoing(session)
            assert held.since is not None
            assert (held.mails, held.jobs["mail.send"]) == (1, 1)
            assert session.exec(select(Mail.state)).all() == [MailState.QUEUED]
        with database.all_agencies() as session:
            assert release_outgoing(session, mails=Waiting.SEND) == 1
        eventually(lambda: _mail(running) == [MailState.SENT])
        with database.all_agencies() as session:
            actions = session.exec(select(AuditEvent.action).where(AuditEvent.agency_id == lost.world.agency.id)).all()
            assert "outgoing.release" in actions
            assert look_at_outgoing(session).since is None


def test_mails_that_may_have_gone_out_can_be_dropped(lost: Lost) -> None:
    settings = _restored(lost, "dropped", which=1, passphrase=None)
    with (
        running_engines(settings) as running,
        opened_database(running.database_url) as database,
        database.all_agencies() as session,
    ):
        release_outgoing(session, mails=Waiting.DROP)
        mail = session.exec(select(Mail)).one()
        assert mail.state is MailState.FAILED
        assert "may have gone out before" in (mail.failure or "")
        with pytest.raises(Conflict, match="nothing is held"):
            release_outgoing(session, mails=Waiting.DROP)


def _make_everything_due(settings: Settings) -> None:
    with engines(settings) as urls, psycopg.connect(urls.migration, autocommit=True) as owner:
        owner.execute("update job set run_after = now() where state = 'queued'")


def _ticked(running: Settings) -> bool:
    """The scheduler has notified the worker of something that isn't held."""
    with opened_database(running.database_url) as database, database.all_agencies() as session:
        agency = session.exec(select(Mail.agency_id)).one()
        known = session.exec(select(JobRow).where(JobRow.name == "retraining.learn")).first()
        if known is None:
            enqueue(session, _harmless(), agency_id=agency)
            return False
        return known.state is not JobState.QUEUED


def _harmless() -> Any:
    return LearnFromGate.model_construct(cycle_id=new_id())


def _mail(running: Settings) -> list[MailState]:
    with opened_database(running.database_url) as database, database.all_agencies() as session:
        return [mail.state for mail in session.exec(select(Mail).order_by(col(Mail.id)))]


def test_the_second_backup_copies_no_object_again_and_only_named_ones_are_kept(lost: Lost) -> None:
    first, second = (lost.backups.folder / name for name in lost.backups.names())
    named = objects_of(first)
    assert lost.digest in named
    assert len(named) == 2
    assert objects_of(second) == named
    assert {path.name for path in lost.backups.stored()} == set(named)
    assert all(path.stat().st_mode & 0o077 == 0 for path in first.rglob("*") if path.is_file())


def test_without_a_passphrase_no_secret_is_in_a_backup(lost: Lost) -> None:
    with_it, without = (lost.backups.folder / name for name in lost.backups.names())
    assert (with_it / "secrets.json").exists()
    assert not (without / "secrets.json").exists()
    assert not [
        path for path in lost.backups.folder.rglob("*") if path.is_file() and lost.secret.encode() in path.read_bytes()
    ]
    with pytest.raises(InvalidInput, match="holds no secret key"):
        _restored(lost, "no-secret", which=1, passphrase=PASSPHRASE)
    with pytest.raises(InvalidInput, match="not the passphrase"):
        _restored(lost, "no-secret", which=0, passphrase="another passphrase")
    assert not (lost.folder / "no-secret").exists()


def test_nothing_is_overwritten(lost: Lost, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    settings = lost.settings.model_copy(update={"data_dir": tmp_path})
    with pytest.raises(Conflict, match="not empty"):
        restore(settings, lost.backups, name=None, passphrase=None)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("what", ["database.dump", "object", "missing"])
def test_a_damaged_backup_is_found_by_its_check_and_never_restored(lost: Lost, tmp_path: Path, what: str) -> None:
    copy = BackupFolder(shutil.copytree(lost.backups.folder, tmp_path / "copy"))
    newest = copy.newest()
    check(copy, newest)
    target = newest / what if what == "database.dump" else copy.object_path(lost.digest)
    if what == "missing":
        target.unlink()
    else:
        data = bytearray(target.read_bytes())
        data[len(data) // 2] ^= 1
        target.write_bytes(bytes(data))
    with pytest.raises(CorruptArtifact, match="missing" if what == "missing" else "changed"):
        check(copy, newest)
    settings = lost.settings.model_copy(update={"data_dir": tmp_path / "target"})
    with pytest.raises(CorruptArtifact):
        restore(settings, copy, name=None, passphrase=None)
    assert not (tmp_path / "target").exists()


def test_old_backups_go_with_the_objects_that_only_they_name(lost: Lost, tmp_path: Path) -> None:
    copy = BackupFolder(shutil.copytree(lost.backups.folder, tmp_path / "copy"))
    oldest, newest = copy.names()
    lonely = copy.object_path("ab" * 32)
    lonely.parent.mkdir(parents=True, exist_ok=True)
    lonely.write_bytes(b"")
    (copy.folder / oldest / "objects.txt").write_text("ab" * 32)
    assert prune(copy, keep=1) == [oldest]
    assert not lonely.exists()
    check(copy, copy.folder / newest)


def test_a_backup_that_was_not_finished_is_none(lost: Lost, tmp_path: Path) -> None:
    copy = BackupFolder(shutil.copytree(lost.backups.folder, tmp_path / "copy"))
    for name in copy.names():
        (copy.folder / name).rename(copy.folder / f".{name}")
    with pytest.raises(NotFound):
        copy.newest()


def test_engines_elsewhere_are_backed_up_by_their_own_means(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url="postgresql://elsewhere/tuneloop", secret_key=SecretStr("k"))
    with pytest.raises(InvalidInput, match="its own means"):
        back_up(settings, BackupFolder(tmp_path / "to"), passphrase=None)
    assert not (tmp_path / "to").exists()


def test_the_commands_say_what_they_did_and_what_is_missing(lost: Lost, tmp_path: Path) -> None:
    def run(*words: object) -> str:
        command = [sys.executable, "-m", "tuneloop.cli.main", "--data-dir", str(tmp_path / "data"), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return " ".join((done.stdout + done.stderr).split())

    read = run("backup", lost.backups.folder, "--check")
    assert "is whole: the database and 2 objects can be restored" in read
    assert "there is no installation" in run("backup", tmp_path / "to")
    brought = run("restore", lost.backups.folder, "--name", lost.backups.names()[1])
    assert "The secret key was not restored" in brought
    assert "1 mails" in run("outgoing", "show")
    assert "--mails" in run("outgoing", "release")
    assert "1 mails waited: drop" in run("outgoing", "release", "--mails", "drop")
    assert "Nothing is held" in run("outgoing", "show")
    assert "It holds the secret key" in run("backup", tmp_path / "to", "--passphrase", PASSPHRASE)
    assert "It does NOT hold the secret key" in run("backup", tmp_path / "to", "--keep", "1")
    assert len(BackupFolder(tmp_path / "to").names()) == 1


def test_predictions_name_no_objects() -> None:
    """They are many, and reading through them for digests would take hours."""
    assert not Prediction.names_objects
    assert BaseModel.names_objects
