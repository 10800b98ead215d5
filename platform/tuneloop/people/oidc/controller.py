"""HTTP: the agency's own identity provider."""

from litestar import Controller, delete, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from tuneloop.identity.request import HttpRequest, database_of, settings_of
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.kit.tenancy import TenantSession
from tuneloop.people.oidc.desk import set_at_desk
from tuneloop.people.oidc.schemas import ProviderOrder, ProviderRead
from tuneloop.people.oidc.settings import callback, provider_of, remove_provider
from tuneloop.tables import Agency, OidcProvider, Role, User


class ProviderController(Controller):
    path = "/api/v1/identity-provider"
    tags = ("members",)

    @get(role=Role.ADMIN, sync_to_thread=True)
    def show(
        self, request: HttpRequest, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]
    ) -> ProviderRead:
        """Through which provider your agency signs people in (OpenID Connect)."""
        return read_provider(session, provider_of(session, principal), settings_of(request))

    @put(role=Role.OWNER)
    async def set(
        self, request: HttpRequest, principal: NamedDependency[Principal], data: JSONBody[ProviderOrder]
    ) -> ProviderRead:
        """Set it. Its address is asked first; admins and owners hear of it by mail."""
        row = await set_at_desk(request, principal, data)
        with database_of(request).unit(principal.agency_id) as session:
            return read_provider(session, row, settings_of(request))

    @delete(role=Role.OWNER, sync_to_thread=True)
    def remove(self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]) -> None:
        """Sign people in by password again."""
        remove_provider(session, principal=principal)


def read_provider(session: TenantSession, row: OidcProvider, settings: Settings) -> ProviderRead:
    owner = session.get(User, row.emergency_id) if row.emergency_id and row.only else None
    agency = session.get_one(Agency, row.agency_id)
    return ProviderRead(
        issuer=row.issuer,
        client_id=row.audience,
        groups_claim=row.groups_claim,
        roles={group: Role(role) for group, role in row.roles.items()},
        only=row.only,
        emergency_owner=owner.email if owner else None,
        redirect_uri=callback(settings),
        sign_in_url=f"{settings.site_url}/sign-in/provider/{agency.slug}",
    )
