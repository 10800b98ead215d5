"""One file for both: most rows to train on, a share of them to measure with."""

from collections.abc import Iterable
from hashlib import sha256

from sqlmodel import Session

from tuneloop.datasets.ingest import IngestResult, Intake
from tuneloop.datasets.leakage import user_text
from tuneloop.datasets.row import ParsedRow, ProblemKind, RowProblem

GOLDEN_SHARE = 1 / 3
_SIDES = 1 << 32


class SplitIntake:
    """Takes rows as `Intake` does. The text decides the side, so a file that is sent again is split the same way.

    Nearly the same texts stay together, wherever the first of them is.
    """

    def __init__(self, session: Session, *, training: Intake, golden: Intake, golden_share: float) -> None:
        self._session = session
        self._training = training
        self._golden = golden
        self._share = golden_share

    def take(self, rows: Iterable[ParsedRow | RowProblem]) -> IngestResult:
        learn: list[ParsedRow | RowProblem] = []
        measure: list[ParsedRow] = []
        for row in rows:
            if isinstance(row, ParsedRow) and _place(row) < self._share:
                measure.append(row)
            else:
                learn.append(row)
        measured = self._golden.take(measure)
        self._session.flush()
        to_learn = _leaked(measure, measured)
        learned = self._training.take([*learn, *to_learn])
        self._session.flush()
        to_measure = [row for row in _leaked(learn, learned) if row not in to_learn]
        late = self._golden.take(to_measure)
        moved = {row.line for row in to_learn}, {row.line for row in to_measure}
        problems = (
            *(each for each in measured.problems if each.line not in moved[0]),
            *(each for each in learned.problems if each.line not in moved[1]),
            *late.problems,
        )
        return IngestResult(
            [*measured.added, *learned.added, *late.added],
            [*measured.duplicates, *learned.duplicates, *late.duplicates],
            sorted(problems),
        )


def _place(row: ParsedRow) -> float:
    """From 0 to 1, by what the user wrote."""
    return int(sha256(user_text(row.messages).encode()).hexdigest()[:8], 16) / _SIDES


def _leaked(rows: Iterable[ParsedRow | RowProblem], taken: IngestResult) -> list[ParsedRow]:
    """Those that are in another pool already, or nearly."""
    lines = {each.line for each in taken.problems if each.kind is ProblemKind.LEAKAGE}
    return [row for row in rows if isinstance(row, ParsedRow) and row.line in lines]
