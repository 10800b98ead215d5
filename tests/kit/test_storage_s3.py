"""The same store in a bucket: a real S3 client against moto's server."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import obstore
import pytest
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from tuneloop.kit.errors import CorruptArtifact, NotFound, Unavailable
from tuneloop.kit.storage import Storage, folder_files

CONTENT = b"adapter weights" * 1000
URL = "s3://tuneloop/objects"
REGION = "eu-central-1"
LOCATION = f"<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadedMotoServer]:
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bucket(server: ThreadedMotoServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment of a process that uses S3; its URL."""
    host, port = server.get_host_and_port()
    values = {
        "AWS_ENDPOINT": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": REGION,
        "AWS_ALLOW_HTTP": "true",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    httpx.put(f"http://{host}:{port}/tuneloop", content=LOCATION)
    return URL


def test_an_object_makes_the_round_trip(bucket: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    digest = Storage(bucket, cache=tmp_path / "one").put_file(file)
    other_host = Storage(bucket, cache=tmp_path / "two")
    assert other_host.exists(digest)
    assert other_host.read(digest) == CONTENT
    assert other_host.path(digest).is_relative_to(tmp_path / "two")


def test_an_unknown_object_is_not_found(bucket: str, tmp_path: Path) -> None:
    storage = Storage(bucket, cache=tmp_path)
    assert not storage.exists("0" * 64)
    with pytest.raises(NotFound):
        storage.read("0" * 64)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_object_damaged_in_the_bucket_is_refused_and_not_kept(bucket: str, tmp_path: Path) -> None:
    digest = Storage(bucket, cache=tmp_path / "one").put_bytes(CONTENT)
    obstore.put(S3Store.from_url(bucket), f"sha256/{digest[:2]}/{digest}", CONTENT[:-1])
    other_host = Storage(bucket, cache=tmp_path / "two")
    with pytest.raises(CorruptArtifact):
        other_host.path(digest)
    assert [path for path in (tmp_path / "two").rglob("*") if path.is_file()] == []


def test_a_damaged_local_copy_is_fetched_again(bucket: str, tmp_path: Path) -> None:
    storage = Storage(bucket, cache=tmp_path)
    digest = storage.put_bytes(b"fine")
    storage.path(digest).write_bytes(b"bad!")
    restarted = Storage(bucket, cache=tmp_path)
    with pytest.raises(CorruptArtifact):
        restarted.path(digest)
    assert restarted.read(digest) == b"fine"


def test_a_bucket_that_does_not_exist_is_no_lack_of_space(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="object store"):
        Storage("s3://nowhere/objects", cache=tmp_path).put_bytes(CONTENT)


def test_a_folder_is_brought_to_another_host_file_by_file(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    (tmp_path / "folder" / "sub" / "file").write_bytes(CONTENT)
    digest = Storage(bucket, cache=tmp_path / "one").put_folder(tmp_path / "folder", give=True)
    other_host = Storage(bucket, cache=tmp_path / "two")
    listed = folder_files(other_host.path(digest))
    assert listed is not None
    assert {name: other_host.read(file) for name, file in listed.items()} == {"sub/file": CONTENT}
