"""Which golden items the gate has looked at. Judged by the same items again and again, luck passes for progress.

Twelve monthly releases on the same hundred items look 12 points better and are 1 (simulated).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.tables import GateLook, RetrainingCycle


@dataclass(frozen=True)
class Renewal:
    """`seen` of the items were used by the last comparison; `missing` new ones would let all of them be used again."""

    used: frozenset[UUID]
    items: int
    seen: int
    missing: int

    @property
    def reasons(self) -> list[str]:
        if not self.missing:
            return []
        used = f"The last comparison used {self.seen} of the {self.items} golden items, so {len(self.used)} count now"
        return [f"{used}; add {self.missing} new golden examples to use them all."]

    def row(self) -> dict[str, Any]:
        return {"items": self.items, "used": len(self.used), "seen": self.seen, "missing": self.missing}


def renew(session: Session, *, cycle: RetrainingCycle, items: Sequence[UUID], share: float) -> Renewal:
    """The items that the cycle's gate may use: all that the last one did not, and no more of the others than allowed.

    The same for every look of a cycle. `share` is the least part of new items; 0 allows any use.
    """
    seen = _last_looked_at(session, cycle) & set(items)
    fresh = [item for item in items if item not in seen]
    allowed = len(seen) if share <= 0 else round(len(fresh) * (1 - share) / share)
    kept = sorted(seen, key=lambda item: sha256(cycle.id.bytes + item.bytes).digest())[:allowed]
    needed = round(len(seen) * share / (1 - share)) if share < 1 else len(items)
    missing = max(0, needed - len(fresh)) if len(kept) < len(seen) else 0
    return Renewal(frozenset([*fresh, *kept]), len(items), len(seen), missing)


def note_looks(session: Session, *, cycle: RetrainingCycle, items: Collection[UUID]) -> None:
    """Remember which items a cycle's gate used; once for each."""
    known = set(session.exec(select(GateLook.example_id).where(GateLook.cycle_id == cycle.id)))
    session.add_all(
        GateLook(client_id=cycle.client_id, model_id=cycle.model_id, cycle_id=cycle.id, example_id=item)
        for item in sorted(set(items) - known)
    )
    session.flush()


def _last_looked_at(session: Session, cycle: RetrainingCycle) -> set[UUID]:
    """What the model's last other gate used."""
    looks = select(GateLook).where(GateLook.model_id == cycle.model_id, GateLook.cycle_id != cycle.id)
    last = session.exec(looks.order_by(col(GateLook.at).desc()).limit(1)).one_or_none()
    if last is None:
        return set()
    return set(session.exec(select(GateLook.example_id).where(GateLook.cycle_id == last.cycle_id)))
