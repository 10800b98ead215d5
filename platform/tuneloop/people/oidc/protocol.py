"""What is said between a browser, the provider and us: OpenID Connect's authorization code flow with PKCE.

Nothing of the provider is kept between two sign-ins, so that new keys and addresses hold at once.
"""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Self
from urllib.parse import quote, urlencode
from uuid import UUID

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, import_key
from joserfc.jwt import JWTClaimsRegistry
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from tuneloop.kit.clock import now
from tuneloop.kit.crypto import Vault
from tuneloop.kit.errors import InvalidInput, NotAuthenticated, Unavailable
from tuneloop.kit.outgoing.clients import guarded_client
from tuneloop.kit.outgoing.guard import AddressRefused, Guard

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a key that only the provider has; `none` and shared secrets are none."""

SCOPE = "openid email profile"
LASTS = timedelta(minutes=15)
LEEWAY_SECONDS = 120


class ProviderRefused(NotAuthenticated):
    """The provider, or what it says, lets nobody in."""

    code = "provider_refused"
    transient = False


class Provider(BaseModel):
    """The part of the discovery document that we use."""

    model_config = ConfigDict(extra="ignore")

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] = Field(default=["client_secret_basic"])


class Attempt(BaseModel):
    """What the browser brings back, sealed: it ties the answer to the browser that asked."""

    agency_id: UUID
    state: str
    nonce: str
    verifier: str
    following: str
    begun_at: datetime

    @classmethod
    def new(cls, agency_id: UUID, following: str) -> Self:
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(
            agency_id=agency_id, state=state, nonce=nonce, verifier=verifier, following=following, begun_at=now()
        )

    def sealed(self, keys: SecretStr) -> str:
        return Vault(keys.get_secret_value()).seal(self.model_dump_json())

    @classmethod
    def opened(cls, sealed: str, keys: SecretStr, *, state: str) -> Self:
        """Raises ProviderRefused: this browser did not ask, or too long ago."""
        try:
            attempt = cls.model_validate_json(Vault(keys.get_secret_value()).open(sealed))
        except (Unavailable, ValidationError) as error:
            raise ProviderRefused("this browser did not begin to sign in here, or too long ago; begin again") from error
        if not compare_digest(attempt.state.encode(), state.encode()) or attempt.begun_at < now() - LASTS:
            raise ProviderRefused("this browser did not begin to sign in here, or too long ago; begin again")
        return attempt


class Credentials(BaseModel):
    """How the provider knows us, and where it sends people back to."""

    audience: str
    secret: SecretStr
    redirect: str


def discover(guard: Guard, issuer: str) -> Provider:
    """What the provider says about itself.

    Raises:
        InvalidInput: there is no provider at this address. Unavailable: it does not answer.
    """
    address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        found = Provider.model_validate(_ask(guard, "GET", address))
    except (ValidationError, ProviderRefused) as error:
        raise InvalidInput(f"there is no OpenID provider at {issuer}; ask whoever runs it for its issuer") from error
    if found.issuer != issuer:
        raise InvalidInput(f"the provider at {issuer} calls itself {found.issuer}; give exactly that as its issuer")
    for each in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint):
        if each and not each.startswith("https://"):
            guard.check(each)
    return found


def authorization_url(provider: Provider, attempt: Attempt, mine: Credentials) -> str:
    """Where the browser goes."""
    challenge = urlsafe_b64encode(sha256(attempt.verifier.encode()).digest()).decode().rstrip("=")
    query = urlencode(
        {
            "response_type": "code",
            "client_id": mine.audience,
            "redirect_uri": mine.redirect,
            "scope": SCOPE,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
    )
    return f"{provider.authorization_endpoint}{'&' if '?' in provider.authorization_endpoint else '?'}{query}"


def claims_by_code(guard: Guard, provider: Provider, attempt: Attempt, mine: Credentials, code: str) -> dict[str, Any]:
    """Who has signed in there, as the provider has signed it.

    Raises:
        ProviderRefused: the code is none, or what it gives is not signed, not for us, or not about this attempt.
        Unavailable: the provider does not answer.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": mine.redirect,
        "code_verifier": attempt.verifier,
    }
    name, secret = mine.audience, mine.secret.get_secret_value()
    if "client_secret_basic" in provider.token_endpoint_auth_methods_supported:
        auth = httpx.BasicAuth(quote(name, safe=""), quote(secret, safe=""))  # RFC 6749, 2.3.1
        given = _ask(guard, "POST", provider.token_endpoint, data=form, auth=auth)
    else:
        given = _ask(guard, "POST", provider.token_endpoint, data=form | {"client_id": name, "client_secret": secret})
    token = given.get("id_token")
    if not isinstance(token, str):
        raise ProviderRefused("the provider gives no id_token; let it grant the scope openid")
    keys = _ask(guard, "GET", provider.jwks_uri)
    claims = verified(token, keys, provider=provider, audience=mine.audience, nonce=attempt.nonce)
    if "email" not in claims and provider.userinfo_endpoint:
        headers = {"Authorization": f"Bearer {given.get('access_token', '')}"}
        more = _ask(guard, "GET", provider.userinfo_endpoint, headers=headers)
        if more.get("sub") != claims["sub"]:
            raise ProviderRefused("the provider's two answers are about different people")
        claims = more | claims
    return claims


def verified(token: str, keys: Mapping[str, Any], *, provider: Provider, audience: str, nonce: str) -> dict[str, Any]:
    """The claims of an id_token. Raises ProviderRefused (OpenID Connect Core, 3.1.3.7)."""
    rules = JWTClaimsRegistry(
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": provider.issuer},
        sub={"essential": True},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    try:
        claims = dict(jwt.decode(token, _key_set(keys), algorithms=ALGORITHMS).claims)
        rules.validate(claims)
    except (JoseError, ValueError) as error:
        raise ProviderRefused("the provider's answer is not signed as it should be, or not for this sign-in") from error
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", audience) != audience or (several and "azp" not in claims):
        raise ProviderRefused("the provider's answer is for another application")
    return claims


def _key_set(keys: Mapping[str, Any]) -> KeySet:
    """Those that we can read and that sign; a provider may have others."""
    found = []
    for each in keys.get("keys", ()):
        if each.get("use", "sig") == "sig" and each.get("kty") in ("RSA", "EC", "OKP"):
            try:
                found.append(import_key(each))
            except (JoseError, ValueError):
                continue
    if not found:
        raise ProviderRefused("the provider shows no keys to check its signature with")
    return KeySet(found)


def _ask(guard: Guard, method: str, url: str, **options: Any) -> dict[str, Any]:
    """Raises ProviderRefused: an error, or no JSON object. Unavailable: no answer."""
    try:
        with guarded_client(guard) as http:
            answer = http.request(method, url, **options)
            said = answer.json()
    except AddressRefused:
        raise
    except httpx.HTTPError as error:
        raise Unavailable("your agency's identity provider does not answer; try again shortly") from error
    except ValueError as error:
        raise ProviderRefused("your agency's identity provider does not answer as one should") from error
    if not answer.is_success or not isinstance(said, dict):
        reason = said.get("error", answer.status_code) if isinstance(said, dict) else answer.status_code
        raise ProviderRefused(f"your agency's identity provider refuses ({str(reason)[:80]})")
    return said
