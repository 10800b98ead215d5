"""The Hugging Face hub over HTTP: what a repository holds at one commit, and one file of it, proven by its digest.

https://huggingface.co/docs/hub/api
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tuneloop.kit.errors import CorruptArtifact, InvalidInput, NotAllowed, NotFound, Unavailable
from tuneloop.registry.needs import Needs, needs, parameters_of
from tuneloop_workers.files import new_file

REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
COMMIT = re.compile(r"[0-9a-f]{40}")
_QUANTISATION = re.compile(r"(?:^|[-._])((?:UD-)?I?Q\d\w*|BF16|F16|F32)(?=\.gguf$)", re.IGNORECASE)
_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
_TIMEOUT = httpx.Timeout(30, connect=10)

Progress = Callable[[int, int], None]
"""Called with the bytes that have come and those wanted."""


class HubFile(NamedTuple):
    """`sha256` where the hub says so, which it does of every large file."""

    name: str
    size: int
    sha256: str | None

    @property
    def quantisation(self) -> str | None:
        found = _QUANTISATION.search(self.name)
        return found[1].upper() if found else None


class HubRepository(NamedTuple):
    """`files` are whole GGUF models, the smallest first."""

    name: str
    commit: str
    licence: str | None
    parameters: int | None
    files: tuple[HubFile, ...]

    def needs(self, file: HubFile) -> Needs:
        return needs(file.size, self.parameters or parameters_of(file.size, file.quantisation))

    def file(self, wanted: str) -> HubFile:
        """By its name, or by the quantisation that it alone has.

        Raises:
            NotFound: there is no such file, or more than one.
        """
        found = [each for each in self.files if wanted in (each.name, each.name.rpartition("/")[2])]
        found = found or [each for each in self.files if each.quantisation == wanted.upper()]
        if len(found) != 1:
            names = ", ".join(each.name for each in self.files) or "none"
            raise InvalidInput(f"{self.name} has no one GGUF file {wanted!r}; it has: {names}", repository=self.name)
        return found[0]


class _Lfs(BaseModel):
    model_config = ConfigDict(extra="ignore")

    sha256: str | None = None


class _Sibling(BaseModel):
    model_config = ConfigDict(extra="ignore")

    rfilename: str
    size: int | None = None
    lfs: _Lfs | None = None


class _Model(BaseModel):
    """As `/api/models/OWNER/NAME/revision/REVISION?blobs=true` answers."""

    model_config = ConfigDict(extra="ignore")

    sha: str = Field(pattern=COMMIT.pattern)
    siblings: list[_Sibling] = []
    cardData: dict[str, Any] | None = None  # noqa: N815  (the hub's name)
    gguf: dict[str, Any] | None = None


class Hub:
    """`token` opens what its owner may see, such as models whose terms have to be accepted."""

    def __init__(self, url: str, token: str = "") -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def repository(self, name: str, revision: str = "main") -> HubRepository:
        """What it holds now, pinned to the commit that the branch or tag points at.

        Raises:
            InvalidInput, NotFound, NotAllowed, Unavailable.
        """
        if not REPOSITORY.fullmatch(name):
            raise InvalidInput(f"{name!r} is no repository of the hub; write OWNER/NAME", repository=name)
        path = f"/api/models/{name}/revision/{revision}"
        with self._client() as client, _reaching(self._url):
            answer = client.get(path, params={"blobs": "true"})
        _refuse(answer, name)
        try:
            model = _Model.model_validate_json(answer.content)
        except ValidationError as error:
            raise Unavailable(f"{self._url} does not answer as the hub does; try again later") from error
        files = (
            HubFile(each.rfilename, each.size or 0, each.lfs.sha256 if each.lfs else None) for each in model.siblings
        )
        licence = (model.cardData or {}).get("license")
        total = (model.gguf or {}).get("total")
        return HubRepository(
            name,
            model.sha,
            licence if isinstance(licence, str) else None,
            total if isinstance(total, int) else None,
            tuple(sorted(filter(_is_whole_model, files), key=lambda each: (each.size, each.name))),
        )

    def download(
        self, repository: str, commit: str, file: HubFile, target: Path, progress: Progress | None = None
    ) -> None:
        """Writes `target`, whole and as announced, or not at all.

        Raises:
            NotFound, NotAllowed, Unavailable. CorruptArtifact: something else came. OutOfSpace: the disk is full.
        """
        digest, come = sha256(), 0
        address = f"/{repository}/resolve/{commit}/{file.name}"
        with new_file(target) as draft, draft.open("wb") as out, self._client() as client, _reaching(self._url):
            with client.stream("GET", address) as answer:
                _refuse(answer, repository)
                for piece in answer.iter_bytes(1 << 20):
                    out.write(piece)
                    digest.update(piece)
                    come += len(piece)
                    if progress is not None:
                        progress(come, file.size)
            if (file.size and come != file.size) or (file.sha256 and digest.hexdigest() != file.sha256):
                raise CorruptArtifact(f"{file.name} did not come as the hub announced it; download it again")

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self._url, headers=self._headers, timeout=_TIMEOUT, follow_redirects=True)


@contextmanager
def _reaching(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise Unavailable(f"cannot reach {url} ({error}); check the network and try again") from error


def _is_whole_model(file: HubFile) -> bool:
    """Not one of several parts, nor the part of a model that reads images."""
    name = file.name.rpartition("/")[2].lower()
    return name.endswith(".gguf") and not _PART.search(name) and not name.startswith("mmproj")


def _refuse(answer: httpx.Response, repository: str) -> None:
    """The hub says what is wrong in a header; what it hides answers like what there is not."""
    reason = answer.headers.get("X-Error-Code", "")
    if reason == "GatedRepo":
        raise NotAllowed(
            f"{repository} wants its terms accepted first: do so at the hub and set TUNELOOP_HUB_TOKEN to a token of "
            "that account",
            repository=repository,
        )
    if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
        raise NotFound("repository of the hub", repository)
    if answer.is_error:
        raise Unavailable(f"the hub answers {answer.status_code} for {repository}; try again later")
