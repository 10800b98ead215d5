"""A migration runs while the release before it works: first it adds, and only a later one takes away."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuneloop.kit.migrations import migrations_folder

BEFORE_THE_FIRST_RELEASE = {
    "0001_first_schema.py",
    "0002_mail_without_tokens.py",
    "0003_payment_problems.py",
    "0004_own_passwords.py",
    "0005_job_turns.py",
    "0006_sign_in_trace.py",
    "0007_service_keys.py",
    "0008_jobs_to_do.py",
    "0009_job_hold.py",
    "0010_job_patience.py",
    "0011_key_limits.py",
}
CONTRACTS = "end_support_before"


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _constant(call: ast.Call, keyword: str) -> object:
    for each in call.keywords:
        if each.arg == keyword:
            return each.value.value if isinstance(each.value, ast.Constant) else each.value
    return None


def _text(node: ast.expr | None) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ""


def dangers(source: str) -> list[str]:
    """What `upgrade` does that a running application or a long table would feel.

    A migration that says why it may (`ACCEPTED = "…"`) is not asked.
    """
    tree = ast.parse(source)
    if any(isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ACCEPTED" for node in tree.body):
        return []
    upgrade = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")
    calls = [node for node in ast.walk(upgrade) if isinstance(node, ast.Call)]
    made = {_text(call.args[0]) for call in calls if _name(call) == "create_table"}
    ends_support = any(_name(call) == CONTRACTS for call in calls)
    return [danger for call in calls for danger in _of(call, made, ends_support=ends_support)]


def _of(call: ast.Call, made: set[str], *, ends_support: bool) -> Iterator[str]:
    name, first = _name(call), _text(call.args[0]) if call.args else ""
    second = _text(call.args[1]) if len(call.args) > 1 else ""
    if name in ("drop_column", "drop_table", "rename_table") and not ends_support:
        yield f"{name} {first}: the release before still uses it; take it away in the release after, with {CONTRACTS}"
    if name == "alter_column" and first not in made:
        yield from _of_alteration(call, f"{first}.{second}")
    if name == "add_column" and len(call.args) > 1 and isinstance(call.args[1], ast.Call):
        column = call.args[1]
        if _constant(column, "nullable") is False and _constant(column, "server_default") is None:
            yield f"not null column of {first} without a server default: the release before does not write it"
    if second not in made:
        yield from _of_addition(call, name, first, second)


def _of_alteration(call: ast.Call, column: str) -> Iterator[str]:
    if _constant(call, "new_column_name") is not None:
        yield f"rename of {column}: add a column, fill it, and drop the old one in the release after"
    if _constant(call, "nullable") is False:
        yield f"{column} not null: the release before writes nulls, and the table is read under a lock"
    if _constant(call, "type_") is not None:
        yield f"type of {column}: the table is written anew under a lock; add a column"


def _of_addition(call: ast.Call, name: str, first: str, table: str) -> Iterator[str]:
    if name == "create_index":
        yield f"index {first} on {table}: writers wait until it is made; use create_index_concurrently"
    if name == "create_unique_constraint":
        yield f"unique constraint on {table}: make the index concurrently, then the constraint using it"
    unproven = _constant(call, "postgresql_not_valid") is not True
    if name in ("create_foreign_key", "create_check_constraint") and unproven:
        yield f"{name} on {table}: add it not valid, then validate it in a statement of its own"


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sorted((migrations_folder() / "versions").glob("*.py"))
        if path.name not in BEFORE_THE_FIRST_RELEASE
    ],
    ids=lambda path: path.name,
)
def test_a_migration_is_felt_by_nobody(path: Path) -> None:
    if path.name not in BEFORE_THE_FIRST_RELEASE:
        assert dangers(path.read_text()) == []


@pytest.mark.parametrize(
    ("statement", "danger"),
    [
        ('op.drop_column("mail", "text")', "still uses it"),
        ('op.drop_table("mail")', "still uses it"),
        ('op.rename_table("mail", "letter")', "still uses it"),
        ('op.alter_column("mail", "text", new_column_name="body")', "rename of mail.text"),
        ('op.alter_column("mail", "text", nullable=False)', "mail.text not null"),
        ('op.alter_column("mail", "text", type_=sa.Integer())', "type of mail.text"),
        ('op.add_column("mail", sa.Column("size", sa.Integer(), nullable=False))', "without a server default"),
        ('op.create_index("ix", "prediction", ["at"])', "create_index_concurrently"),
        ('op.create_unique_constraint("uq", "mail", ["text"])', "make the index concurrently"),
        ('op.create_foreign_key("fk", "mail", "client", ["a"], ["id"])', "not valid"),
    ],
)
def test_what_would_be_felt_is_found(statement: str, danger: str) -> None:
    assert danger in dangers(f"def upgrade():\n    {statement}\n")[0]


@pytest.mark.parametrize(
    "statements",
    [
        'op.add_column("mail", sa.Column("size", sa.Integer()))',
        'op.add_column("mail", sa.Column("size", sa.Integer(), nullable=False, server_default="0"))',
        'op.create_table("new", sa.Column("a"))\n    op.create_index("ix", "new", ["a"])',
        'end_support_before("later")\n    op.drop_column("mail", "text")',
        'create_index_concurrently("ix", "prediction", ["at"])',
    ],
)
def test_what_only_adds_is_not(statements: str) -> None:
    assert dangers(f"def upgrade():\n    {statements}\n") == []
