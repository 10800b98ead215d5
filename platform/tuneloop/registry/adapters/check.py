"""`python -m tuneloop.registry.adapters.check FOLDER`: an uploaded folder, looked at by a confined process."""

import sys
from pathlib import Path

from tuneloop.kit.confined import Limits, confined, run_confined
from tuneloop.registry.adapters.folder import AdapterFacts, facts_of, open_folder

LIMITS = Limits(memory=200 << 20, processor_seconds=2, file_bytes=0)


def check_upload(folder: Path) -> AdapterFacts:
    """What an uploaded folder says about itself; whether it fits its base is seen where the base is.

    Raises:
        CorruptArtifact: something in it can't be taken over, and what to do.
    """
    return run_confined("tuneloop.registry.adapters.check", str(folder), answer=AdapterFacts)


def main() -> None:
    confined(LIMITS, lambda: facts_of(open_folder(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
