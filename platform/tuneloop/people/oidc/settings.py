"""How an agency's identity provider is set, by its owners. Whoever controls it can sign in as any of its members, so
admins and owners are told of every change.
"""

from collections.abc import Iterator, Mapping
from uuid import UUID

from pydantic import SecretStr
from sqlmodel import Session, col, delete, select

from tuneloop.audit.service import record
from tuneloop.clients.quorum import require_owner
from tuneloop.identity.passwords import password_of
from tuneloop.kit.clock import now
from tuneloop.kit.crypto import Vault
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.people.loosened import tell_admins
from tuneloop.people.oidc.protocol import Credentials
from tuneloop.tables import Agency, Membership, OidcProvider, Role, WebSession

GIVEN = (Role.ADMIN, Role.OPERATOR, Role.VIEWER)
"""Roles that groups give, the strongest first. Owners are made by owners, client viewers are bound to a client."""

CALLBACK = "/sign-in/provider/back"


def provider_of(session: Session, principal: Principal) -> OidcProvider:
    """Raises NotFound: the agency has none."""
    row = session.exec(select(OidcProvider)).one_or_none()
    if row is None:
        raise NotFound("identity provider of", session.get_one(Agency, principal.agency_id).slug)
    return row


def provider_by_slug(session: Session, slug: str) -> OidcProvider:
    """Needs a session across agencies. Raises NotFound, also where the agency has none."""
    query = select(OidcProvider).join(Agency, col(Agency.id) == OidcProvider.agency_id).where(Agency.slug == slug)
    row = session.exec(query).one_or_none()
    if row is None:
        raise NotFound("agency that signs people in through a provider of its own:", slug[:80])
    return row


def credentials_of(provider: OidcProvider, settings: Settings) -> Credentials:
    secret = Vault(settings.secret_key.get_secret_value()).open(provider.sealed_secret)
    return Credentials(audience=provider.audience, secret=SecretStr(secret), redirect=callback(settings))


def callback(settings: Settings) -> str:
    """The address that the provider has to know."""
    return f"{settings.site_url}{CALLBACK}"


def set_provider(
    session: Session,
    *,
    principal: Principal,
    settings: Settings,
    issuer: str,
    audience: str,
    secret: SecretStr | None,
    groups_claim: str,
    roles: Mapping[str, Role],
    only: bool,
) -> OidcProvider:
    """Once `discover` has found it. Without a `secret` the one that is stored stays.

    With `only`, passwords open the agency for nobody but the owner who says so, for the day on which the provider is
    down or wrong; members who are signed in by password are signed out.

    Raises:
        NotAllowed: the caller is no owner. InvalidInput: no secret, or a role that groups can't give.
        Conflict: `only` needs an owner with a password of their own.
    """
    require_owner(principal, to="say how people sign in")
    row = session.exec(select(OidcProvider).with_for_update()).one_or_none()
    if secret is None and (row is None or row.issuer != issuer):
        raise InvalidInput("give the client secret that the provider has made for us", field="secret")
    if wrong := sorted({role for role in roles.values() if role not in GIVEN}):
        raise InvalidInput(f"a group gives {', '.join(GIVEN)}; {wrong[0]} is given by hand", field="roles")
    before = dict(_said(row)) if row else {}
    if row is None:
        row = OidcProvider(issuer=issuer, audience=audience, sealed_secret="")
    if row.issuer != issuer:
        _forget_subjects(session)
    if secret is not None:
        row.sealed_secret = Vault(settings.secret_key.get_secret_value()).seal(secret.get_secret_value())
    row.issuer, row.audience, row.groups_claim = issuer, audience, groups_claim
    row.roles = {group: role.value for group, role in roles.items()}
    if only and not row.only:
        row.emergency_id = _emergency_owner(session, principal)
    row.only, row.updated_at = only, now()
    session.add(row)
    session.flush()
    if only:
        _end_password_sessions(session, principal, row)
    _tell(session, principal, before, dict(_said(row)), new_secret=secret is not None)
    return row


def remove_provider(session: Session, *, principal: Principal) -> None:
    """Passwords open the agency again; whoever the provider has signed in is signed out."""
    require_owner(principal, to="say how people sign in")
    row = provider_of(session, principal)
    before = dict(_said(row))
    session.delete(row)
    _forget_subjects(session)
    here = (col(WebSession.session_agency_id) == principal.agency_id, col(WebSession.by_provider))
    session.exec(delete(WebSession).where(*here))
    _tell(session, principal, before, {}, new_secret=False)


def _emergency_owner(session: Session, principal: Principal) -> UUID:
    person = principal.person_id
    if person is None or password_of(session, person) is None:
        raise Conflict(
            "an owner with a password of their own says this, signed in: that password goes on opening the agency when "
            "the provider does not answer"
        )
    return person


def _end_password_sessions(session: Session, principal: Principal, row: OidcProvider) -> None:
    session.exec(
        delete(WebSession).where(
            col(WebSession.session_agency_id) == principal.agency_id,
            ~col(WebSession.by_provider),
            col(WebSession.user_id) != row.emergency_id,
        )
    )


def _forget_subjects(session: Session) -> None:
    """Another provider calls people by other names."""
    for membership in session.exec(select(Membership).where(col(Membership.oidc_subject).is_not(None))):
        membership.oidc_subject = None
        session.add(membership)


def _said(row: OidcProvider) -> Iterator[tuple[str, str]]:
    yield "provider", row.issuer
    yield "client id", row.audience
    yield "passwords", "for one owner only" if row.only else "also"
    yield "groups claim", row.groups_claim
    yield "roles of groups", ", ".join(f"{group}: {role}" for group, role in sorted(row.roles.items())) or "none"


def _tell(
    session: Session, principal: Principal, before: dict[str, str], after: dict[str, str], *, new_secret: bool
) -> None:
    names = dict.fromkeys([*before, *after])
    changes = [
        f"{name}: {before.get(name, 'none')} \u2192 {after.get(name, 'none')}"
        for name in names
        if before.get(name) != after.get(name)
    ]
    if new_secret and before:
        changes.append("a new client secret")
    agency = session.get_one(Agency, principal.agency_id)
    record(session, principal, "agency.provider", "agency", agency.id, changes=changes)
    if changes:
        tell_admins(
            session, principal=principal, client=None, about=agency.name, kind="agency", subject_id=agency.id,
            changes=changes,
        )  # fmt: skip
