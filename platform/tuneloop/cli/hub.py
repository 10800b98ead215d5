"""What a repository of the hub offers, shown before anything is downloaded."""

import re
from typing import NamedTuple

import orjson

from tuneloop.cli.bases import HUB_FILES
from tuneloop.cli.failure import ExitCode, Failure
from tuneloop.cli.output import Output
from tuneloop.kit.api_client import Reply
from tuneloop.kit.figures import size
from tuneloop.kit.settings import Settings
from tuneloop.registry.schemas import HubFileRead
from tuneloop_workers.bases.hub import HubFile, HubRepository
from tuneloop_workers.bases.registration import choose, look_up

_FORM = re.compile(r"[-_.](gguf|instruct|it)(?=[-_.]|$)", re.IGNORECASE)
_TENTHS = 10


class AtHub(NamedTuple):
    """`source` names the file at its commit, `called` is what the base is called when nobody says."""

    source: str
    called: str
    out: Output
    size: int

    def progress(self, done: int, wanted: int) -> None:
        """A line for every tenth of the file."""
        piece = max(wanted, 1) / _TENTHS
        if int(done / piece) > int((done - (1 << 20)) / piece):
            self.out.say(f"{size(done)} of {size(wanted)} have come")


def chosen_at_hub(settings: Settings, out: Output, source: str, *, file: str | None) -> AtHub:
    """Raises Failure, after showing the files, when there are several and none is named."""
    repository, named = look_up(settings, source)
    if (file or named) is None and len(repository.files) != 1:
        shown = [_shown(repository, each) for each in repository.files]
        out.show(Reply(orjson.dumps(shown), list[HubFileRead]), HUB_FILES)
        raise Failure(
            "invalid_input",
            f"{repository.name} (licence: {repository.licence or 'not given'}) has {len(shown)} GGUF files; choose one "
            "with --file, such as --file Q4_K_M",
            exit_code=ExitCode.USAGE,
        )
    chosen = choose(repository, file or named)
    needs = repository.needs(chosen.file)
    out.say(
        f"{chosen.file.name} of {repository.name} at commit {repository.commit[:12]}, licence "
        f"{repository.licence or 'not given'}: {size(chosen.file.size)} to download, {size(needs.disk)} of disk, "
        f"{size(needs.serving)} of memory to serve and {size(needs.training)} to train"
    )
    return AtHub(chosen.source, _called(repository), out, chosen.file.size)


def _shown(repository: HubRepository, file: HubFile) -> dict[str, object]:
    needs = repository.needs(file)._asdict()
    return {"file": file.name, "quantisation": file.quantisation, "size": file.size, **needs}


def _called(repository: HubRepository) -> str:
    return _FORM.sub("", repository.name.partition("/")[2]).lower().replace("_", "-")
