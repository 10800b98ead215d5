"""A real OpenID provider on loopback, made of Authlib: it checks redirects, secrets and PKCE, and signs with real keys.

It can be as awkward as providers are, where a test says so.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, jsonify, request
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

CLIENT_ID, CLIENT_SECRET = "tuneloop at north", "s3cret:with/signs&more"


@dataclass
class Person:
    """Who sits at the browser, as the provider knows them."""

    sub: str
    claims: dict[str, Any]

    def get_user_id(self) -> str:
        return self.sub


@dataclass
class OidcProvider:
    """`person` signs in at once. `spoil` has the last word about an id_token's header, claims and key."""

    redirect: str
    person: Person
    url: str = ""
    keys: list[RSAKey] = field(default_factory=lambda: [new_key()])
    spoil: Callable[[dict[str, Any], dict[str, Any], RSAKey], str] | None = None
    methods: tuple[str, ...] = ("client_secret_basic",)
    codes: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Person] = field(default_factory=dict)
    only_userinfo: bool = False
    broken: bool = False

    def rotate(self) -> None:
        self.keys = [new_key()]


def new_key() -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": token_urlsafe(6), "use": "sig"}, auto_kid=False)


class _Client(ClientMixin):  # type: ignore[misc]
    def __init__(self, provider: OidcProvider) -> None:
        self._provider = provider

    def get_client_id(self) -> str:
        return CLIENT_ID

    def get_default_redirect_uri(self) -> str:
        return self._provider.redirect

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self._provider.redirect

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == CLIENT_SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return endpoint != "token" or method in self._provider.methods

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class _Code:
    client_id: str
    redirect_uri: str
    scope: str
    nonce: str | None
    user: Person
    code_challenge: str
    code_challenge_method: str
    auth_time: int = field(default_factory=lambda: int(time.time()))

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return self.auth_time

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


def _id_token(provider: OidcProvider) -> OpenIDCode:
    class IdToken(OpenIDCode):  # type: ignore[misc]
        def exists_nonce(self, nonce: str, asked: Any) -> bool:
            del asked
            return any(row.nonce == nonce for row in provider.codes.values())

        def resolve_client_private_key(self, client: Any) -> RSAKey:
            del client
            return provider.keys[0]

        def get_client_algorithm(self, client: Any) -> str:
            del client
            return "RS256"

        def get_client_claims(self, client: Any) -> dict[str, Any]:
            return {"iss": provider.url, "aud": [client.get_client_id()]}

        def get_encode_header(self, client: Any) -> dict[str, Any]:
            del client
            return {"alg": "RS256", "kid": provider.keys[0].kid}

        def generate_user_info(self, user: Person, scope: str) -> UserInfo:
            del scope
            return UserInfo(sub=user.sub, **({} if provider.only_userinfo else user.claims))

    return IdToken(require_nonce=True)


def _server(app: Flask, provider: OidcProvider) -> AuthorizationServer:
    class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

        def save_authorization_code(self, code: str, asked: Any) -> None:
            data = asked.payload.data
            provider.codes[code] = _Code(
                CLIENT_ID,
                asked.payload.redirect_uri,
                asked.payload.scope,
                data.get("nonce"),
                asked.user,
                data.get("code_challenge"),
                data.get("code_challenge_method"),
            )

        def query_authorization_code(self, code: str, client: Any) -> _Code | None:
            del client
            found: _Code | None = provider.codes.get(code)
            return found

        def delete_authorization_code(self, authorization_code: _Code) -> None:
            provider.codes = {code: row for code, row in provider.codes.items() if row is not authorization_code}

        def authenticate_user(self, authorization_code: _Code) -> Person:
            return authorization_code.user

    def save_token(token: dict[str, Any], asked: Any) -> None:
        provider.tokens[token["access_token"]] = asked.user

    server = AuthorizationServer(
        app, query_client=lambda name: _Client(provider) if name == CLIENT_ID else None, save_token=save_token
    )
    server.register_grant(CodeGrant, [_id_token(provider), CodeChallenge(required=True)])
    return server


def _application(provider: OidcProvider) -> Flask:
    app = Flask(__name__)
    app.config["OAUTH2_SCOPES_SUPPORTED"] = ["openid", "email", "profile"]
    server = _server(app, provider)

    @app.get("/.well-known/openid-configuration")
    def discovery() -> Any:
        if provider.broken:
            return "<h1>502</h1>", 502
        return jsonify(
            issuer=provider.url,
            authorization_endpoint=f"{provider.url}/authorize",
            token_endpoint=f"{provider.url}/token",
            jwks_uri=f"{provider.url}/keys",
            userinfo_endpoint=f"{provider.url}/me",
            token_endpoint_auth_methods_supported=list(provider.methods),
            response_types_supported=["code"],
            subject_types_supported=["public"],
            id_token_signing_alg_values_supported=["RS256"],
        )

    @app.get("/keys")
    def keys() -> Any:
        encryption = new_key().as_dict(private=False) | {"use": "enc"}
        odd = {"kty": "AKP", "kid": "of tomorrow", "alg": "ML-DSA-44"}
        return jsonify(keys=[odd, encryption, *(key.as_dict(private=False) for key in provider.keys)])

    @app.get("/authorize")
    def authorize() -> Any:
        grant = server.get_consent_grant(end_user=provider.person)
        return server.create_authorization_response(grant_user=provider.person, grant=grant)

    @app.post("/token")
    def token() -> Any:
        answer = server.create_token_response()
        given = answer.get_json()
        if provider.spoil is not None and "id_token" in given:
            signed = jwt.decode(given["id_token"], provider.keys[0])
            given["id_token"] = provider.spoil(dict(signed.header), dict(signed.claims), provider.keys[0])
            return jsonify(given)
        return answer

    @app.get("/me")
    def me() -> Any:
        person = provider.tokens[request.headers["Authorization"].removeprefix("Bearer ")]
        return jsonify({"sub": person.sub} | person.claims)

    return app


@contextmanager
def oidc_provider(redirect: str, person: Person) -> Iterator[OidcProvider]:
    provider = OidcProvider(redirect, person)
    server = make_server("127.0.0.1", 0, _application(provider), threaded=True)
    provider.url = f"http://127.0.0.1:{server.port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
