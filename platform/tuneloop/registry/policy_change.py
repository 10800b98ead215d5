"""Who may change a model's policy: nobody whom it binds may loosen it.

Tightening takes an operator of the whole agency, loosening the gate or the monitoring an admin, loosening the rules of
approval an owner. What was loosened is audited as `policy.loosen`, and admins and owners are told by mail and Slack.
Questions that are open keep the rules under which they were asked.
"""

from typing import NamedTuple

from sqlmodel import Session

from tuneloop.clients.quorum import people_needed, require_owner
from tuneloop.kit.errors import NotAllowed
from tuneloop.kit.principal import Principal
from tuneloop.people.loosened import tell_admins
from tuneloop.registry.policy import Policy
from tuneloop.tables import Client, RegisteredModel, Role

LOOSER_WHEN_LARGER = (
    "overall_margin",
    "strong_margin",
    "category_margin",
    "hallucination_margin",
    "significance",
)
LOOSER_WHEN_SMALLER = (
    "worthwhile_gain",
    "false_alarm_rate",
    "double_label_share",
    "disagreement_queries",
    "fewest_queries",
    "gate_share",
    "renewed_share",
)


class Loosening(NamedTuple):
    """`approvals`: of the rules of approval; else of the gate or the monitoring."""

    rule: str
    before: object
    after: object
    approvals: bool

    @property
    def sentence(self) -> str:
        return f"{self.rule}: {_said(self.before)} \u2192 {_said(self.after)}"


def loosenings(before: Policy, after: Policy, *, plan: int) -> list[Loosening]:
    """`plan`: how many people must approve where a policy says nothing."""
    people = (before.approvals_needed or plan, after.approvals_needed or plan)
    found = [Loosening("approvals_needed", *people, approvals=True)] if people[1] < people[0] else []
    if before.four_eyes and not after.four_eyes:
        found.append(Loosening("four_eyes", before.four_eyes, after.four_eyes, approvals=True))
    if after.service_keys_approve and not before.service_keys_approve:
        found.append(Loosening("service_keys_approve", False, True, approvals=True))
    for rules, looser in ((LOOSER_WHEN_LARGER, 1), (LOOSER_WHEN_SMALLER, -1)):
        for rule in rules:
            was, becomes = getattr(before, rule), getattr(after, rule)
            if (becomes - was) * looser > 0:
                found.append(Loosening(rule, was, becomes, approvals=False))
    return found


def authorise_policy(session: Session, *, principal: Principal, client: Client, before: Policy, after: Policy) -> None:
    """Raises NotAllowed unless the caller may put `after` in place of `before`."""
    if before == after:
        return
    if principal.client_id is not None:
        raise NotAllowed("you are confined to one client, whose models' policy binds you; ask an admin of the agency")
    principal.require(Role.OPERATOR)
    for loosening in loosenings(before, after, plan=people_needed(session, client)):
        if loosening.approvals:
            require_owner(principal, to=f"loosen a rule of approval ({loosening.sentence})")
        elif not principal.may(Role.ADMIN):
            raise NotAllowed(
                f"only an admin may loosen a policy ({loosening.sentence}); ask one",
                needed=Role.ADMIN,
                role=principal.role,
            )


def tell_loosened(
    session: Session, *, principal: Principal, model: RegisteredModel, client: Client, before: Policy, after: Policy
) -> None:
    """Audit what was loosened, and let admins and owners know."""
    found = loosenings(before, after, plan=people_needed(session, client))
    if found:
        tell_admins(
            session, principal=principal, client=client, about=f"{client.slug}/{model.slug}", kind="model",
            subject_id=model.id, changes=[each.sentence for each in found],
        )  # fmt: skip


def _said(value: object) -> str:
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)
