"""What an agency asks of its people when they sign in. An owner sets it; all admins hear when it asks for less."""

from sqlmodel import Session

from tuneloop.audit.service import record
from tuneloop.clients.quorum import require_owner
from tuneloop.kit.principal import Principal
from tuneloop.people.loosened import tell_admins
from tuneloop.tables import Agency


def change_policy(session: Session, *, principal: Principal, second_factor_required: bool) -> Agency:
    """It binds everybody at once: whoever has no second factor can only set one up.

    Raises:
        NotAllowed: the caller is no owner.
    """
    require_owner(principal, to="say what is asked when people sign in")
    agency = session.get_one(Agency, principal.agency_id)
    if agency.second_factor_required == second_factor_required:
        return agency
    agency.second_factor_required = second_factor_required
    session.add(agency)
    record(session, principal, "agency.sign_in", "agency", agency.id, second_factor_required=second_factor_required)
    if not second_factor_required:
        tell_admins(
            session, principal=principal, client=None, about=agency.name, kind="agency", subject_id=agency.id,
            changes=["a second factor when people sign in: asked for \u2192 left to them"],
        )  # fmt: skip
    return agency
