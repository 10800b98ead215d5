"""Examples of a model: taken in, listed, deleted, moved, exported, frozen into snapshots."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import islice
from uuid import UUID

import orjson
from sqlalchemy import func
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.datasets.intake import Intake
from tuneloop.datasets.leakage import Sketched, collisions, stored_messages, user_text
from tuneloop.datasets.rows import LISTED_PROBLEMS, ExportFormat, ParsedRow, ProblemKind, RowProblem
from tuneloop.datasets.writers import write_rows
from tuneloop.identity.principal import Principal
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.registry.templates import Message
from tuneloop.tables import AdapterVersion, Example, Pool, RegisteredModel, Role, Snapshot, SnapshotItem, Source
