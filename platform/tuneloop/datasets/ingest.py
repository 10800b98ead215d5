"""Rows become examples, or problems: labels against the contract, duplicates, conflicts, leakage."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.datasets.leakage import Sketched, collisions, excerpt, stored_text, user_text
from tuneloop.datasets.minhash import sketch
from tuneloop.datasets.row import LISTED_PROBLEMS, ParsedRow, ProblemKind, RowProblem
from tuneloop.datasets.similarity import content_hash, shingles
from tuneloop.kit.clean_text import shown
from tuneloop.registry.context import Context
from tuneloop.registry.contract import Contract, Task
from tuneloop.registry.labels import ALIKE, index_of
from tuneloop.registry.service import contract_of
from tuneloop.registry.templates import Message
from tuneloop.tables import Example, Pool, RegisteredModel, Source

GENERAL = "general"


class IngestResult(NamedTuple):
    """What became of some rows; `duplicates` are the stored examples that said the same already."""

    added: list[Example]
    duplicates: list[Example]
    problems: list[RowProblem]


class Intake:
    """Takes rows into one pool of one model. Nothing is flushed or committed here."""

    def __init__(
        self,
        session: Session,
        *,
        model: RegisteredModel,
        pool: Pool,
        source: Source,
        prediction_id: UUID | None = None,
        added_by: str | None = None,
        closest: bool = False,
    ) -> None:
        """With `closest`, an unknown label is taken for the one that is written most like it."""
        self._session = session
        self._model = model
        self._contract = contract_of(model)
        self._labels = index_of(self._contract.labels)
        self._alike = ALIKE if closest else None
        self._context = Context(session, model)
        self._pool = pool
        self._source = source
        self._prediction_id = prediction_id
        self._added_by = added_by
        self._hints_left = LISTED_PROBLEMS

    def take(self, rows: Iterable[ParsedRow | RowProblem]) -> IngestResult:
        """Add the rows that are good and new to the session."""
        problems: list[RowProblem] = []
        drafts: list[tuple[int, Example]] = []
        for given in rows:
            row = given if isinstance(given, RowProblem) else self._with_label(given)
            problem = row if isinstance(row, RowProblem) else self._problem(row)
            if problem is not None:
                problems.append(problem)
            elif isinstance(row, ParsedRow):
                drafts.append((row.line, self._draft(row)))
        fresh, duplicates = self._without_known(drafts, problems)
        added = self._without_leaks(fresh, problems)
        self._session.add_all(added)
        return IngestResult(added, duplicates, sorted(problems))

    def _problem(self, row: ParsedRow) -> RowProblem | None:
        tokens = self._context.excess(row.messages, row.expected)
        if tokens is None:
            return None
        message = f"the row has {tokens} tokens with its answer, the base reads {self._context.limit}; shorten it"
        return RowProblem(row.line, ProblemKind.TOO_LONG, message)

    def _with_label(self, row: ParsedRow) -> ParsedRow | RowProblem:
        """The row with its label as the model writes it."""
        if self._contract.task is not Task.CLASSIFY:
            return row
        found = self._labels.find(row.expected)
        if found is None and self._alike is not None:
            found = self._labels.closest(row.expected, alike=self._alike)
        if found is not None:
            return row._replace(expected=found)
        message = f"{shown(excerpt(row.expected))} is not a label of this model"
        if several := self._labels.parts(row.expected):
            message = f"{shown(excerpt(row.expected))} names {len(several)} labels; a model gives one answer, keep one"
        elif self._hints_left:
            self._hints_left -= 1
            message += f"; the closest is {self._labels.closest(row.expected)!r}"
        return RowProblem(row.line, ProblemKind.UNKNOWN_LABEL, message)

    def _draft(self, row: ParsedRow) -> Example:
        messages = without_own_prompt(self._contract, row.messages)
        default = row.expected if self._contract.task is Task.CLASSIFY else GENERAL
        return Example(
            client_id=self._model.client_id,
            model_id=self._model.id,
            pool=self._pool,
            messages=[message.model_dump() for message in messages],
            expected=row.expected,
            category=row.category or default,
            source=self._source,
            content_hash=content_hash(part for message in messages for part in (message.role, message.content)),
            minhash=sketch(shingles(user_text(messages))),
            prediction_id=self._prediction_id,
            added_by=self._added_by,
        )

    def _without_known(
        self, drafts: Sequence[tuple[int, Example]], problems: list[RowProblem]
    ) -> tuple[list[tuple[int, Example]], list[Example]]:
        """Drafts whose conversation is not stored yet, and the stored examples that others repeat."""
        query = select(Example).where(
            Example.model_id == self._model.id,
            col(Example.content_hash).in_({draft.content_hash for _, draft in drafts}),
            col(Example.deleted_at).is_(None),
        )
        known = {example.content_hash: example for example in self._session.exec(query)} if drafts else {}
        fresh: list[tuple[int, Example]] = []
        duplicates: list[Example] = []
        for line, draft in drafts:
            other = known.setdefault(draft.content_hash, draft)
            if other is draft:
                fresh.append((line, draft))
            elif other.pool is not self._pool:
                problems.append(_leak(line, f"the same as {_quoted(other)} in {other.pool}"))
            elif other.expected != draft.expected:
                problems.append(_conflict(line, draft, other))
            else:
                duplicates.append(other)
        return fresh, duplicates

    def _without_leaks(self, fresh: Sequence[tuple[int, Example]], problems: list[RowProblem]) -> list[Example]:
        leaks = collisions(
            self._session,
            model_id=self._model.id,
            pools=set(Pool) - {self._pool},
            batch=[Sketched(stored_text(draft.messages), draft.minhash) for _, draft in fresh],
        )
        problems += [_leak(fresh[index][0], str(collision)) for index, collision in leaks.items()]
        return [draft for index, (_, draft) in enumerate(fresh) if index not in leaks]


def without_own_prompt(contract: Contract, messages: Sequence[Message]) -> tuple[Message, ...]:
    """Without system messages that repeat the contract's prompt, as `render` reads them."""
    own = contract.system_prompt.strip()
    return tuple(each for each in messages if not (each.role == "system" and each.content.strip() == own))


def _leak(line: int, how: str) -> RowProblem:
    message = f"the text is {how}; what measures a model must not train it, so remove one of the two"
    return RowProblem(line, ProblemKind.LEAKAGE, message)


def _conflict(line: int, draft: Example, other: Example) -> RowProblem:
    message = (
        f"{_quoted(draft)} has the answer {excerpt(other.expected)!r} already, here {excerpt(draft.expected)!r}; "
        "keep the right one"
    )
    return RowProblem(line, ProblemKind.CONFLICTING_ANSWER, message)


def _quoted(example: Example) -> str:
    return repr(excerpt(stored_text(example.messages)))
