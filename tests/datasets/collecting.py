"""Examples put into pools in one line."""

from sqlmodel import Session

from tests.support.checks import mark_checked
from tuneloop.datasets.imports import ImportReport, import_examples
from tuneloop.datasets.row import ParsedRow
from tuneloop.kit.principal import Principal
from tuneloop.registry.templates import Message
from tuneloop.tables import Pool, RegisteredModel

Labelled = tuple[str, str]


def parsed(*labelled: Labelled) -> list[ParsedRow]:
    return [
        ParsedRow(line, (Message(role="user", content=text),), answer)
        for line, (text, answer) in enumerate(labelled, start=1)
    ]


def put(
    session: Session, model: RegisteredModel, pool: Pool, *labelled: Labelled, partial: bool = False
) -> ImportReport:
    """Import one row per (text, answer), as checked; the first is line 1."""
    principal = Principal.system(model.agency_id, "test")
    report = import_examples(
        session, principal=principal, model=model, pool=pool, rows=parsed(*labelled), partial=partial
    )
    mark_checked(session, model)
    return report
