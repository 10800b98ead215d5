"""Objects are named by their digest; a damaged one is noticed, a full disk is said, nothing leads out of the folder."""

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.kit.errors import CorruptArtifact, NotFound
from tuneloop.kit.storage import Storage, digest_file, folder_files, link_folder, pack_folder, unpack_folder

CONTENT = b"adapter weights"


def _objects(storage: Storage) -> list[Path]:
    assert storage.root is not None
    return [path for path in storage.root.rglob("*") if path.is_file()]


def test_content_names_its_object(storage: Storage) -> None:
    digest = storage.put_bytes(CONTENT)
    assert digest == sha256(CONTENT).hexdigest()
    assert storage.read(digest) == CONTENT
    assert storage.exists(digest)


def test_the_same_content_is_stored_once(storage: Storage, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    assert storage.put_bytes(CONTENT) == storage.put_file(file) == digest_file(file)
    assert len(_objects(storage)) == 1


def test_an_unknown_object_is_not_found(storage: Storage) -> None:
    assert not storage.exists("0" * 64)
    with pytest.raises(NotFound):
        storage.read("0" * 64)


@pytest.mark.parametrize("damage", [lambda data: b"X" + data[1:], lambda data: data[:-1], lambda data: b""])
def test_a_damaged_object_is_refused_by_a_new_process(
    storage: Storage, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    digest = storage.put_bytes(CONTENT)
    (stored,) = _objects(storage)
    stored.write_bytes(damage(CONTENT))
    restarted = Storage((tmp_path / "objects").as_uri(), cache=tmp_path / "cache")
    with pytest.raises(CorruptArtifact, match="restore"):
        restarted.path(digest)


def test_storing_again_repairs_a_truncated_object(storage: Storage, tmp_path: Path) -> None:
    digest = storage.put_bytes(CONTENT)
    (stored,) = _objects(storage)
    stored.write_bytes(CONTENT[:-1])
    restarted = Storage((tmp_path / "objects").as_uri(), cache=tmp_path / "cache")
    restarted.put_bytes(CONTENT)
    assert restarted.read(digest) == CONTENT


@given(st.text(max_size=80))
def test_only_a_digest_is_a_name(name: str) -> None:
    storage = Storage(Path("/tmp/tuneloop-no-such-store").as_uri(), cache=Path("/tmp/tuneloop-no-such-cache"))
    with pytest.raises(NotFound):
        storage.path(name)
    with pytest.raises(NotFound):
        storage.exists(name)


@pytest.mark.parametrize("name", ["../" * 20 + "etc/passwd", "/etc/passwd", "A" * 64, "..", "%2e%2e/" * 9 + "x"])
def test_a_path_is_not_a_name(storage: Storage, name: str) -> None:
    with pytest.raises(NotFound):
        storage.read(name)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from tuneloop.kit.errors import OutOfSpace
from tuneloop.kit.storage import Storage
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
storage = Storage(Path(sys.argv[1]).as_uri(), cache=Path(sys.argv[1]))
try:
    storage.put_file(Path(sys.argv[2]))
except OutOfSpace as error:
    print("OutOfSpace", error)
"""


@pytest.mark.failure_case(15)
def test_a_full_disk_is_said_and_leaves_nothing_behind(storage: Storage, tmp_path: Path) -> None:
    """A child whose files may not grow beyond 64 KiB: to a writer this looks like a full disk."""
    big = tmp_path / "big"
    big.write_bytes(os.urandom(1 << 20))
    command = [sys.executable, "-c", FULL_DISK, str(storage.root), str(big)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout.startswith("OutOfSpace could not store an object")
    assert _objects(storage) == []


def _folder(root: Path) -> Path:
    (root / "sub").mkdir(parents=True)
    (root / "b.txt").write_text("b")
    (root / "a.txt").write_text("a")
    (root / "sub" / "c.txt").write_text("c")
    return root


def test_the_same_folder_packs_to_the_same_bytes(tmp_path: Path) -> None:
    first, second = _folder(tmp_path / "one"), _folder(tmp_path / "two")
    os.utime(second / "a.txt", (1, 1))
    (second / "b.txt").chmod(0o600)
    packed = [pack_folder(first, tmp_path / "1.tar"), pack_folder(second, tmp_path / "2.tar")]
    assert packed[0].read_bytes() == packed[1].read_bytes()


def test_a_packed_folder_unpacks_to_the_same_files(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "one")
    unpacked = unpack_folder(pack_folder(folder, tmp_path / "1.tar"), tmp_path / "out")
    found = {str(path.relative_to(unpacked)): path.read_text() for path in unpacked.rglob("*") if path.is_file()}
    assert found == {"a.txt": "a", "b.txt": "b", "sub/c.txt": "c"}


@pytest.mark.parametrize("name", ["../outside", "sub/../../outside"])
def test_an_archive_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "evil.tar"
    with tarfile.open(archive, "w") as opened:
        opened.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(CorruptArtifact):
        unpack_folder(archive, tmp_path / "deep" / "out")
    assert not (tmp_path / "deep" / "outside").exists()
    assert not (tmp_path / "outside").exists()


def test_an_archive_with_a_link_to_the_outside_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "evil.tar"
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(archive, "w") as opened:
        opened.addfile(link)
    with pytest.raises(CorruptArtifact):
        unpack_folder(archive, tmp_path / "out")


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "noise.tar"
    archive.write_bytes(os.urandom(2048))
    with pytest.raises(CorruptArtifact):
        unpack_folder(archive, tmp_path / "out")


def test_a_folder_is_stored_file_by_file_and_laid_out_without_a_copy(storage: Storage, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "one")
    (folder / ".hidden").write_text("no")
    given = (folder / "a.txt").stat().st_ino
    listed = folder_files(storage.path(storage.put_folder(folder, give=True)))
    assert listed is not None
    (tmp_path / "out").mkdir()
    link_folder({name: storage.path(digest) for name, digest in listed.items()}, tmp_path / "out")
    found = {str(path.relative_to(tmp_path / "out")): path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {name: path.read_text() for name, path in found.items()} == {"a.txt": "a", "b.txt": "b", "sub/c.txt": "c"}
    assert found["a.txt"].stat().st_ino == given


def test_a_file_that_is_not_given_may_change_without_harm(storage: Storage, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "one")
    listed = folder_files(storage.path(storage.put_folder(folder)))
    assert listed is not None
    with (folder / "a.txt").open("r+") as file:
        file.write("changed")
    assert storage.read(listed["a.txt"]) == b"a"


def test_giving_a_file_repairs_a_truncated_object(storage: Storage, tmp_path: Path) -> None:
    digest = storage.put_bytes(CONTENT)
    (stored,) = _objects(storage)
    stored.write_bytes(CONTENT[:-1])
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    assert storage.put_file(file, give=True) == digest
    assert storage.read(digest) == CONTENT


def test_the_same_files_make_the_same_folder(storage: Storage, tmp_path: Path) -> None:
    first, second = _folder(tmp_path / "one"), _folder(tmp_path / "two")
    assert storage.put_folder(first) == storage.put_folder(second)
    (second / "b.txt").rename(second / "d.txt")
    assert storage.put_folder(first) != storage.put_folder(second)


@pytest.mark.parametrize("name", ["../outside", "sub/../../outside", "/etc/passwd"])
def test_a_list_that_leads_out_of_its_folder_is_refused(storage: Storage, name: str) -> None:
    listed = storage.put_bytes(orjson.dumps({"files": {name: storage.put_bytes(b"x")}}))
    with pytest.raises(CorruptArtifact, match="outside"):
        folder_files(storage.path(listed))


def test_an_archive_is_no_list_of_files(storage: Storage, tmp_path: Path) -> None:
    packed = pack_folder(_folder(tmp_path / "one"), tmp_path / "1.tar")
    assert folder_files(storage.path(storage.put_file(packed))) is None
