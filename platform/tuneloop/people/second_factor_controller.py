"""HTTP: one's second factor, and what the agency asks of its people when they sign in."""

from uuid import UUID

from anyio.to_thread import run_sync
from litestar import Controller, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT

from tuneloop.identity.request import COOKIE, HttpRequest, database_of, settings_of
from tuneloop.identity.secrets import token_digest
from tuneloop.identity.sessions import person_of_principal
from tuneloop.kit.errors import InvalidInput, NotAuthenticated
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.people.desk import as_oneself
from tuneloop.people.schemas import Code, OwnProof, RecoveryCodes, SecondFactorBegun, SecondFactorReset, SignInPolicy
from tuneloop.people.second_factor import Begun, begin, confirm, renew_codes, reset, turn_off
from tuneloop.people.sign_in_policy import change_policy
from tuneloop.tables import Agency, Role, User


async def begin_at_desk(request: HttpRequest, principal: Principal, proof: OwnProof) -> Begun:
    def work(session: TenantSession, user: User) -> Begun:
        return begin(session, principal=principal, user=user, settings=settings_of(request))

    return await as_oneself(request, principal, **proof.model_dump(), then=work)


async def confirm_code(request: HttpRequest, principal: Principal, code: str) -> list[str]:
    """Raises InvalidInput: another code."""
    cookie = request.cookies.get(COOKIE)

    def work() -> list[str]:
        with database_of(request).all_agencies() as session:
            return confirm(
                session,
                user=session.get_one(User, person_of_principal(principal)),
                code=code,
                session_hash=token_digest(cookie) if cookie else None,
                settings=settings_of(request),
            )

    try:
        return await run_sync(work)
    except NotAuthenticated as wrong:
        raise InvalidInput(wrong.message, field="code") from None


async def turn_off_at_desk(request: HttpRequest, principal: Principal, proof: OwnProof) -> None:
    def work(session: TenantSession, user: User) -> None:
        turn_off(session, user=user, settings=settings_of(request))

    await as_oneself(request, principal, **proof.model_dump(), then=work)


async def renew_at_desk(request: HttpRequest, principal: Principal, proof: OwnProof) -> list[str]:
    def work(session: TenantSession, user: User) -> list[str]:
        return renew_codes(session, user=user, settings=settings_of(request))

    return await as_oneself(request, principal, **proof.model_dump(), then=work)


class SecondFactorController(Controller):
    path = "/api/v1/account/second-factor"
    tags = ("session",)
    opt = {"without_second_factor": True}

    @post(role=Role.CLIENT_VIEWER)
    async def begin(
        self, request: HttpRequest, principal: NamedDependency[Principal], data: JSONBody[OwnProof]
    ) -> SecondFactorBegun:
        """Begin to set up a second factor: put the secret into an authenticator app, then confirm with a code."""
        made = await begin_at_desk(request, principal, data)
        return SecondFactorBegun(secret=made.secret, address=made.address)

    @post("/confirm", role=Role.CLIENT_VIEWER, status_code=HTTP_200_OK)
    async def confirm(
        self, request: HttpRequest, principal: NamedDependency[Principal], data: JSONBody[Code]
    ) -> RecoveryCodes:
        """The first code of the app: from now on one is asked for. The recovery codes are shown once."""
        return RecoveryCodes(codes=await confirm_code(request, principal, data.code))

    @post("/off", role=Role.CLIENT_VIEWER, status_code=HTTP_204_NO_CONTENT)
    async def off(self, request: HttpRequest, principal: NamedDependency[Principal], data: JSONBody[OwnProof]) -> None:
        """Turn your second factor off."""
        await turn_off_at_desk(request, principal, data)

    @post("/recovery-codes", role=Role.CLIENT_VIEWER)
    async def renew(
        self, request: HttpRequest, principal: NamedDependency[Principal], data: JSONBody[OwnProof]
    ) -> RecoveryCodes:
        """New recovery codes; those before open nothing any more."""
        return RecoveryCodes(codes=await renew_at_desk(request, principal, data))


class SecondFactorResetController(Controller):
    path = "/api/v1/members"
    tags = ("members",)

    @post("/{user_id:uuid}/second-factor-reset", role=Role.ADMIN, status_code=HTTP_200_OK, sync_to_thread=True)
    def reset(
        self, request: HttpRequest, principal: NamedDependency[Principal], user_id: FromPath[UUID]
    ) -> SecondFactorReset:
        """Say that a member's second factor is lost. It is turned off once an admin of each of their agencies has."""
        with database_of(request).all_agencies() as session:
            gone = reset(session, principal=principal, user_id=user_id, settings=settings_of(request))
        return SecondFactorReset(gone=gone)


class SignInPolicyController(Controller):
    path = "/api/v1/sign-in-policy"
    tags = ("members",)

    @get(role=Role.ADMIN, sync_to_thread=True)
    def show(self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]) -> SignInPolicy:
        """What your agency asks of its people when they sign in."""
        return read_policy(session.get_one(Agency, principal.agency_id))

    @patch(role=Role.OWNER, sync_to_thread=True)
    def change(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        data: JSONBody[SignInPolicy],
    ) -> SignInPolicy:
        """Change it. It binds everybody at once; admins hear by mail when it asks for less."""
        return read_policy(change_policy(session, principal=principal, **data.model_dump()))


def read_policy(agency: Agency) -> SignInPolicy:
    return SignInPolicy(second_factor_required=agency.second_factor_required)
