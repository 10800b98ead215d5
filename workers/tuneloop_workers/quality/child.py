"""`python -m tuneloop_workers.quality.child`: a batch of examples on stdin, a report on stdout.

Presidio and spaCy bring torch and transformers along where they are installed, for models that nobody loads here; a
process that can't import them starts in a third of the time.
"""

import sys
from importlib.abc import MetaPathFinder

from tuneloop.kit.logging import configure_logging
from tuneloop.kit.processes import end_with_parent
from tuneloop_workers.quality.record import ScanBatch

LEFT_OUT = {"torch", "transformers"}


class Absent(MetaPathFinder):
    """Stands before the real finders."""

    def find_spec(self, fullname: str, *_: object) -> None:
        """Raises ModuleNotFoundError for what is left out."""
        if fullname.partition(".")[0] in LEFT_OUT:
            raise ModuleNotFoundError(f"{fullname} is left out here", name=fullname)


def main() -> None:
    end_with_parent()
    configure_logging("WARNING", json_lines=True)
    sys.meta_path.insert(0, Absent())
    from tuneloop_workers.quality.checks import check  # noqa: PLC0415

    batch = ScanBatch.model_validate_json(sys.stdin.buffer.read())
    sys.stdout.write(check(batch).model_dump_json())


if __name__ == "__main__":
    main()
