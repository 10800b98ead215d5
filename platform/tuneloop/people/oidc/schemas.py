"""What the endpoints about an agency's identity provider read and write."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from tuneloop.tables import Role


class ProviderOrder(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"issuer": "https://login.north.example", "client_id": "tuneloop"}]},
    )

    issuer: str = Field(min_length=8, max_length=500, description="the provider's own name: https://…")
    client_id: str = Field(min_length=1, max_length=300, description="what the provider calls us")
    client_secret: SecretStr | None = Field(default=None, max_length=1000, description="the stored one when left out")
    groups_claim: str = Field(default="groups", min_length=1, max_length=200, description="or one within: a.b")
    roles: dict[str, Role] = Field(default={}, max_length=200, description="of each group; none: roles stay by hand")
    only: bool = Field(default=False, description="passwords open the agency for one owner only, in an emergency")


class ProviderRead(BaseModel):
    issuer: str
    client_id: str
    groups_claim: str
    roles: dict[str, Role]
    only: bool
    emergency_owner: str | None = Field(description="whose password opens the agency although `only` is set")
    redirect_uri: str = Field(description="tell the provider to send people back to this address")
    sign_in_url: str = Field(description="where your people begin")
