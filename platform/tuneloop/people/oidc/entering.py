"""Who of the agency somebody is whom its provider has signed in. It says nothing about any other agency."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlmodel import Session, select

from tuneloop.audit.service import record
from tuneloop.identity.service import Browser, Seen, new_person, open_session, person_of
from tuneloop.kit.principal import Principal
from tuneloop.people.oidc.protocol import ProviderRefused
from tuneloop.people.oidc.settings import GIVEN
from tuneloop.tables import InactiveMember, Membership, OidcProvider, Role, User

SAID_YES = (True, "true")
ENTRA_SAID_YES = (*SAID_YES, 1, "1")
"""`xms_edov` is Entra's: the domain of the address belongs to the tenant, or the address was used to sign in.

Source: Microsoft, "Optional claims reference". Entra tells nothing of `email_verified`."""


def enter(session: Session, *, agency_id: UUID, issuer: str, claims: Mapping[str, Any], seen: Seen) -> Browser:
    """Find or make the member, give them the role of their groups, sign them in. Needs a session across agencies.

    Whoever has signed in before is known by the provider's own name for them (`sub`), others by a verified address.

    Raises:
        ProviderRefused: nobody of this agency.
    """
    query = select(OidcProvider).where(OidcProvider.agency_id == agency_id)
    provider = session.exec(query.with_for_update()).one_or_none()
    if provider is None or provider.issuer != issuer:
        raise ProviderRefused("this agency does not sign people in this way any more")
    groups = _groups(claims, provider.groups_claim)
    role = next((each for each in GIVEN if each in {provider.roles.get(group) for group in groups}), None)
    here = select(Membership).where(Membership.agency_id == agency_id)
    membership = session.exec(here.where(Membership.oidc_subject == claims["sub"])).one_or_none()
    if membership is None:
        user = _by_address(session, claims)
        membership = session.exec(here.where(Membership.user_id == user.id)).one_or_none()
        if membership is None:
            membership = _join(session, user, agency_id, role)
        elif membership.oidc_subject is not None:
            raise ProviderRefused(
                f"{user.email} belongs to another person at your provider than before; "
                "an admin removes the member under Members, then you can join anew"
            )
        membership.oidc_subject = claims["sub"]
    user = session.get_one(User, membership.user_id)
    if user.disabled_at is not None:
        raise ProviderRefused("this account is closed")
    if provider.roles and membership.role in GIVEN:
        if role is None:
            raise ProviderRefused("none of your groups has a role at this agency; ask an admin")
        if role is not membership.role:
            record(session, _doorman(agency_id), "member.role", "user", user.id, role=role, email=user.email)
            membership.role = role
    session.add(membership)
    session.flush()
    return open_session(session, user_id=user.id, agency_id=agency_id, seen=seen, by_provider=True)


def _by_address(session: Session, claims: Mapping[str, Any]) -> User:
    email = claims.get("email")
    if not isinstance(email, str) or "@" not in email:
        raise ProviderRefused("your provider tells no e-mail address; let it grant the scope email")
    verified = claims.get("email_verified")
    vouched = claims.get("xms_edov") in ENTRA_SAID_YES if verified is None else verified in SAID_YES
    if not vouched:
        raise ProviderRefused(
            f"your provider does not say that {email} is verified; confirm the address there first, or let "
            "whoever runs it have that said (in Microsoft Entra: add the optional claim xms_edov to the ID token)"
        )
    return person_of(session, email) or new_person(session, email=email, name=str(claims.get("name") or email)[:120])


def _join(session: Session, user: User, agency_id: UUID, role: Role | None) -> Membership:
    """Raises ProviderRefused: no group has a role, or an admin has deactivated them."""
    inactive = (InactiveMember.user_id == user.id, InactiveMember.agency_id == agency_id)
    if session.exec(select(InactiveMember).where(*inactive)).one_or_none() is not None:
        raise ProviderRefused("you are deactivated at this agency; ask an admin")
    if role is None:
        raise ProviderRefused("you are no member of this agency, and no group of yours has a role there; ask an admin")
    membership = Membership(agency_id=agency_id, user_id=user.id, role=role)
    session.add(membership)
    session.flush()
    record(session, _doorman(agency_id), "member.join", "user", user.id, email=user.email, role=role, by="provider")
    return membership


def _groups(claims: Mapping[str, Any], name: str) -> list[str]:
    """Of a claim, or one within another: realm_access.roles."""
    found: Any = claims.get(name)
    if found is None:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    return [found] if isinstance(found, str) else [each for each in found or () if isinstance(each, str)]


def _doorman(agency_id: UUID) -> Principal:
    return Principal.system(agency_id, "identity provider")
